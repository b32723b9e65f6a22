//! Snippets: the part of a text around its best match, with the matches marked.

use std::ops::Range;

use super::{highlighter::Matches, hit::Snippet};
use crate::query::expression::TextClause;

/// Length of a snippet, in bytes, without the ellipses.
const LENGTH: usize = 240;
/// Bytes before the best match.
const BEFORE: usize = 60;
/// Most matches marked in one snippet.
const MAX_RANGES: usize = 64;

/// Cuts the snippet out of `text` in which matches of `clauses` are marked.
pub(crate) fn snippet(text: &str, clauses: &[&TextClause]) -> Snippet {
    let matches = Matches::of(text, clauses);
    let window = window(text, matches.best(text, |at| window(text, at)));
    let (lead, tail) = (if window.start > 0 { "…" } else { "" }, if window.end < text.len() { "…" } else { "" });
    let within = matches.ranges().into_iter().filter(|range| range.start < window.end && range.end > window.start);
    let ranges = within.map(|range| {
        let moved = |at: usize| at.clamp(window.start, window.end) - window.start + lead.len();
        moved(range.start)..moved(range.end)
    });
    let ranges = ranges.take(MAX_RANGES).collect();
    Snippet { text: format!("{lead}{}{tail}", &text[window]), ranges }
}

/// Where the match begins that the snippet shows; 0 if there is none.
pub(crate) fn best_match(text: &str, clauses: &[&TextClause]) -> usize {
    Matches::of(text, clauses).best(text, |at| window(text, at))
}

/// The window of [`LENGTH`] around a match, on character borders; the whole text if it is not longer. If a line begins in
/// the bytes before the match, the window begins with it.
fn window(text: &str, at: usize) -> Range<usize> {
    if text.len() <= LENGTH {
        return 0..text.len();
    }
    let start = text.floor_char_boundary(at.saturating_sub(BEFORE).min(text.len() - LENGTH));
    let start = text[start..at.max(start)].find('\n').map_or(start, |end| start + end + 1);
    start..text.floor_char_boundary((start + LENGTH).min(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse;

    fn marked(text: &str, query: &str) -> String {
        let parsed = parse(query, &"2026-11-24T13:04:56Z[UTC]".parse().unwrap()).unwrap();
        let snippet = snippet(text, &parsed.highlighted());
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
    fn the_line_that_has_the_most_is_shown() {
        let about = |text: &str, query: &str| {
            let parsed = parse(query, &"2026-11-24T13:04:56Z[UTC]".parse().unwrap()).unwrap();
            text[best_match(text, &parsed.highlighted())..].lines().next().unwrap().to_owned()
        };
        let text = "the end\nof the\nwas refused by the peer\nthe peer refused\n";
        assert_eq!(about(text, "the refused"), "refused by the peer");
        assert_eq!(about(text, "peer the refused"), "refused by the peer");
        assert_eq!(about(text, "\"the peer\" of"), "of the", "a phrase is one");
        assert_eq!(about("a\na\na\nb\na", "a b"), "b", "the rarest, where no line has more");
        assert_eq!(about("a\nb\n", "a b"), "a");
        assert_eq!(about("x", "a"), "x");
    }

    #[test]
    fn a_long_line_is_cut_where_it_has_the_most() {
        let text = format!("the {} connection was refused by the peer {}", "x ".repeat(300), "y ".repeat(300));
        let shown = marked(&text, "the refused");
        assert!(shown.contains("was [refused] by [the] peer"), "{shown}");
    }

    #[test]
    fn markup_stays_text() {
        assert_eq!(marked("echo <script>alert(1)</script>", "script"), "echo <[script]>alert(1)</[script]>");
    }
}
