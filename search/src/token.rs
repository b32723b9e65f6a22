//! Text as words and as tokens.
//!
//! Words are runs of letters and digits. Tokens stand between white space, with quotes stripped, and are kept with
//! their punctuation, so that `10.0.3.7`, `/etc/passwd` and `--force` are found as such; where a token is made of
//! several (`--image=nginx:1.27`, `pod/web-0`, `(ls`) its parts are found too, at the same position.
//!
//! ```text
//! text       kubectl   set   image   pod/web-0   c='nginx:1.27'
//! words      kubectl   set   image   pod web 0   c nginx 1 27
//! tokens     kubectl   set   image   pod/web-0   c='nginx:1.27
//!                                    pod         c  nginx:1.27... and so on
//!                                    web-0
//! position   0         1     2       3           4
//! ```

use std::ops::Range;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Bytes of a word or token that are looked at; what follows is not told apart.
const LONGEST: usize = 200;
/// Parts of one token that are found by themselves.
const MOST_PARTS: usize = 32;

/// A word or token: folded to lower case, where it stands, and its place in a phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) range: Range<usize>,
    pub(crate) position: usize,
}

/// Which of the two ways text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    Words,
    Tokens,
}

impl Cut {
    /// Name in the schema.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Tokens => "tokens",
        }
    }

    /// The pieces of a text, in order.
    pub(crate) fn pieces(self, text: &str) -> Vec<Piece> {
        match self {
            Self::Words => words(text),
            Self::Tokens => tokens(text),
        }
    }
}

/// Lower case, cut to [`LONGEST`] bytes.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len().min(LONGEST));
    for c in text.chars().flat_map(char::to_lowercase) {
        if folded.len() + c.len_utf8() > LONGEST {
            break;
        }
        folded.push(c);
    }
    folded
}

/// Whether all of it is one word.
pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(char::is_alphanumeric)
}

/// Without the quotes around it.
pub(crate) fn unquoted(text: &str) -> &str {
    text.trim_matches(is_quote)
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

fn words(text: &str) -> Vec<Piece> {
    let runs = split(text, 0, |c| !c.is_alphanumeric()).enumerate();
    runs.map(|(position, range)| Piece { text: fold(&text[range.clone()]), range, position }).collect()
}

fn tokens(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (position, range) in split(text, 0, char::is_whitespace).enumerate() {
        let first = pieces.len();
        for part in parts(text, range).into_iter().take(MOST_PARTS) {
            let folded = fold(&text[part.clone()]);
            let known = pieces[first..].iter().any(|piece: &Piece| piece.text == folded);
            if !known {
                pieces.push(Piece { text: folded, range: part, position });
            }
        }
    }
    pieces
}

/// The token itself and what it is made of.
fn parts(text: &str, token: Range<usize>) -> Vec<Range<usize>> {
    let mut found = vec![trimmed(text, token.clone(), is_quote)];
    for part in split_range(text, token, |c| "=,;:|&()[]{}<>\"'`@".contains(c)) {
        found.push(part.clone());
        found.push(trimmed(text, part.clone(), |c| matches!(c, '.' | '!' | '?')));
        found.extend(split_range(text, part, |c| c == '/'));
    }
    found.retain(|range| !range.is_empty());
    found
}

fn trimmed(text: &str, range: Range<usize>, strip: impl Fn(char) -> bool + Copy) -> Range<usize> {
    let whole = &text[range.clone()];
    let end = range.start + whole.trim_end_matches(strip).len();
    // Only quotes are taken off the front: `./run` and `.bashrc` begin with what they are.
    let start = if strip('"') { range.end - whole.trim_start_matches(strip).len() } else { range.start };
    start..end.max(start)
}

fn split_range(text: &str, range: Range<usize>, border: impl Fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    split(&text[range.clone()], range.start, border)
}

/// Ranges of `text` between border characters, moved by `offset`; empty ones left out.
fn split(text: &str, offset: usize, border: impl Fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    let pieces = text.split(border).filter(|piece| !piece.is_empty());
    pieces.map(move |piece| {
        let start = offset + (piece.as_ptr() as usize - text.as_ptr() as usize);
        start..start + piece.len()
    })
}

/// The same for Tantivy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cutter(pub(crate) Cut);

pub(crate) struct Stream {
    pieces: std::vec::IntoIter<Piece>,
    token: Token,
}

impl Tokenizer for Cutter {
    type TokenStream<'a> = Stream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream {
        Stream { pieces: self.0.pieces(text).into_iter(), token: Token::default() }
    }
}

impl TokenStream for Stream {
    fn advance(&mut self) -> bool {
        let Some(piece) = self.pieces.next() else { return false };
        self.token = Token {
            offset_from: piece.range.start,
            offset_to: piece.range.end,
            position: piece.position,
            text: piece.text,
            position_length: 1,
        };
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pieces: &[Piece]) -> Vec<&str> {
        pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn tokens_are_kept_as_they_are() {
        for token in ["10.0.3.7", "/etc/passwd", "--force", "nginx-7d4b9", "-rf", "|", "./run", ".bashrc"] {
            let pieces = tokens(&format!("x '{token}' y"));
            assert!(texts(&pieces).contains(&token), "{token}: {pieces:?}");
        }
    }

    #[test]
    fn parts_share_the_position_of_the_token() {
        let pieces = tokens("set --image=Nginx:1.27 pod/web-0");
        let at = |position| {
            texts(&pieces.iter().filter(|p| p.position == position).cloned().collect::<Vec<_>>())
                .into_iter()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(at(0), ["set"]);
        assert_eq!(at(1), ["--image=nginx:1.27", "--image", "nginx", "1.27"]);
        assert_eq!(at(2), ["pod/web-0", "pod", "web-0"]);
    }

    #[test]
    fn ranges_fit_the_original_text_whatever_case_does_to_lengths() {
        // `İ` grows when it is folded.
        for text in ["İstanbul x", "a\u{301}b ⅷ 漢字 'q'", "\u{0}--\u{7f} =", "ẞß ﬀ"] {
            for cut in [Cut::Words, Cut::Tokens] {
                for piece in cut.pieces(text) {
                    assert!(text.is_char_boundary(piece.range.start) && text.is_char_boundary(piece.range.end));
                    assert_eq!(fold(&text[piece.range.clone()]), piece.text);
                }
            }
        }
    }

    #[test]
    fn a_token_of_a_megabyte_is_cut() {
        let long = "=".repeat(1 << 20) + &"x".repeat(1 << 20);
        let pieces = tokens(&long);
        assert!(pieces.len() <= MOST_PARTS && pieces.iter().all(|piece| piece.text.len() <= LONGEST));
    }
}
