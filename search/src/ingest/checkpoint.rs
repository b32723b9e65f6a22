//! How far the follower came. The index stores it with each commit, so that documents and checkpoint agree.

use std::collections::{BTreeMap, BTreeSet};

use recording::RecordingId;
use serde::{Deserialize, Serialize};

use super::journal_tail::JournalCursor;

/// Where to go on. In JSON: names of fields are those of every index that was ever written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IngestCheckpoint {
    pub(super) journals: JournalCursor,
    /// The newest day that had recordings, `YYYY/MM/DD`. Days before the one before it are done.
    #[serde(rename = "day")]
    pub(super) newest_day: String,
    /// Recordings without a manifest, and the number of the chunk to read next; 0 until the header was read.
    #[serde(rename = "open")]
    pub(super) unfinished: BTreeMap<RecordingId, u32>,
    /// Recordings that are over and indexed, but for their output.
    #[serde(rename = "reading", default)]
    pub(super) awaiting_output: BTreeSet<RecordingId>,
}

impl IngestCheckpoint {
    /// The checkpoint of a commit; the beginning if there was none, or it cannot be read.
    pub(super) fn parse(json: Option<&str>) -> Self {
        json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkpoint_of_an_earlier_version_is_read() {
        let id = "019aa9f2-5c00-7000-8000-000000000001";
        let json = format!(
            r#"{{"journals":{{"gw-1":"journal/gw-1/2026/11/22/000000000007.jsonl.zst"}},"day":"2026/11/22","open":{{"{id}":3}},"reading":["{id}"]}}"#
        );
        let checkpoint = IngestCheckpoint::parse(Some(&json));
        assert_eq!(checkpoint.to_json(), json);
        assert_eq!(checkpoint.unfinished.get(&id.parse().unwrap()), Some(&3));
        assert_eq!(IngestCheckpoint::parse(Some(r#"{"journals":{},"day":"","open":{}}"#)), IngestCheckpoint::default());
    }
}
