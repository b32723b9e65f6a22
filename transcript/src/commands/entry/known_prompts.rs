//! The prompts of a session, learned from all its lines.

use std::collections::HashMap;

use super::{super::prompt, Entry};

/// Prompts, with how often the cursor waited behind each.
pub(super) struct KnownPrompts<'a> {
    /// By exact text.
    pub(super) texts: HashMap<&'a str, usize>,
    pub(super) shapes: HashMap<String, usize>,
    /// Right prompts, by their shapes.
    rights: HashMap<String, usize>,
}

impl<'a> KnownPrompts<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let mut known_prompts = Self { texts: HashMap::new(), shapes: HashMap::new(), rights: HashMap::new() };
        for entry in entries {
            if let Some(prompt) = entry.prompt.as_ref().filter(|_| entry.sure) {
                *known_prompts.texts.entry(&prompt.text).or_default() += 1;
                *known_prompts.shapes.entry(prompt::shape(&prompt.text)).or_default() += 1;
                if !prompt.right.is_empty() {
                    *known_prompts.rights.entry(prompt::shape(&prompt.right)).or_default() += 1;
                }
            }
        }
        known_prompts
    }

    pub(super) fn count(&self, prompt: &str) -> usize {
        self.texts.get(prompt).copied().unwrap_or(0)
    }

    /// Whether `text` is a prompt that was seen more than once.
    pub(super) fn has(&self, text: &str) -> bool {
        text.ends_with(' ') && prompt::ends_like_one(text) && self.count(text) >= 2
    }

    /// The text without a right prompt that other lines have, and that was not there yet when this line was typed.
    pub(super) fn without_right<'b>(&self, text: &'b str) -> &'b str {
        let Some((before, right)) = text.trim_end().rsplit_once("  ") else { return text };
        let times = self.rights.get(&prompt::shape(right.trim_start())).copied().unwrap_or(0);
        if times >= 2 && !right.contains('\n') { before.trim_end() } else { text }
    }

    /// A prompt that was seen more than once and that `text` begins with.
    pub(super) fn known(&self, text: &str) -> Option<&'a str> {
        let known = self.texts.iter().filter(|(known, times)| **times >= 2 && text.starts_with(**known));
        known.map(|(known, _)| *known).find(|known| prompt::ends_like_one(known))
    }

    /// The shortest prompt that `text` begins with and that was seen more often than `text`.
    pub(super) fn prefix(&self, text: &str) -> Option<&'a str> {
        let count = self.count(text);
        let known = self.texts.iter().filter(|(known, times)| {
            known.len() < text.len() && **times >= 2 && **times > count && text.starts_with(**known)
        });
        known.map(|(known, _)| *known).filter(|known| prompt::ends_like_one(known)).min_by_key(|known| known.len())
    }
}
