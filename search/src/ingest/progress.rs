use serde::Serialize;

/// How much a [`crate::Follower`] has taken in since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Recordings that there are, where they were counted before; 0 where not.
    pub recordings: u64,
    /// Recordings that are over and whose output was read.
    pub read: u64,
    /// Recordings that were finished, and are indexed as such.
    pub finished: u64,
    /// Recordings without a manifest at the moment: live, or died.
    pub live: u64,
    /// Objects of journals that were read.
    pub journal_objects: u64,
    /// Documents written.
    pub documents: u64,
    /// Recordings, chunks and journal objects that could not be read and were passed over.
    pub damaged: u64,
    /// Commits to the index.
    pub commits: u64,
}
