use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Code, Header};
use crate::Micros;

impl Header {
    /// The header as its line, `\n` included.
    pub fn to_line(&self) -> Vec<u8> {
        // A struct of strings and numbers: serialising it to memory has no way to fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// Appends one event line, `\n` included: `[12.000345, "o", "…"]`.
///
/// Every byte of a flood passes here, so it is written by hand.
pub fn write_event(out: &mut Vec<u8>, time: Micros, code: Code, data: &str) {
    out.reserve(data.len() + data.len() / 16 + 40);
    open_line(out, time, code);
    escape(out, data);
    out.extend_from_slice(b"\"]\n");
}

/// Appends bytes of `stream` ([`Code::Output`], [`Code::Stderr`] or [`Code::Input`]) that are not UTF-8, as a `b`
/// event: `[12.000345, "b", "o /w=="]`.
pub fn write_bytes(out: &mut Vec<u8>, time: Micros, stream: Code, bytes: &[u8]) {
    let encoded = base64::encoded_len(bytes.len(), true).unwrap_or(0);
    out.reserve(encoded + 40);
    open_line(out, time, Code::Bytes);
    out.push(stream.as_char() as u8);
    out.push(b' ');
    let start = out.len();
    out.resize(start + encoded, 0);
    // The slice has exactly the length that `encoded_len` gave.
    if let Ok(written) = STANDARD.encode_slice(bytes, &mut out[start..]) {
        out.truncate(start + written);
    }
    out.extend_from_slice(b"\"]\n");
}

fn open_line(out: &mut Vec<u8>, time: Micros, code: Code) {
    out.push(b'[');
    write_seconds(out, time);
    out.extend_from_slice(b", \"");
    out.push(code.as_char() as u8);
    out.extend_from_slice(b"\", \"");
}

/// Seconds with six decimals, without a floating point number on the way.
fn write_seconds(out: &mut Vec<u8>, time: Micros) {
    // 14 digits of seconds hold `Micros::MAX`.
    let mut digits = [b'0'; 21];
    let mut rest = time.get();
    let mut at = digits.len();
    for place in 0.. {
        if place == 6 {
            at -= 1;
            digits[at] = b'.';
        } else if rest == 0 && place > 7 {
            break;
        }
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 && place >= 6 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Most text of a terminal needs few escapes: runs without any are found 32 bytes at a time and copied whole.
fn escape(out: &mut Vec<u8>, data: &str) {
    let mut rest = data.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_run(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = special.split_first() else { return };
        escape_byte(out, byte);
        rest = after;
    }
}

/// How many bytes come before the first that needs an escape.
fn plain_run(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<32>();
    // Without a branch for each byte, so that the compiler makes vector instructions of it.
    let plain = |block: &&[u8; 32]| !block.iter().fold(false, |found, &byte| found | needs_escape(byte));
    let skipped = blocks.iter().take_while(plain).count() * 32;
    let rest = &bytes[skipped..];
    skipped + rest.iter().position(|&byte| needs_escape(byte)).unwrap_or(rest.len())
}

/// RFC 8259, section 7: quotation mark, reverse solidus, and the control characters below U+0020.
fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        b'"' | b'\\' => byte,
        _ => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digits[0], digits[1]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
