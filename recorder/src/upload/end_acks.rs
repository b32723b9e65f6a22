//! Who tells the journal of a session's end, so that there is one entry, and never none.
//!
//! ```text
//! finish ─▶ expect ─▶ the caller journals the end ─▶ acknowledge: noted in the spool ─┐
//!                                                                                    ├─▶ the spool lets go
//! no finish, or a process that died ─▶ UnjournalledEnd ─▶ the listener journals it ─▶ ack ┘
//! ```
//!
//! Where a process is killed between the journal's entry and the note of it, the next process has the end journalled again,
//! with the same outcome.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use recording::{Outcome, RecordingId};
use tokio::sync::{Notify, mpsc, oneshot};

/// Most ends that wait for the listener. Behind them the sessions' upload tasks wait, each with its end: nothing grows that the
/// spool's limits do not bound.
const UNJOURNALLED_ENDS: usize = 64;

/// The end of a session that the journal may not have: its process died, or its caller did not end it.
#[derive(Debug)]
pub struct UnjournalledEnd {
    /// The recording.
    pub session: RecordingId,
    /// Whose it was; empty if the disk has lost that.
    pub user: String,
    /// How it ended.
    pub outcome: Outcome,
    acknowledged: oneshot::Sender<()>,
}

impl UnjournalledEnd {
    /// Acknowledges that the journal has it. An end that is dropped comes again.
    pub fn ack(self) {
        let _ = self.acknowledged.send(());
    }
}

/// Which ends the journal has, and who is to tell it of the others.
#[derive(Debug)]
pub(crate) struct EndAcks {
    is_journalled: bool,
    /// The sessions whose callers journal their ends, and the outcome once they have.
    expected: Mutex<HashMap<RecordingId, Option<Outcome>>>,
    acknowledged: Notify,
    unjournalled: mpsc::Sender<UnjournalledEnd>,
}

impl EndAcks {
    /// `is_journalled` says whether there is a journal: otherwise nothing is waited for.
    pub(crate) fn new(is_journalled: bool) -> (Self, mpsc::Receiver<UnjournalledEnd>) {
        let (unjournalled, listener) = mpsc::channel(UNJOURNALLED_ENDS);
        (Self { is_journalled, expected: Mutex::default(), acknowledged: Notify::new(), unjournalled }, listener)
    }

    /// Notes that a caller ended the session, and will acknowledge that the journal has the end.
    pub(crate) fn expect(&self, id: RecordingId) {
        if self.is_journalled {
            self.expected().entry(id).or_insert(None);
        }
    }

    /// Notes that the journal has the end.
    pub(crate) fn acknowledge(&self, id: RecordingId, outcome: Outcome) {
        if let Some(expected) = self.expected().get_mut(&id) {
            *expected = Some(outcome);
        }
        self.acknowledged.notify_waiters();
    }

    /// Resolves with the outcome that the journal has, once it has the end; with `None` if no caller is expected to journal it.
    pub(crate) async fn outcome(&self, id: RecordingId) -> Option<Outcome> {
        loop {
            let acknowledged = self.acknowledged.notified();
            let expected = self.expected().get(&id).cloned();
            match expected {
                None => return None,
                Some(Some(outcome)) => return Some(outcome),
                Some(None) => acknowledged.await,
            }
        }
    }

    /// Has an end journalled that no caller journals. Resolves with whether the journal has it. Without a journal it always says so,
    /// and the listener may miss some.
    ///
    /// While the listener has [`UNJOURNALLED_ENDS`] ends to go, this waits.
    pub(crate) async fn journal(&self, session: RecordingId, user: &str, outcome: &Outcome) -> bool {
        let (acknowledged, waiting) = oneshot::channel();
        let end = UnjournalledEnd { session, user: user.to_owned(), outcome: outcome.clone(), acknowledged };
        if !self.is_journalled {
            let _ = self.unjournalled.try_send(end);
            return true;
        }
        self.unjournalled.send(end).await.is_ok() && waiting.await.is_ok()
    }

    /// Forgets a session that is no longer in the spool.
    pub(crate) fn forget(&self, id: RecordingId) {
        self.expected().remove(&id);
    }

    fn expected(&self) -> MutexGuard<'_, HashMap<RecordingId, Option<Outcome>>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
