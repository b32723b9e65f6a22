use std::{
    fs::File,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use recording::RecordingId;

use crate::error::FileError;

/// How far a session is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WritePosition {
    /// The segment that is being written.
    pub(crate) number: u32,
    /// Bytes of its file that are whole frames.
    pub(crate) length: u64,
    /// The last segment that has a line: the last chunk that will be stored.
    pub(crate) chunks: u32,
    /// Nothing more will be written.
    pub(crate) ended: bool,
}

/// What the writer, the readers, the uploader and the syncing thread know of a session in common.
#[derive(Debug)]
pub(crate) struct SpooledSession {
    pub(crate) id: RecordingId,
    pub(crate) folder: PathBuf,
    pub(crate) position: watch::Sender<WritePosition>,
    /// Bytes of its files.
    pub(crate) used: AtomicU64,
    /// Whether this process records it.
    pub(crate) recorded_here: bool,
    /// Held while a record is appended: the session's writer, its uploader and who acknowledges its end all do that.
    pub(crate) records_lock: Mutex<()>,
    unsynced: Mutex<Unsynced>,
    dirty: AtomicBool,
    /// Its folder is removed or quarantined, or is about to be.
    detached: AtomicBool,
}

#[derive(Debug, Default)]
struct Unsynced {
    /// Files written since the last sync, the current one last.
    files: Vec<Arc<File>>,
    /// Files that are written until the session's end.
    kept: Vec<Arc<Kept>>,
    /// The file of records, if one was appended. It is synced after all others: the disk must not have the end of a session
    /// whose last lines it does not have.
    records: Option<Arc<File>>,
    /// Files were made, so the folder itself has to be synced.
    made: bool,
}

/// A file that is written again and again.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) file: File,
    dirty: AtomicBool,
}

impl SpooledSession {
    pub(crate) fn new(id: RecordingId, folder: PathBuf, recorded_here: bool, position: WritePosition) -> Self {
        Self {
            id,
            folder,
            position: watch::Sender::new(position),
            used: AtomicU64::new(0),
            recorded_here,
            records_lock: Mutex::default(),
            unsynced: Mutex::default(),
            dirty: AtomicBool::new(false),
            detached: AtomicBool::new(false),
        }
    }

    /// Has a new file synced from now on.
    pub(crate) fn created(&self, file: &Arc<File>) {
        let mut unsynced = self.lock();
        unsynced.files.push(Arc::clone(file));
        unsynced.made = true;
        drop(unsynced);
        self.mark_dirty();
    }

    /// A file was made, or put in another's place, that is written for some time: [`Self::wrote_to`] says when.
    pub(crate) fn keep_open(&self, file: File) -> Arc<Kept> {
        let kept = Arc::new(Kept { file, dirty: AtomicBool::new(true) });
        let mut unsynced = self.lock();
        unsynced.kept.push(Arc::clone(&kept));
        unsynced.made = true;
        drop(unsynced);
        self.mark_dirty();
        kept
    }

    /// Something was written to a file of [`Self::keep_open`].
    pub(crate) fn wrote_kept(&self, kept: &Kept) {
        kept.dirty.store(true, Ordering::Release);
        self.mark_dirty();
    }

    /// Has the file of records synced, which one was appended to.
    pub(crate) fn wrote_records(&self, file: &Arc<File>) {
        self.lock().records = Some(Arc::clone(file));
        self.mark_dirty();
    }

    /// Something was written that the next sync must take.
    pub(crate) fn mark_dirty(&self) {
        self.dirty.store(true, Ordering::Release);
    }

    /// Whether this process is recording it now.
    pub(crate) fn is_live(&self) -> bool {
        self.recorded_here && !self.position.borrow().ended
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire) && !self.is_detached()
    }

    /// Its folder is about to go: writes that fail from here on are this session's own, and nothing of it is synced any more.
    pub(crate) fn detach(&self) {
        self.detached.store(true, Ordering::Release);
        let mut unsynced = self.lock();
        unsynced.files.clear();
        unsynced.kept.clear();
        unsynced.records = None;
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.detached.load(Ordering::Acquire)
    }

    /// Syncs what was written so far. Blocks on the disk. Where the folder could not be opened, the next sync does what this one
    /// left.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        self.dirty.store(false, Ordering::Release);
        let (files, kept, made, records) = {
            let mut unsynced = self.lock();
            let (made, records) = (std::mem::take(&mut unsynced.made), unsynced.records.take());
            (unsynced.files.clone(), unsynced.kept.clone(), made, records)
        };
        for file in &files {
            file.sync_data().map_err(FileError::Sync)?;
        }
        for kept in kept.iter().filter(|kept| kept.dirty.swap(false, Ordering::AcqRel)) {
            kept.file.sync_data().map_err(FileError::Sync)?;
        }
        if made && let Err(error) = self.sync_folder() {
            let mut unsynced = self.lock();
            unsynced.made = true;
            unsynced.records = unsynced.records.take().or(records);
            drop(unsynced);
            self.mark_dirty();
            return Err(error);
        }
        if let Some(records) = records {
            records.sync_data().map_err(FileError::Sync)?;
        }
        drop(kept);
        self.forget_older(files.len());
        Ok(())
    }

    fn sync_folder(&self) -> Result<(), FileError> {
        match File::open(&self.folder) {
            Ok(folder) => folder.sync_all().map_err(FileError::Sync),
            Err(_) if self.is_detached() => Ok(()),
            Err(error) => Err(FileError::Open(error)),
        }
    }

    /// Notes that the whole file system was synced. `files` is what [`Self::before_sync`] returned.
    pub(crate) fn synced(&self, files: usize) {
        self.forget_older(files);
    }

    /// Notes that a sync of the whole file system begins. Returns how many files [`Self::synced`] may forget.
    pub(crate) fn before_sync(&self) -> usize {
        self.dirty.store(false, Ordering::Release);
        let mut unsynced = self.lock();
        (unsynced.made, unsynced.records) = (false, None);
        unsynced.kept.iter().for_each(|kept| kept.dirty.store(false, Ordering::Release));
        unsynced.files.len()
    }

    /// Closes files that will not be written again: of the first `synced` all but the newest, and kept ones that the writer has
    /// closed.
    fn forget_older(&self, synced: usize) {
        let ended = self.position.borrow().ended;
        let mut unsynced = self.lock();
        let keep = usize::from(!ended);
        let forget = synced.min(unsynced.files.len().saturating_sub(keep));
        unsynced.files.drain(..forget);
        unsynced.kept.retain(|kept| Arc::strong_count(kept) > 1 || kept.dirty.load(Ordering::Acquire));
    }

    fn lock(&self) -> MutexGuard<'_, Unsynced> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
