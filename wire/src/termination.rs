//! What is written to the client when a session is ended from outside (reference 12.7: kubectl prints
//! `error: <message>` and exits with 1, where a cut connection would make it exit with 0).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use crate::websocket::{self, BINARY, TEXT};

/// `metav1.Status`, in the order in which servers write it.
#[derive(Serialize)]
struct Failure<'a> {
    metadata: Metadata,
    status: &'static str,
    message: &'a str,
    reason: &'a str,
    code: u16,
}

#[derive(Serialize)]
struct Metadata {}

/// What the error stream has to say: JSON, or the bare message where the protocol has no JSON.
pub(crate) fn error_text(json: bool, message: &str, reason: &str, code: u16) -> Vec<u8> {
    let failure = Failure { metadata: Metadata {}, status: "Failure", message, reason, code };
    match serde_json::to_vec(&failure) {
        Ok(text) if json => text,
        _ => message.as_bytes().to_vec(),
    }
}

/// A server's message on a channel.
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
