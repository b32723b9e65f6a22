//! Switches between a terminal's primary and alternate screen, found without an emulator.

use memchr::{memchr, memchr_iter, memrchr};

/// Longest sequence that is joined across two pieces of output.
const SEQUENCE_BYTES: usize = 16;

/// Watches output for the moment a full-screen program gives the screen back.
#[derive(Debug, Default)]
pub(crate) struct Switches {
    /// The end of the output so far, if it may be a sequence's beginning.
    open: Vec<u8>,
}

impl Switches {
    /// Whether the last switch of screens in `bytes` was back to the primary one.
    pub(crate) fn left_alternate(&mut self, bytes: &[u8]) -> bool {
        if self.open.is_empty() && memchr(0x1b, bytes).is_none() {
            return false;
        }
        let mut window = std::mem::take(&mut self.open);
        window.extend_from_slice(&bytes[..bytes.len().min(SEQUENCE_BYTES)]);
        let joined = last_switch(&window);
        let end = if bytes.len() < SEQUENCE_BYTES { &window } else { bytes };
        let last = &end[end.len().saturating_sub(SEQUENCE_BYTES)..];
        if let Some(at) = memrchr(0x1b, last)
            && joined.is_none()
        {
            self.open = last[at..].to_vec();
        }
        last_switch(bytes).or(joined) == Some(false)
    }
}

/// Whether the last switch of screens in `bytes` was to the alternate one: DECSET or DECRST 47, 1047, 1049.
pub(crate) fn last_switch(bytes: &[u8]) -> Option<bool> {
    // Not `memmem`: making a searcher costs more than a short piece of output.
    let mut sequences = memchr_iter(0x1b, bytes).rev().filter_map(|at| bytes[at + 1..].strip_prefix(b"[?"));
    sequences.find_map(switch)
}

fn switch(sequence: &[u8]) -> Option<bool> {
    let end = sequence.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b';'))?;
    let mut modes = sequence[..end].split(|&byte| byte == b';');
    let switches = modes.any(|mode| matches!(mode, b"47" | b"1047" | b"1049"));
    match sequence[end] {
        b'h' if switches => Some(true),
        b'l' if switches => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_switch_counts() {
        assert_eq!(last_switch(b"\x1b[?1049h\x1b[?25l"), Some(true));
        assert_eq!(last_switch(b"\x1b[?1049h..\x1b[?25;47l"), Some(false));
        assert_eq!(last_switch(b"\x1b[?2004h"), None);
    }

    #[test]
    fn a_switch_is_seen_however_it_is_cut() {
        let output = b"text\x1b[m\x1b[?1049l\r\n";
        for cut in 0..output.len() {
            let mut switches = Switches::default();
            let (one, two) = output.split_at(cut);
            let seen = [one, two].map(|piece| switches.left_alternate(piece));
            assert!(seen.contains(&true), "cut at {cut}");
        }
        let mut switches = Switches::default();
        assert_eq!(output.iter().filter(|byte| switches.left_alternate(&[**byte])).count(), 1);
    }
}
