//! Inputs: sessions in order, with frames that break a rule now and then, and with bytes changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wire::Side;

use crate::readers::{Framing, Reader};
use crate::rng::Rng;
use crate::spdy::Speaker;
use crate::websocket;

/// An input for a reader: a new one, or one of `seeds` (real traffic), changed or not.
pub(crate) fn input(rng: &mut Rng, reader: Reader, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes =
        if !seeds.is_empty() && rng.one_in(4) { seeds[rng.below(seeds.len())].clone() } else { session(rng, reader) };
    if rng.one_in(2) {
        for _ in 0..=rng.below(3) {
            change(rng, &mut bytes);
        }
    }
    bytes
}

fn session(rng: &mut Rng, reader: Reader) -> Vec<u8> {
    let frames = 1 + rng.below(12);
    match reader.framing() {
        Framing::Channels => (0..frames).flat_map(|_| channel_message(rng, reader)).collect(),
        Framing::Spdy => spdy(rng, reader, frames),
        Framing::Tunnel => {
            let (spdy, masked) = (spdy(rng, reader, frames), reader.sender() == Side::Client);
            let mut rest = &spdy[..];
            let mut out = Vec::new();
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(rng.below(rest.len().min(60) + 1));
                // An end drops a tunnel at TEXT: most messages are BINARY.
                let key = masked.then(|| [rng.byte(), rng.byte(), rng.byte(), rng.byte()]);
                out.extend(if rng.one_in(8) {
                    websocket::message(rng, masked, part)
                } else {
                    websocket::frame(0x82, key, part)
                });
                rest = behind;
            }
            out
        }
    }
}

fn spdy(rng: &mut Rng, reader: Reader, frames: usize) -> Vec<u8> {
    let mut speaker = Speaker::new(reader.sender() == Side::Client, reader.forwards());
    let mut out = speaker.opening(rng);
    for _ in 0..frames {
        let payload = payload(rng);
        out.extend(speaker.frame_of(rng, &payload));
    }
    out
}

fn channel_message(rng: &mut Rng, reader: Reader) -> Vec<u8> {
    let masked = reader.sender() == Side::Client;
    if rng.one_in(30) {
        return websocket::message(rng, masked, b"");
    }
    let channel = match rng.below(12) {
        0 => rng.byte(),
        1..5 => rng.below(6) as u8,
        5 if reader == Reader::ChannelServerV5 => {
            let signal = [&[0xff, rng.below(6) as u8][..], &rng.bytes(2)].concat();
            let length = if rng.one_in(4) { 1 + rng.below(signal.len()) } else { 2 };
            return websocket::message(rng, masked, &signal[..length]);
        }
        _ if masked => 0,
        _ => 1,
    };
    let payload = payload(rng);
    let message = if reader == Reader::ChannelServerBase64 {
        let mut text = STANDARD.encode(&payload).into_bytes();
        if rng.one_in(6) && !text.is_empty() {
            let at = rng.below(text.len());
            text.insert(at, rng.pick(b"=\n\r -_A/\0\xff"));
        }
        if rng.one_in(12) {
            text.pop();
        }
        [&[channel.wrapping_add(b'0')], &text[..]].concat()
    } else {
        [&[channel], &payload[..]].concat()
    };
    websocket::message(rng, masked, &message)
}

fn payload(rng: &mut Rng) -> Vec<u8> {
    let size: &[&[u8]] = &[
        b"{\"Width\":80,\"Height\":24}\n",
        b"{\"width\":1,\"Height\":null}{\"HEIGHT\":7}",
        b"{\"Width\":1",
        b",\"Height\":2} ",
        b"{\"Width\":65536}",
        b"{\"Width\":1.0}",
        b"{\"x\":\"\xff\",\"Width\":3}",
        b"{\"x\":[{\"}\":1}],\"Width\":4,\"Width\":5}",
        b"null",
        b"{\"\\u0057idth\":6,\"Height\":1e1}",
    ];
    match rng.below(8) {
        0 => rng.pick(size).to_vec(),
        1 => vec![rng.byte(); 100 + rng.below(200)],
        2 => rng.bytes(40),
        3 => Vec::new(),
        _ => b"id; whoami\n"[..rng.below(12)].to_vec(),
    }
}

/// One change somewhere, as a bit, a byte, or a piece.
fn change(rng: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len());
    let end = at + rng.below((bytes.len() - at).min(40)) + 1;
    match rng.below(7) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = rng.pick(&[0, 1, 0x7f, 0x80, 0xff, 126, 127, 254]),
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let piece = bytes[at..end].to_vec();
            let to = rng.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        5 => bytes.insert(at, rng.byte()),
        _ => bytes[at] = rng.byte(),
    }
}
