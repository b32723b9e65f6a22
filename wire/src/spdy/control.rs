//! ControlFrame frames, with the checks of the framer in `github.com/moby/spdystream/spdy/read.go`: where that fails, so
//! does the decoder.

/// Most bytes before a header block, or of a payload without one: 10 in a SYN_STREAM.
const MAX_FIXED_BYTES: usize = 10;
const FIN: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlKind {
    SynStream,
    SynReply,
    RstStream,
    Settings,
    Ping,
    GoAway,
    Headers,
    WindowUpdate,
}

/// A control frame whose payload is arriving.
#[derive(Clone, Copy)]
pub(super) struct ControlFrame {
    pub(super) kind: ControlKind,
    pub(super) fin: bool,
    length: u32,
    fixed: [u8; MAX_FIXED_BYTES],
    held: usize,
}

impl ControlFrame {
    /// # Errors
    ///
    /// For frames at which the framer drops the connection, and for lengths that do not fit the type: the framer reads
    /// such a frame's fields and takes the rest for the next frame.
    pub(super) fn begin(kind: u16, flags: u8, length: u32) -> Result<ControlFrame, &'static str> {
        let kind = match kind {
            1 => ControlKind::SynStream,
            2 => ControlKind::SynReply,
            3 => ControlKind::RstStream,
            4 => ControlKind::Settings,
            6 => ControlKind::Ping,
            7 => ControlKind::GoAway,
            8 => ControlKind::Headers,
            9 => ControlKind::WindowUpdate,
            _ => return Err("a control frame of an unknown type"),
        };
        let fixed = kind.fixed() as u32;
        let fits = if kind.has_more() { length >= fixed } else { length == fixed };
        if !fits {
            return Err("a control frame whose length does not fit its type");
        }
        if flags != 0 && matches!(kind, ControlKind::Ping | ControlKind::GoAway | ControlKind::WindowUpdate) {
            return Err("flags on a frame that has none");
        }
        Ok(ControlFrame { kind, fin: flags & FIN != 0, length, fixed: [0; MAX_FIXED_BYTES], held: 0 })
    }

    /// Keeps the bytes of the fixed part and returns those behind it.
    pub(super) fn take<'a>(&mut self, payload: &'a [u8]) -> &'a [u8] {
        let (fixed, rest) = payload.split_at(payload.len().min(self.kind.fixed() - self.held));
        self.fixed[self.held..][..fixed.len()].copy_from_slice(fixed);
        self.held += fixed.len();
        rest
    }

    /// The check of SETTINGS, as soon as its count is there: the framer reads so many settings and takes what follows for the
    /// next frame, whatever the length says.
    pub(super) fn check_count(&self) -> Result<(), &'static str> {
        let is_known = self.kind == ControlKind::Settings && self.held == self.kind.fixed();
        if is_known && u64::from(self.first()) * 8 + 4 != u64::from(self.length) {
            return Err("a SETTINGS frame whose count does not fit its length");
        }
        Ok(())
    }

    /// The payload's first field: a stream id in most types.
    pub(super) fn first(&self) -> u32 {
        self.word(0)
    }

    /// The payload's second field: a status.
    pub(super) fn second(&self) -> u32 {
        self.word(4)
    }

    pub(super) fn has_block(&self) -> bool {
        matches!(self.kind, ControlKind::SynStream | ControlKind::SynReply | ControlKind::Headers)
    }

    /// Whether the first field is the id of a stream that must be there.
    pub(super) fn has_stream(&self) -> bool {
        matches!(self.kind, ControlKind::SynReply | ControlKind::RstStream | ControlKind::Headers)
    }

    /// The checks that need the fixed part.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let zero_id = self.first() == 0;
        match self.kind {
            ControlKind::SynStream | ControlKind::Headers | ControlKind::RstStream | ControlKind::Ping if zero_id => {
                Err("a frame with id 0")
            }
            ControlKind::SynReply if zero_id => Err("a frame with id 0"),
            ControlKind::RstStream if self.second() == 0 => Err("a RST_STREAM with status 0"),
            _ => Ok(()),
        }
    }

    fn word(&self, at: usize) -> u32 {
        let [a, b, c, d] = [self.fixed[at], self.fixed[at + 1], self.fixed[at + 2], self.fixed[at + 3]];
        u32::from_be_bytes([a, b, c, d])
    }
}

impl ControlKind {
    fn fixed(self) -> usize {
        match self {
            ControlKind::SynStream => MAX_FIXED_BYTES,
            ControlKind::SynReply | ControlKind::Headers | ControlKind::Settings | ControlKind::Ping => 4,
            ControlKind::RstStream | ControlKind::GoAway | ControlKind::WindowUpdate => 8,
        }
    }

    fn has_more(self) -> bool {
        matches!(self, ControlKind::SynStream | ControlKind::SynReply | ControlKind::Headers | ControlKind::Settings)
    }
}
