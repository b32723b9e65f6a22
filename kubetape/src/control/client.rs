use std::{io, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
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
    let mut stream = connect(&file, config).await?;
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
    let answer = answer.context("the gateway broke off")?;
    match serde_json::from_slice(&answer).context("the gateway broke off, or is of another version")? {
        Answer::Refused { message } => bail!("{message}"),
        done @ Answer::Ended { .. } => Ok(done),
    }
}

async fn connect(file: &Path, config: &Config) -> Result<UnixStream> {
    let connected = match Place::of(file) {
        Ok(place) => UnixStream::connect(&place.path).await,
        Err(error) => Err(error),
    };
    connected.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                "no gateway runs here with this configuration: run this where `kubetape serve` runs, with its --config"
            }
            io::ErrorKind::PermissionDenied => "run this as the account that runs the gateway, or as root",
            _ => "is state.dir the one of the running gateway?",
        };
        let what = format!("cannot reach the gateway at {} ({}): {advice}", file.display(), config.file.display());
        anyhow::Error::new(error).context(what)
    })
}
