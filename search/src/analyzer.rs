//! The analyzer: text to tokens, for documents and queries alike.
//!
//! What stands between white space is a token, with its punctuation, so that `10.0.3.7`, `/etc/passwd`, `--force` and
//! `nginx-7d4b9` are found as they are written. If it has several parts (`--image=nginx:1.27`, `pod/web-0`, `(ls`),
//! each part is a token too, and so is each word: a run of letters and digits. Scripts that put no space between words
//! (Chinese, Japanese, Korean, Thai and others) are cut into characters.
//!
//! Words count the positions; a whole token or a part has the position of its first word. So one field answers words,
//! whole tokens and phrases of both:
//!
//! ```text
//! text       set   image   pod/web-0            c='nginx:1.27'
//! words      set   image   pod   web   0        c   nginx   1     27
//! parts                    pod   web-0          c   nginx   1.27
//! whole      set   image   pod/web-0            c='nginx:1.27
//! position   0     1       2     3     4        5   6       7     8
//! ```

use std::ops::Range;

/// Longest token, in bytes; what follows is cut off.
pub(crate) const MAX_TOKEN_BYTES: usize = 200;
/// Most parts of one whole token that are tokens. No line of output has more, as its 4 KiB hold four parts in five bytes
/// at most (`a/a.,`); a command without blanks may.
const MAX_PARTS: usize = 4096;

/// A word, a part or a whole token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TextToken {
    /// In lower case.
    pub(crate) text: String,
    /// Its bytes in the analyzed text.
    pub(crate) range: Range<usize>,
    /// Its place in a phrase.
    pub(crate) position: usize,
}

/// The tokens of a text, in order of position.
pub(crate) fn tokenize(text: &str) -> Vec<TextToken> {
    let mut tokens = Vec::with_capacity(text.len() / 4);
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
            push(&mut tokens, text, range, position + at);
        }
        position += words.len().max(1);
    }
    tokens
}

/// Appends a token, unless its position has one of the same text.
fn push(tokens: &mut Vec<TextToken>, text: &str, range: Range<usize>, position: usize) {
    let folded = fold(&text[range.clone()]);
    let known = tokens.iter().rev().take_while(|token| token.position == position).any(|token| token.text == folded);
    if !known {
        tokens.push(TextToken { text: folded, range, position });
    }
}

/// The finest parts of a text: the tokens that a phrase of it must contain, each with its distance in positions from the
/// first.
pub(crate) fn phrase_tokens(text: &str) -> Vec<(usize, String)> {
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

/// Lower case, cut to [`MAX_TOKEN_BYTES`].
pub(crate) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text[..text.len().min(MAX_TOKEN_BYTES)].to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len().min(MAX_TOKEN_BYTES));
    for c in text.chars().flat_map(char::to_lowercase) {
        if folded.len() + c.len_utf8() > MAX_TOKEN_BYTES {
            break;
        }
        folded.push(c);
    }
    folded
}

/// The text without quotes around it.
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

/// The whole token and its parts, each once, [`MAX_PARTS`] at most.
fn parts(text: &str, token: Range<usize>) -> Vec<Range<usize>> {
    let mut found = vec![trimmed(text, token.clone(), is_quote)];
    for part in split_range(text, token, is_separator) {
        let sentence = trimmed(text, part.clone(), |c| matches!(c, '.' | '!' | '?'));
        let names = split_range(text, part.clone(), |c| c == '/').filter(|name| *name != part && *name != sentence);
        let shorter = (sentence != part).then(|| sentence.clone());
        let whole = (part != found[0]).then(|| part.clone());
        found.extend(whole.into_iter().chain(shorter).chain(names));
        if found.len() >= MAX_PARTS {
            break;
        }
    }
    found.truncate(MAX_PARTS);
    found.retain(|range| !range.is_empty());
    found
}

fn trimmed(text: &str, range: Range<usize>, strip: impl Fn(char) -> bool + Copy) -> Range<usize> {
    let whole = &text[range.clone()];
    let end = range.start + whole.trim_end_matches(strip).len();
    // Only quotes are trimmed from the front: the dot of `./run` and `.bashrc` belongs to the name.
    let start = if strip('"') { range.end - whole.trim_start_matches(strip).len() } else { range.start };
    start..end.max(start)
}

fn split_range(text: &str, range: Range<usize>, border: impl Fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    split(&text[range.clone()], range.start, border)
}

/// The non-empty ranges of `text` between border characters, moved by `offset`.
fn split(text: &str, offset: usize, border: impl Fn(char) -> bool) -> impl Iterator<Item = Range<usize>> {
    let parts = text.split(border).filter(|part| !part.is_empty());
    parts.map(move |part| {
        let start = offset + (part.as_ptr() as usize - text.as_ptr() as usize);
        start..start + part.len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, position: usize) -> Vec<String> {
        tokenize(text).into_iter().filter(|token| token.position == position).map(|token| token.text).collect()
    }

    #[test]
    fn tokens_are_kept_as_they_are() {
        for token in ["10.0.3.7", "/etc/passwd", "--force", "nginx-7d4b9", "-rf", "|", "./run", ".bashrc", "漢字"] {
            let found = tokenize(&format!("x '{token}' y"));
            assert!(found.iter().any(|of| of.text == token), "{token}: {found:?}");
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
        let of =
            |text: &str| phrase_tokens(text).into_iter().map(|(at, text)| format!("{at}:{text}")).collect::<Vec<_>>();
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
            for token in tokenize(text) {
                assert!(text.is_char_boundary(token.range.start) && text.is_char_boundary(token.range.end));
                assert_eq!(fold(&text[token.range.clone()]), token.text);
            }
        }
    }

    #[test]
    fn every_part_of_a_long_token_is_found() {
        let fields: Vec<String> = (0..500).map(|field| format!("f{field}=10.0.{field}.7")).collect();
        let text = fields.join("&");
        let found = tokenize(&text);
        for field in 0..500 {
            let part = format!("10.0.{field}.7");
            assert!(found.iter().any(|token| token.text == part && text[token.range.clone()] == part), "{part}");
        }
        assert!(found.is_sorted_by_key(|token| token.position));
    }

    #[test]
    fn a_line_of_output_has_no_more_parts_than_are_found() {
        for dense in ["a/a.,", "a,", "a/a,", "a.,", "-,", "a/"] {
            let text = dense.repeat(4096 / dense.len());
            assert!(parts(&text, 0..text.len()).len() < MAX_PARTS, "{dense}");
        }
    }

    #[test]
    fn a_token_of_a_megabyte_is_cut() {
        let long = "=".repeat(1 << 20) + &"x".repeat(1 << 20);
        let found = tokenize(&long);
        assert!(found.len() <= MAX_PARTS + 1 && found.iter().all(|token| token.text.len() <= MAX_TOKEN_BYTES));
    }
}
