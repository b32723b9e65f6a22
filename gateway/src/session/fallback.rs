//! One recording for one command, although kubectl may try twice: a WebSocket that was not answered with 101 is
//! followed at once by SPDY, on a new connection, with the same `Kubectl-UpgradedSession`.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use recorder::OpenRecording;

/// Attempts that may wait at once. Beyond it a failed attempt's recording is finished at once.
const WAITING: usize = 1024;

/// What two attempts of one command have in common. Scoped by the person: `Kubectl-UpgradedSession` is a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) user: String,
    /// As whom: `--as-group` may narrow it, and the recording that is continued says so.
    pub(crate) groups: Vec<String>,
    pub(crate) kubectl_session: String,
    pub(crate) cluster: String,
    pub(crate) path: String,
    pub(crate) query: String,
}

/// A recording whose first attempt failed.
pub(crate) struct Waiting {
    pub(crate) opened: OpenRecording,
    /// What the upstream said to the first attempt.
    pub(crate) message: String,
}

/// The recordings that wait for a second attempt.
#[derive(Default)]
pub(crate) struct Fallback {
    waiting: Mutex<HashMap<Key, Box<Waiting>>>,
}

impl Fallback {
    /// Keeps a recording for the second attempt. Gives it back where there is no room, or one like it waits.
    pub(crate) fn park(&self, key: Key, waiting: Box<Waiting>) -> Result<(), Box<Waiting>> {
        let mut map = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= WAITING || map.contains_key(&key) {
            return Err(waiting);
        }
        map.insert(key, waiting);
        Ok(())
    }

    /// The recording that a second attempt continues.
    pub(crate) fn take(&self, key: &Key) -> Option<Box<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    /// Takes it only if it is still that recording.
    pub(crate) fn expire(&self, key: &Key, id: recording::RecordingId) -> Option<Box<Waiting>> {
        let mut map = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if map.get(key).is_some_and(|waiting| waiting.opened.id() == id) { map.remove(key) } else { None }
    }
}
