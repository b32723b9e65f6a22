/// Bytes of one stream as text: a character that was cut in two is joined, what is no UTF-8 becomes U+FFFD.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Lossy {
    /// The beginning of a character, at most three bytes.
    pending: Vec<u8>,
}

impl Lossy {
    /// Appends what can be told by now.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut String) {
        let joined = if self.pending.is_empty() { None } else { Some([self.pending.as_slice(), bytes].concat()) };
        let mut rest = joined.as_deref().unwrap_or(bytes);
        self.pending.clear();
        while let Err(error) = std::str::from_utf8(rest) {
            let (valid, after) = rest.split_at(error.valid_up_to());
            out.push_str(&String::from_utf8_lossy(valid));
            let Some(bad) = error.error_len() else {
                self.pending.extend_from_slice(after);
                return;
            };
            out.push(char::REPLACEMENT_CHARACTER);
            rest = &after[bad..];
        }
        // Valid by now: borrowed, not copied twice.
        out.push_str(&String::from_utf8_lossy(rest));
    }
}

#[cfg(test)]
mod tests {
    use super::Lossy;

    fn shown(parts: &[&[u8]]) -> String {
        let (mut lossy, mut out) = (Lossy::default(), String::new());
        parts.iter().for_each(|part| lossy.push(part, &mut out));
        out
    }

    #[test]
    fn every_cut_of_a_text_shows_the_same() {
        let text = "a界ü\u{1f980}z".as_bytes();
        for cut in 0..=text.len() {
            assert_eq!(shown(&[&text[..cut], &text[cut..]]), "a界ü\u{1f980}z");
        }
    }

    #[test]
    fn bytes_that_are_no_text_show_as_replacement() {
        assert_eq!(shown(&[b"a\xff", b"b"]), "a\u{fffd}b");
        assert_eq!(shown(&[b"\xe7\x95", b"x"]), "\u{fffd}x");
        assert_eq!(shown(&[b"\xe7", b"\x95", b"\x8c"]), "界");
    }
}
