//! Control frames, with the checks of spdystream's framer: where that gives up, so does the decoder.

/// The part before a header block, or the whole payload: 10 bytes in a SYN_STREAM.
const LONGEST_FIXED: usize = 10;
const FIN: u8 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    SynStream,
    SynReply,
    RstStream,
    Settings,
    Ping,
    GoAway,
    Headers,
    WindowUpdate,
}

/// A control frame while its payload arrives.
#[derive(Clone, Copy)]
pub(super) struct Control {
    pub(super) kind: Kind,
    pub(super) fin: bool,
    length: u32,
    fixed: [u8; LONGEST_FIXED],
    held: usize,
}

impl Control {
    /// # Errors
    ///
    /// For frames at which the framer drops the connection, and for lengths that do not fit the type: the framer
    /// reads such a frame's fields and takes the rest for the next frame.
    pub(super) fn begin(kind: u16, flags: u8, length: u32) -> Result<Control, &'static str> {
        let kind = match kind {
            1 => Kind::SynStream,
            2 => Kind::SynReply,
            3 => Kind::RstStream,
            4 => Kind::Settings,
            6 => Kind::Ping,
            7 => Kind::GoAway,
            8 => Kind::Headers,
            9 => Kind::WindowUpdate,
            _ => return Err("a control frame of an unknown type"),
        };
        let fixed = kind.fixed() as u32;
        let fits = if kind.has_more() { length >= fixed } else { length == fixed };
        if !fits {
            return Err("a control frame whose length does not fit its type");
        }
        if flags != 0 && matches!(kind, Kind::Ping | Kind::GoAway | Kind::WindowUpdate) {
            return Err("flags on a frame that has none");
        }
        Ok(Control { kind, fin: flags & FIN != 0, length, fixed: [0; LONGEST_FIXED], held: 0 })
    }

    /// Keeps what belongs to the fixed part; gives back what stands behind it.
    pub(super) fn take<'a>(&mut self, payload: &'a [u8]) -> &'a [u8] {
        let (fixed, rest) = payload.split_at(payload.len().min(self.kind.fixed() - self.held));
        self.fixed[self.held..][..fixed.len()].copy_from_slice(fixed);
        self.held += fixed.len();
        rest
    }

    /// The payload's first field: a stream id, mostly.
    pub(super) fn first(&self) -> u32 {
        self.word(0)
    }

    /// The payload's second field: a status.
    pub(super) fn second(&self) -> u32 {
        self.word(4)
    }

    pub(super) fn has_block(&self) -> bool {
        matches!(self.kind, Kind::SynStream | Kind::SynReply | Kind::Headers)
    }

    /// The checks that need the fixed part.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let zero_id = self.first() == 0;
        match self.kind {
            Kind::SynStream | Kind::Headers | Kind::RstStream | Kind::Ping if zero_id => Err("a frame with id 0"),
            Kind::SynReply if zero_id => Err("a frame with id 0"),
            Kind::RstStream if self.second() == 0 => Err("a RST_STREAM with status 0"),
            Kind::Settings if u64::from(self.first()) * 8 + 4 != u64::from(self.length) => {
                Err("a SETTINGS frame whose count does not fit its length")
            }
            _ => Ok(()),
        }
    }

    fn word(&self, at: usize) -> u32 {
        let [a, b, c, d] = [self.fixed[at], self.fixed[at + 1], self.fixed[at + 2], self.fixed[at + 3]];
        u32::from_be_bytes([a, b, c, d])
    }
}

impl Kind {
    fn fixed(self) -> usize {
        match self {
            Kind::SynStream => LONGEST_FIXED,
            Kind::SynReply | Kind::Headers | Kind::Settings | Kind::Ping => 4,
            Kind::RstStream | Kind::GoAway | Kind::WindowUpdate => 8,
        }
    }

    fn has_more(self) -> bool {
        matches!(self, Kind::SynStream | Kind::SynReply | Kind::Headers | Kind::Settings)
    }
}
