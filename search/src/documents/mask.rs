//! Secrets are masked before anything is indexed: neither the index nor a hit has them. The recording keeps them, as it
//! must: it is evidence.
//!
//! A mask stands in the secret's place and says what it was: `[masked:jwt]`. So `masked:jwt` finds where one was shown.

mod rules;

use std::{borrow::Cow, ops::Range};

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use thiserror::Error;

use rules::{RULES, Rule};

/// Patterns of a configuration.
const MOST_PATTERNS: usize = 64;
/// Bytes that a compiled pattern may take.
const SIZE: usize = 4 << 20;
/// Bytes that a secret has at least, to be looked for where it does not look like one.
const KNOWN_AGAIN: usize = 3;
/// Bytes of a line after which the next may go on with it: terminals are at least this wide.
const WRAPPED: usize = 20;

/// A pattern of the configuration is not one.
#[derive(Debug, Error)]
pub enum MaskError {
    /// It cannot be read.
    #[error("the pattern {pattern:?} is not a regular expression")]
    Pattern {
        /// As it was written.
        pattern: String,
        /// Why.
        source: Box<regex::Error>,
    },
    /// It fits the empty text, so it would mask nothing everywhere.
    #[error("the pattern {0:?} fits the empty text: write what a secret has at least")]
    Empty(String),
    /// There are too many.
    #[error("there are too many patterns: {0} at most")]
    TooMany(usize),
}

/// What is masked.
#[derive(Clone, Debug)]
pub struct Masks {
    set: RegexSet,
    rules: Vec<(String, Regex)>,
    patterns: Vec<String>,
    /// What a mask looks like.
    mask: Regex,
}

impl Default for Masks {
    /// The well-known shapes.
    fn default() -> Self {
        Self::new(&[]).expect("the built-in rules are regular expressions")
    }
}

impl Masks {
    /// The well-known shapes, and patterns of a configuration: what the group `secret` of a pattern fits, or all of it.
    ///
    /// # Errors
    /// See [`MaskError`].
    pub fn new(patterns: &[String]) -> Result<Self, MaskError> {
        if patterns.len() > MOST_PATTERNS {
            return Err(MaskError::TooMany(MOST_PATTERNS));
        }
        let mut rules: Vec<(String, String)> =
            RULES.iter().map(|Rule { name, pattern }| ((*name).to_owned(), (*pattern).to_owned())).collect();
        rules.extend(patterns.iter().map(|pattern| ("pattern".to_owned(), pattern.clone())));
        let build = |pattern: &String| RegexBuilder::new(pattern).size_limit(SIZE).build();
        let mut compiled = Vec::with_capacity(rules.len());
        for (name, pattern) in &rules {
            let regex = build(pattern)
                .map_err(|source| MaskError::Pattern { pattern: pattern.clone(), source: Box::new(source) })?;
            if regex.is_match("") {
                return Err(MaskError::Empty(pattern.clone()));
            }
            compiled.push((name.clone(), regex));
        }
        let set = RegexSetBuilder::new(rules.iter().map(|(_, pattern)| pattern))
            .size_limit(SIZE * 16)
            .dfa_size_limit(SIZE * 4)
            .build();
        let set =
            set.map_err(|source| MaskError::Pattern { pattern: patterns.join("\n"), source: Box::new(source) })?;
        Ok(Self { set, rules: compiled, patterns: patterns.to_vec(), mask: mask_itself() })
    }

    /// What tells an index that was made with other masks. Changes with the built-in rules too.
    pub(crate) fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        for Rule { name, pattern } in RULES {
            (name, pattern).hash(&mut hasher);
        }
        self.patterns.hash(&mut hasher);
        hasher.finish()
    }

    /// A text without its secrets.
    pub fn masked(&self, text: &str) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut at = 0;
        for (range, name) in self.find(text) {
            masked.push_str(&text[at..range.start]);
            masked.push_str(&mask(name));
            at = range.end;
        }
        masked.push_str(&text[at..]);
        masked
    }

    /// An argv without its secrets: also what follows an option that takes one.
    pub(crate) fn masked_argv(&self, argv: &[String]) -> Vec<String> {
        let masked = |(at, element): (usize, &String)| match self.of_option(argv, at) {
            Some(name) => mask(name),
            None => self.masked(element),
        };
        argv.iter().enumerate().map(masked).collect()
    }

    /// A message that may quote an argv, as that of a command that does not exist does: without the argv's secrets, whatever
    /// stands around them there, and without its own.
    pub(crate) fn masked_message(&self, message: &str, argv: &[String]) -> String {
        let mut masked = message.to_owned();
        for (secret, name) in self.secrets(argv) {
            // Go escapes these two when it quotes (`%q`).
            let escaped = secret.replace('\\', r"\\").replace('"', "\\\"");
            masked = masked.replace(secret, &mask(name)).replace(&escaped, &mask(name));
        }
        self.masked(&masked)
    }

    /// What is masked of an argv, long enough to be known again, and what it is.
    fn secrets<'a>(&'a self, argv: &'a [String]) -> Vec<(&'a str, &'a str)> {
        let of_element = |(at, element): (usize, &'a String)| match self.of_option(argv, at) {
            Some(name) => vec![(element.as_str(), name)],
            None => self.find(element).into_iter().map(|(range, name)| (&element[range], name)).collect(),
        };
        let found = argv.iter().enumerate().flat_map(of_element);
        let bare = found.map(|(secret, name)| (secret.trim_matches(['"', '\'']), name));
        bare.filter(|(secret, _)| secret.len() >= KNOWN_AGAIN).collect()
    }

    /// What an element of an argv is, where it follows an option that takes a secret. All of it is: quotes and blanks in it
    /// are no shell's.
    fn of_option(&self, argv: &[String], at: usize) -> Option<&str> {
        let before = argv[at.checked_sub(1)?].as_str();
        if !before.starts_with('-') {
            return None;
        }
        let joined = format!("{before} {}", argv[at]);
        let start = joined.len() - argv[at].len();
        self.find(&joined).into_iter().find(|(range, _)| range.start == start).map(|(_, name)| name)
    }

    /// Lines that follow each other, without their secrets: also such as go on over the end of a line, as a terminal
    /// wraps them. A line that holds only the rest of a secret becomes empty. `times` and the like stay with the lines.
    pub(crate) fn mask_lines<'a>(&self, lines: impl Iterator<Item = &'a mut String>) {
        let mut lines: Vec<&mut String> = lines.collect();
        let mut joined = String::new();
        // Where each line begins in the joined text.
        let mut starts = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            if at > 0 && !goes_on(lines[at - 1], line) {
                joined.push('\n');
            }
            starts.push(joined.len());
            joined.push_str(line);
        }
        // From the end, so that what is before keeps its place.
        for (range, name) in self.find(&joined).into_iter().rev() {
            let first = starts.partition_point(|start| *start <= range.start).saturating_sub(1);
            for at in (first..lines.len()).rev().filter(|at| starts[*at] < range.end) {
                let start = range.start.saturating_sub(starts[at]).min(lines[at].len());
                let end = (range.end - starts[at]).min(lines[at].len());
                if start < end {
                    lines[at].replace_range(
                        start..end,
                        if at == first { Cow::from(mask(name)) } else { "".into() }.as_ref(),
                    );
                }
            }
        }
    }

    /// Where secrets are, in order, apart from each other, and what they are.
    fn find(&self, text: &str) -> Vec<(Range<usize>, &str)> {
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        for rule in self.set.matches(text) {
            let (name, regex) = &self.rules[rule];
            for captures in regex.captures_iter(text) {
                let secret = captures.name("secret").or_else(|| captures.get(0));
                found.extend(secret.filter(|secret| !secret.is_empty()).map(|secret| (secret.range(), name.as_str())));
            }
        }
        // What is masked stays as it is.
        let masks: Vec<Range<usize>> = self.mask.find_iter(text).map(|mask| mask.range()).collect();
        found.retain(|(range, _)| !masks.iter().any(|mask| range.start < mask.end && mask.start < range.end));
        found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut apart: Vec<(Range<usize>, &str)> = Vec::with_capacity(found.len());
        for (range, name) in found {
            match apart.last_mut() {
                Some((last, _)) if range.start < last.end => last.end = last.end.max(range.end),
                _ => apart.push((range, name)),
            }
        }
        apart
    }
}

fn mask_itself() -> Regex {
    Regex::new(r"\[masked:[a-z-]+\]").expect("a constant expression")
}

fn mask(name: &str) -> String {
    format!("[masked:{name}]")
}

/// Whether a line goes on in the next, as a token that a terminal wrapped does.
pub(crate) fn goes_on(line: &str, next: &str) -> bool {
    may_go_on(line) && joins(next.chars().next())
}

/// Whether a line may go on in the next, whatever that will be.
pub(crate) fn may_go_on(line: &str) -> bool {
    line.len() >= WRAPPED && joins(line.chars().next_back())
}

fn joins(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_alphanumeric() || "+/=_-.~%".contains(c))
}

/// Follows the lines of a session through private keys, which may be longer than what is looked at at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keys {
    /// Lines since a private key began.
    inside: Option<u32>,
}

impl Keys {
    /// Lines of the longest private key: what is longer never ended.
    const LONGEST: u32 = 400;

    /// Masks the lines of a private key between its first and last.
    pub(crate) fn mask(&mut self, line: &mut String) {
        let begins = line.find("-----BEGIN ").filter(|at| line[*at..].contains("PRIVATE KEY"));
        let ends = line.contains("-----END ") && line.contains("PRIVATE KEY");
        if let Some(at) = begins {
            self.inside = (!ends).then_some(0);
            let kept = line[at..].find("PRIVATE KEY").map_or(line.len(), |key| at + key + "PRIVATE KEY".len());
            let kept = kept + line[kept..].find("-----").map_or(0, |dashes| dashes + 5);
            if ends || !line[kept..].trim().is_empty() {
                line.replace_range(kept.., &mask("private-key"));
            }
            return;
        }
        let Some(lines) = self.inside else { return };
        self.inside = Some(lines + 1).filter(|lines| !ends && *lines < Self::LONGEST);
        if !ends && is_of_key(line) {
            *line = if lines == 0 { mask("private-key") } else { String::new() };
        } else if !ends && !line.trim().is_empty() && !line.contains(": ") {
            // A prompt or the like: the key was cut.
            self.inside = None;
        }
    }
}

/// Base64, with white space, quotes, `\n` or a margin beside it.
fn is_of_key(line: &str) -> bool {
    let text = line.trim().trim_matches(['"', '\'', ',', '|', '>', ' ']);
    let encoded = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '\\');
    !text.is_empty() && text.chars().all(encoded)
}

#[cfg(test)]
mod tests;
