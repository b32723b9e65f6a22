/// Decodes one stream's bytes as UTF-8, piece by piece: a character that two pieces share is joined, and bytes that are
/// not UTF-8 become U+FFFD.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct LossyDecoder {
    /// The beginning of a character, at most three bytes.
    pending: Vec<u8>,
}

impl LossyDecoder {
    /// Appends to `out` all text that is complete by now.
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
        // `rest` is valid here, so this borrows it and copies once.
        out.push_str(&String::from_utf8_lossy(rest));
    }
}

#[cfg(test)]
mod tests {
    use super::LossyDecoder;

    fn decoded(parts: &[&[u8]]) -> String {
        let (mut decoder, mut out) = (LossyDecoder::default(), String::new());
        parts.iter().for_each(|part| decoder.push(part, &mut out));
        out
    }

    #[test]
    fn every_cut_gives_the_same_text() {
        let text = "a界ü\u{1f980}z".as_bytes();
        for cut in 0..=text.len() {
            assert_eq!(decoded(&[&text[..cut], &text[cut..]]), "a界ü\u{1f980}z");
        }
    }

    #[test]
    fn invalid_bytes_become_replacement_characters() {
        assert_eq!(decoded(&[b"a\xff", b"b"]), "a\u{fffd}b");
        assert_eq!(decoded(&[b"\xe7\x95", b"x"]), "\u{fffd}x");
        assert_eq!(decoded(&[b"\xe7", b"\x95", b"\x8c"]), "界");
    }
}
