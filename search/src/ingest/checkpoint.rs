//! How far the follower has come. Stored with each commit, as its payload, so that documents and state agree.

use std::collections::{BTreeMap, BTreeSet};

use recording::RecordingId;
use serde::{Deserialize, Serialize};

/// Where to go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// By gateway: name of the last object of its journal that was read.
    pub(crate) journals: BTreeMap<String, String>,
    /// The newest day that had recordings, `YYYY/MM/DD`. Days before the one before it are done.
    pub(crate) day: String,
    /// Recordings without a manifest, and the chunk to read next; 0 while the header was not read.
    pub(crate) open: BTreeMap<RecordingId, u32>,
    /// Recordings that are over and indexed but for their output.
    #[serde(default)]
    pub(crate) reading: BTreeSet<RecordingId>,
}

impl State {
    pub(crate) fn parse(payload: Option<&str>) -> Self {
        let Some(payload) = payload else { return Self::default() };
        serde_json::from_str(payload).unwrap_or_default()
    }

    pub(crate) fn payload(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
