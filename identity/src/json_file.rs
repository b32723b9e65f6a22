use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

/// Bytes of a file that are read at most; a longer one is an error.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Why a file of secrets could not be used. Never carries what is in it.
#[derive(Debug, Error)]
pub enum FileError {
    /// Reading, writing or locking failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not the JSON that it should be.
    #[error("{} is not valid: line {line}, column {column}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
}

/// A small JSON file that only its owner may read, shared by processes.
///
/// Readers never lock: the file is replaced as a whole (rename), and a changed inode, time or size is what
/// makes a reader read again. Writers take an exclusive lock on `<file>.lock`, so none loses another's change.
/// A file that is not there is an empty one.
#[derive(Debug)]
pub(crate) struct PrivateFile<T> {
    path: PathBuf,
    seen: Mutex<Seen<T>>,
}

#[derive(Debug)]
struct Seen<T> {
    stamp: Option<Stamp>,
    value: Arc<T>,
}

/// What changes when the file does: inode, modification time (seconds, nanoseconds), size.
type Stamp = (u64, i64, i64, u64);

impl<T: Serialize + DeserializeOwned + Default + Clone> PrivateFile<T> {
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let file =
            Self { path: path.to_owned(), seen: Mutex::new(Seen { stamp: None, value: Arc::new(T::default()) }) };
        file.read()?;
        Ok(file)
    }

    /// What the file says now.
    pub(crate) fn read(&self) -> Result<Arc<T>, FileError> {
        let stamp = self.stamp()?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.stamp != stamp {
            *seen = Seen { value: Arc::new(self.parse()?), stamp };
        }
        Ok(Arc::clone(&seen.value))
    }

    /// Changes the file; nothing is written when `change` returns `None`.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut T) -> Option<R>) -> Result<Option<R>, FileError> {
        let lock = self.lock()?;
        let mut value = self.parse()?;
        let answer = change(&mut value);
        if answer.is_some() {
            self.replace(&value)?;
        }
        drop(lock);
        Ok(answer)
    }

    fn stamp(&self) -> Result<Option<Stamp>, FileError> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok(Some((found.ino(), found.mtime(), found.mtime_nsec(), found.size()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", error)),
        }
    }

    fn parse(&self) -> Result<T, FileError> {
        let bytes = match fs::metadata(&self.path) {
            Ok(found) if found.len() > MAX_BYTES => {
                return Err(self.failed("read", io::Error::other("it is larger than 16 MiB")));
            }
            Ok(_) => fs::read(&self.path).map_err(|error| self.failed("read", error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
            Err(error) => return Err(self.failed("read", error)),
        };
        serde_json::from_slice(&bytes).map_err(|error| FileError::Invalid {
            path: self.path.clone(),
            line: error.line(),
            column: error.column(),
        })
    }

    fn lock(&self) -> Result<File, FileError> {
        let path = beside(&self.path, "lock");
        let lock = private().create(true).truncate(false).open(path).map_err(|error| self.failed("lock", error))?;
        lock.lock().map_err(|error| self.failed("lock", error))?;
        Ok(lock)
    }

    fn replace(&self, value: &T) -> Result<(), FileError> {
        let new = beside(&self.path, "new");
        let write = || -> io::Result<()> {
            let mut file = private().create(true).truncate(true).open(&new)?;
            file.write_all(&serde_json::to_vec_pretty(value)?)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&new, &self.path)
        };
        write().map_err(|error| self.failed("write", error))
    }

    fn failed(&self, action: &'static str, source: io::Error) -> FileError {
        FileError::Io { action, path: self.path.clone(), source }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
