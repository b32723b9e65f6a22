use serde::{Deserialize, Serialize};

use recording::{Manifest, Outcome};

/// What another process needs to finish a recording, and lines do not say. A later record of a kind stands for an earlier one.
///
/// The serialised names are those of spools that are on disks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionRecord {
    /// It was opened while the machine ran under this boot id.
    Opened {
        /// Of `/proc/sys/kernel/random/boot_id`; empty if there is none.
        boot: String,
    },
    /// The upstream answered 101.
    Began {
        /// As in the manifest.
        transport: String,
    },
    /// The container's image was learned.
    #[serde(rename = "runs")]
    Image {
        /// As in the manifest.
        image: String,
    },
    /// A Status was seen: what is known about the end although the streams are still open.
    #[serde(rename = "said")]
    Status {
        /// The outcome, if nothing else comes.
        outcome: Outcome,
    },
    /// The session ended: its manifest, without chunks.
    Ended(Box<Manifest>),
    /// The store has its chunks up to this one.
    Stored {
        /// The chunk's number.
        number: u32,
        /// Its digest, as in the manifest: it vouches for all chunks up to it.
        digest: String,
    },
    /// The journal has its end.
    #[serde(rename = "told")]
    Journalled {
        /// As the journal has it.
        outcome: Outcome,
    },
    /// It had no end: what is known beyond its segments is going to be stored in chunks of its own.
    #[serde(rename = "rest")]
    RecoveredTail {
        /// The first of these chunks' numbers.
        chunk: u32,
    },
}

/// What a session's records say together.
#[derive(Clone, Debug, Default)]
pub struct SessionRecords {
    /// The header's line, `\n` included.
    pub header: Vec<u8>,
    /// Boot id of the machine when the session was opened.
    pub boot: String,
    /// As in the manifest; empty if nothing was upgraded.
    pub transport: String,
    /// As in the manifest; empty if it was not learned.
    pub image: String,
    /// The outcome by the Status that was seen; `None` if none was.
    pub status_outcome: Option<Outcome>,
    /// The manifest without chunks; `None` if the session did not end.
    pub ended: Option<Box<Manifest>>,
    /// The last chunk that is known to be stored, and its digest.
    pub stored: Option<(u32, String)>,
    /// The outcome that the journal has; `None` if it may not have the end.
    pub journalled: Option<Outcome>,
    /// Number of the first chunk with what is known beyond the segments; `None` if nobody began to store it.
    pub recovered_tail: Option<u32>,
}

impl SessionRecords {
    pub(crate) fn learn(&mut self, record: SessionRecord) {
        match record {
            SessionRecord::Opened { boot } => self.boot = boot,
            SessionRecord::Began { transport } => self.transport = transport,
            SessionRecord::Image { image } => self.image = image,
            SessionRecord::Status { outcome } => self.status_outcome = Some(outcome),
            SessionRecord::Ended(manifest) => self.ended = Some(manifest),
            SessionRecord::Stored { number, digest } => self.stored = Some((number, digest)),
            SessionRecord::Journalled { outcome } => self.journalled = Some(outcome),
            SessionRecord::RecoveredTail { chunk } => self.recovered_tail = Some(chunk),
        }
    }
}

/// This boot's id; empty if the kernel does not tell.
pub fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A spool that an older version left is read.
    #[test]
    fn records_are_written_under_the_names_that_are_on_disks() {
        let ended = Outcome::Ended;
        for (record, json) in [
            (SessionRecord::Opened { boot: "b".to_owned() }, r#"{"opened":{"boot":"b"}}"#),
            (SessionRecord::Began { transport: "t".to_owned() }, r#"{"began":{"transport":"t"}}"#),
            (SessionRecord::Image { image: "i".to_owned() }, r#"{"runs":{"image":"i"}}"#),
            (SessionRecord::Status { outcome: ended.clone() }, r#"{"said":{"outcome":{"outcome":"ended"}}}"#),
            (SessionRecord::Stored { number: 1, digest: String::new() }, r#"{"stored":{"number":1,"digest":""}}"#),
            (SessionRecord::Journalled { outcome: ended }, r#"{"told":{"outcome":{"outcome":"ended"}}}"#),
            (SessionRecord::RecoveredTail { chunk: 2 }, r#"{"rest":{"chunk":2}}"#),
        ] {
            assert_eq!(serde_json::to_string(&record).unwrap(), json);
            assert_eq!(serde_json::from_str::<SessionRecord>(json).unwrap(), record);
        }
    }
}
