use std::{
    fs, io,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use recording::{RecordingId, cast::Header};

use crate::{
    LatencyObserver, SessionRecord, SpoolError, SpoolGauges, SpoolLimits, SpoolReader, SpoolRecovery, SpoolWriter,
    UploadQueue, boot_id,
    files::{self, make_dir},
    handle::Handle,
    record_file, segment,
    shared::{STORED, Shared},
    spooled::{SpooledSession, WritePosition},
};

/// A spool folder, held by this process. Cheap to clone; the folder is free again when all clones and handles are dropped.
#[derive(Clone, Debug)]
pub struct Spool {
    handle: Handle,
}

impl Spool {
    /// Opens the folder, making it if it is missing, and starts the spool's threads. Sessions that an earlier process left are
    /// there and ended: [`SpoolRecovery::sessions`] lists them. Blocks on the disk.
    ///
    /// # Errors
    /// [`SpoolError::Taken`], or a folder that cannot be used.
    pub fn open(folder: impl AsRef<Path>, limits: SpoolLimits) -> Result<Self, SpoolError> {
        let folder = folder.as_ref().to_owned();
        make_dir(&folder).map_err(|error| SpoolError::failed("make", &folder, error))?;
        let shared = Arc::new(Shared::lock(folder.clone(), limits)?);
        shared.capacity.measure_disk();
        adopt(&shared).map_err(|error| SpoolError::failed("read", &folder, error))?;
        let handle = Handle::start(shared);
        Ok(Self { handle: handle.map_err(|error| SpoolError::failed("start threads for", &folder, error))? })
    }

    /// Begins a session. When this returns, its header is on the disk, synced.
    ///
    /// # Errors
    /// [`SpoolError::Full`] at the limits for all sessions; the disk's, of kind [`io::ErrorKind::AlreadyExists`] if there is a
    /// session of that id.
    ///
    /// # Cancel safety
    /// A session whose future is dropped never began: its folder is removed and its bytes are given back.
    pub async fn begin(&self, id: RecordingId, header: &Header) -> Result<SpoolWriter, SpoolError> {
        let shared = &self.handle.shared;
        shared.may_begin()?;
        let (sharing, line) = (Arc::clone(shared), header.to_line());
        let beginning = shared.jobs.run(move || Beginning::make(sharing, id, &line)).await?;
        shared.synced(&beginning.session).await?;
        Ok(beginning.begun())
    }

    /// Has `observer` told how long every sync of the disk took, of however many sessions. Only the first call counts.
    pub fn observe_syncs(&self, observer: LatencyObserver) {
        let _ = self.handle.shared.sync_latency.set(observer);
    }

    /// For who reads sessions while they are here.
    pub fn reader(&self) -> SpoolReader {
        SpoolReader::new(self.handle.clone())
    }

    /// For who brings sessions to the store.
    pub fn queue(&self) -> UploadQueue {
        UploadQueue::new(self.handle.clone())
    }

    /// For who finishes the sessions of an earlier process.
    pub fn recovery(&self) -> SpoolRecovery {
        SpoolRecovery::new(self.handle.clone())
    }

    /// For who watches its limits.
    pub fn gauges(&self) -> SpoolGauges {
        SpoolGauges::new(self.handle.clone())
    }
}

/// A session whose header is written, and which nobody knows of before it is synced. Dropped before, it never was: the person
/// was told that it did not begin, and the next process must not find it.
struct Beginning {
    shared: Arc<Shared>,
    session: Arc<SpooledSession>,
    is_begun: bool,
}

impl Beginning {
    /// Makes folder and header. Blocks on the disk.
    fn make(shared: Arc<Shared>, id: RecordingId, header: &[u8]) -> Result<Self, SpoolError> {
        let folder = shared.folder.join(id.to_string());
        files::create_dir(&folder).map_err(|error| shared.capacity.open_failed("make", &folder, error))?;
        let position = WritePosition { number: 1, ..WritePosition::default() };
        let session = Arc::new(SpooledSession::new(id, folder, true, position));
        let beginning = Self { shared, session, is_begun: false };
        let opened = SessionRecord::Opened { boot: boot_id() };
        record_file::create(&beginning.shared.capacity, &beginning.session, header, &opened)?;
        Ok(beginning)
    }

    fn begun(mut self) -> SpoolWriter {
        self.is_begun = true;
        self.shared.sessions().insert(self.session.id, Arc::clone(&self.session));
        self.shared.changes.send_modify(|count| *count += 1);
        SpoolWriter::new(Arc::clone(&self.shared), Arc::clone(&self.session))
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        if self.is_begun {
            return;
        }
        self.session.detach();
        self.shared.capacity.gave_back(&self.session, self.session.used.load(Ordering::Relaxed));
        let (shared, session) = (Arc::clone(&self.shared), Arc::clone(&self.session));
        self.shared.jobs.push(move || {
            if let Err(error) = shared.remove_folder(&session) {
                let error = &error as &dyn std::error::Error;
                tracing::error!(session = %session.id, error, "a session that did not begin is left in the spool");
            }
        });
    }
}

/// Learns what an earlier process left, and goes on with what it was removing.
fn adopt(shared: &Shared) -> io::Result<()> {
    for entry in fs::read_dir(&shared.folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if name.ends_with(STORED) {
            fs::remove_dir_all(entry.path())?;
        }
        if let Ok(id) = name.parse::<RecordingId>() {
            adopt_session(shared, id, &entry.path())?;
        }
    }
    Ok(())
}

fn adopt_session(shared: &Shared, id: RecordingId, folder: &Path) -> io::Result<()> {
    let mut used = 0;
    for file in fs::read_dir(folder)? {
        used += file?.metadata()?.len();
    }
    let number = segment::numbers(folder)?.last().copied().unwrap_or(1);
    let length = fs::metadata(files::numbered(folder, number)).map_or(0, |file| file.len());
    let position = WritePosition { number, length, chunks: number, ended: true };
    let session = SpooledSession::new(id, folder.to_owned(), false, position);
    shared.capacity.took(&session, used);
    shared.sessions().insert(id, Arc::new(session));
    Ok(())
}
