use std::{io, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use super::{Answer, NAME, Request, socket::Place};
use crate::config::Config;

/// Longest answer: ids of all sessions that a gateway takes.
const ANSWER: u64 = 1 << 20;
/// How long an answer may take: sessions have to end, and recordings to be finished.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks the process that runs the gateway of this configuration.
///
/// # Errors
/// No such process answers, or it refuses; the message says what to do.
pub async fn ask(config: &Config, request: &Request) -> Result<Answer> {
    let file = config.state_file(NAME);
    let stream = connect(&file).await.map_err(|error| unreachable(&file, config, error))?;
    exchange(stream, request).await
}

/// The same; none where no process listens.
///
/// # Errors
/// One does, and does not answer, or refuses.
pub async fn ask_if_there(config: &Config, request: &Request) -> Result<Option<Answer>> {
    let file = config.state_file(NAME);
    match connect(&file).await {
        Ok(stream) => exchange(stream, request).await.map(Some),
        Err(error) if absent(&error) => Ok(None),
        Err(error) => Err(unreachable(&file, config, error)),
    }
}

async fn exchange(mut stream: UnixStream, request: &Request) -> Result<Answer> {
    let exchange = async {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = Vec::new();
        (&mut stream).take(ANSWER).read_to_end(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = timeout(PATIENCE, exchange).await;
    let answer = answer.with_context(|| format!("the gateway did not answer within {} s", PATIENCE.as_secs()))?;
    // In words alone: that it hung up is a broken pipe too, and would pass for a reader of stdout who has seen enough.
    let answer = answer.map_err(|error| anyhow!("the gateway broke off: {error:#}"))?;
    match serde_json::from_slice(&answer).context("the gateway broke off, or is of another version")? {
        Answer::Refused { message } => bail!("{message}"),
        done @ (Answer::Ended { .. } | Answer::Noted) => Ok(done),
    }
}

async fn connect(file: &Path) -> io::Result<UnixStream> {
    let place = Place::of(file)?;
    UnixStream::connect(&place.path).await
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn unreachable(file: &Path, config: &Config, error: io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        _ if absent(&error) => {
            "no gateway runs here with this configuration: run this where `kubetape serve` runs, with its --config"
        }
        io::ErrorKind::PermissionDenied => "run this as the account that runs the gateway, or as root",
        _ => "is state.dir the one of the running gateway?",
    };
    let what = format!("cannot reach the gateway at {} ({}): {advice}", file.display(), config.file.display());
    anyhow::Error::new(error).context(what)
}
