use std::{fs, io, path::PathBuf, sync::Arc};

use tokio::sync::watch;

use recording::RecordingId;

use crate::{
    Segment, SessionRecord, SessionRecords, SpoolError, disk_threads, files, handle::Handle, record_file, segment,
    spooled::WritePosition,
};

/// Sessions on their way to the store. Each has one uploader, which stores its closed segments and then lets go of it. Cheap
/// to clone.
///
/// # Cancel safety
/// A call that changes files changes them whether its caller goes on waiting or not.
#[derive(Clone, Debug)]
pub struct UploadQueue {
    handle: Handle,
}

impl UploadQueue {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    /// Watches a session for a closed segment, or its end. `None` if the session is not here.
    pub fn watch(&self, id: RecordingId) -> Option<SessionWatch> {
        let position = self.handle.find(id)?.position.subscribe();
        let seen = progress(&position.borrow());
        Some(SessionWatch { position, seen })
    }

    /// What a session's records say; `None` if the session is not here, or its header is damaged or was never whole:
    /// [`crate::SpoolRecovery::is_unopened`] tells which.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn records(&self, id: RecordingId) -> Result<Option<SessionRecords>, SpoolError> {
        let Some(session) = self.handle.find(id) else { return Ok(None) };
        disk_threads::run_blocking(move || record_file::read(&session.folder)).await
    }

    /// Numbers of a session's segments that are whole, in order: all, if it has ended.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub async fn closed_segments(&self, id: RecordingId) -> Result<Vec<u32>, SpoolError> {
        let Some(session) = self.handle.find(id) else { return Ok(Vec::new()) };
        let position = *session.position.borrow();
        let listed = self.on_disk_thread(move || {
            segment::numbers(&session.folder).map_err(|error| SpoolError::failed("read", &session.folder, error))
        });
        let closed = |number: &u32| position.ended || *number < position.number;
        Ok(listed.await?.into_iter().filter(closed).collect())
    }

    /// A segment's content. Half a frame at its end was never forwarded, unless more is known to have come behind it: then it
    /// is damage.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub async fn segment(&self, id: RecordingId, number: u32) -> Result<Segment, SpoolError> {
        let session = self.handle.find(id);
        let is_closed =
            session.is_some_and(|session| session.recorded_here && number < session.position.borrow().number);
        let folder = self.handle.shared.folder.join(id.to_string());
        disk_threads::run_blocking(move || segment::read(&folder, number, is_closed)).await
    }

    /// Appends a record to those of a session, for the process that goes on after this one. Does nothing if the session is not
    /// here.
    ///
    /// # Errors
    /// The disk's.
    pub async fn note(&self, id: RecordingId, record: SessionRecord) -> Result<(), SpoolError> {
        let shared = Arc::clone(&self.handle.shared);
        let Some(session) = self.handle.find(id) else { return Ok(()) };
        self.on_disk_thread(move || record_file::append(&shared.capacity, &session, &record)).await
    }

    /// As [`Self::note`], on the caller's thread.
    ///
    /// # Errors
    /// The disk's.
    pub fn note_now(&self, id: RecordingId, record: &SessionRecord) -> Result<(), SpoolError> {
        match self.handle.find(id) {
            Some(session) => record_file::append(&self.handle.shared.capacity, &session, record),
            None => Ok(()),
        }
    }

    /// Removes a segment, which is in the store.
    ///
    /// # Errors
    /// The disk's.
    pub async fn stored(&self, id: RecordingId, number: u32) -> Result<(), SpoolError> {
        let shared = Arc::clone(&self.handle.shared);
        let Some(session) = self.handle.find(id) else { return Ok(()) };
        self.on_disk_thread(move || {
            let path = files::numbered(&session.folder, number);
            let removed = fs::metadata(&path).and_then(|file| fs::remove_file(&path).map(|()| file.len()));
            match removed {
                Ok(bytes) => shared.capacity.gave_back(&session, bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(SpoolError::failed("remove", &path, error)),
            }
            Ok(())
        })
        .await
    }

    /// Removes a session's folder: all of it is in the store, the manifest included.
    ///
    /// # Errors
    /// The disk's.
    pub async fn finished(&self, id: RecordingId) -> Result<(), SpoolError> {
        let shared = Arc::clone(&self.handle.shared);
        let Some(session) = self.handle.find(id) else { return Ok(()) };
        self.on_disk_thread(move || {
            session.detach();
            shared.remove_folder(&session)?;
            shared.forget(&session);
            Ok(())
        })
        .await
    }

    /// Moves a session's folder to the quarantine, for a person: the store has something else under its name, or its header is
    /// damaged. Returns where it is then.
    ///
    /// # Errors
    /// The disk's.
    pub async fn quarantine(&self, id: RecordingId) -> Result<PathBuf, SpoolError> {
        let shared = Arc::clone(&self.handle.shared);
        let place = shared.quarantine_of(id);
        let Some(session) = self.handle.find(id) else { return Ok(place) };
        self.on_disk_thread(move || {
            // A writer that still has it must fail alone.
            session.detach();
            shared.move_to_quarantine(&session)?;
            shared.forget(&session);
            Ok(place)
        })
        .await
    }

    /// Syncs what a session has so far.
    ///
    /// # Errors
    /// The disk's.
    pub async fn sync(&self, id: RecordingId) -> Result<(), SpoolError> {
        match self.handle.find(id) {
            Some(session) => self.handle.shared.synced(&session).await,
            None => Ok(()),
        }
    }

    async fn on_disk_thread<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        self.handle.shared.jobs.run(job).await
    }
}

/// Waits for a session's progress.
#[derive(Debug)]
pub struct SessionWatch {
    position: watch::Receiver<WritePosition>,
    seen: (bool, u32),
}

impl SessionWatch {
    /// Whether the session has ended, and how many segments it has closed. Later changes wake [`Self::changed`].
    pub fn seen(&mut self) -> (bool, u32) {
        self.seen = progress(&self.position.borrow_and_update());
        self.seen
    }

    /// Resolves once that differs from what was seen last.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) {
        let seen = self.seen;
        let _ = self.position.wait_for(|position| progress(position) != seen).await;
    }
}

fn progress(position: &WritePosition) -> (bool, u32) {
    (position.ended, position.number.saturating_sub(1))
}
