use serde::{Deserialize, Serialize};

use recording::{Manifest, Outcome};

/// What a recording needs to be finished by another process, and lines do not say. A later fact of a kind stands for an
/// earlier one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionRecord {
    /// It was opened while the machine ran under this boot id.
    Opened {
        /// Of `/proc/sys/kernel/random/boot_id`; empty where there is none.
        boot: String,
    },
    /// The upstream answered 101.
    Began {
        /// As in the manifest.
        transport: String,
    },
    /// The container's image was learned.
    Runs {
        /// As in the manifest.
        image: String,
    },
    /// What is known about the end although the streams are still open: a Status was seen.
    Said {
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
    Told {
        /// As the journal has it.
        outcome: Outcome,
    },
    /// It had no end: what is known beyond its segments is going to be stored as a chunk of its own.
    Rest {
        /// The chunk's number.
        chunk: u32,
    },
}

/// What a session's first file says.
#[derive(Clone, Debug, Default)]
pub struct SessionRecords {
    /// The header's line, `\n` included.
    pub header: Vec<u8>,
    /// Boot id of the machine when it was opened.
    pub boot: String,
    /// As in the manifest; empty where nothing was upgraded.
    pub transport: String,
    /// As in the manifest; empty where it was not learned.
    pub image: String,
    /// What was known about the end.
    pub said: Option<Outcome>,
    /// The manifest without chunks, of a session that ended.
    pub ended: Option<Box<Manifest>>,
    /// The last chunk that was stored, as far as is known, and its digest.
    pub stored: Option<(u32, String)>,
    /// What the journal says of the end; none where it may not have it.
    pub told: Option<Outcome>,
    /// Number of the chunk with what is known beyond the segments, where somebody began to store it.
    pub rest: Option<u32>,
}

impl SessionRecords {
    pub(super) fn learn(&mut self, fact: SessionRecord) {
        match fact {
            SessionRecord::Opened { boot } => self.boot = boot,
            SessionRecord::Began { transport } => self.transport = transport,
            SessionRecord::Said { outcome } => self.said = Some(outcome),
            SessionRecord::Ended(manifest) => self.ended = Some(manifest),
            SessionRecord::Runs { image } => self.image = image,
            SessionRecord::Stored { number, digest } => self.stored = Some((number, digest)),
            SessionRecord::Told { outcome } => self.told = Some(outcome),
            SessionRecord::Rest { chunk } => self.rest = Some(chunk),
        }
    }
}

/// This boot's id; empty where the kernel does not tell.
pub fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}
