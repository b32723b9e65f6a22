//! Sessions of gateways that are gone get an end.
//!
//! A gateway is gone once its newest lease has run out. Its sessions are found by the names of their objects, a day at a
//! time and the newest days first, and only while there is a gateway that went since the last search: a bucket of
//! millions of objects is never listed at once, and not at all while everybody is alive. The renewal of this gateway's
//! own lease is not here but in [`crate::Presence::keep`], which nothing in this file can delay.

mod opened_sessions;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    error::Error,
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime},
};

use journal::Journal;
use recording::{Manifest, RecordingId};
use storage::{Backoff, RecordingError, RecordingReader, Store, StoreError, StoredManifest, lease};
use tokio::time::{Instant, sleep_until};

use self::opened_sessions::OpenedSessions;
use crate::{journal_end, journal_stored, presence::Clock};

/// Time between two searches of the newest days.
const POLL_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Time between two older days, while some are left: a search through years is spread over hours.
const BACKLOG_INTERVAL: Duration = Duration::from_secs(60);
/// How many of the newest days with recordings are searched at once.
const RECENT_DAYS: usize = 3;
/// Seconds by which clocks of two machines may differ. docs/format.md, "Leases", says so to other programs.
const SKEW: i64 = 300;
/// Most sessions that are remembered as journalled or as refused. Beyond it one may be told of twice.
const REMEMBERED: usize = 10_000;
/// Names asked of the store at once.
const PAGE: usize = 1000;

/// What a [`Finalizer`] did with a recording that has no manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finalization {
    /// The recording has a manifest now.
    Finalized {
        /// The gateway that had recorded it.
        gateway: String,
    },
    /// Something about it cannot be believed. An operator hears of that once.
    Refused {
        /// What.
        why: String,
    },
    /// It is live, or somebody else has finalized it.
    NotNeeded,
}

/// Finalizes a recording from what is stored. The program wires the recorder's finalizer to it.
pub trait Finalizer: Send {
    /// Gives the recording `id` a manifest if its gateway is gone. It must look at the gateway's lease itself: `id` may be a
    /// session that is live. `evidence` says what may be believed, and is told of the end before the manifest is stored.
    fn finalize(
        &mut self,
        id: RecordingId,
        now: SystemTime,
        evidence: &mut SessionEvidence<'_>,
    ) -> impl Future<Output = Result<Finalization, RecordingError>> + Send;
}

/// What stands beside recordings and can be believed: the signed journals of all gateways, and this gateway's own.
pub struct SessionEvidence<'a> {
    opened: &'a mut OpenedSessions,
    own: &'a Journal,
    journalled: &'a mut HashSet<RecordingId>,
}

impl SessionEvidence<'_> {
    /// The person for whom `gateway` opened the session, or `None` if its journal does not say so.
    ///
    /// # Errors
    /// The store's.
    pub async fn user_of(&mut self, gateway: &str, id: RecordingId) -> Result<Option<String>, StoreError> {
        self.opened.user(gateway, id).await
    }

    /// Journals the end that the manifest is about to say: once, however often a store that fails makes the finalizer try
    /// again.
    pub async fn note_end(&mut self, manifest: &Manifest) {
        let (session, user) = (&manifest.session, &manifest.session.principal.name);
        if !self.journalled.contains(&session.id) && journal_end(self.own, session.id, user, &manifest.outcome).await {
            remember(self.journalled, session.id);
        }
    }

    /// Journals that the manifest is stored. If the journal does not take that, no journal vouches for the recording: the log says
    /// so, and `verify` does.
    pub async fn note_stored(&mut self, stored: &StoredManifest) {
        let mut backoff = STORED_PAUSES;
        for _ in 0..STORED_ATTEMPTS {
            if journal_stored(self.own, stored).await {
                return;
            }
            tokio::time::sleep(backoff.pause()).await;
        }
        let session = stored.manifest.session.id;
        tracing::error!(%session, "a recording was finalized, and the journal did not take its digest");
    }
}

/// Attempts to journal a manifest's digest: only a disk that fails makes more than one.
const STORED_ATTEMPTS: usize = 5;
/// Between them.
const STORED_PAUSES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(4));

/// Adds a session to a bounded set. Returns whether it is new.
fn remember(sessions: &mut HashSet<RecordingId>, id: RecordingId) -> bool {
    if sessions.len() >= REMEMBERED {
        sessions.clear();
    }
    sessions.insert(id)
}

/// Searches the store for recordings without an end whose gateways are gone, and has them finalized.
pub struct OrphanWatch<F> {
    store: Arc<dyn Store>,
    recordings: RecordingReader,
    journal: Journal,
    finalizer: F,
    clock: Clock,
    search: SearchState,
    /// Sessions whose end this process journalled.
    journalled: HashSet<RecordingId>,
    /// Sessions that were refused, and told of.
    refused: HashSet<RecordingId>,
}

/// How far the search for the sessions of the gateways in `gone` has come.
#[derive(Default)]
struct SearchState {
    /// Gateways whose newest lease has run out, and when it did.
    gone: BTreeMap<String, i64>,
    /// The newest days were searched, and nothing failed.
    recent_done: bool,
    /// Older days that are left, the newest first.
    older: VecDeque<String>,
    /// Older days with a session that could not be finalized: searched again after the next look at the newest days.
    failed: Vec<String>,
}

impl<F: Finalizer> OrphanWatch<F> {
    /// Ends of sessions go to `journal` before their manifests go to `store`.
    pub fn new(store: Arc<dyn Store>, journal: Journal, finalizer: F, clock: Clock) -> Self {
        Self {
            recordings: RecordingReader::new(Arc::clone(&store)),
            store,
            journal,
            finalizer,
            clock,
            search: SearchState::default(),
            journalled: HashSet::new(),
            refused: HashSet::new(),
        }
    }

    /// Searches, forever.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing: a session is finalized by one create-only put, and what was not is found again.
    pub async fn run(mut self) {
        let mut poll = Instant::now();
        loop {
            let result = if poll <= Instant::now() {
                poll = Instant::now() + POLL_INTERVAL;
                self.search_recent_days().await
            } else {
                self.search_older_day().await
            };
            if let Err(error) = result {
                let error = &*error;
                tracing::warn!(error, "cannot search for sessions of gateways that are gone; trying again");
            }
            let soon = Instant::now() + BACKLOG_INTERVAL;
            sleep_until(if self.search.older.is_empty() { poll } else { poll.min(soon) }).await;
        }
    }

    /// Looks for gateways that are gone. If one went since the last time, or something failed then, the newest days are
    /// searched, and the older ones are put on the list.
    async fn search_recent_days(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let gone = self.gone_gateways().await?;
        let failed = std::mem::take(&mut self.search.failed);
        self.search.older.extend(failed);
        if gone == self.search.gone && self.search.recent_done {
            return Ok(());
        }
        if gone.is_empty() {
            self.search = SearchState { recent_done: true, ..SearchState::default() };
            return Ok(());
        }
        let mut days = self.recordings.days().await?;
        let older = days.split_off(days.len().min(RECENT_DAYS));
        if gone != self.search.gone {
            self.search = SearchState { gone, older: older.into(), ..SearchState::default() };
        }
        self.search.recent_done = false;
        let mut whole = true;
        for day in days {
            whole &= self.search_day(&day).await?;
        }
        self.search.recent_done = whole;
        Ok(())
    }

    /// Searches the next older day. If the store fails, the day stays the next one.
    async fn search_older_day(&mut self) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Some(day) = self.search.older.front().cloned() else { return Ok(()) };
        if !self.search_day(&day).await? {
            self.search.failed.push(day);
        }
        self.search.older.pop_front();
        Ok(())
    }

    /// Gateways whose newest lease ran out longer ago than clocks may differ.
    async fn gone_gateways(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let now = self.clock.unix_seconds();
        let mut gone = BTreeMap::new();
        for gateway in self.store.children("leases/").await? {
            if let Some(until) = lease::alive_until(&*self.store, &gateway).await?
                && until.saturating_add(SKEW) <= now
            {
                gone.insert(gateway, until);
            }
        }
        Ok(gone)
    }

    /// Has the day's recordings without a manifest finalized. Returns whether none of them failed.
    async fn search_day(&mut self, day: &str) -> Result<bool, StoreError> {
        let ids = unfinished(&*self.store, day).await?;
        if ids.is_empty() {
            return Ok(true);
        }
        let mut opened = OpenedSessions::load(Arc::clone(&self.store)).await?;
        let mut whole = true;
        for id in ids {
            whole &= self.finalize(id, &mut opened).await;
        }
        Ok(whole)
    }

    /// Returns whether it is known what became of the recording. One that cannot be read keeps nobody from the others.
    async fn finalize(&mut self, id: RecordingId, opened: &mut OpenedSessions) -> bool {
        let mut evidence = SessionEvidence { opened, own: &self.journal, journalled: &mut self.journalled };
        match self.finalizer.finalize(id, self.clock.now(), &mut evidence).await {
            Ok(Finalization::Finalized { gateway }) => {
                tracing::info!(session = %id, gateway, "finalized: its gateway is gone");
            }
            Ok(Finalization::Refused { why }) => {
                if remember(&mut self.refused, id) {
                    tracing::warn!(session = %id, why, "a recording without an end is not finalized");
                }
            }
            Ok(Finalization::NotNeeded) => {}
            Err(error) => {
                let error = &error as &dyn Error;
                tracing::warn!(session = %id, error, "cannot finalize a session whose gateway is gone");
                return false;
            }
        }
        true
    }
}

/// A day's recordings without a manifest, told from the names alone. In a listing all names of a recording follow each
/// other, and its manifest is the last.
async fn unfinished(store: &dyn Store, day: &str) -> Result<Vec<RecordingId>, StoreError> {
    let prefix = format!("recordings/{day}/");
    let mut found: Vec<RecordingId> = Vec::new();
    let mut after = None;
    loop {
        let page = store.list(&prefix, after.as_ref(), PAGE).await?;
        let full = page.len() == PAGE;
        for object in &page {
            let Some((id, name)) = object.key.as_str().strip_prefix(&prefix).and_then(|key| key.split_once('/')) else {
                continue;
            };
            let Ok(id) = id.parse::<RecordingId>() else { continue };
            // Under another day than its own a recording is not found by anybody.
            if id.day() != day {
                continue;
            }
            if found.last() != Some(&id) {
                found.push(id);
            }
            if name == "manifest.json" {
                found.pop();
            }
        }
        if !full {
            return Ok(found);
        }
        after = page.into_iter().next_back().map(|object| object.key);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use recording::Key;
    use storage::Memory;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn what_has_no_manifest_is_told_from_the_names() {
        let store = Memory::new();
        let [first, second, third] = [0; 3].map(|_| RecordingId(Uuid::now_v7()));
        for (id, manifest) in [(first, true), (second, false), (third, true)] {
            for number in 0..3 {
                store.put_new(&Key::chunk(id, number), Bytes::new()).await.unwrap();
            }
            if manifest {
                store.put_new(&Key::manifest(id), Bytes::new()).await.unwrap();
            }
        }
        assert_eq!(unfinished(&store, &first.day()).await.unwrap(), [second]);
        assert_eq!(unfinished(&store, "2001/01/01").await.unwrap(), []);
    }
}
