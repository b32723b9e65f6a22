//! The control socket: how subcommands on this machine reach the process that runs the gateway.
//!
//! A Unix socket in `state.dir`, for its owner and root only. Each connection carries one request and one answer, each one
//! line of JSON. Nothing that a session said crosses it.

mod client;
mod path;
mod peer;
mod protocol;
mod server;

pub use client::{AskError, ask, ask_if_there};
pub use peer::this_account;
pub use protocol::{Administration, Answer, Request};
pub use server::{ControlSocket, EndedSessions, LockedOut, SessionControl, SocketError, end_sessions, lock, unlock};
