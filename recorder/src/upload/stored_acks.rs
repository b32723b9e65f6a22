//! Who tells the journal that a manifest is stored. The spool keeps the session until the journal has that, so that a process
//! that dies before is followed by one that tells it.

use storage::StoredManifest;
use tokio::sync::{mpsc, oneshot};

/// Most manifests that wait for the listener. Behind them the sessions' upload tasks wait.
const UNJOURNALLED: usize = 64;

/// A manifest that is in the store, and that the journal is to vouch for.
#[derive(Debug)]
pub struct StoredRecording {
    /// The manifest.
    pub stored: StoredManifest,
    acknowledged: oneshot::Sender<()>,
}

impl StoredRecording {
    /// Acknowledges that the journal vouches for it. One that is dropped comes again.
    pub fn ack(self) {
        let _ = self.acknowledged.send(());
    }
}

/// Has manifests journalled.
#[derive(Debug)]
pub(crate) struct StoredAcks {
    is_journalled: bool,
    listener: mpsc::Sender<StoredRecording>,
}

impl StoredAcks {
    /// `is_journalled` says whether there is a journal: otherwise nobody is told.
    pub(crate) fn new(is_journalled: bool) -> (Self, mpsc::Receiver<StoredRecording>) {
        let (listener, stored) = mpsc::channel(UNJOURNALLED);
        (Self { is_journalled, listener }, stored)
    }

    /// Has a manifest journalled. Resolves with whether the journal vouches for it now, or there is no journal.
    pub(crate) async fn journal(&self, stored: StoredManifest) -> bool {
        if !self.is_journalled {
            return true;
        }
        let (acknowledged, waiting) = oneshot::channel();
        self.listener.send(StoredRecording { stored, acknowledged }).await.is_ok() && waiting.await.is_ok()
    }
}
