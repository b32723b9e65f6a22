//! The configuration: file and environment (`raw`) become what the program runs with (`Config`).

mod environment;
mod file;
mod limits;
mod place;
pub mod quantity;
pub mod raw;
mod running;
mod sample;
mod spool;

pub use environment::of_process as environment_of_process;
pub use file::{load, policy_rules};
pub use running::{Certificate, ClusterSource, Config, Credential, Policy, Signing, Storage, Web, Written};
pub use sample::SAMPLE;
