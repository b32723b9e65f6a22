//! Frames, cut out of a stream of slices (RFC 6455, section 5.2).

/// ```text
/// FIN RSV1-3 opcode:4 | MASK length:7 | length:16 or 64, where the 7 bits are 126 or 127 | key:32, where MASK
/// ```
const LONGEST_HEAD: usize = 14;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
    /// 3 to 7 and 11 to 15.
    Reserved,
}

impl Opcode {
    fn from_bits(byte: u8) -> Self {
        match byte & 0x0f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => Opcode::Reserved,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) fin: bool,
    /// Any of the three reserved bits.
    pub(super) reserved_bits: bool,
    pub(super) opcode: Opcode,
    pub(super) key: Option<[u8; 4]>,
    /// As declared, all 64 bits of it; nothing may be allocated from it.
    pub(super) length: u64,
}

impl Head {
    /// The head at the beginning of `bytes` and its length; none where it is not whole yet.
    #[inline]
    fn parse(bytes: &[u8]) -> Option<(Head, usize)> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        let (length, rest) = match second & 0x7f {
            126 => rest.split_first_chunk().map(|(field, rest)| (u16::from_be_bytes(*field).into(), rest))?,
            127 => rest.split_first_chunk().map(|(field, rest)| (u64::from_be_bytes(*field), rest))?,
            short => (short.into(), rest),
        };
        let (key, rest) = if second & 0x80 != 0 {
            rest.split_first_chunk().map(|(key, rest)| (Some(*key), rest))?
        } else {
            (None, rest)
        };
        let head = Head {
            fin: first & 0x80 != 0,
            reserved_bits: first & 0x70 != 0,
            opcode: Opcode::from_bits(first),
            key,
            length,
        };
        Some((head, bytes.len() - rest.len()))
    }
}

/// The next thing in the stream.
pub(super) enum Piece<'a> {
    /// A frame begins.
    Head(Head),
    /// Payload as it stands on the wire; never empty.
    Payload(&'a [u8]),
    /// The frame is whole.
    End,
}

/// Cuts one direction's bytes into pieces of frames. Keeps at most a head.
pub(super) struct Reader {
    head: [u8; LONGEST_HEAD],
    held: usize,
    /// Payload to come; none between frames.
    left: Option<u64>,
    /// Bytes taken so far, and how many of them when the current frame began.
    taken: u64,
    frame: u64,
}

impl Reader {
    pub(super) fn new() -> Self {
        Reader { head: [0; LONGEST_HEAD], held: 0, left: None, taken: 0, frame: 0 }
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
            left => Some(left.unwrap_or(0)),
        }
    }

    #[inline]
    fn payload<'a>(&mut self, left: u64, input: &mut &'a [u8]) -> Option<&'a [u8]> {
        if input.is_empty() {
            return None;
        }
        let (payload, rest) = input.split_at(input.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        *input = rest;
        self.taken += payload.len() as u64;
        self.left = Some(left - payload.len() as u64);
        Some(payload)
    }

    #[inline]
    fn head(&mut self, input: &mut &[u8]) -> Option<Head> {
        if self.held == 0 {
            self.frame = self.taken;
            if let Some((head, length)) = Head::parse(input) {
                *input = &input[length..];
                self.taken += length as u64;
                self.left = Some(head.length);
                return Some(head);
            }
        }
        self.split_head(input)
    }

    /// The head that a slice's end cut: byte by byte, until it is whole.
    fn split_head(&mut self, input: &mut &[u8]) -> Option<Head> {
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.taken += 1;
            self.head[self.held] = byte;
            self.held += 1;
            if let Some((head, _)) = Head::parse(&self.head[..self.held]) {
                self.held = 0;
                self.left = Some(head.length);
                return Some(head);
            }
        }
        None
    }
}
