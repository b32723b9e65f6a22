/// Bytes of one stream as text: a character that was cut in two is joined, what is no UTF-8 becomes U+FFFD.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoder {
    /// The beginning of a character, at most three bytes.
    partial: Vec<u8>,
}

impl Decoder {
    /// Appends what can be told by now.
    pub(crate) fn decode(&mut self, bytes: &[u8], text: &mut String) {
        let joined;
        let mut rest = bytes;
        if !self.partial.is_empty() {
            self.partial.extend_from_slice(bytes);
            joined = std::mem::take(&mut self.partial);
            rest = &joined;
        }
        let mut chunks = rest.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            text.push_str(chunk.valid());
            let invalid = chunk.invalid();
            if chunks.peek().is_none() && is_beginning(invalid) {
                self.partial = invalid.to_vec();
            } else if !invalid.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}

/// Whether bytes are the beginning of a character, and not its whole.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pieces: &[&[u8]]) -> String {
        let (mut decoder, mut text) = (Decoder::default(), String::new());
        pieces.iter().for_each(|piece| decoder.decode(piece, &mut text));
        text
    }

    #[test]
    fn every_cut_of_a_text_decodes_the_same() {
        let bytes = "a界ü\u{1f980}z\u{fffd}".as_bytes();
        for cut in 0..=bytes.len() {
            assert_eq!(decoded(&[&bytes[..cut], &bytes[cut..]]).as_bytes(), bytes);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(decoded(&[b"a\xff", b"b"]), "a\u{fffd}b");
        assert_eq!(decoded(&[b"\xe7\x95", b"x"]), "\u{fffd}x");
    }
}
