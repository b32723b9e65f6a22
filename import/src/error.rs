use std::{io, path::PathBuf};

use recording::Key;
use storage::{RecordingError, StoreError};
use thiserror::Error;

/// Why a file was not imported. Nothing of it is in the store, unless the store failed on the way: the same import
/// again goes on there.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is compressed, and damaged.
    #[error("line {line}: the compressed data is damaged or cut off")]
    Compressed {
        /// The first line that cannot be had.
        line: u64,
        /// What the decompressor said.
        source: io::Error,
    },
    /// It is no asciicast, or a broken one.
    #[error("line {line}: {reason}")]
    Broken {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The file was written to while it was read.
    #[error("the file changed while it was read: import it when it is finished")]
    Changed,
    /// The start is outside what an id can say.
    #[error("the start {0} is before 1970 or after 9999: say it with --started")]
    Start(String),
    /// An earlier import was cut off, and left something else under the same name.
    #[error("{0} is there already with other content: an earlier import with other flags was cut off there")]
    Conflict(Key),
    /// The store cannot be written or read.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// What an earlier import left cannot be read.
    #[error("what an earlier import left cannot be read")]
    Left(#[from] RecordingError),
    /// The process ends and the work with it.
    #[error("the work was cut off")]
    Stopped,
}

impl ImportError {
    pub(crate) fn broken(line: u64, reason: impl Into<String>) -> Self {
        Self::Broken { line, reason: reason.into() }
    }

    /// Whether it is the file's fault, so that the files after it can still be imported.
    pub fn is_of_file(&self) -> bool {
        match self {
            Self::Read { .. } | Self::Compressed { .. } | Self::Broken { .. } | Self::Changed => true,
            Self::Start(_) | Self::Conflict(_) | Self::Left(_) => true,
            Self::Store(_) | Self::Stopped => false,
        }
    }
}
