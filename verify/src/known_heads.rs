use std::collections::{BTreeMap, HashMap};

use recording::JournalHead;
use storage::signing::Signature;

use crate::report::{Problem, Report};

/// What is known of how far journals have come: signatures made later say so, and so may the asker.
pub(super) struct KnownHeads {
    /// By gateway: the newest object that a signature or the person who asks knows of, and who knows it.
    known: BTreeMap<String, (JournalHead, String)>,
    /// Digests that the person who asks knows, by gateway and number.
    asked: HashMap<(String, u64), String>,
    /// Where each journal ends.
    ends: BTreeMap<String, JournalHead>,
}

impl KnownHeads {
    pub(super) fn new(heads: &[JournalHead]) -> Self {
        let mut known_heads = Self { known: BTreeMap::new(), asked: HashMap::new(), ends: BTreeMap::new() };
        for head in heads {
            known_heads.asked.insert((head.gateway.clone(), head.seq), head.sha256.clone());
            known_heads.learn(head, "the heads that were given");
        }
        known_heads
    }

    /// Takes in what a valid signature says.
    pub(super) fn signature(&mut self, signature: &Signature, object: &str) {
        if let Some(head) = &signature.journal {
            self.learn(head, object);
        }
    }

    fn learn(&mut self, head: &JournalHead, who: &str) {
        let newer = self.known.get(&head.gateway).is_none_or(|(known, _)| known.seq < head.seq);
        if newer {
            self.known.insert(head.gateway.clone(), (head.clone(), who.to_owned()));
        }
    }

    /// Whether the person who asks knows this object by another digest.
    pub(super) fn contradicts(&self, gateway: &str, seq: u64, sha256: &str) -> bool {
        self.asked.get(&(gateway.to_owned(), seq)).is_some_and(|asked| asked != sha256)
    }

    /// Takes in where a journal ends.
    pub(super) fn end(&mut self, head: JournalHead) {
        self.ends.insert(head.gateway.clone(), head);
    }

    /// Finds journals that end before what is known of them.
    pub(super) fn compare(&self, excerpt: bool, report: &mut Report) {
        for (gateway, (known, who)) in &self.known {
            let place = format!("journal/{gateway}/");
            match self.ends.get(gateway) {
                _ if excerpt => {}
                Some(end) if end.seq > known.seq => {}
                Some(end) if end.seq == known.seq && end.sha256 == known.sha256 => {}
                Some(end) if end.seq == known.seq => {
                    report.found(place, Problem::Altered, format!("{who} knows object {} by another digest", end.seq));
                }
                end => {
                    let ends = end.map_or("there is none".to_owned(), |end| format!("it ends with object {}", end.seq));
                    report.found(place, Problem::Missing, format!("{ends}, and {who} knows of object {}", known.seq));
                }
            }
        }
    }

    /// Where the journals end.
    pub(super) fn heads(self) -> Vec<JournalHead> {
        self.ends.into_values().collect()
    }
}
