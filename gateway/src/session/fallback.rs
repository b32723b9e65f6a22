//! One recording for one command, although kubectl may try twice: if a WebSocket is not answered with 101, kubectl tries
//! SPDY at once, on a new connection, with the same `Kubectl-Session`.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use recorder::OpenRecording;

/// Recordings that may wait at once. Beyond it a failed attempt's recording is finished at once.
const MAX_PARKED: usize = 1024;

/// What two attempts of one command have in common. The person is part of it: `Kubectl-Session` is only a claim.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AttemptKey {
    pub(super) user: String,
    /// The impersonated groups: `--as-group` may narrow them, and the recording that is continued says so.
    pub(super) groups: Vec<String>,
    pub(super) kubectl_session: String,
    pub(super) cluster: String,
    pub(super) path: String,
    pub(super) query: String,
}

/// A recording whose first attempt failed.
pub(super) struct ParkedRecording {
    pub(super) opened: OpenRecording,
    /// What the API server answered to the first attempt.
    pub(super) message: String,
}

/// The recordings that wait for a second attempt.
#[derive(Default)]
pub(super) struct Fallback {
    parked: Mutex<HashMap<AttemptKey, Box<ParkedRecording>>>,
}

impl Fallback {
    /// Keeps a recording for the second attempt. Returns it if there is no room, or if one with that key waits already.
    pub(super) fn park(&self, key: AttemptKey, parked: Box<ParkedRecording>) -> Result<(), Box<ParkedRecording>> {
        let mut map = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() >= MAX_PARKED || map.contains_key(&key) {
            return Err(parked);
        }
        map.insert(key, parked);
        Ok(())
    }

    /// The recording that a second attempt continues.
    pub(super) fn take(&self, key: &AttemptKey) -> Option<Box<ParkedRecording>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).remove(key)
    }

    /// Takes the recording out again if it still waits.
    pub(super) fn expire(&self, key: &AttemptKey, id: recording::RecordingId) -> Option<Box<ParkedRecording>> {
        let mut map = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if map.get(key).is_some_and(|parked| parked.opened.id() == id) { map.remove(key) } else { None }
    }
}
