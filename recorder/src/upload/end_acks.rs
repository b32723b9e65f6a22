//! Who tells the journal of a session's end, so that it is told once, and never by nobody.
//!
//! ```text
//! finish ─▶ promise ─▶ the caller tells the journal ─▶ told: noted in the spool ─┐
//!                                                                               ├─▶ the spool lets go
//! no finish, or a process that died: Untold ─▶ the listener tells ─▶ noted ──────┘
//! ```
//!
//! Who is killed between the journal's entry and the note of it is followed by one that tells it again, with the same outcome.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use recording::{Outcome, RecordingId};
use tokio::sync::{Notify, oneshot};

/// The end of a session that the journal may not have: its process died, or nobody ended it.
#[derive(Debug)]
pub struct UnjournalledEnd {
    /// The recording.
    pub session: RecordingId,
    /// Whose it was; empty where the disk has lost that.
    pub user: String,
    /// How it ended.
    pub outcome: Outcome,
    noted: oneshot::Sender<()>,
}

impl UnjournalledEnd {
    /// One, and what resolves once it is noted.
    pub(crate) fn new(session: RecordingId, user: String, outcome: Outcome) -> (Self, oneshot::Receiver<()>) {
        let (noted, waiting) = oneshot::channel();
        (Self { session, user, outcome, noted }, waiting)
    }

    /// The journal has it. Dropped without, it is told again.
    pub fn noted(self) {
        let _ = self.noted.send(());
    }
}

/// The ends that their callers tell.
#[derive(Debug)]
pub(crate) struct EndAcks {
    journalled: bool,
    promised: Mutex<HashMap<RecordingId, Option<Outcome>>>,
    news: Notify,
}

impl EndAcks {
    /// `journalled`: somebody keeps a journal; otherwise nothing is waited for.
    pub(crate) fn new(journalled: bool) -> Self {
        Self { journalled, promised: Mutex::default(), news: Notify::new() }
    }

    pub(crate) fn journalled(&self) -> bool {
        self.journalled
    }

    /// Somebody ended the session, and will say when the journal has it.
    pub(crate) fn promise(&self, id: RecordingId) {
        if self.journalled {
            self.promised().entry(id).or_insert(None);
        }
    }

    /// The journal has the end.
    pub(crate) fn told(&self, id: RecordingId, outcome: Outcome) {
        if let Some(promised) = self.promised().get_mut(&id) {
            *promised = Some(outcome);
        }
        self.news.notify_waiters();
    }

    /// What the journal says, once it does; none where nobody promised to tell it.
    pub(crate) async fn outcome(&self, id: RecordingId) -> Option<Outcome> {
        loop {
            let news = self.news.notified();
            let promised = self.promised().get(&id).cloned();
            match promised {
                None => return None,
                Some(Some(outcome)) => return Some(outcome),
                Some(None) => news.await,
            }
        }
    }

    /// The session is no longer in the spool.
    pub(crate) fn forget(&self, id: RecordingId) {
        self.promised().remove(&id);
    }

    fn promised(&self) -> MutexGuard<'_, HashMap<RecordingId, Option<Outcome>>> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
