//! Entries on the gateway's own disk until they are in the store: one file for each batch, removed once its object is stored.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

/// The folder of such files. Names count up, so that they sort as they were written.
#[derive(Debug)]
pub(crate) struct Wal {
    folder: PathBuf,
    next: u64,
}

/// A batch's file.
#[derive(Clone, Debug)]
pub(crate) struct WalFile {
    path: PathBuf,
    file: Arc<File>,
    length: u64,
}

/// What an earlier process left.
pub(crate) struct RecoveredLines {
    pub(crate) file: WalFile,
    /// Whole lines.
    pub(crate) lines: Vec<u8>,
}

impl Wal {
    /// Opens the folder, making it where it is missing. Half a line at a file's end is left out: it was being written.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, Vec<RecoveredLines>)> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let mut numbers: Vec<u64> = Vec::new();
        for entry in fs::read_dir(folder)? {
            numbers
                .extend(entry?.file_name().to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        let mut left = Vec::new();
        for number in &numbers {
            let path = name(folder, *number);
            let mut lines = fs::read(&path)?;
            lines.truncate(lines.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
            let file = Arc::new(OpenOptions::new().append(true).open(&path)?);
            file.set_len(lines.len() as u64)?;
            let file = WalFile { path, file, length: lines.len() as u64 };
            if lines.is_empty() {
                file.remove();
            } else {
                left.push(RecoveredLines { file, lines });
            }
        }
        Ok((Self { folder: folder.to_owned(), next: numbers.last().map_or(0, |last| last + 1) }, left))
    }

    /// A new file for a batch, with its first lines. Where they cannot be written there is none.
    pub(crate) fn begin(&mut self, lines: &[u8]) -> io::Result<WalFile> {
        let mut file = self.create()?;
        file.append(lines).inspect_err(|_| file.remove())?;
        Ok(file)
    }

    fn create(&mut self) -> io::Result<WalFile> {
        let path = name(&self.folder, self.next);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path)?;
        self.next += 1;
        Ok(WalFile { path, file: Arc::new(file), length: 0 })
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

    /// Resolves once everything in it is on the disk, and its name too.
    pub(crate) async fn sync(&self) -> io::Result<()> {
        let (file, folder) = (Arc::clone(&self.file), self.path.parent().unwrap_or(Path::new(".")).to_owned());
        let sync = move || file.sync_data().and_then(|()| File::open(folder)?.sync_all());
        tokio::task::spawn_blocking(sync).await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
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
