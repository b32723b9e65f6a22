//! What is written to the client to end a session. kubectl prints `error: <message>` and exits with 1; after a
//! connection that is merely cut, it would exit with 0 on SPDY.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::websocket::{self, BINARY, TEXT};

/// `metav1.Status`, with its fields in the servers' order.
#[derive(Serialize)]
struct FailureStatus<'a> {
    metadata: Metadata,
    status: &'static str,
    message: &'a str,
    reason: &'a str,
    code: u16,
}

#[derive(Serialize)]
struct Metadata {}

/// The text for the error stream: a JSON Status, or the bare message if the protocol has none.
pub(crate) fn error_text(json: bool, message: &str, reason: &str, code: u16) -> Vec<u8> {
    let failure = FailureStatus { metadata: Metadata {}, status: "Failure", message, reason, code };
    match serde_json::to_vec(&failure) {
        Ok(text) if json => text,
        _ => message.as_bytes().to_vec(),
    }
}

/// Appends a server's message on a channel.
pub(crate) fn channel_message(out: &mut Vec<u8>, base64: bool, channel: u8, payload: &[u8]) {
    let mut message = Vec::with_capacity(1 + payload.len());
    if base64 {
        message.push(b'0'.wrapping_add(channel));
        message.extend_from_slice(STANDARD.encode(payload).as_bytes());
        websocket::frame(out, TEXT, &message);
    } else {
        message.push(channel);
        message.extend_from_slice(payload);
        websocket::frame(out, BINARY, &message);
    }
}
