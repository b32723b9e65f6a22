//! The line on which the cursor waits, from its prompt to the Enter that leaves it.

mod editor;
mod plain_program;
pub(super) mod waiting_line;
