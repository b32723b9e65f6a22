use std::{io, sync::Arc};

use storage::RecordingError;
use thiserror::Error;

/// Why a recording cannot be played or exported.
#[derive(Debug, Error)]
pub enum PlayerError {
    /// The recording cannot be read.
    #[error("cannot read the recording")]
    Recording(#[from] RecordingError),
    /// The index has no such segment.
    #[error("there is no segment {0}")]
    NoSegment(usize),
    /// The input was asked for, and policy kept it out of the recording.
    #[error("stdin is not in this recording: policy rule {rule} does not store it")]
    NotRecorded {
        /// The rule of the permit.
        rule: String,
    },
    /// A raw stream was written as far as it is stored; bytes of it are missing.
    #[error("the stream is not complete: {0}")]
    Incomplete(String),
    /// The receiver of an export failed.
    #[error("cannot write the export")]
    Write(#[source] io::Error),
    /// The spool, which holds the sessions in progress, cannot be read.
    #[error("cannot read the spool")]
    Spool(#[source] Box<spool::SpoolError>),
    /// The scan of the recording failed; all requests that waited for it get the same error.
    #[error(transparent)]
    Scan(Arc<PlayerError>),
    /// The work panicked, or the process is shutting down.
    #[error("the work was cut off")]
    Stopped,
}

impl PlayerError {
    /// Whether there is no such recording or segment, as opposed to one that cannot be read.
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Recording(error) => error.is_not_found(),
            Self::Scan(error) => error.is_not_found(),
            Self::NoSegment(_) => true,
            Self::NotRecorded { .. } | Self::Incomplete(_) | Self::Write(_) | Self::Spool(_) | Self::Stopped => false,
        }
    }
}
