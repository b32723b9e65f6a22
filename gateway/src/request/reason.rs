use std::fmt;

use thiserror::Error;

/// Longest reason in bytes: a terminal shows it in a few lines.
const LONGEST: usize = 500;

/// Why somebody ends another person's session: one line of text, shown in that person's terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// Why a text is no [`Reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReasonError {
    /// It has nothing but blanks.
    #[error("say why: the person whose session it is will read it")]
    Empty,
    /// It is longer than 500 bytes.
    #[error("the reason is longer than {LONGEST} bytes: say it in a line")]
    TooLong,
    /// It has characters that steer a terminal.
    #[error("the reason has control characters: write it as one line of text")]
    Control,
}

impl Reason {
    /// Checks a text and removes the blanks around it.
    ///
    /// # Errors
    /// [`ReasonError`] says what to change.
    pub fn parse(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReasonError::Empty);
        }
        if text.len() > LONGEST {
            return Err(ReasonError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || steers(c)) {
            return Err(ReasonError::Control);
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether a character turns the direction of text or ends lines: Unicode's bidirectional controls and separators.
fn steers(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line_of_text() {
        assert_eq!(Reason::parse(" left the company ").unwrap().to_string(), "left the company");
        assert_eq!(Reason::parse(" \t"), Err(ReasonError::Empty));
        assert_eq!(Reason::parse(&"x".repeat(501)), Err(ReasonError::TooLong));
        for text in ["a\nb", "\x1b[2J", "a\u{202e}b", "a\u{9b}2J"] {
            assert_eq!(Reason::parse(text), Err(ReasonError::Control), "{text:?}");
        }
    }
}
