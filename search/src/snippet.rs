//! The part of a text around the first match, and what to mark in it.

use std::ops::Range;

use crate::{
    Snippet,
    query::Needle,
    token::{Cut, Piece},
};

/// Bytes of a snippet, about.
const LENGTH: usize = 240;
/// Bytes shown before the first match.
const BEFORE: usize = 60;
/// Ranges marked in one snippet.
const MOST_RANGES: usize = 64;

/// Cuts a snippet out of `text` and marks where `needles` are in it.
pub(crate) fn snippet(text: &str, needles: &[Needle]) -> Snippet {
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

/// A window of [`LENGTH`] on character borders; all of a text that is not longer.
fn window(text: &str, first: usize) -> Range<usize> {
    if text.len() <= LENGTH {
        return 0..text.len();
    }
    let start = text.floor_char_boundary(first.saturating_sub(BEFORE).min(text.len() - LENGTH));
    start..text.floor_char_boundary(start + LENGTH)
}

fn matches(text: &str, needles: &[Needle]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for cut in [Cut::Words, Cut::Tokens] {
        let mine: Vec<&Needle> = needles.iter().filter(|needle| needle.cut() == cut).collect();
        if !mine.is_empty() {
            let pieces = cut.pieces(text);
            found.extend(mine.iter().flat_map(|needle| needle.find(&pieces)));
        }
    }
    found
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
    fn cut(&self) -> Cut {
        match self {
            Self::Exact(cut, _) | Self::Prefix(cut, _) | Self::Phrase(cut, _) => *cut,
        }
    }

    /// Where it is among the pieces of a text.
    fn find(&self, pieces: &[Piece]) -> Vec<Range<usize>> {
        let those = |fits: &dyn Fn(&Piece) -> bool| {
            pieces.iter().filter(|piece| fits(piece)).map(|piece| piece.range.clone()).collect()
        };
        match self {
            Self::Exact(_, text) => those(&|piece| piece.text == *text),
            Self::Prefix(_, text) => those(&|piece| piece.text.starts_with(text)),
            Self::Phrase(_, phrase) => {
                let starts = pieces.iter().filter(|piece| Some(&piece.text) == phrase.first());
                starts.filter_map(|start| phrase_at(pieces, start, phrase)).collect()
            }
        }
    }
}

/// The phrase's range where it begins with `start`.
fn phrase_at(pieces: &[Piece], start: &Piece, phrase: &[String]) -> Option<Range<usize>> {
    let mut end = start.range.end;
    for (distance, text) in phrase.iter().enumerate().skip(1) {
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
        let needles: Vec<Needle> = parse(query).unwrap().needles.into_iter().map(|clause| clause.what).collect();
        let snippet = snippet(text, &needles);
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
