use recording::{JournalHead, KeyId, UnixMicros};
use storage::signing::PublicKey;

/// A key that the person who asks trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The key itself.
    Key(PublicKey),
    /// Its id: the key is taken from the store.
    Pin(KeyId),
}

/// What a person asks about a store, and what they know of it.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Keys that did not come with the data. Without any, nothing vouches for the keys in the store.
    pub trusted: Vec<Trust>,
    /// Prefix of the recordings' object names; empty for all. The journal is always read whole.
    pub within: String,
    /// Whether the person who asks knows the store to be an excerpt: journal objects may be missing before, between and
    /// after, and `heads` is not looked at. Nothing in the data may say so: whatever says that objects may be missing could
    /// have been put there by the one who removed them.
    pub excerpt: bool,
    /// How far journals had come, as it was known outside of the store.
    pub heads: Vec<JournalHead>,
    /// What is younger than this moment may not be stored, or journalled, as a whole.
    pub settled: UnixMicros,
}
