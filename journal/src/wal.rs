//! Entries on the gateway's own disk until they are in the store: one file for each batch, removed once its object is stored.
//!
//! Opening, appending and removing block the calling thread for one or two system calls that end in the page cache.
//! Syncing, which waits for the disk, has a thread of its own.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use tokio::sync::{mpsc, oneshot};

/// Notes that wait for a sync. More wait until there is room: one sync answers all that came before it.
const WAITING_SYNCS: usize = 1024;

/// The folder of such files. Names count up, so that they sort as they were written.
#[derive(Debug)]
pub(crate) struct Wal {
    folder: PathBuf,
    next: u64,
    syncs: mpsc::Sender<SyncRequest>,
}

/// A batch's file.
#[derive(Clone, Debug)]
pub(crate) struct WalFile {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
    syncs: mpsc::Sender<SyncRequest>,
}

/// A note that waits until a file is on the disk.
#[derive(Debug)]
struct SyncRequest {
    path: PathBuf,
    file: Arc<File>,
    done: oneshot::Sender<Result<(), Arc<io::Error>>>,
}

/// What an earlier process left.
pub(crate) struct RecoveredLines {
    pub(crate) file: WalFile,
    /// Whole lines.
    pub(crate) lines: Vec<u8>,
}

impl Wal {
    /// Opens the folder, making it if it is missing, and starts the thread that syncs. Half a line at a file's end is left
    /// out: it was being written.
    ///
    /// # Errors
    /// The folder's or a file's, or that no thread can be started.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Vec<RecoveredLines>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut numbers: Vec<u64> = Vec::new();
        for entry in fs::read_dir(folder)? {
            numbers
                .extend(entry?.file_name().to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        let syncs = start_syncing(folder.to_owned())?;
        let mut recovered = Vec::new();
        for number in &numbers {
            let path = name(folder, *number);
            let mut lines = fs::read(&path)?;
            lines.truncate(lines.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
            let file = Arc::new(OpenOptions::new().append(true).open(&path)?);
            file.set_len(lines.len() as u64)?;
            let file = WalFile { path, file, length: lines.len() as u64, syncs: syncs.clone() };
            if lines.is_empty() {
                file.remove();
            } else {
                recovered.push(RecoveredLines { file, lines });
            }
        }
        Ok((Self { folder: folder.to_owned(), next: numbers.last().map_or(0, |last| last + 1), syncs }, recovered))
    }

    /// Makes a new file for a batch, with its first lines. If they cannot be written there is none.
    pub(crate) fn begin(&mut self, lines: &[u8]) -> io::Result<WalFile> {
        let mut file = self.create()?;
        file.append(lines).inspect_err(|_| file.remove())?;
        Ok(file)
    }

    fn create(&mut self) -> io::Result<WalFile> {
        let path = name(&self.folder, self.next);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        self.next += 1;
        Ok(WalFile { path, file: Arc::new(file), length: 0, syncs: self.syncs.clone() })
    }
}

impl WalFile {
    /// Appends lines: whole, or not at all.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Err(error) = (&*self.file).write_all(lines) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Resolves once everything that was appended before the call is on the disk, and the file's name too.
    ///
    /// # Errors
    /// The disk's: what is in the file may not be on it.
    ///
    /// # Cancel safety
    /// If the future is dropped the file is synced or not; nothing is lost.
    pub(crate) async fn sync(&self) -> Result<(), Arc<io::Error>> {
        let (done, synced) = oneshot::channel();
        let request = SyncRequest { path: self.path.clone(), file: Arc::clone(&self.file), done };
        let gone = || Arc::new(io::Error::other("the thread that syncs the journal's spool is gone"));
        self.syncs.send(request).await.map_err(|_| gone())?;
        synced.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Whether both are one file.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.path == other.path
    }

    /// Its object is stored.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::error!(path = %self.path.display(), %error, "cannot remove journal entries that are stored");
        }
    }
}

/// Starts the thread that syncs. It ends when the spool and all its files are dropped. Neither readers of recordings nor
/// anything else that the runtime's blocking threads do keeps a durable note waiting.
fn start_syncing(folder: PathBuf) -> io::Result<mpsc::Sender<SyncRequest>> {
    let (requests, mut waiting) = mpsc::channel(WAITING_SYNCS);
    let serve = move || {
        let mut batch: Vec<SyncRequest> = Vec::new();
        while waiting.blocking_recv_many(&mut batch, WAITING_SYNCS) > 0 {
            answer(&folder, &mut batch);
        }
    };
    thread::Builder::new().name("journal-sync".to_owned()).spawn(serve)?;
    Ok(requests)
}

/// Syncs each file that is asked for once, and their folder, and tells everybody who waits for it.
fn answer(folder: &Path, batch: &mut Vec<SyncRequest>) {
    while let Some(first) = batch.first() {
        let (path, file) = (first.path.clone(), Arc::clone(&first.file));
        let synced = file.sync_data().and_then(|()| File::open(folder)?.sync_all()).map_err(Arc::new);
        for request in batch.extract_if(.., |request| request.path == path) {
            // A note whose patience is over no longer waits.
            let _ = request.done.send(synced.clone());
        }
    }
}

fn name(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.jsonl"))
}

#[cfg(test)]
impl WalFile {
    /// As on a disk that is full: what is appended from now on fails.
    pub(crate) fn fill(&mut self) {
        self.file = Arc::new(File::open(&self.path).unwrap());
    }
}
