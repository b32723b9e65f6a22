/// What keys say about the moment, not about the text.
#[derive(Debug, Default)]
pub(super) struct Keys {
    seen: bool,
    /// Enters that no line answered yet.
    enters: u32,
    /// Ctrl-C, or another key that gives a line up, was the last one that was answered.
    interrupted: bool,
    /// Keys since the output that answered those before.
    unanswered: usize,
    answered: bool,
}

impl Keys {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.seen = true;
        let answered = std::mem::take(&mut self.answered);
        if answered {
            self.unanswered = 0;
        }
        self.unanswered = self.unanswered.saturating_add(bytes.len());
        for &byte in bytes {
            match byte {
                b'\r' | b'\n' | 0x0f => {
                    self.enters = self.enters.saturating_add(1);
                    self.interrupted = false;
                }
                // Ctrl-C, ctrl-\, and zsh's ctrl-G.
                0x03 | 0x1c | 0x07 => self.interrupted = true,
                // What is typed before it is answered does not undo it.
                _ => self.interrupted &= !answered,
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

    /// Whether Enter alone was pressed since the last output: all that was typed before it is on the screen.
    pub(super) fn entered_alone(&self) -> bool {
        self.entered() && self.unanswered == 1 && !self.interrupted
    }

    /// Output came.
    pub(super) fn printed(&mut self) {
        self.answered = true;
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
