use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::Arc,
};

use recording::JournalHead;
use storage::signing::Signature;

use crate::report::{Problem, Report};

/// What is known of how far journals have come, from signatures and from the person who asks, and what the journals have at
/// those places. Every head is compared, not only the newest: an older one shows that the journal was written anew. Some
/// 150 bytes for each object of a journal.
#[derive(Default)]
pub(super) struct KnownHeads {
    /// What is known of the objects of a journal, and who knows it.
    known: HashMap<(Arc<str>, u64), (String, String)>,
    /// Digests of the objects that are there.
    objects: HashMap<(Arc<str>, u64), String>,
    /// The last object of each journal.
    ends: BTreeMap<Arc<str>, u64>,
    /// Heads that contradict others, and who knows them.
    contradictions: Vec<(Arc<str>, u64, String)>,
}

impl KnownHeads {
    pub(super) fn new(heads: &[JournalHead]) -> Self {
        let mut known_heads = Self::default();
        heads.iter().for_each(|head| known_heads.learn(head, "the heads that were given"));
        known_heads
    }

    /// Takes in what a valid signature says.
    pub(super) fn signature(&mut self, signature: &Signature, object: &str) {
        if let Some(head) = &signature.journal {
            self.learn(head, object);
        }
    }

    /// Takes in a head, and who knows it.
    pub(super) fn learn(&mut self, head: &JournalHead, who: &str) {
        let journal: Arc<str> = head.gateway.as_str().into();
        match self.known.entry((Arc::clone(&journal), head.seq)) {
            Entry::Vacant(free) => _ = free.insert((head.sha256.clone(), who.to_owned())),
            Entry::Occupied(known) if known.get().0 == head.sha256 => {}
            Entry::Occupied(_) => self.contradictions.push((journal, head.seq, who.to_owned())),
        }
    }

    /// Takes in an object that is there.
    pub(super) fn object(&mut self, journal: &Arc<str>, seq: u64, sha256: &str) {
        self.objects.insert((Arc::clone(journal), seq), sha256.to_owned());
        self.ends.insert(Arc::clone(journal), seq);
    }

    /// Finds journals that are not what is known of them.
    pub(super) fn compare(&self, excerpt: bool, report: &mut Report) {
        let mut known: Vec<_> = self.known.iter().collect();
        known.sort_unstable();
        let mut missing: BTreeMap<&Arc<str>, (u64, &str)> = BTreeMap::new();
        for ((journal, seq), (sha256, who)) in known {
            match self.objects.get(&(Arc::clone(journal), *seq)) {
                Some(there) if there == sha256 => {}
                Some(_) => Self::altered(journal, *seq, who, report),
                // The newest is the last one that is told of.
                None => _ = missing.insert(journal, (*seq, who)),
            }
        }
        for (journal, seq, who) in &self.contradictions {
            Self::altered(journal, *seq, who, report);
        }
        for (journal, (seq, who)) in missing.into_iter().filter(|_| !excerpt) {
            let end = self.ends.get(journal).map(|end| format!("it ends with object {end}"));
            let detail = format!("{}, and {who} knows of object {seq}", end.as_deref().unwrap_or("there is none"));
            report.found(format!("journal/{journal}/"), Problem::Missing, detail);
        }
    }

    fn altered(journal: &str, seq: u64, who: &str, report: &mut Report) {
        let detail = format!("{who} knows object {seq} by another digest");
        report.found(format!("journal/{journal}/"), Problem::Altered, detail);
    }

    /// Where the journals end.
    pub(super) fn heads(mut self) -> Vec<JournalHead> {
        let head = |(gateway, seq): (Arc<str>, u64)| {
            let sha256 = self.objects.remove(&(Arc::clone(&gateway), seq)).unwrap_or_default();
            JournalHead { gateway: gateway.to_string(), seq, sha256 }
        };
        self.ends.into_iter().map(head).collect()
    }
}
