//! Frames, cut out of a stream of slices.
//!
//! ```text
//! control: 1|version:15 | type:16 | flags:8 | length:24 | payload
//! data:    0|stream:31            | flags:8 | length:24 | payload
//! ```

const HEADER_BYTES: usize = 8;
/// FIN; spdystream ignores the other flags of a DATA frame.
const FIN: u8 = 1;
/// The first word of a GOAWAY of version 3.
const GO_AWAY: u32 = 0x8003_0007;
/// The length of a frame has 24 bits.
const MAX_LENGTH: usize = 0xff_ffff;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpdyFrameHeader {
    Data {
        id: u32,
        fin: bool,
        empty: bool,
    },
    /// The version is not kept: servers ignore it.
    Control {
        kind: u16,
        flags: u8,
        length: u32,
    },
}

impl SpdyFrameHeader {
    #[inline]
    fn parse(header: [u8; HEADER_BYTES]) -> (SpdyFrameHeader, u32) {
        let word = u64::from_be_bytes(header);
        let (first, flags, length) = ((word >> 32) as u32, (word >> 24) as u8, word as u32 & 0xff_ffff);
        let header = if first >> 31 == 0 {
            SpdyFrameHeader::Data { id: first, fin: flags & FIN != 0, empty: length == 0 }
        } else {
            SpdyFrameHeader::Control { kind: first as u16, flags, length }
        };
        (header, length)
    }
}

/// The next item in the stream.
pub(super) enum SpdyFrameItem<'a> {
    Header(SpdyFrameHeader),
    /// Never empty.
    Payload(&'a [u8]),
    /// The frame is complete.
    End,
}

/// Cuts one direction's bytes into the items of frames. Keeps at most a header.
pub(super) struct SpdyFrameReader {
    header: [u8; HEADER_BYTES],
    held: usize,
    /// Payload still to come; `None` between frames.
    left: Option<u32>,
    taken: u64,
    frame: u64,
}

impl SpdyFrameReader {
    pub(super) fn new() -> Self {
        SpdyFrameReader { header: [0; HEADER_BYTES], held: 0, left: None, taken: 0, frame: 0 }
    }

    /// Takes the next item off the front of `input`. `None` if more bytes are needed; a frame's end needs none.
    #[inline]
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<SpdyFrameItem<'a>> {
        match self.left {
            None => self.header(input).map(SpdyFrameItem::Header),
            Some(0) => {
                self.left = None;
                Some(SpdyFrameItem::End)
            }
            Some(left) => self.payload(left, input).map(SpdyFrameItem::Payload),
        }
    }

    /// Offset of the current frame's first byte.
    pub(super) fn offset(&self) -> u64 {
        self.frame
    }

    /// Bytes to the end of the frame. `None` inside a header.
    pub(super) fn bytes_to_frame_boundary(&self) -> Option<u64> {
        match self.left {
            None if self.held > 0 => None,
            left => Some(left.unwrap_or(0).into()),
        }
    }

    #[inline]
    fn payload<'a>(&mut self, left: u32, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        if input.is_empty() {
            return None;
        }
        let (payload, rest) = input.split_at(input.len().min(left as usize));
        *input = rest;
        self.taken += payload.len() as u64;
        self.left = Some(left - payload.len() as u32);
        Some(payload)
    }

    #[inline]
    fn header(&mut self, input: &mut &[u8]) -> Option<SpdyFrameHeader> {
        if self.held == 0 {
            self.frame = self.taken;
            if let Some((header, rest)) = input.split_first_chunk() {
                *input = rest;
                return Some(self.begin(*header, HEADER_BYTES));
            }
        }
        self.split_header(input)
    }

    fn split_header(&mut self, input: &mut &[u8]) -> Option<SpdyFrameHeader> {
        let (part, rest) = input.split_at(input.len().min(HEADER_BYTES - self.held));
        *input = rest;
        self.header[self.held..][..part.len()].copy_from_slice(part);
        self.held += part.len();
        if self.held < HEADER_BYTES {
            self.taken += part.len() as u64;
            return None;
        }
        self.held = 0;
        Some(self.begin(self.header, part.len()))
    }

    #[inline]
    fn begin(&mut self, header: [u8; HEADER_BYTES], taken: usize) -> SpdyFrameHeader {
        let (header, length) = SpdyFrameHeader::parse(header);
        self.taken += taken as u64;
        self.left = Some(length);
        header
    }
}

/// Appends the last DATA of a stream: `payload`, cut at 16 MiB, with FIN.
///
/// This and [`write_go_away`] are the only frames that we write: they end a session. Neither has headers, so that no zlib
/// state is changed.
pub(super) fn write_last_data(out: &mut Vec<u8>, id: u32, payload: &[u8]) {
    let payload = &payload[..payload.len().min(MAX_LENGTH)];
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&(u32::from(FIN) << 24 | payload.len() as u32).to_be_bytes());
    out.extend_from_slice(payload);
}

/// Appends GOAWAY with status OK. `last`: the id of the last stream that was accepted.
pub(super) fn write_go_away(out: &mut Vec<u8>, last: u32) {
    for word in [GO_AWAY, 8, last, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}
