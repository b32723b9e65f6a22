/// What keys say about the moment, not about the text.
#[derive(Debug, Default)]
pub(super) struct Keys {
    seen: bool,
    /// Enters that no line answered yet.
    enters: u32,
    /// Ctrl-C was the last key but for later Enters.
    interrupted: bool,
}

impl Keys {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.seen = true;
        for &byte in bytes {
            match byte {
                b'\r' | b'\n' | 0x0f => {
                    self.enters = self.enters.saturating_add(1);
                    self.interrupted = false;
                }
                0x03 | 0x1c => self.interrupted = true,
                _ => self.interrupted = false,
            }
        }
    }

    /// Whether this recording has keys at all.
    pub(super) fn seen(&self) -> bool {
        self.seen
    }

    /// Whether Enter was pressed and no line was taken for it.
    pub(super) fn entered(&self) -> bool {
        self.enters > 0
    }

    pub(super) fn interrupted(&self) -> bool {
        self.interrupted
    }

    /// A line was taken.
    pub(super) fn taken(&mut self) {
        self.enters = self.enters.saturating_sub(1);
        self.interrupted = false;
    }

    /// The cursor waits for a key: Enters until now were for something else.
    pub(super) fn waits(&mut self) {
        self.enters = 0;
        self.interrupted = false;
    }

    /// A prompt waits.
    pub(super) fn ready(&mut self) {
        self.interrupted = false;
    }
}
