//! WebSocket frames, most of them as clients and servers send them.

use crate::rng::Rng;

/// A frame with this first byte and the shortest length.
pub(crate) fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let length = match payload.len() {
        short @ 0..=125 => vec![short as u8],
        medium @ 126..=0xffff => [&[126], &(medium as u16).to_be_bytes()[..]].concat(),
        long => [&[127], &(long as u64).to_be_bytes()[..]].concat(),
    };
    with_length(first, key, &length, payload)
}

/// `length`: from the seven bits on.
fn with_length(first: u8, key: Option<[u8; 4]>, length: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    frame.extend_from_slice(length);
    let Some(key) = key else {
        frame.extend_from_slice(payload);
        return frame;
    };
    frame[1] |= 0x80;
    frame.extend_from_slice(&key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A frame that breaks a rule now and then.
pub(crate) fn frame_of(rng: &mut Rng, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mut first = if rng.one_in(8) { 0x81 } else { 0x82 };
    if rng.one_in(12) {
        first = rng.pick(&[0x02, 0x00, 0x80, 0x01, 0x83, 0x87, 0x8b, 0x8f, 0x03, 0xc2, 0xa2, 0x92, 0xf2, 0xc0]);
    }
    let key = (masked != rng.one_in(200)).then(|| [rng.byte(), rng.byte(), rng.byte(), rng.byte()]);
    if !rng.one_in(16) {
        return frame(first, key, payload);
    }
    let mut length = payload.len() as u64;
    match rng.below(8) {
        0 => length |= 1 << 63,
        1 => length = rng.next() | 1 << 63,
        2 => length = rng.next() >> rng.below(64),
        3 => length = length.wrapping_add(rng.below(9) as u64).wrapping_sub(4) & 0xffff,
        4 => length = (32 << 20) + rng.below(3) as u64,
        _ => {}
    }
    let field = if rng.one_in(3) && length <= 0xffff {
        [&[126], &(length as u16).to_be_bytes()[..]].concat()
    } else {
        [&[127], &length.to_be_bytes()[..]].concat()
    };
    with_length(first, key, &field, payload)
}

/// PING, PONG or CLOSE, proper or not.
pub(crate) fn control_of(rng: &mut Rng, masked: bool) -> Vec<u8> {
    let mut first = rng.pick(&[0x89, 0x8a, 0x89, 0x8a, 0x89, 0x88]);
    let payload = match (first, rng.below(6)) {
        (0x88, 0) => Vec::new(),
        (0x88, 1) => rng.bytes(5),
        (0x88, _) => [&[3, 0xe8], &b"reason"[..rng.below(7)]].concat(),
        (_, 0) => rng.bytes(300),
        _ => rng.bytes(6),
    };
    if rng.one_in(10) {
        first = rng.pick(&[0x09, 0x0a, 0x08, 0xc9, 0x9a, 0xa8]);
    }
    let key = masked.then(|| [rng.byte(), rng.byte(), rng.byte(), rng.byte()]);
    frame(first, key, &payload)
}

/// A payload, sometimes in fragments with control frames between them.
pub(crate) fn message(rng: &mut Rng, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if rng.one_in(12) {
        out.extend(control_of(rng, masked));
    }
    if !rng.one_in(10) {
        out.extend(frame_of(rng, masked, payload));
        return out;
    }
    let key = |rng: &mut Rng| masked.then(|| [rng.byte(), rng.byte(), rng.byte(), rng.byte()]);
    let (a, b) = payload.split_at(rng.below(payload.len() + 1));
    out.extend(frame(0x02, key(rng), a));
    if rng.one_in(3) {
        out.extend(control_of(rng, masked));
    }
    let (b, c) = b.split_at(rng.below(b.len() + 1));
    out.extend(frame(0x00, key(rng), b));
    out.extend(frame(0x80, key(rng), c));
    out
}
