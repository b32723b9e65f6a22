//! Where in a text something was found.

use std::{cmp::Reverse, ops::Range};

use crate::{
    analyzer::{Piece, pieces},
    query::Needle,
};

/// Matches of needles in a text.
#[derive(Debug)]
pub(crate) struct Matches {
    /// By where they begin.
    found: Vec<Match>,
    /// How often each needle is there.
    counts: Vec<usize>,
}

#[derive(Debug)]
struct Match {
    /// Which one.
    needle: usize,
    range: Range<usize>,
}

impl Matches {
    /// All matches of `needles`, the most that a search has.
    pub(crate) fn of(text: &str, needles: &[&Needle]) -> Self {
        let pieces = if needles.is_empty() { Vec::new() } else { pieces(text) };
        let ranges: Vec<Vec<Range<usize>>> = needles.iter().map(|needle| joined(needle.find(&pieces))).collect();
        let counts = ranges.iter().map(Vec::len).collect();
        let of_needle =
            |(needle, ranges): (usize, Vec<Range<usize>>)| ranges.into_iter().map(move |range| Match { needle, range });
        let mut found: Vec<Match> = ranges.into_iter().enumerate().flat_map(of_needle).collect();
        found.sort_by_key(|found| found.range.start);
        Self { found, counts }
    }

    /// What to mark: in order, apart from each other.
    pub(crate) fn ranges(&self) -> Vec<Range<usize>> {
        joined(self.found.iter().map(|found| found.range.clone()).collect())
    }

    /// Where the match begins that is shown: in the line that has the most different needles, of several such lines in
    /// the one with the needle that is rarest in the text, of several such in the first; and within the line so that
    /// `window` of it has the most. 0 where there is none.
    pub(crate) fn place(&self, text: &str, window: impl Fn(usize) -> Range<usize>) -> usize {
        let line = self.line(text);
        let shown = |found: &&Match| {
            let window = window(found.range.start);
            different(self.within(&window).filter(|other| other.range.end <= window.end))
        };
        // The first of the best: the last one of them, from the end.
        self.within(&line).rev().max_by_key(shown).map_or(0, |found| found.range.start)
    }

    /// The line that tells most.
    fn line(&self, text: &str) -> Range<usize> {
        let mut start = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            start += line.len();
            start - line.len()..start
        });
        let tells = |line: &Range<usize>| {
            let rarest = self.within(line).map(|found| self.counts[found.needle]).min();
            (different(self.within(line)), Reverse(rarest), Reverse(line.start))
        };
        lines.max_by_key(tells).unwrap_or_default()
    }

    /// Those that begin in a range.
    fn within(&self, range: &Range<usize>) -> std::slice::Iter<'_, Match> {
        let before = |at: usize| self.found.partition_point(|found| found.range.start < at);
        self.found[before(range.start)..before(range.end)].iter()
    }
}

/// How many needles matches are of.
fn different<'a>(matches: impl Iterator<Item = &'a Match>) -> u32 {
    // A search has 64 needles at most.
    matches.fold(0u64, |needles, found| needles | 1 << (found.needle % 64)).count_ones()
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
