use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use gateway::{Gateway, Reason};
use journal::Journal;
use recording::{RecordingId, journal::JournalEvent};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{Answer, NAME, Request, caller, socket::Place};
use crate::config::Config;

/// Longest request.
const REQUEST: u64 = 16 << 10;
/// How long a request may take to come, and its answer to go.
const PATIENCE: Duration = Duration::from_secs(5);
/// Callers at a time; more wait in the kernel's queue.
const CALLERS: usize = 16;
/// How long is waited for sessions to be over before the answer says that they are ending.
const OVER: Duration = Duration::from_secs(10);

/// The socket, bound. Its file goes when this is dropped.
pub struct Control {
    listener: UnixListener,
    file: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

impl Control {
    /// Binds the socket in `state.dir`. What a process that was killed left there is removed.
    ///
    /// # Errors
    /// Another process listens there, or the folder does not take a socket.
    pub async fn bind(config: &Config) -> Result<Self> {
        let file = config.state_file(NAME);
        let failed = || format!("cannot make the control socket {} (state.dir)", file.display());
        let place = Place::of(&file).with_context(failed)?;
        match UnixStream::connect(&place.path).await {
            Ok(_) => bail!(
                "{} is in use: another `kubetape serve` runs with this state.dir; end it, or give this one its own",
                file.display()
            ),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(&file).with_context(failed)?;
            }
            Err(_) => {}
        }
        let listener = UnixListener::bind(&place.path).with_context(failed)?;
        let control = Self { listener, file };
        // Until here the folder's own mode keeps others out; and whoever connects is asked for who they are.
        std::fs::set_permissions(&control.file, std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("cannot protect {}", control.file.display()))?;
        Ok(control)
    }

    /// Answers until `shutdown`.
    pub async fn serve(self, gateway: Gateway, journal: Journal, shutdown: CancellationToken) {
        let callers = Arc::new(Semaphore::new(CALLERS));
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = accept(&self.listener, &callers) => accepted,
            };
            let Some((stream, slot)) = accepted else { continue };
            let (gateway, journal, file) = (gateway.clone(), journal.clone(), self.file.clone());
            tokio::spawn(async move {
                if let Err(error) = answer(stream, &gateway, &journal, &file).await {
                    tracing::warn!("control socket: {error:#}");
                }
                drop(slot);
            });
        }
    }
}

async fn accept(
    listener: &UnixListener,
    callers: &Arc<Semaphore>,
) -> Option<(UnixStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(callers).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            tracing::error!(%error, "control socket cannot accept");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn answer(stream: UnixStream, gateway: &Gateway, journal: &Journal, socket: &Path) -> Result<()> {
    let caller = caller::of(&stream, socket).context("cannot tell who calls")?;
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    timeout(PATIENCE, (&mut stream).take(REQUEST).read_until(b'\n', &mut line)).await.context("no request came")??;
    let refused = |message: &str| Answer::Refused { message: message.to_owned() };
    let answer = match (caller, serde_json::from_slice(&line)) {
        (None, _) => refused("only the account that runs the gateway, or root, may ask for that"),
        (Some(_), Err(_)) => refused("the gateway does not know this request: it is of another version"),
        (Some(caller), Ok(request)) => carry_out(gateway, journal, &caller, request).await,
    };
    let answer = serde_json::to_vec(&answer)?;
    timeout(PATIENCE, stream.write_all(&answer)).await.context("the answer was not taken")??;
    timeout(PATIENCE, stream.shutdown()).await.context("the answer was not taken")??;
    Ok(())
}

async fn carry_out(gateway: &Gateway, journal: &Journal, caller: &str, request: Request) -> Answer {
    let (sessions, reason) = match request {
        Request::EndSession { session, reason } => (vec![session], reason),
        Request::EndSessionsOf { user, reason } => (gateway.live_of(&user), reason),
        Request::Viewed { session, how } => {
            return match journal.note_durably(caller, JournalEvent::Viewed { session, how }).await {
                Ok(()) => Answer::Noted,
                Err(error) => Answer::Refused { message: error.to_string() },
            };
        }
    };
    match end(gateway, caller, sessions, &reason).await {
        Ok((over, ending)) => Answer::Ended { over, ending },
        Err(message) => Answer::Refused { message },
    }
}

/// Ends sessions that are under way; gives those that are over, and those that are not yet.
async fn end(
    gateway: &Gateway,
    by: &str,
    sessions: Vec<RecordingId>,
    reason: &str,
) -> Result<(Vec<RecordingId>, Vec<RecordingId>), String> {
    let reason = Reason::parse(reason).map_err(|error| error.to_string())?;
    let mut told = Vec::new();
    for id in sessions {
        if gateway.end(id, by, &reason).await {
            told.push(id);
        }
    }
    let deadline = Instant::now() + OVER;
    let (mut over, mut ending) = (Vec::new(), Vec::new());
    for id in told {
        match timeout_at(deadline, gateway.left(id)).await {
            Ok(()) => over.push(id),
            Err(_) => ending.push(id),
        }
    }
    Ok((over, ending))
}

/// What the web calls: ends one session of this process's gateway. False where it is not under way here.
///
/// # Errors
/// What is wrong with the reason.
pub async fn end_session(gateway: &Gateway, by: &str, session: RecordingId, reason: &str) -> Result<bool, String> {
    let (over, ending) = end(gateway, by, vec![session], reason).await?;
    Ok(!over.is_empty() || !ending.is_empty())
}
