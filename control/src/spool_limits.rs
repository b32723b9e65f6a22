//! What the journal says about the spool: limits that are reached and left, a store that is unavailable, and ends of
//! sessions that an earlier process could not journal any more.

use std::time::Duration;

use journal::Journal;
use recording::{Outcome, RecordingId, journal::JournalEvent};
use storage::StoredManifest;

/// Time between two looks at the limits.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The spool at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpoolCondition {
    /// The store takes nothing.
    pub store_unavailable: bool,
    /// No room is left for all sessions together.
    pub total_full: bool,
    /// No more sessions may wait.
    pub sessions_full: bool,
    /// The disk has too little room.
    pub disk_full: bool,
    /// Bytes in the spool.
    pub bytes: u64,
    /// Sessions in the spool.
    pub sessions: usize,
    /// Free bytes on its disk.
    pub free: u64,
}

impl SpoolCondition {
    /// Names of the limits, as the journal has them, and whether each is reached.
    fn limits(self) -> [(&'static str, bool); 4] {
        [
            ("store", self.store_unavailable),
            ("total", self.total_full),
            ("sessions", self.sessions_full),
            ("disk", self.disk_full),
        ]
    }
}

/// Journals each limit of the spool when it is reached, and when it is left. Runs forever.
///
/// # Cancel safety
/// Dropping the future loses nothing but the change that is being journalled.
pub async fn journal_spool_limits(condition: impl Fn() -> SpoolCondition, journal: Journal) {
    let mut before = SpoolCondition::default();
    let mut poll = tokio::time::interval(POLL_INTERVAL);
    poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        poll.tick().await;
        let now = condition();
        for ((limit, was), (_, reached)) in before.limits().into_iter().zip(now.limits()) {
            if was != reached {
                note_limit(&journal, limit, reached, now).await;
            }
        }
        before = now;
    }
}

async fn note_limit(journal: &Journal, limit: &str, reached: bool, now: SpoolCondition) {
    let SpoolCondition { bytes, sessions, free, .. } = now;
    tracing::warn!(bound = limit, reached, bytes, sessions, free, "spool");
    let event = JournalEvent::Spool { bound: limit.to_owned(), reached, bytes, sessions: sessions as u64 };
    journal.note("", event).await;
}

/// Journals the end of a session that was recorded by a process that is gone. Returns whether the entry is durable; if not,
/// the caller tries again.
pub async fn journal_end(journal: &Journal, session: RecordingId, user: &str, outcome: &Outcome) -> bool {
    let noted = journal.note_durably(user, JournalEvent::SessionEnded { session, outcome: outcome.clone() }).await;
    if let Err(error) = &noted {
        tracing::warn!(%session, error = error as &dyn std::error::Error, "cannot journal a session's end");
    }
    noted.is_ok()
}

/// Journals that a manifest is stored, and so vouches for it. Returns whether the entry is durable; if not, the caller tries
/// again.
pub async fn journal_stored(journal: &Journal, stored: &StoredManifest) -> bool {
    let session = &stored.manifest.session;
    let noted = journal.note_durably(&session.principal.name, stored.journal_event()).await;
    if let Err(error) = &noted {
        let error = error as &dyn std::error::Error;
        tracing::warn!(session = %session.id, error, "cannot journal a manifest's digest");
    }
    noted.is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use journal::JournalSettings;
    use storage::{Memory, journal::JournalReader, signing::Signer};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_journalled_when_it_is_reached_and_when_it_is_left() {
        let store = Arc::new(Memory::new());
        let signer = Arc::new(Signer::generate().unwrap());
        let settings = JournalSettings { signer, ..JournalSettings::default() };
        let journal = Journal::open(store.clone(), "gw", settings).await.unwrap();
        let shared = Arc::new(Mutex::new(SpoolCondition::default()));
        let condition = Arc::clone(&shared);
        let watching = tokio::spawn(journal_spool_limits(move || *condition.lock().unwrap(), journal.clone()));
        for full in [false, true, true, false, false] {
            shared.lock().unwrap().total_full = full;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        watching.abort();
        journal.close().await.unwrap();
        let reader = JournalReader::new(store);
        let mut told = Vec::new();
        for object in reader.list("gw", None, 9).await.unwrap() {
            for entry in reader.read(&object).await.unwrap() {
                if let JournalEvent::Spool { bound, reached, .. } = entry.what {
                    told.push((bound, reached));
                }
            }
        }
        assert_eq!(told, [("total".to_owned(), true), ("total".to_owned(), false)]);
    }
}
