//! The few frames that we write: those that end a session. None of them has headers, so no zlib state is touched.

const FIN: u8 = 1;
const GO_AWAY: u32 = 0x8003_0007;
/// DATA's length has 24 bits.
const LONGEST: usize = 0xff_ffff;

/// The last DATA of a stream.
pub(super) fn last_data(out: &mut Vec<u8>, id: u32, payload: &[u8]) {
    let payload = &payload[..payload.len().min(LONGEST)];
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&(u32::from(FIN) << 24 | payload.len() as u32).to_be_bytes());
    out.extend_from_slice(payload);
}

/// GOAWAY with status OK.
pub(super) fn go_away(out: &mut Vec<u8>, last: u32) {
    for word in [GO_AWAY, 8, last, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}
