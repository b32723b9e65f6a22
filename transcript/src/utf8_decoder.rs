use serde::{Deserialize, Serialize};

/// Decodes one stream's bytes as UTF-8, piece by piece: a character that two pieces share is joined, and bytes that are
/// not UTF-8 become U+FFFD, as many as [`String::from_utf8_lossy`] gives for all pieces together.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Utf8Decoder {
    /// The beginning of a character, at most three bytes. The player's cache of prepared recordings has it by this name.
    #[serde(rename = "pending")]
    partial: Vec<u8>,
}

impl Utf8Decoder {
    /// Appends to `text` all characters that are complete by now.
    pub fn decode(&mut self, bytes: &[u8], text: &mut String) {
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

/// Whether `bytes` are the beginning of a character, but not all of it.
fn is_beginning(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pieces: &[&[u8]]) -> String {
        let (mut decoder, mut text) = (Utf8Decoder::default(), String::new());
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
        assert_eq!(decoded(&[b"\xe7", b"\x95", b"\x8c"]), "界");
    }
}
