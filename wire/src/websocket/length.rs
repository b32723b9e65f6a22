//! How many bytes of payload a frame has (RFC 6455, section 5.2): decided here and nowhere else.
//!
//! Readers disagree about the first of the 64 bits, which MUST be 0: `golang.org/x/net/websocket` drops it (`NewFrameReader`
//! in `hybi.go`) and goes on behind a payload that may be empty, `github.com/gorilla/websocket` takes the number for
//! negative and gives up, others would wait for 2^63 bytes. A frame that can be read in more than one way has no length.

/// `DefaultMaxPayloadBytes` in `golang.org/x/net/websocket/websocket.go`: a server gives up at a longer frame. Clients have
/// no such bound, but servers send 32 KiB at most.
const MAX_PAYLOAD_BYTES: u64 = 32 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PayloadLength {
    /// Nothing may be allocated by it.
    pub(super) bytes: u64,
    /// Whether it is written in the shortest of the three forms, as it MUST be. All readers take the others as well.
    pub(super) minimal: bool,
}

/// The length that begins with a frame's second byte, and the bytes behind it. `None` if it is not complete yet. `Err`: no
/// reader may go on.
#[inline]
pub(super) fn payload_length(second: u8, rest: &[u8]) -> Option<Result<(PayloadLength, &[u8]), &'static str>> {
    let (bytes, shortest, rest) = match second & 0x7f {
        126 => rest.split_first_chunk().map(|(field, rest)| (u16::from_be_bytes(*field).into(), 126, rest))?,
        127 => rest.split_first_chunk().map(|(field, rest)| (u64::from_be_bytes(*field), 1 << 16, rest))?,
        short => (short.into(), 0, rest),
    };
    Some(if bytes > i64::MAX as u64 {
        Err("a frame length of more than 63 bits")
    } else if bytes > MAX_PAYLOAD_BYTES {
        Err("a frame of more than 32 MiB")
    } else {
        Ok((PayloadLength { bytes, minimal: bytes >= shortest }, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::{PayloadLength, payload_length};

    fn read(bytes: &[u8]) -> Option<Result<(u64, bool), &'static str>> {
        let length = payload_length(bytes[0], &bytes[1..])?;
        Some(length.map(|(PayloadLength { bytes, minimal }, rest)| {
            assert_eq!(rest, b"rest");
            (bytes, minimal)
        }))
    }

    fn long(length: u64) -> Vec<u8> {
        [&[0xff], &length.to_be_bytes()[..], b"rest"].concat()
    }

    #[test]
    fn all_three_forms_are_read_and_the_shortest_is_known() {
        assert_eq!(read(b"\x00rest"), Some(Ok((0, true))));
        assert_eq!(read(b"\xfdrest"), Some(Ok((125, true))));
        assert_eq!(read(b"\xfe\x00\x7drest"), Some(Ok((125, false))));
        assert_eq!(read(b"\xfe\x00\x7erest"), Some(Ok((126, true))));
        assert_eq!(read(b"\x7e\xff\xffrest"), Some(Ok((65_535, true))));
        assert_eq!(read(&long(65_535)), Some(Ok((65_535, false))));
        assert_eq!(read(&long(65_536)), Some(Ok((65_536, true))));
    }

    #[test]
    fn nothing_is_decided_before_the_last_byte() {
        assert_eq!(read(b"\xfe\x00"), None);
        for given in 1..9 {
            assert_eq!(read(&long(u64::MAX)[..given]), None);
        }
    }

    #[test]
    fn what_cannot_be_read_in_one_way_has_no_length() {
        assert_eq!(read(&long(32 << 20)), Some(Ok((32 << 20, true))));
        for length in [(32 << 20) + 1, u32::MAX.into(), i64::MAX as u64] {
            assert_eq!(read(&long(length)), Some(Err("a frame of more than 32 MiB")), "{length}");
        }
        for length in [1 << 63, 1 << 63 | 5, u64::MAX] {
            assert_eq!(read(&long(length)), Some(Err("a frame length of more than 63 bits")), "{length}");
        }
    }
}
