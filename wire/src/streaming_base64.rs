//! Base64 of one message, decoded as it arrives, with the leniency of Go's `base64.StdEncoding`: line ends are skipped,
//! the spare bits of the last quantum are ignored, padding is required.

/// The value of each digit; 64 for bytes that are not digits.
const DIGITS: [u8; 256] = digits();

const fn digits() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [64; 256];
    let mut value = 0;
    while value < alphabet.len() {
        table[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    table
}

#[derive(Clone, Copy, Default)]
pub(crate) struct StreamingBase64 {
    bits: u32,
    /// How many digits `bits` holds, 0 to 3.
    held: u8,
    padding: Padding,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Padding {
    #[default]
    None,
    /// One `=` of two.
    Half,
    Whole,
}

/// The message is not base64; the server drops all of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl StreamingBase64 {
    /// Replaces `out` by what `text` decodes to, up to the first malformed byte.
    pub(crate) fn decode(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
        out.clear();
        text.iter().try_for_each(|&byte| self.step(byte, out))
    }

    /// The message is over: checks that it is complete.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        let whole = if self.held == 0 { self.padding != Padding::Half } else { false };
        if whole { Ok(()) } else { Err(Malformed) }
    }

    fn step(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Malformed> {
        match byte {
            b'\r' | b'\n' => return Ok(()),
            b'=' => return self.pad(out),
            _ => {}
        }
        let digit = DIGITS[usize::from(byte)];
        if digit == 64 || self.padding != Padding::None {
            return Err(Malformed);
        }
        self.bits = self.bits << 6 | u32::from(digit);
        self.held = (self.held + 1) % 4;
        if self.held == 0 {
            out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
        }
        Ok(())
    }

    fn pad(&mut self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        self.padding = match (self.padding, self.held) {
            (Padding::None, 2) => {
                out.push((self.bits >> 4) as u8);
                Padding::Half
            }
            (Padding::None, 3) => {
                out.extend_from_slice(&((self.bits >> 2) as u16).to_be_bytes());
                Padding::Whole
            }
            (Padding::Half, _) => Padding::Whole,
            _ => return Err(Malformed),
        };
        self.held = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::{Malformed, StreamingBase64};

    fn decode(parts: &[&[u8]]) -> Result<Vec<u8>, Malformed> {
        let (mut decoder, mut out, mut all) = (StreamingBase64::default(), Vec::new(), Vec::new());
        for part in parts {
            decoder.decode(part, &mut out)?;
            all.extend_from_slice(&out);
        }
        decoder.finish().map(|()| all)
    }

    #[test]
    fn every_length_decodes_at_every_split() {
        for length in 0..12u8 {
            let plain: Vec<u8> = (0..length).map(|i| i.wrapping_mul(97)).collect();
            let text = STANDARD.encode(&plain);
            for split in 0..=text.len() {
                let (a, b) = text.as_bytes().split_at(split);
                assert_eq!(decode(&[a, b]).as_deref(), Ok(&plain[..]), "{text} at {split}");
            }
        }
    }

    #[test]
    fn go_skips_line_ends_and_spare_bits() {
        assert_eq!(decode(&[b"aG\r\nk=\n"]), Ok(b"hi".to_vec()));
        assert_eq!(decode(&[b"aGl="]), Ok(b"hi".to_vec()));
    }

    #[test]
    fn go_refuses_missing_padding_and_what_follows_it() {
        for text in ["aGk", "a", "a===", "aG=", "aGk=aGk=", "aG k=", "aGk-", "="] {
            assert_eq!(decode(&[text.as_bytes()]), Err(Malformed), "{text}");
        }
    }
}
