//! Frames, cut out of a stream of slices.
//!
//! ```text
//! control: 1|version:15 | type:16 | flags:8 | length:24 | payload
//! data:    0|stream:31            | flags:8 | length:24 | payload
//! ```

const HEAD: usize = 8;
/// FIN; spdystream ignores the other bits of a DATA frame's flags.
const FIN: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    Data {
        id: u32,
        fin: bool,
        empty: bool,
    },
    /// The version is not kept: servers do not look at it.
    Control {
        kind: u16,
        flags: u8,
        length: u32,
    },
}

impl Head {
    #[inline]
    fn parse(head: [u8; HEAD]) -> (Head, u32) {
        let word = u64::from_be_bytes(head);
        let (first, flags, length) = ((word >> 32) as u32, (word >> 24) as u8, word as u32 & 0xff_ffff);
        let head = if first >> 31 == 0 {
            Head::Data { id: first, fin: flags & FIN != 0, empty: length == 0 }
        } else {
            Head::Control { kind: first as u16, flags, length }
        };
        (head, length)
    }
}

/// The next thing in the stream.
pub(super) enum Piece<'a> {
    Head(Head),
    /// Never empty.
    Payload(&'a [u8]),
    /// The frame is whole.
    End,
}

/// Cuts one direction's bytes into pieces of frames. Keeps at most a head.
pub(super) struct Reader {
    head: [u8; HEAD],
    held: usize,
    /// Payload to come; none between frames.
    left: Option<u32>,
    taken: u64,
    frame: u64,
}

impl Reader {
    pub(super) fn new() -> Self {
        Reader { head: [0; HEAD], held: 0, left: None, taken: 0, frame: 0 }
    }

    /// Takes the next piece off the front of `input`; none where more bytes are needed. A frame's end needs none.
    #[inline]
    pub(super) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Option<Piece<'a>> {
        match self.left {
            None => self.head(input).map(Piece::Head),
            Some(0) => {
                self.left = None;
                Some(Piece::End)
            }
            Some(left) => self.payload(left, input).map(Piece::Payload),
        }
    }

    /// Offset of the current frame's first byte.
    pub(super) fn offset(&self) -> u64 {
        self.frame
    }

    /// Bytes to the end of the frame; none inside a head.
    pub(super) fn to_border(&self) -> Option<u64> {
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
    fn head(&mut self, input: &mut &[u8]) -> Option<Head> {
        if self.held == 0 {
            self.frame = self.taken;
            if let Some((head, rest)) = input.split_first_chunk() {
                *input = rest;
                return Some(self.begin(*head, HEAD));
            }
        }
        self.split_head(input)
    }

    fn split_head(&mut self, input: &mut &[u8]) -> Option<Head> {
        let (part, rest) = input.split_at(input.len().min(HEAD - self.held));
        *input = rest;
        self.head[self.held..][..part.len()].copy_from_slice(part);
        self.held += part.len();
        if self.held < HEAD {
            self.taken += part.len() as u64;
            return None;
        }
        self.held = 0;
        Some(self.begin(self.head, part.len()))
    }

    #[inline]
    fn begin(&mut self, head: [u8; HEAD], taken: usize) -> Head {
        let (head, length) = Head::parse(head);
        self.taken += taken as u64;
        self.left = Some(length);
        head
    }
}
