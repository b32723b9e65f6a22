//! Matches of a query's clauses in a document's text.

use std::{cmp::Reverse, ops::Range};

use crate::{
    analyzer::{TextToken, tokenize},
    query::expression::TextClause,
};

/// The matches of some clauses in a text.
#[derive(Debug)]
pub(crate) struct Matches {
    /// Sorted by where they begin.
    matches: Vec<Match>,
    /// How many matches each clause has.
    counts: Vec<usize>,
}

#[derive(Debug)]
struct Match {
    /// Index of the clause.
    clause: usize,
    range: Range<usize>,
}

impl Matches {
    /// All matches of `clauses` in `text`.
    pub(crate) fn of(text: &str, clauses: &[&TextClause]) -> Self {
        let tokens = if clauses.is_empty() { Vec::new() } else { tokenize(text) };
        let ranges: Vec<Vec<Range<usize>>> = clauses.iter().map(|clause| merged(clause.matches(&tokens))).collect();
        let counts = ranges.iter().map(Vec::len).collect();
        let of_clause =
            |(clause, ranges): (usize, Vec<Range<usize>>)| ranges.into_iter().map(move |range| Match { clause, range });
        let mut matches: Vec<Match> = ranges.into_iter().enumerate().flat_map(of_clause).collect();
        matches.sort_by_key(|one| one.range.start);
        Self { matches, counts }
    }

    /// The ranges to mark: in order, without overlap.
    pub(crate) fn ranges(&self) -> Vec<Range<usize>> {
        merged(self.matches.iter().map(|one| one.range.clone()).collect())
    }

    /// Where the match begins that a snippet shows; 0 if there is none. It is in the line with the most different clauses; of
    /// several such lines, in the one with the clause that is rarest in the text; of several such, in the first. Within
    /// the line, it is the match whose `window` has the most different clauses.
    pub(crate) fn best(&self, text: &str, window: impl Fn(usize) -> Range<usize>) -> usize {
        let line = self.best_line(text);
        let shown = |one: &&Match| {
            let window = window(one.range.start);
            different(self.within(&window).filter(|other| other.range.end <= window.end))
        };
        // `max_by_key` returns the last of several: from the end, that is the first.
        self.within(&line).rev().max_by_key(shown).map_or(0, |one| one.range.start)
    }

    fn best_line(&self, text: &str) -> Range<usize> {
        let mut start = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            start += line.len();
            start - line.len()..start
        });
        let rank = |line: &Range<usize>| {
            let rarest = self.within(line).map(|one| self.counts[one.clause]).min();
            (different(self.within(line)), Reverse(rarest), Reverse(line.start))
        };
        lines.max_by_key(rank).unwrap_or_default()
    }

    /// The matches that begin in a range.
    fn within(&self, range: &Range<usize>) -> std::slice::Iter<'_, Match> {
        let before = |at: usize| self.matches.partition_point(|one| one.range.start < at);
        self.matches[before(range.start)..before(range.end)].iter()
    }
}

/// How many different clauses the matches belong to.
fn different<'a>(matches: impl Iterator<Item = &'a Match>) -> u32 {
    // A query has 64 clauses at most.
    matches.fold(0u64, |clauses, one| clauses | 1 << (one.clause % 64)).count_ones()
}

/// The ranges in order; those that touch or overlap become one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

impl TextClause {
    /// The clause's matches among the tokens of a text.
    fn matches(&self, tokens: &[TextToken]) -> Vec<Range<usize>> {
        let those = |matches: &dyn Fn(&TextToken) -> bool| {
            tokens.iter().filter(|token| matches(token)).map(|token| token.range.clone()).collect()
        };
        match self {
            Self::Term(text) => those(&|token| token.text == *text),
            Self::Pattern(pattern) => those(&|token| pattern.matches(&token.text)),
            Self::Phrase(phrase) => {
                let starts = tokens.iter().filter(|token| phrase.first().is_some_and(|(_, text)| token.text == *text));
                starts.filter_map(|start| phrase_at(tokens, start, phrase)).collect()
            }
            Self::AnyOf(all) => all.iter().flat_map(|clause| clause.matches(tokens)).collect(),
        }
    }
}

/// The phrase's range if it begins with the token `start`.
fn phrase_at(tokens: &[TextToken], start: &TextToken, phrase: &[(usize, String)]) -> Option<Range<usize>> {
    let mut end = start.range.end;
    for (distance, text) in phrase.iter().skip(1) {
        let position = start.position + distance;
        // Tokens are in order of position.
        let first = tokens.partition_point(|token| token.position < position);
        let here = tokens[first..].iter().take_while(|token| token.position == position);
        end = here.filter(|token| token.text == *text).map(|token| token.range.end).next()?;
    }
    Some(start.range.start..end)
}
