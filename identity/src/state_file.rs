//! A small JSON file in `state.dir` that several processes share.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};
use storage::private_file;
use thiserror::Error;

/// Bytes of a file that are read. A larger file is an error.
const MAX_BYTES: u64 = 16 << 20;

/// Why a file of `state.dir` cannot be used. Never carries the file's content.
#[derive(Debug, Error)]
pub enum FileError {
    /// Reading, writing or locking failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The file does not have the JSON that this program writes.
    #[error("{} is not valid: line {line}, column {column}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line of the first mistake, from 1.
        line: usize,
        /// Its column, from 1.
        column: usize,
    },
}

/// A JSON file that only its owner may read, shared by processes.
///
/// Readers never lock: a writer replaces the file as a whole, and a reader parses it again when its inode, time or size
/// has changed. So what another process writes is seen by the next read. A writer holds an exclusive lock on
/// `<file>.lock`, so no change is lost. A file that does not exist is `T::default()`.
///
/// A read costs one `stat(2)`; `state.dir` has to be on a local disk.
#[derive(Debug)]
pub(crate) struct StateFile<T> {
    path: PathBuf,
    cached: Mutex<Cached<T>>,
}

#[derive(Debug)]
struct Cached<T> {
    version: Option<FileVersion>,
    value: Arc<T>,
}

/// What changes when a file does: inode, modification time (seconds, nanoseconds), size.
type FileVersion = (u64, i64, i64, u64);

impl<T: Serialize + DeserializeOwned + Default> StateFile<T> {
    /// Reads the file once, so that a damaged file stops the start.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let cached = Mutex::new(Cached { version: None, value: Arc::new(T::default()) });
        let file = Self { path: path.to_owned(), cached };
        file.read()?;
        Ok(file)
    }

    /// The file's content now.
    pub(crate) fn read(&self) -> Result<Arc<T>, FileError> {
        let version = self.version()?;
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.version != version {
            *cached = Cached { value: Arc::new(self.parse()?), version };
        }
        Ok(Arc::clone(&cached.value))
    }

    /// Changes the file under the lock. Writes nothing if `change` returns `None`.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> Option<R>) -> Result<Option<R>, FileError> {
        let _lock = self.lock().map_err(|error| self.failed("lock", error))?;
        let mut value = self.parse()?;
        let answer = change(&mut value);
        if answer.is_some() {
            self.write(&value).map_err(|error| self.failed("write", error))?;
        }
        Ok(answer)
    }

    fn version(&self) -> Result<Option<FileVersion>, FileError> {
        match fs::metadata(&self.path) {
            Ok(file) => Ok(Some((file.ino(), file.mtime(), file.mtime_nsec(), file.size()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    fn parse(&self) -> Result<T, FileError> {
        let bytes = match fs::metadata(&self.path) {
            Ok(file) if file.len() > MAX_BYTES => {
                return Err(self.failed("read", io::Error::other("it is larger than 16 MiB")));
            }
            Ok(_) => fs::read(&self.path).map_err(|error| self.failed("read", error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(error) => return Err(self.failed("read", error)),
        };
        // serde_json's own message can quote the content.
        serde_json::from_slice(&bytes).map_err(|error| FileError::Invalid {
            path: self.path.clone(),
            line: error.line(),
            column: error.column(),
        })
    }

    fn lock(&self) -> io::Result<File> {
        let mut path = self.path.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        if let Some(folder) = path.parent() {
            private_file::create_folder(folder)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        file.lock()?;
        Ok(file)
    }

    fn write(&self, value: &T) -> io::Result<()> {
        let mut json = serde_json::to_vec_pretty(value)?;
        json.push(b'\n');
        private_file::replace(&self.path, &json)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> FileError {
        FileError::Io { action, path: self.path.clone(), source }
    }
}
