//! The demo's folder, and the session that it records first.

mod folder;
pub mod script;

pub use folder::DemoFolder;
