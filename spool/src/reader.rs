use tokio::sync::watch;

use recording::{RecordingId, cast::Header};

use crate::{Follow, SpoolError, files, handle::Handle, record_file};

/// Reads sessions while they are here, for the player and the search. Cheap to clone.
///
/// ```ignore
/// let mut follow = reader.follow(id, 1)?;           // None: the session is not here; read the store
/// while let Some(event) = follow.next().await? {
///     match event {
///         SpoolEvent::Stored { from, to } => { /* these chunks are in the store */ }
///         SpoolEvent::Lines { lines, .. } => { /* cast::events(&lines) */ }
///     }
/// }                                                 // ended: the manifest follows in the store
/// ```
#[derive(Clone, Debug)]
pub struct SpoolReader {
    handle: Handle,
}

impl SpoolReader {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// The sessions that this process is recording now.
    pub fn live(&self) -> Vec<RecordingId> {
        let sessions = self.handle.shared.sessions();
        sessions.values().filter(|session| session.is_live()).map(|session| session.id).collect()
    }

    /// Whether this process is recording the session now.
    pub fn is_live(&self, id: RecordingId) -> bool {
        self.handle.find(id).is_some_and(|session| session.is_live())
    }

    /// All sessions of which something is not in the store yet, those of earlier processes included.
    pub fn sessions(&self) -> Vec<RecordingId> {
        self.handle.shared.sessions().keys().copied().collect()
    }

    /// Whether something of the session is not in the store yet.
    pub fn has(&self, id: RecordingId) -> bool {
        self.handle.shared.sessions().contains_key(&id)
    }

    /// Changes whenever a session begins, or leaves the spool with its manifest in the store.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.handle.shared.changes.subscribe()
    }

    /// A session's header; `None` if the session is not here or its header is damaged. Reads a small file on the caller's
    /// thread.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn header(&self, id: RecordingId) -> Result<Option<Header>, SpoolError> {
        let Some(session) = self.handle.find(id) else { return Ok(None) };
        let records = record_file::read(&session.folder)?;
        Ok(records.and_then(|records| Header::parse(&records.header).ok()))
    }

    /// Whether a chunk's lines are here, or will be. Looks for one file on the caller's thread.
    pub fn has_chunk(&self, id: RecordingId, number: u32) -> bool {
        let Some(session) = self.handle.find(id) else { return false };
        let closed = session.position.borrow().number.saturating_sub(1);
        number > closed || files::numbered(&session.folder, number).exists()
    }

    /// The lines of a session from chunk `from` on (1 is the first with events): everything so far, then what comes. `None`
    /// if the session is not here: its manifest is in the store, or another gateway records it.
    pub fn follow(&self, id: RecordingId, from: u32) -> Option<Follow> {
        Some(Follow::new(self.handle.find(id)?, from.max(1)))
    }
}
