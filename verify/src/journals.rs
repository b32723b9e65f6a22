use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use recording::{Key, journal::JournalEvent};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use storage::{
    StoreError,
    journal::{self, ChainLink, LARGEST_JOURNAL_OBJECT, Seal, SealedObject, merkle},
};

use crate::{
    context::{CheckContext, Fetched},
    keyring::Rejection,
    known_heads::KnownHeads,
    question::Question,
    report::{Problem, Report},
    seal::CheckedSeal,
    sessions::{EntryPlace, JournalledSessions},
};

/// Objects asked of the store at once.
const PAGE: usize = 1000;
/// Objects that are read ahead.
const AHEAD: usize = 4;

/// What the check of a journal reads and writes beside the journal.
pub(super) struct JournalView<'a> {
    pub(super) sessions: &'a mut JournalledSessions,
    pub(super) known_heads: &'a mut KnownHeads,
    pub(super) report: &'a mut Report,
    /// Is called with the objects and bytes that were read.
    pub(super) counted: &'a mut (dyn FnMut(u64, u64) + Send),
}

/// A gateway's journal on its way through the check.
pub(super) struct JournalChain {
    gateway: Arc<str>,
    /// The last object that was listed.
    after: Option<Key>,
    /// After the object before.
    tail: ChainLink,
    /// Number of the object before.
    last: Option<u64>,
    /// Whether the object before is as it was written, so that a break of the chain is this one's.
    intact: bool,
    /// The last entry's event is `stopped`.
    stopped: bool,
    /// The format of the entries, as the last right seal says.
    format: u32,
}

async fn fetch(context: &CheckContext<'_>, key: Key) -> Result<(Key, Fetched<Bytes>), StoreError> {
    let object = Fetched::of(context.store.read(&key, LARGEST_JOURNAL_OBJECT).await)?;
    Ok((key, object))
}

/// The number of an object whose whole name is such as a writer gives.
fn own_seq(key: &Key, gateway: &str) -> Option<u64> {
    let is_own = key.as_str().strip_prefix("journal/")?.strip_prefix(gateway)?.starts_with('/');
    key.journal_seq().filter(|_| is_own)
}

impl JournalChain {
    /// A gateway's journal, before its first object.
    pub(super) fn of(gateway: String) -> Self {
        Self {
            gateway: gateway.into(),
            after: None,
            tail: ChainLink::default(),
            last: None,
            intact: true,
            stopped: false,
            format: 1,
        }
    }

    /// The gateway.
    pub(super) fn gateway(&self) -> &str {
        &self.gateway
    }

    /// Reads the objects that were not read yet.
    pub(super) async fn read_on(
        &mut self,
        context: &CheckContext<'_>,
        view: &mut JournalView<'_>,
    ) -> Result<(), StoreError> {
        let prefix = format!("journal/{}/", self.gateway);
        loop {
            let page = context.store.list(&prefix, self.after.as_ref(), PAGE).await?;
            let full = page.len() == PAGE;
            self.after = page.last().map(|entry| entry.key.clone()).or(self.after.take());
            let mut objects = stream::iter(page).map(|entry| fetch(context, entry.key)).buffered(AHEAD);
            while let Some(fetched) = objects.next().await {
                let (key, object) = fetched?;
                match own_seq(&key, &self.gateway) {
                    Some(seq) => self.follow(context, &key, seq, object, view),
                    None => {
                        view.report.found(key, Problem::Foreign, "nothing of this name belongs to a journal");
                    }
                }
            }
            if !full {
                return Ok(());
            }
        }
    }

    fn follow(
        &mut self,
        context: &CheckContext<'_>,
        key: &Key,
        seq: u64,
        object: Fetched<Bytes>,
        view: &mut JournalView<'_>,
    ) {
        let JournalView { sessions, known_heads, report, counted } = view;
        let follows = self.number(key, seq, context.question.excerpt, report);
        let object = match object {
            Fetched::Object(object) => object,
            Fetched::TooLarge => {
                report.found(key, Problem::Altered, "it is larger than any journal object");
                self.intact = false;
                return;
            }
            Fetched::Gone => {
                report.found(key, Problem::Missing, "it is gone since it was listed");
                self.intact = false;
                return;
            }
        };
        counted(1, object.len() as u64);
        report.journal_objects += 1;
        let found = self.object(context, (key, seq), &object, follows, known_heads);
        let intact = found.is_ok();
        if let Err((problem, detail)) = &found {
            report.found(key, *problem, detail);
        }
        if let Ok(format) = found {
            self.format = format;
        }
        self.entries((key, seq), &object, sessions, report);
        let tail = ChainLink::after(&object);
        known_heads.object(&self.gateway, seq, &recording::hex(tail.object));
        (self.tail, self.intact, self.last) = (tail, intact, Some(seq));
    }

    /// Whether the object before this one in the list is the one before it in the journal.
    fn number(&self, key: &Key, seq: u64, excerpt: bool, report: &mut Report) -> bool {
        let expected = self.last.map_or(0, |last| last + 1);
        if seq < expected {
            report.found(key, Problem::Foreign, format!("the journal has passed number {seq} already"));
        } else if seq > expected && !excerpt {
            let which = if seq - 1 == expected {
                format!("object {expected}")
            } else {
                format!("objects {expected} to {}", seq - 1)
            };
            report.found(format!("journal/{}/", self.gateway), Problem::Missing, which);
        }
        seq == expected
    }

    /// Checks the seal, and what it vouches for. Returns the format of the entries.
    fn object(
        &self,
        context: &CheckContext<'_>,
        (key, seq): (&Key, u64),
        object: &[u8],
        follows: bool,
        known_heads: &mut KnownHeads,
    ) -> Result<u32, Rejection> {
        let parts = SealedObject::new(object);
        let CheckedSeal { signature, seal } = CheckedSeal::of(&context.keyring, &self.gateway, (key, seq), parts)?;
        known_heads.signature(&signature, key.as_str());
        if follows && self.intact && seal.previous != recording::hex(self.tail.object) {
            return Err((Problem::Reordered, "it was not written behind the object before it".to_owned()));
        }
        if seal.format < self.format {
            return Err((Problem::Altered, "it is of an older format than the object before it".to_owned()));
        }
        self.lines(parts, &seal, follows)?;
        Ok(seal.format)
    }

    /// Checks the chain through the lines.
    fn lines(&self, parts: SealedObject<'_>, seal: &Seal, follows: bool) -> Result<(), Rejection> {
        #[derive(Deserialize)]
        struct ChainedLine {
            prev: String,
            gateway: String,
        }
        let lines = parts.lines().map_err(|error| (Problem::Altered, error.to_string()))?;
        let mut previous = (follows && self.intact).then_some(self.tail.line);
        let mut digests: Vec<[u8; 32]> = Vec::new();
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let wrong = |problem, why: &str| Err((problem, format!("line {}: {why}", digests.len() + 1)));
            let Ok(chained) = serde_json::from_slice::<ChainedLine>(line) else {
                return wrong(Problem::Altered, "it is no entry");
            };
            if previous.is_some_and(|previous| recording::hex(previous) != chained.prev) {
                return wrong(Problem::Altered, "it was not written behind the line before it");
            }
            if *chained.gateway != *self.gateway {
                return wrong(Problem::Foreign, "it is another gateway's");
            }
            let digest = Sha256::digest(line).into();
            previous = Some(digest);
            digests.push(digest);
        }
        if digests.len() as u64 != seal.entries {
            return Err((Problem::Altered, "it has not as many lines as it says".to_owned()));
        }
        if seal.has_root() && seal.root != recording::hex(merkle::root(&digests)) {
            return Err((
                Problem::Altered,
                "the tree over its lines is not the one that its seal vouches for".to_owned(),
            ));
        }
        Ok(())
    }

    fn entries(
        &mut self,
        (key, seq): (&Key, u64),
        object: &[u8],
        sessions: &mut JournalledSessions,
        report: &mut Report,
    ) {
        // That it cannot be read is a finding already, by its seal or its lack of one.
        let Ok(entries) = journal::decode(key, object) else { return };
        report.journal_entries += entries.len() as u64;
        self.stopped = entries.last().is_some_and(|entry| entry.what == JournalEvent::Stopped);
        for entry in entries {
            let place = EntryPlace { journal: &self.gateway, seq, format: self.format, time: entry.time };
            sessions.learn(place, &entry.what);
        }
    }

    /// Says whether the journal ends as one of a gateway that ended.
    pub(super) fn end(&self, question: &Question, report: &mut Report) {
        if self.last.is_some() && !self.stopped && !question.excerpt {
            report.note(format!(
                "journal/{}/ does not end with `stopped`: the gateway runs, died, or what came last was removed",
                self.gateway
            ));
        }
    }
}
