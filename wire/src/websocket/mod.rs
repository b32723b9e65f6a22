//! WebSocket, as the two ends of a Kubernetes connection read it.
//!
//! ```text
//! bytes ─▶ WsFrameReader ─▶ ReadingRules ─▶ Unmasker ─▶ MessageItem (message begins, bytes, ends; ping; close)
//! ```

mod frame;
mod frame_writer;
mod length;
mod mask;
mod message_reader;
mod rules;

pub(crate) use frame_writer::{BINARY, TEXT, close, frame};
pub(crate) use message_reader::{MessageItem, MessageReader};
pub(crate) use rules::{ReadingRules, TextPolicy};
