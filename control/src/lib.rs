//! What processes agree on.
//!
//! | between | what | where |
//! |---|---|---|
//! | gateways on one store | which of them are alive | [`Presence`]: leases in the store |
//! | a gateway and those that died | who gives their sessions an end | [`OrphanWatch`] |
//! | the gateway and the program on its machine | end a session, shut a person out, journal a view | [`ControlSocket`], [`ask`] |
//! | a process and the one before it | what changed in the configuration | [`ConfigurationChanges`] |
//! | the spool and the journal's readers | which limit is reached | [`journal_spool_limits`] |
//!
//! The crate knows neither the gateway nor the recorder. What it needs of them it takes as [`SessionControl`] and
//! [`Finalizer`], which the program implements.

#[cfg(not(target_os = "linux"))]
compile_error!("the control socket's path goes through /proc/self/fd where it is long: build for Linux");

mod configuration;
mod orphans;
mod presence;
mod socket;
mod spool_limits;

pub use configuration::ConfigurationChanges;
pub use orphans::{Finalization, Finalizer, OrphanWatch, SessionEvidence};
pub use presence::{Clock, Presence};
pub use socket::{
    Administration, Answer, AskError, ControlSocket, EndedSessions, LockedOut, Request, SessionControl, SocketError,
    ask, ask_if_there, end_sessions, lock, this_account, unlock,
};
pub use spool_limits::{SpoolCondition, journal_end, journal_spool_limits, journal_stored};
