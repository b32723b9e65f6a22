//! The configuration: file and environment (`raw`) become what the program runs with (`Config`).

mod clusters;
mod environment;
mod file;
mod limits;
mod location;
pub mod quantity;
pub mod raw;
mod reader;
mod running;
mod sample;
mod spool;
mod storage;

pub use clusters::{ClusterCredential, ClusterEntry, ClusterSource};
pub use environment::of_process as environment_of_process;
pub use file::{load, policy_rules};
pub use reader::Certificate;
pub use running::{Anchors, Config, PolicySource, Web, Written};
pub use sample::SAMPLE;
pub use storage::Storage;
