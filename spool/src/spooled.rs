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

/// How far a session is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WritePosition {
    /// The segment that is being written.
    pub(super) number: u32,
    /// Bytes of its file that are whole frames.
    pub(super) length: u64,
    /// The last segment that has a line: the last chunk that will be stored.
    pub(super) chunks: u32,
    /// Nothing more will be written.
    pub(super) ended: bool,
}

/// What writer, readers, uploader and syncing know of a session in common.
#[derive(Debug)]
pub(super) struct SpooledSession {
    pub(super) id: RecordingId,
    pub(super) folder: PathBuf,
    pub(super) extent: watch::Sender<WritePosition>,
    /// Bytes of its files.
    pub(super) used: AtomicU64,
    /// Whether this process records it.
    pub(super) recorded_here: bool,
    /// Held while facts are written: by whoever records it, whoever stores it, and whoever tells of it.
    pub(super) facts: Mutex<()>,
    unsynced: Mutex<Unsynced>,
    dirty: AtomicBool,
    /// It is in the store, and its folder is gone.
    gone: AtomicBool,
}

#[derive(Debug, Default)]
struct Unsynced {
    /// Files written since the last sync, the current one last.
    files: Vec<Arc<File>>,
    /// Files that are written until the session's end.
    kept: Vec<Arc<Kept>>,
    /// The first file, where facts were added to it. It is synced after all others: the disk must not have the end of a session
    /// whose last lines it has not.
    facts: Option<Arc<File>>,
    /// Files were made, so the folder itself has to be synced.
    made: bool,
}

/// A file that is written again and again.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) file: File,
    dirty: AtomicBool,
}

impl SpooledSession {
    pub(super) fn new(id: RecordingId, folder: PathBuf, recorded_here: bool, extent: WritePosition, used: u64) -> Self {
        Self {
            id,
            folder,
            extent: watch::Sender::new(extent),
            used: AtomicU64::new(used),
            recorded_here,
            facts: Mutex::default(),
            unsynced: Mutex::default(),
            dirty: AtomicBool::new(false),
            gone: AtomicBool::new(false),
        }
    }

    /// A file was made; what is written to it is synced from now on.
    pub(super) fn made(&self, file: &Arc<File>) {
        let mut unsynced = self.lock();
        unsynced.files.push(Arc::clone(file));
        unsynced.made = true;
        drop(unsynced);
        self.wrote();
    }

    /// A file was made, or put in another's place, that is written for some time: [`Self::wrote_to`] says when.
    pub(super) fn keeps(&self, file: File) -> Arc<Kept> {
        let kept = Arc::new(Kept { file, dirty: AtomicBool::new(true) });
        let mut unsynced = self.lock();
        unsynced.kept.push(Arc::clone(&kept));
        unsynced.made = true;
        drop(unsynced);
        self.wrote();
        kept
    }

    pub(super) fn wrote_to(&self, kept: &Kept) {
        kept.dirty.store(true, Ordering::Release);
        self.wrote();
    }

    /// Facts were added to the first file.
    pub(super) fn knows_more(&self, file: &Arc<File>) {
        self.lock().facts = Some(Arc::clone(file));
        self.wrote();
    }

    pub(super) fn wrote(&self) {
        self.dirty.store(true, Ordering::Release);
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire) && !self.is_gone()
    }

    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Release);
        let mut unsynced = self.lock();
        unsynced.files.clear();
        unsynced.kept.clear();
        unsynced.facts = None;
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Syncs what was written so far.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.dirty.store(false, Ordering::Release);
        let (files, kept, made, facts) = {
            let mut unsynced = self.lock();
            let (made, facts) = (std::mem::take(&mut unsynced.made), unsynced.facts.take());
            (unsynced.files.clone(), unsynced.kept.clone(), made, facts)
        };
        for file in &files {
            file.sync_data()?;
        }
        for kept in kept.iter().filter(|kept| kept.dirty.swap(false, Ordering::AcqRel)) {
            kept.file.sync_data()?;
        }
        if made && !self.is_gone() {
            match File::open(&self.folder) {
                Ok(folder) => folder.sync_all()?,
                Err(_) if self.is_gone() => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(facts) = facts {
            facts.sync_data()?;
        }
        drop(kept);
        self.forget_older(files.len());
        Ok(())
    }

    /// The same, after the whole file system was synced: `before` was called before.
    pub(super) fn synced(&self, files: usize) {
        self.forget_older(files);
    }

    /// Begins a sync of the whole file system; the answer is for [`Self::synced`].
    pub(super) fn before_sync(&self) -> usize {
        self.dirty.store(false, Ordering::Release);
        let mut unsynced = self.lock();
        (unsynced.made, unsynced.facts) = (false, None);
        unsynced.kept.iter().for_each(|kept| kept.dirty.store(false, Ordering::Release));
        unsynced.files.len()
    }

    /// All but the newest of the first `synced` files will not be written again, nor will kept ones that the writer has let
    /// go of.
    fn forget_older(&self, synced: usize) {
        let ended = self.extent.borrow().ended;
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
