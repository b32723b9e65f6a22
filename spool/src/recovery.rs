use recording::RecordingId;

use crate::{
    Checkpoint, HeldTail, SpoolError, StdStream, checkpoint_file, disk_threads, handle::Handle, record_file, tail,
};

/// What an earlier process left behind, beside the lines of its sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SpoolRecovery {
    handle: Handle,
}

impl SpoolRecovery {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// The sessions that an earlier process left.
    pub fn sessions(&self) -> Vec<RecordingId> {
        let sessions = self.handle.shared.sessions();
        sessions.values().filter(|session| !session.recorded_here).map(|session| session.id).collect()
    }

    /// Whether an earlier process left the session.
    pub fn is_left(&self, id: RecordingId) -> bool {
        self.handle.find(id).is_some_and(|session| !session.recorded_here)
    }

    /// Whether a session without [`crate::UploadQueue::records`] was never opened: its folder has nothing but the beginning
    /// of a header that was being written. Otherwise the disk has damaged the header of a session that was opened.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub async fn is_unopened(&self, id: RecordingId) -> Result<bool, SpoolError> {
        let Some(session) = self.handle.find(id) else { return Ok(true) };
        disk_threads::run_blocking(move || {
            record_file::is_unopened(&session.folder)
                .map_err(|error| SpoolError::failed("read", &session.folder, error))
        })
        .await
    }

    /// The last checkpoint; `of_lines` is the one of the last line's frame. `None` if nothing was accepted, and `of_lines` if the
    /// session is not here.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn checkpoint(
        &self,
        id: RecordingId,
        of_lines: Option<Checkpoint>,
    ) -> Result<Option<Checkpoint>, SpoolError> {
        let Some(session) = self.handle.find(id) else { return Ok(of_lines) };
        let read = move || {
            let of_file = checkpoint_file::read(&session.folder);
            of_file.map_err(|error| SpoolError::failed("read", &checkpoint_file::path(&session.folder), error))
        };
        Ok(Checkpoint::newest(of_lines, disk_threads::run_blocking(read).await?))
    }

    /// Keeps a checkpoint of a session that has ended, whatever becomes of its segments: when this returns, it is synced.
    ///
    /// # Errors
    /// The disk's.
    ///
    /// # Cancel safety
    /// It is kept whether the caller goes on waiting or not.
    pub async fn keep_checkpoint(&self, id: RecordingId, checkpoint: Checkpoint) -> Result<(), SpoolError> {
        let shared = self.handle.shared.clone();
        let Some(session) = self.handle.find(id) else { return Ok(()) };
        let keep = move || {
            let kept = checkpoint_file::keep(&session.folder, &checkpoint);
            kept.map_err(|error| shared.capacity.failed(&checkpoint_file::path(&session.folder), error))
        };
        disk_threads::run_blocking(keep).await
    }

    /// What an output limit held back of a stream's first `total` bytes.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn held_tail(&self, id: RecordingId, stream: StdStream, total: u64) -> Result<HeldTail, SpoolError> {
        let Some(session) = self.handle.find(id) else { return Ok(HeldTail::default()) };
        disk_threads::run_blocking(move || {
            let held = tail::read(&session.folder, stream, total);
            held.map_err(|error| SpoolError::failed("read", &session.folder, error))
        })
        .await
    }
}
