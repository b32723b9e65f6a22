//! Text cut into what can be found.
//!
//! A token stands between white space and is kept with its punctuation, so that `10.0.3.7`, `/etc/passwd`, `--force`
//! and `nginx-7d4b9` are found as such. Where it is made of several (`--image=nginx:1.27`, `pod/web-0`, `(ls`), its
//! parts are found too, and so are its words: runs of letters and digits. Scripts that put no space between words
//! (Chinese, Japanese, Korean, Thai and others) are cut into characters.
//!
//! Words count the positions; a token or part stands where its first word does. So one field answers words, tokens and
//! phrases of both:
//!
//! ```text
//! text       set   image   pod/web-0            c='nginx:1.27'
//! words      set   image   pod   web   0        c   nginx   1     27
//! parts                    pod   web-0          c   nginx   1.27
//! tokens     set   image   pod/web-0            c='nginx:1.27
//! position   0     1       2     3     4        5   6       7     8
//! ```

use std::ops::Range;

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// Bytes of a piece that are looked at; what follows is not told apart.
const LONGEST: usize = 200;
/// Parts of one token that are found by themselves. No line of output has more, as its 4 KiB hold four parts in five
/// bytes at most (`a/a.,`); a command without blanks may.
const MOST_PARTS: usize = 4096;

/// The tokenizer's name in the schema.
pub(crate) const NAME: &str = "pieces";

/// A word, part or token: folded to lower case, where it stands, and its place in a phrase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) range: Range<usize>,
    pub(crate) position: usize,
}

/// The pieces of a text, in order of position.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len() / 4);
    let mut words = Vec::new();
    let mut position = 0;
    for token in split(text, 0, char::is_whitespace) {
        words.clear();
        find_words(text, token.clone(), &mut words);
        let mut found: Vec<(usize, Range<usize>)> = Vec::with_capacity(words.len() + 1);
        for part in parts(text, token) {
            found.push((words.partition_point(|word| word.start < part.start), part));
        }
        found.extend(words.iter().cloned().enumerate());
        found.sort_by_key(|(at, _)| *at);
        for (at, range) in found {
            push(&mut pieces, text, range, position + at);
        }
        position += words.len().max(1);
    }
    pieces
}

/// Adds a piece behind those of earlier positions, if it is not there at its own.
fn push(pieces: &mut Vec<Piece>, text: &str, range: Range<usize>, position: usize) {
    let folded = fold(&text[range.clone()]);
    let known = pieces.iter().rev().take_while(|piece| piece.position == position).any(|piece| piece.text == folded);
    if !known {
        pieces.push(Piece { text: folded, range, position });
    }
}

/// What a token, or a text of several, is made of at the finest: the pieces that a phrase of it must have, with
/// their distance from the first.
pub(crate) fn finest(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut words = Vec::new();
    let mut position = 0;
    for token in split(text, 0, char::is_whitespace) {
        words.clear();
        find_words(text, token.clone(), &mut words);
        for part in split_range(text, trimmed(text, token, is_quote), |c| is_separator(c) || c == '/') {
            let before = words.partition_point(|word| word.start < part.start);
            if text[part.clone()].chars().any(is_unspaced) {
                let inside = words.iter().enumerate().skip(before).take_while(|(_, word)| word.end <= part.end);
                found.extend(inside.map(|(at, word)| (position + at, fold(&text[word.clone()]))));
            } else {
                found.push((position + before, fold(&text[part])));
            }
        }
        position += words.len().max(1);
    }
    let start = found.first().map_or(0, |(position, _)| *position);
    found.iter_mut().for_each(|(position, _)| *position -= start);
    found
}

/// Lower case, cut to [`LONGEST`] bytes.
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text[..text.len().min(LONGEST)].to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len().min(LONGEST));
    for c in text.chars().flat_map(char::to_lowercase) {
        if folded.len() + c.len_utf8() > LONGEST {
            break;
        }
        folded.push(c);
    }
    folded
}

/// Without the quotes around it.
pub(crate) fn unquoted(text: &str) -> &str {
    text.trim_matches(is_quote)
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

fn is_separator(c: char) -> bool {
    "=,;:|&()[]{}<>\"'`@".contains(c)
}

/// Whether words of this character's script follow each other without a space.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c),
        0x0e00..=0x0eff       // Thai, Lao
        | 0x1000..=0x109f     // Myanmar
        | 0x1100..=0x11ff     // Hangul letters
        | 0x1780..=0x17ff     // Khmer
        | 0x3040..=0x30ff     // Hiragana, Katakana
        | 0x3400..=0x9fff     // CJK
        | 0xac00..=0xd7af     // Hangul
        | 0xf900..=0xfaff     // CJK compatibility
        | 0xff66..=0xff9f     // Katakana of half width
        | 0x2_0000..=0x3_ffff // CJK extensions
    )
}

/// Runs of letters and digits, and single characters of scripts without spaces.
fn find_words(text: &str, token: Range<usize>, words: &mut Vec<Range<usize>>) {
    let mut open: Option<usize> = None;
    for (offset, c) in text[token.clone()].char_indices() {
        let at = token.start + offset;
        let joins = c.is_alphanumeric() && !is_unspaced(c);
        if joins {
            open.get_or_insert(at);
            continue;
        }
        words.extend(open.take().map(|start| start..at));
        if c.is_alphanumeric() {
            words.push(at..at + c.len_utf8());
        }
    }
    words.extend(open.map(|start| start..token.end));
}

/// The token itself and what it is made of, each once, [`MOST_PARTS`] at most.
fn parts(text: &str, token: Range<usize>) -> Vec<Range<usize>> {
    let mut found = vec![trimmed(text, token.clone(), is_quote)];
    for part in split_range(text, token, is_separator) {
        let sentence = trimmed(text, part.clone(), |c| matches!(c, '.' | '!' | '?'));
        let names = split_range(text, part.clone(), |c| c == '/').filter(|name| *name != part && *name != sentence);
        let shorter = (sentence != part).then(|| sentence.clone());
        let whole = (part != found[0]).then(|| part.clone());
        found.extend(whole.into_iter().chain(shorter).chain(names));
        if found.len() >= MOST_PARTS {
            break;
        }
    }
    found.truncate(MOST_PARTS);
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
pub(crate) struct Cutter;

pub(crate) struct Stream {
    pieces: std::vec::IntoIter<Piece>,
    token: Token,
}

impl Tokenizer for Cutter {
    type TokenStream<'a> = Stream;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream {
        Stream { pieces: pieces(text).into_iter(), token: Token::default() }
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

    fn at(text: &str, position: usize) -> Vec<String> {
        pieces(text).into_iter().filter(|piece| piece.position == position).map(|piece| piece.text).collect()
    }

    #[test]
    fn tokens_are_kept_as_they_are() {
        for token in ["10.0.3.7", "/etc/passwd", "--force", "nginx-7d4b9", "-rf", "|", "./run", ".bashrc", "漢字"] {
            let found = pieces(&format!("x '{token}' y"));
            assert!(found.iter().any(|piece| piece.text == token), "{token}: {found:?}");
        }
    }

    #[test]
    fn words_count_and_parts_stand_at_their_first() {
        let text = "set --image=Nginx:1.27 pod/web-0 | 漢字";
        assert_eq!(at(text, 0), ["set"]);
        assert_eq!(at(text, 1), ["--image=nginx:1.27", "--image", "image"]);
        assert_eq!(at(text, 2), ["nginx"]);
        assert_eq!(at(text, 3), ["1.27", "1"]);
        assert_eq!(at(text, 4), ["27"]);
        assert_eq!(at(text, 5), ["pod/web-0", "pod"]);
        assert_eq!(at(text, 6), ["web-0", "web"]);
        assert_eq!(at(text, 8), ["|"]);
        assert_eq!(at(text, 9), ["漢字", "漢"]);
        assert_eq!(at(text, 10), ["字"]);
    }

    #[test]
    fn a_phrase_is_made_of_the_finest_parts() {
        let of = |text: &str| finest(text).into_iter().map(|(at, text)| format!("{at}:{text}")).collect::<Vec<_>>();
        assert_eq!(of("rm -rf"), ["0:rm", "1:-rf"]);
        assert_eq!(of("http://10.0.3.7:80/x"), ["0:http", "1:10.0.3.7", "5:80", "6:x"]);
        assert_eq!(of("/etc/passwd"), ["0:etc", "1:passwd"]);
        assert_eq!(of("日本語.txt"), ["0:日", "1:本", "2:語", "3:txt"]);
        assert_eq!(of("\"=\""), Vec::<String>::new());
    }

    #[test]
    fn ranges_fit_the_original_text_whatever_case_does_to_lengths() {
        // `İ` grows when it is folded.
        for text in ["İstanbul x", "a\u{301}b ⅷ 漢字 'q'", "\u{0}--\u{7f} =", "ẞß ﬀ", "กขค 한국어x"]
        {
            for piece in pieces(text) {
                assert!(text.is_char_boundary(piece.range.start) && text.is_char_boundary(piece.range.end));
                assert_eq!(fold(&text[piece.range.clone()]), piece.text);
            }
        }
    }

    #[test]
    fn every_part_of_a_long_token_is_found() {
        let fields: Vec<String> = (0..500).map(|field| format!("f{field}=10.0.{field}.7")).collect();
        let text = fields.join("&");
        let found = pieces(&text);
        for field in 0..500 {
            let part = format!("10.0.{field}.7");
            assert!(found.iter().any(|piece| piece.text == part && text[piece.range.clone()] == part), "{part}");
        }
        assert!(found.is_sorted_by_key(|piece| piece.position));
    }

    #[test]
    fn a_line_of_output_has_no_more_parts_than_are_found() {
        for dense in ["a/a.,", "a,", "a/a,", "a.,", "-,", "a/"] {
            let text = dense.repeat(4096 / dense.len());
            assert!(parts(&text, 0..text.len()).len() < MOST_PARTS, "{dense}");
        }
    }

    #[test]
    fn a_token_of_a_megabyte_is_cut() {
        let long = "=".repeat(1 << 20) + &"x".repeat(1 << 20);
        let found = pieces(&long);
        assert!(found.len() <= MOST_PARTS + 1 && found.iter().all(|piece| piece.text.len() <= LONGEST));
    }
}
