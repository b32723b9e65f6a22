use std::{error::Error, fmt};

use recording::RecordingId;
use spool::SpoolError;

/// Why something is not recorded. After each of these nothing more may be forwarded.
#[derive(Clone, Debug)]
pub enum RecordError {
    /// The spool did not take it: its disk failed, or it was full for as long as the settings say.
    Spool(SpoolError),
    /// The spool's disk did not answer in time.
    Slow,
    /// There is a recording of that id already.
    Taken(RecordingId),
    /// Something was sent that the other end may read otherwise than the recorder does.
    Anomaly(String),
    /// The recording is finished already.
    Finished,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spool(error) => write!(f, "it cannot be recorded: {error}"),
            Self::Slow => f.write_str("it cannot be recorded: the gateway's disk did not answer in time"),
            Self::Taken(id) => write!(f, "there is a recording {id} already"),
            Self::Anomaly(what) => write!(f, "the session was ended: {what}"),
            Self::Finished => f.write_str("the recording is finished"),
        }
    }
}

impl Error for RecordError {
    /// The person at the other end sees the text alone, so the spool's text is in it. The source is what is behind that.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Spool(error) => error.source(),
            Self::Slow | Self::Taken(_) | Self::Anomaly(_) | Self::Finished => None,
        }
    }
}

impl From<SpoolError> for RecordError {
    fn from(error: SpoolError) -> Self {
        Self::Spool(error)
    }
}
