use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use super::{
    path::SocketPath,
    protocol::{Answer, NAME, Request},
};

/// Longest answer: the ids of all sessions that a gateway takes.
const LARGEST_ANSWER: u64 = 1 << 20;
/// How long an answer may take: sessions have to end, and recordings to be finished.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a request was not carried out.
#[derive(Debug, Error)]
pub enum AskError {
    /// No process listens.
    #[error(
        "cannot reach the gateway at {}: no gateway runs here with this configuration: run this where `kubetape serve` \
         runs, with its --config",
        .0.display()
    )]
    NoGateway(PathBuf, #[source] io::Error),
    /// This account may not connect.
    #[error("cannot reach the gateway at {}: run this as the account that runs the gateway, or as root", .0.display())]
    Denied(PathBuf, #[source] io::Error),
    /// It cannot be connected to for another reason.
    #[error("cannot reach the gateway at {}: is state.dir the one of the running gateway?", .0.display())]
    Unreachable(PathBuf, #[source] io::Error),
    /// It did not answer in time.
    #[error("the gateway did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    NoAnswer,
    /// The connection broke. The cause is text and no source: a broken pipe among the sources would mean that nobody reads
    /// stdout.
    #[error("the gateway broke off: {0}")]
    BrokeOff(String),
    /// What it answered is no answer.
    #[error("the gateway broke off, or is of another version")]
    Unreadable(#[source] serde_json::Error),
    /// It refused, in its own words.
    #[error("{0}")]
    Refused(String),
}

/// Asks the process that runs the gateway with the state folder `state`. Returns any answer but [`Answer::Refused`].
///
/// # Errors
/// [`AskError`]; its message says what to do.
///
/// # Cancel safety
/// A request that was sent is carried out, whether anybody waits for the answer or not.
pub async fn ask(state: &Path, request: &Request) -> Result<Answer, AskError> {
    let file = state.join(NAME);
    let stream = connect(&file).await.map_err(|error| unreachable(file, error))?;
    exchange(stream, request).await
}

/// Asks as [`ask`] does. Returns `None` if no process listens.
///
/// # Errors
/// [`AskError`], but [`AskError::NoGateway`].
pub async fn ask_if_there(state: &Path, request: &Request) -> Result<Option<Answer>, AskError> {
    match ask(state, request).await {
        Ok(answer) => Ok(Some(answer)),
        Err(AskError::NoGateway(..)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn exchange(mut stream: UnixStream, request: &Request) -> Result<Answer, AskError> {
    let exchange = async {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = Vec::new();
        (&mut stream).take(LARGEST_ANSWER).read_to_end(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = timeout(ANSWER_TIMEOUT, exchange).await.map_err(|_| AskError::NoAnswer)?;
    let answer = answer.map_err(|error| AskError::BrokeOff(error.to_string()))?;
    match serde_json::from_slice(&answer).map_err(AskError::Unreadable)? {
        Answer::Refused { message } => Err(AskError::Refused(message)),
        done @ (Answer::Ended { .. } | Answer::Locked { .. } | Answer::Unlocked | Answer::Noted) => Ok(done),
    }
}

async fn connect(file: &Path) -> io::Result<UnixStream> {
    UnixStream::connect(&SocketPath::to(file)?.path).await
}

fn unreachable(file: PathBuf, error: io::Error) -> AskError {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::NoGateway(file, error),
        io::ErrorKind::PermissionDenied => AskError::Denied(file, error),
        _ => AskError::Unreachable(file, error),
    }
}
