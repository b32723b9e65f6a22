//! Masks secrets before anything is indexed: neither the index nor a hit contains them. The recording keeps them, since it
//! is evidence.
//!
//! The mask takes the secret's place and says what it was, `[masked:jwt]`: so `masked:jwt` finds where one was shown.

mod rules;

use std::{borrow::Cow, ops::Range};

use regex::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use thiserror::Error;

use rules::{RULES, Rule};

/// Most patterns of a configuration.
const MAX_PATTERNS: usize = 64;
/// Largest compiled pattern, in bytes.
const MAX_COMPILED_BYTES: usize = 4 << 20;
/// Shortest secret of an argv, in bytes, that is masked wherever a message repeats it: a shorter one would mask words.
const MIN_REPEATED_SECRET: usize = 3;
/// Shortest line, in bytes, that a terminal may have wrapped: terminals are at least this wide.
const MIN_WRAPPED_LINE: usize = 20;

/// Why a pattern of the configuration is refused.
#[derive(Debug, Error)]
pub enum MaskError {
    /// It is not a regular expression.
    #[error("the pattern {pattern:?} is not a regular expression")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        source: Box<regex::Error>,
    },
    /// It matches the empty text, so it would put a mask everywhere.
    #[error("the pattern {0:?} fits the empty text: write what a secret has at least")]
    Empty(String),
    /// There are too many patterns.
    #[error("there are too many patterns: {0} at most")]
    TooMany(usize),
}

/// The rules by which secrets are found.
#[derive(Clone, Debug)]
pub struct Masks {
    set: RegexSet,
    rules: Vec<(String, Regex)>,
    patterns: Vec<String>,
    /// Matches a mask.
    mask: Regex,
}

impl Default for Masks {
    /// The built-in rules.
    fn default() -> Self {
        Self::new(&[]).expect("the built-in rules are regular expressions")
    }
}

impl Masks {
    /// The built-in rules and the patterns of a configuration. A pattern's group `secret` is masked; without one, the whole
    /// match.
    ///
    /// # Errors
    /// See [`MaskError`].
    pub fn new(patterns: &[String]) -> Result<Self, MaskError> {
        if patterns.len() > MAX_PATTERNS {
            return Err(MaskError::TooMany(MAX_PATTERNS));
        }
        let mut rules: Vec<(String, String)> =
            RULES.iter().map(|Rule { name, pattern }| ((*name).to_owned(), (*pattern).to_owned())).collect();
        rules.extend(patterns.iter().map(|pattern| ("pattern".to_owned(), pattern.clone())));
        let build = |pattern: &String| RegexBuilder::new(pattern).size_limit(MAX_COMPILED_BYTES).build();
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
            .size_limit(MAX_COMPILED_BYTES * 16)
            .dfa_size_limit(MAX_COMPILED_BYTES * 4)
            .build();
        let set =
            set.map_err(|source| MaskError::Pattern { pattern: patterns.join("\n"), source: Box::new(source) })?;
        Ok(Self { set, rules: compiled, patterns: patterns.to_vec(), mask: mask_itself() })
    }

    /// Differs for other patterns and other built-in rules: an index that was made with others is rebuilt.
    pub(crate) fn fingerprint(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        for Rule { name, pattern } in RULES {
            (name, pattern).hash(&mut hasher);
        }
        self.patterns.hash(&mut hasher);
        hasher.finish()
    }

    /// The text with its secrets masked.
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

    /// The argv with its secrets masked, also those that follow an option which takes one.
    pub(crate) fn masked_argv(&self, argv: &[String]) -> Vec<String> {
        let masked = |(at, element): (usize, &String)| match self.of_option(argv, at) {
            Some(name) => mask(name),
            None => self.masked(element),
        };
        argv.iter().enumerate().map(masked).collect()
    }

    /// A message with its secrets masked, and those of the argv that it may quote: a container runtime quotes a command that
    /// it cannot start, with other text around the secret.
    pub(crate) fn masked_message(&self, message: &str, argv: &[String]) -> String {
        let mut masked = message.to_owned();
        for (secret, name) in self.secrets(argv) {
            // Go escapes these two when it quotes (`%q`).
            let escaped = secret.replace('\\', r"\\").replace('"', "\\\"");
            masked = masked.replace(secret, &mask(name)).replace(&escaped, &mask(name));
        }
        self.masked(&masked)
    }

    /// The secrets of an argv and their rules' names, without those shorter than [`MIN_REPEATED_SECRET`].
    fn secrets<'a>(&'a self, argv: &'a [String]) -> Vec<(&'a str, &'a str)> {
        let of_element = |(at, element): (usize, &'a String)| match self.of_option(argv, at) {
            Some(name) => vec![(element.as_str(), name)],
            None => self.find(element).into_iter().map(|(range, name)| (&element[range], name)).collect(),
        };
        let found = argv.iter().enumerate().flat_map(of_element);
        let bare = found.map(|(secret, name)| (secret.trim_matches(['"', '\'']), name));
        bare.filter(|(secret, _)| secret.len() >= MIN_REPEATED_SECRET).collect()
    }

    /// The rule's name if an element of an argv follows an option that takes a secret. The whole element is the secret:
    /// quotes and blanks in it are not a shell's.
    fn of_option(&self, argv: &[String], at: usize) -> Option<&str> {
        let before = argv[at.checked_sub(1)?].as_str();
        if !before.starts_with('-') {
            return None;
        }
        let joined = format!("{before} {}", argv[at]);
        let start = joined.len() - argv[at].len();
        self.find(&joined).into_iter().find(|(range, _)| range.start == start).map(|(_, name)| name)
    }

    /// Masks the secrets of lines that follow each other, also those that a terminal wrapped over the end of a line. A line
    /// that contains only the rest of a secret becomes empty; no line is removed.
    pub(crate) fn mask_lines<'a>(&self, lines: impl Iterator<Item = &'a mut String>) {
        let mut lines: Vec<&mut String> = lines.collect();
        let mut joined = String::new();
        // Where each line begins in `joined`.
        let mut starts = Vec::with_capacity(lines.len());
        for (at, line) in lines.iter().enumerate() {
            if at > 0 && !goes_on(lines[at - 1], line) {
                joined.push('\n');
            }
            starts.push(joined.len());
            joined.push_str(line);
        }
        // From the end, so that earlier ranges stay valid.
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

    /// The ranges of secrets and the names of their rules, in order, without overlap.
    fn find(&self, text: &str) -> Vec<(Range<usize>, &str)> {
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        for rule in self.set.matches(text) {
            let (name, regex) = &self.rules[rule];
            for captures in regex.captures_iter(text) {
                let secret = captures.name("secret").or_else(|| captures.get(0));
                found.extend(secret.filter(|secret| !secret.is_empty()).map(|secret| (secret.range(), name.as_str())));
            }
        }
        // A mask is not masked again.
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

/// Whether a token may go on from a line to the next, as one does that a terminal wrapped.
pub(crate) fn goes_on(line: &str, next: &str) -> bool {
    may_go_on(line) && joins(next.chars().next())
}

/// Whether a token may go on in the next line, whatever that is.
pub(crate) fn may_go_on(line: &str) -> bool {
    line.len() >= MIN_WRAPPED_LINE && joins(line.chars().next_back())
}

fn joins(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_ascii_alphanumeric() || "+/=_-.~%".contains(c))
}

/// Masks private keys in the lines of a session. A key may be longer than a passage, so it is followed from line to line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PrivateKeyMasker {
    /// Lines since the key began; `None` outside of one.
    inside: Option<u32>,
}

impl PrivateKeyMasker {
    /// Most lines of a private key: a longer one never ended.
    const MAX_LINES: u32 = 400;

    /// Masks the session's next line if it is inside a private key; the key's first and last line stay.
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
        self.inside = Some(lines + 1).filter(|lines| !ends && *lines < Self::MAX_LINES);
        if !ends && is_key_material(line) {
            *line = if lines == 0 { mask("private-key") } else { String::new() };
        } else if !ends && !line.trim().is_empty() && !line.contains(": ") {
            // Something else, such as a prompt: the key's end is missing.
            self.inside = None;
        }
    }
}

/// Whether a line is Base64, with white space, quotes, `\n` or a margin beside it.
fn is_key_material(line: &str) -> bool {
    let text = line.trim().trim_matches(['"', '\'', ',', '|', '>', ' ']);
    let encoded = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '\\');
    !text.is_empty() && text.chars().all(encoded)
}

#[cfg(test)]
mod tests;
