//! The part of a text around the first match, and what to mark in it.

use std::ops::Range;

use crate::{
    Snippet,
    query::Needle,
    token::{Piece, pieces},
};

/// Bytes of a snippet, about.
const LENGTH: usize = 240;
/// Bytes shown before the first match.
const BEFORE: usize = 60;
/// Ranges marked in one snippet.
const MOST_RANGES: usize = 64;

/// Cuts a snippet out of `text` and marks where `needles` are in it.
pub(crate) fn snippet(text: &str, needles: &[&Needle]) -> Snippet {
    let matches = joined(matches(text, needles));
    let first = matches.first().map_or(0, |range| range.start);
    let window = window(text, first);
    let (lead, tail) = (if window.start > 0 { "…" } else { "" }, if window.end < text.len() { "…" } else { "" });
    let within = matches.into_iter().filter(|range| range.start < window.end && range.end > window.start);
    let moved = within.map(|range| {
        let place = |at: usize| at.clamp(window.start, window.end) - window.start + lead.len();
        place(range.start)..place(range.end)
    });
    let ranges = moved.take(MOST_RANGES).collect();
    Snippet { text: format!("{lead}{}{tail}", &text[window]), ranges }
}

/// Where the first match begins; 0 where there is none.
pub(crate) fn first_match(text: &str, needles: &[&Needle]) -> usize {
    matches(text, needles).into_iter().map(|range| range.start).min().unwrap_or(0)
}

/// A window of [`LENGTH`] on character borders; all of a text that is not longer. It begins with a line where one
/// begins shortly before the match.
fn window(text: &str, first: usize) -> Range<usize> {
    if text.len() <= LENGTH {
        return 0..text.len();
    }
    let start = text.floor_char_boundary(first.saturating_sub(BEFORE).min(text.len() - LENGTH));
    let start = text[start..first.max(start)].find('\n').map_or(start, |end| start + end + 1);
    start..text.floor_char_boundary((start + LENGTH).min(text.len()))
}

fn matches(text: &str, needles: &[&Needle]) -> Vec<Range<usize>> {
    if needles.is_empty() {
        return Vec::new();
    }
    let pieces = pieces(text);
    needles.iter().flat_map(|needle| needle.find(&pieces)).collect()
}

/// In order, with those that touch or overlap made one.
fn joined(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut joined: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

impl Needle {
    /// Where it is among the pieces of a text.
    fn find(&self, pieces: &[Piece]) -> Vec<Range<usize>> {
        let those = |fits: &dyn Fn(&Piece) -> bool| {
            pieces.iter().filter(|piece| fits(piece)).map(|piece| piece.range.clone()).collect()
        };
        match self {
            Self::Exact(text) => those(&|piece| piece.text == *text),
            Self::Pattern(pattern) => those(&|piece| pattern.fits(&piece.text)),
            Self::Phrase(phrase) => {
                let starts = pieces.iter().filter(|piece| phrase.first().is_some_and(|(_, text)| piece.text == *text));
                starts.filter_map(|start| phrase_at(pieces, start, phrase)).collect()
            }
            Self::Either(all) => all.iter().flat_map(|needle| needle.find(pieces)).collect(),
        }
    }
}

/// The phrase's range where it begins with `start`.
fn phrase_at(pieces: &[Piece], start: &Piece, phrase: &[(usize, String)]) -> Option<Range<usize>> {
    let mut end = start.range.end;
    for (distance, text) in phrase.iter().skip(1) {
        let position = start.position + distance;
        // Pieces are in order of position.
        let first = pieces.partition_point(|piece| piece.position < position);
        let here = pieces[first..].iter().take_while(|piece| piece.position == position);
        end = here.filter(|piece| piece.text == *text).map(|piece| piece.range.end).next()?;
    }
    Some(start.range.start..end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse;

    fn marked(text: &str, query: &str) -> String {
        let parsed = parse(query, &"2026-11-24T13:04:56Z[UTC]".parse().unwrap()).unwrap();
        let snippet = snippet(text, &parsed.needles());
        let mut shown = String::new();
        let mut at = 0;
        for range in snippet.ranges {
            shown += &format!("{}[{}]", &snippet.text[at..range.start], &snippet.text[range.clone()]);
            at = range.end;
        }
        shown + &snippet.text[at..]
    }

    #[test]
    fn marks_what_was_found() {
        assert_eq!(marked("cat /etc/passwd", "/etc/passwd"), "cat [/etc/passwd]");
        assert_eq!(marked("Cat '/etc/passwd';id", "cat /etc/passwd"), "[Cat] '[/etc/passwd]';id");
        assert_eq!(marked("rm -rf / && rm -r x", "\"rm -rf\""), "[rm -rf] / && rm -r x");
        assert_eq!(marked("get pods nginx-7d4b9 nginx-1", "nginx-*"), "get pods [nginx-7d4b9] [nginx-1]");
        assert_eq!(marked("ÄRGER über ärger", "ärger"), "[ÄRGER] über [ärger]");
        assert_eq!(marked("ls -l x.conf", "re:.*\\.conf OR nothing"), "ls -l [x.conf]");
        assert_eq!(marked("使用漢字的", "漢字"), "使用[漢字]的");
        assert_eq!(marked("GET http://10.0.3.7:8080/x", "10.0.3.7:8080"), "GET http://[10.0.3.7:8080]/x");
    }

    #[test]
    fn a_long_text_is_cut_around_the_match_between_characters() {
        let text = format!("{} needle {}", "ä".repeat(500), "漢".repeat(500));
        let shown = marked(&text, "needle");
        assert!(shown.starts_with('…') && shown.ends_with('…') && shown.contains(" [needle] "), "{shown}");
        assert!(shown.len() < LENGTH + 20);
    }

    #[test]
    fn markup_stays_text() {
        assert_eq!(marked("echo <script>alert(1)</script>", "script"), "echo <[script]>alert(1)</[script]>");
    }
}
