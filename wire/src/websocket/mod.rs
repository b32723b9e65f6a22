//! WebSocket, as the two ends of a Kubernetes connection read it.
//!
//! ```text
//! bytes ─▶ frame::Reader ─▶ rules::Rules ─▶ mask::Mask ─▶ inbound::Item (message begins, bytes, ends; ping; close)
//! ```

mod frame;
mod inbound;
mod mask;
mod outbound;
mod rules;

pub(crate) use inbound::{Inbound, Item};
pub(crate) use outbound::{BINARY, TEXT, close, frame};
pub(crate) use rules::{Rules, Text};
