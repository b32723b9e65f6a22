//! Keys that go to a pane.

use super::super::keys::KeyState;

const PASTE: &[u8] = b"\x1b[200~";
const PASTED: &[u8] = b"\x1b[201~";

/// What the keys say about when a line was entered. A bracketed paste enters nothing by itself if the line editor knows
/// such pastes.
#[derive(Debug, Default)]
pub(super) struct PaneKeys {
    keys: KeyState,
    pasting: bool,
    /// The end of the keys before, if a paste's bracket may begin in it.
    tail: Vec<u8>,
    /// A line end was pasted since a line was taken.
    pasted: bool,
    seen: bool,
}

impl PaneKeys {
    pub(super) fn new(seen: bool) -> Self {
        Self { seen, ..Self::default() }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.seen = true;
        let (mut plain, mut held) = (Vec::new(), std::mem::take(&mut self.tail));
        held.extend_from_slice(bytes);
        let mut at = 0;
        while at < held.len() {
            let rest = &held[at..];
            let sign = if self.pasting { PASTED } else { PASTE };
            if rest.starts_with(sign) {
                self.pasting = !self.pasting;
                at += sign.len();
            } else if sign.starts_with(rest) {
                self.tail = rest.to_vec();
                break;
            } else {
                match (self.pasting, rest[0]) {
                    (true, byte) => self.pasted |= matches!(byte, b'\r' | b'\n'),
                    (false, byte) => plain.push(byte),
                }
                at += 1;
            }
        }
        if !plain.is_empty() {
            self.keys.feed(&plain);
        }
    }

    /// Whether the recording has keys at all.
    pub(super) fn seen(&self) -> bool {
        self.seen
    }

    /// Whether Enter was pressed and no line was taken for it yet.
    pub(super) fn entered(&self) -> bool {
        self.keys.entered()
    }

    /// As [`Self::entered`], or a line end was pasted.
    pub(super) fn pasted(&self) -> bool {
        self.entered() || self.pasted
    }

    pub(super) fn interrupted(&self) -> bool {
        self.keys.interrupted()
    }

    /// Output came.
    pub(super) fn printed(&mut self) {
        self.keys.printed();
    }

    /// A line was taken for an Enter.
    pub(super) fn taken(&mut self) {
        self.keys.taken();
    }

    /// A prompt waits: earlier Enters were for something else.
    pub(super) fn waits(&mut self) {
        self.keys.waits();
        self.pasted = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_enters_nothing_however_it_is_cut() {
        let keys = b"a\x1b[200~b\rc\x1b[201~";
        for cut in 0..=keys.len() {
            let mut pane_keys = PaneKeys::new(false);
            pane_keys.feed(&keys[..cut]);
            pane_keys.feed(&keys[cut..]);
            assert!(pane_keys.pasted() && !pane_keys.entered(), "cut at {cut}");
            pane_keys.feed(b"\r");
            assert!(pane_keys.entered());
        }
    }
}
