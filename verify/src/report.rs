use recording::JournalHead;
use serde::{Deserialize, Serialize};

/// Most findings and notes that are listed; more findings are counted.
const MAX_LISTED: usize = 10_000;

/// What is wrong with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// It is not there.
    Missing,
    /// Its bytes are not those that were written.
    Altered,
    /// Its end is not there.
    Cut,
    /// It is somewhere else than where it was written.
    Reordered,
    /// It does not belong there.
    Foreign,
    /// Nobody signed it.
    Unsigned,
    /// Its key is not in the store, or nothing that is trusted vouches for it.
    UnknownKey,
    /// Its key was not in use at the time that it was signed.
    KeyNotValid,
}

impl Problem {
    /// As reports write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Altered => "altered",
            Self::Cut => "cut",
            Self::Reordered => "re-ordered",
            Self::Foreign => "foreign",
            Self::Unsigned => "unsigned",
            Self::UnknownKey => "unknown key",
            Self::KeyNotValid => "key not valid",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The object's name, or a folder's.
    pub object: String,
    /// What kind of thing.
    pub problem: Problem,
    /// For a person.
    pub detail: String,
}

/// What a check amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything is as it was written by holders of keys that the person who asks trusts.
    Proven,
    /// Nothing is wrong in itself, but the keys come from the data: nothing vouches for them.
    NotVouched,
    /// Something is wrong.
    Wrong,
}

/// What a check found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Whether trusted keys were given.
    pub vouched: bool,
    /// Whether it was checked as an excerpt, which cannot show that anything is missing beside what it has.
    pub excerpt: bool,
    /// Public keys that are kept beside the data.
    pub keys: u64,
    /// Journal objects read.
    pub journal_objects: u64,
    /// Entries in them.
    pub journal_entries: u64,
    /// Recordings with a manifest.
    pub recordings: u64,
    /// Recordings without one: live, or their gateway died.
    pub unfinished: u64,
    /// What is wrong, in the order it was found.
    pub findings: Vec<Finding>,
    /// Findings beyond those that are kept.
    pub more_findings: u64,
    /// Recordings of before the journal had the digests of manifests. A key of that time vouches for them, and nothing else.
    pub undigested: u64,
    /// What is not wrong and should be known.
    pub notes: Vec<String>,
    /// How far the journals have come: kept elsewhere, they show whether an end is cut off later.
    pub heads: Vec<JournalHead>,
}

impl Verdict {
    /// As the journal has it, and `--json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::NotVouched => "not_vouched",
            Self::Wrong => "wrong",
        }
    }
}

impl Report {
    /// What it amounts to.
    pub fn verdict(&self) -> Verdict {
        match (self.findings.is_empty(), self.vouched) {
            (false, _) => Verdict::Wrong,
            (true, true) => Verdict::Proven,
            (true, false) => Verdict::NotVouched,
        }
    }

    pub(crate) fn found(&mut self, object: impl ToString, problem: Problem, detail: impl Into<String>) {
        self.add(Finding { object: object.to_string(), problem, detail: detail.into() });
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        if self.findings.len() < MAX_LISTED {
            self.findings.push(finding);
        } else {
            self.more_findings += 1;
        }
    }

    /// Says how many recordings no journal has the digest of.
    pub(crate) fn note_undigested(&mut self) {
        if self.undigested > 0 {
            let count = self.undigested;
            self.note(format!(
                "{count} recordings are of before journals had digests of manifests: only their key vouches for them"
            ));
        }
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        if self.notes.len() < MAX_LISTED {
            self.notes.push(note.into());
        }
    }
}
