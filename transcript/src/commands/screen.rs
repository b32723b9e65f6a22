//! What stands on the screen, and what in the output changes it.

pub(super) mod capture;
pub(super) mod scanner;
