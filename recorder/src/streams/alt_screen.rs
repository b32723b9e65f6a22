//! Switches between a terminal's primary and alternate screen, found without an emulator.

use memchr::memchr_iter;

/// Whether the last switch of screens in `bytes` was to the alternate one; `None` if there was no switch.
///
/// xterm's control sequences, "DEC Private Mode Set (DECSET)": modes 47, 1047 and 1049 switch, with `h` to the alternate screen and
/// with `l` back. A sequence that is cut off at the end does not count.
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
        assert_eq!(last_switch(b"\x1b[?1049h\x1b[?1049"), Some(true), "cut off");
        for none in [&b""[..], b"\x1b", b"\x1b[?47", b"[?47h"] {
            assert_eq!(last_switch(none), None);
        }
    }
}
