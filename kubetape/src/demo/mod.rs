//! What only the demo needs: its folder, and the session that it records first.

mod folder;
pub mod script;

pub use folder::Folder;
