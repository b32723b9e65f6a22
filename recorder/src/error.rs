use recording::RecordingId;
use spool::SpoolError;
use thiserror::Error;

/// Why something is not recorded. Each of them means that nothing more may be forwarded.
#[derive(Clone, Debug, Error)]
pub enum RecordError {
    /// The spool did not take it: its disk failed, or it was full for as long as the settings say.
    #[error("it cannot be recorded: {0}")]
    Spool(#[from] SpoolError),
    /// The spool's disk did not answer in time.
    #[error("it cannot be recorded: the gateway's disk did not answer in time")]
    Slow,
    /// There is a recording of that name already.
    #[error("there is a recording {0} already")]
    Taken(RecordingId),
    /// Something was sent that the other end may read otherwise than the recorder does.
    #[error("the session was ended: {0}")]
    Anomaly(String),
    /// The recording is finished already.
    #[error("the recording is finished")]
    Finished,
}
