/// What the keys say about when a line was entered. Their text is not kept.
#[derive(Debug, Default)]
pub(super) struct KeyState {
    seen: bool,
    /// How often Enter was pressed without a line that was taken for it.
    enters: u32,
    /// The last key that was answered was Ctrl-C, or another one that abandons a line.
    interrupted: bool,
    /// Keys since the last output.
    unanswered: usize,
    answered: bool,
}

impl KeyState {
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
                // Ctrl-C, Ctrl-\, and zsh's Ctrl-G.
                0x03 | 0x1c | 0x07 => self.interrupted = true,
                // A key that was typed ahead of the answer does not undo it.
                _ => self.interrupted &= !answered,
            }
        }
    }

    /// Whether the recording has keys at all.
    pub(super) fn seen(&self) -> bool {
        self.seen
    }

    /// Whether Enter was pressed and no line was taken for it yet.
    pub(super) fn entered(&self) -> bool {
        self.enters > 0
    }

    /// Whether Enter is the only key since the last output: then all that was typed before it is on the screen.
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

    /// A line was taken for an Enter.
    pub(super) fn taken(&mut self) {
        self.enters = self.enters.saturating_sub(1);
        self.interrupted = false;
    }

    /// The cursor waits for a key: earlier Enters were for something else.
    pub(super) fn waits(&mut self) {
        self.enters = 0;
        self.interrupted = false;
    }

    /// A prompt waits.
    pub(super) fn ready(&mut self) {
        self.interrupted = false;
    }
}
