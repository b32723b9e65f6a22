use std::{
    fs::{File, OpenOptions},
    future::Future,
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use journal::Journal;
use recording::{
    RecordingId,
    journal::{Actor, JournalEvent},
};
use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    path::SocketPath,
    peer,
    protocol::{Answer, NAME, Request},
};

/// Held by the process whose state folder it is.
const LOCK: &str = "control.lock";
/// Longest request.
const LARGEST_REQUEST: u64 = 16 << 10;
/// How long a request may take to come, and its answer to go.
const IO_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a connection that could not be accepted, such as for want of descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Callers at a time; more wait in the kernel's queue.
const CALLERS: usize = 16;
/// How long sessions have to be over before the answer says that they are ending.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the socket cannot be made.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Another process has this state folder.
    #[error(
        "{} is in use: another `kubetape serve` runs with this state.dir; end it, or give this one its own",
        .0.display()
    )]
    InUse(PathBuf),
    /// The folder does not take it.
    #[error("cannot make the control socket {} (state.dir)", .0.display())]
    Bind(PathBuf, #[source] io::Error),
}

/// The gateway's sessions, as the control socket needs them. The program wires the gateway to it.
pub trait SessionControl: Clone + Send + Sync + 'static {
    /// The live sessions of a person.
    fn live_of(&self, user: &str) -> Vec<RecordingId>;

    /// Tells sessions to end. Returns those that were live here.
    ///
    /// # Errors
    /// What is wrong with the reason.
    fn end(
        &self,
        sessions: Vec<RecordingId>,
        by: &Actor,
        reason: &str,
    ) -> impl Future<Output = Result<Vec<RecordingId>, String>> + Send;

    /// Refuses all credentials of a person from now on, and ends what they have under way.
    ///
    /// # Errors
    /// What is wrong with the reason, or why they cannot be shut out.
    fn shut_out(
        &self,
        person: &str,
        by: &Actor,
        reason: &str,
    ) -> impl Future<Output = Result<LockedOut, String>> + Send;

    /// Lets a person in again. Returns `false` if they were not shut out.
    ///
    /// # Errors
    /// Why they cannot be let in.
    fn let_in(&self, person: &str) -> impl Future<Output = Result<bool, String>> + Send;

    /// Resolves when the session is over, with its recording.
    fn is_over(&self, session: RecordingId) -> impl Future<Output = ()> + Send;
}

/// Sessions that were told to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedSessions {
    /// Over, with their recordings.
    pub over: Vec<RecordingId>,
    /// Not over yet.
    pub ending: Vec<RecordingId>,
}

/// Ends live sessions, and waits a while for them to be over.
///
/// # Errors
/// What is wrong with the reason.
///
/// # Cancel safety
/// Sessions that were told to end do so.
pub async fn end_sessions(
    gateway: &impl SessionControl,
    by: &Actor,
    sessions: Vec<RecordingId>,
    reason: &str,
) -> Result<EndedSessions, String> {
    let told = gateway.end(sessions, by, reason).await?;
    let deadline = Instant::now() + END_TIMEOUT;
    let mut ended = EndedSessions::default();
    for id in told {
        match timeout_at(deadline, gateway.is_over(id)).await {
            Ok(()) => ended.over.push(id),
            Err(_) => ended.ending.push(id),
        }
    }
    Ok(ended)
}

/// What was ended of a person who was shut out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockedOut {
    /// Recorded sessions.
    pub sessions: u64,
    /// Answers that stay open: watches, logs that are followed.
    pub streams: u64,
}

/// Shuts a person out, and journals it. The lock stands also where the journal does not take the entry.
///
/// # Errors
/// What is wrong with the reason, why it cannot be done, or that it is not in the journal.
///
/// # Cancel safety
/// The person may be shut out without an entry.
pub async fn lock(
    gateway: &impl SessionControl,
    journal: &Journal,
    by: &Actor,
    person: &str,
    reason: &str,
) -> Result<LockedOut, String> {
    let ended = gateway.shut_out(person, by, reason).await?;
    let LockedOut { sessions, streams } = ended;
    let event = JournalEvent::Locked { subject: person.to_owned(), reason: reason.to_owned(), sessions, streams };
    let noted = journal.note_durably(by, event).await;
    noted.map_err(|error| format!("{person} is locked out, and this is not in the journal: {error}"))?;
    Ok(ended)
}

/// Lets a person in again, once the journal has it. Returns `false` if they were not shut out.
///
/// # Errors
/// Why it cannot be done: then they stay shut out.
///
/// # Cancel safety
/// The journal may have it and the person stay shut out.
pub async fn unlock(
    gateway: &impl SessionControl,
    journal: &Journal,
    by: &Actor,
    person: &str,
) -> Result<bool, String> {
    let event = JournalEvent::Unlocked { subject: person.to_owned() };
    journal.note_durably(by, event).await.map_err(|error| error.to_string())?;
    gateway.let_in(person).await
}

/// The socket, bound. Its file goes when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
    /// Held until the file is gone.
    _lock: File,
}

/// The socket in the file system: another process's, if somebody put one there meanwhile, has another inode.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketFile {
    fn made(path: PathBuf) -> io::Result<Self> {
        Ok(Self { inode: inode(&path)?, path })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|found| found == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

impl ControlSocket {
    /// Binds the socket in the folder `state`. Two processes that start at once are told apart by a lock beside it; only who
    /// has the lock removes a socket that a killed process left.
    ///
    /// # Errors
    /// [`SocketError::InUse`] if another process has the folder, [`SocketError::Bind`] if the folder does not take a socket.
    pub async fn bind(state: &Path) -> Result<Self, SocketError> {
        let file = state.join(NAME);
        let failed = |error| SocketError::Bind(file.clone(), error);
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(state.join(LOCK)).map_err(failed)?;
        if lock.try_lock().is_err() {
            return Err(SocketError::InUse(file));
        }
        let short = SocketPath::to(&file).map_err(failed)?;
        match UnixStream::connect(&short.path).await {
            // A process of a version that took no lock.
            Ok(_) => return Err(SocketError::InUse(file)),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(&file).map_err(failed)?;
            }
            Err(_) => {}
        }
        let listener = UnixListener::bind(&short.path).map_err(failed)?;
        let socket = SocketFile::made(file.clone()).map_err(failed)?;
        // Until here the folder's own mode keeps others out; and each caller is asked for who it is.
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, file: socket, _lock: lock })
    }

    /// Answers until `shutdown`.
    pub async fn serve(self, gateway: impl SessionControl, journal: Journal, shutdown: CancellationToken) {
        let callers = Arc::new(Semaphore::new(CALLERS));
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = accept(&self.listener, &callers) => accepted,
            };
            let Some((stream, caller)) = accepted else { continue };
            let (gateway, journal, file) = (gateway.clone(), journal.clone(), self.file.path.clone());
            tokio::spawn(async move {
                if let Err(error) = answer(stream, &gateway, &journal, &file).await {
                    tracing::warn!(%error, "control socket");
                }
                drop(caller);
            });
        }
    }
}

async fn accept(listener: &UnixListener, callers: &Arc<Semaphore>) -> Option<(UnixStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(callers).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, permit)),
        Err(error) => {
            tracing::error!(%error, "control socket cannot accept");
            tokio::time::sleep(ACCEPT_BACKOFF).await;
            None
        }
    }
}

async fn answer(stream: UnixStream, gateway: &impl SessionControl, journal: &Journal, socket: &Path) -> io::Result<()> {
    let caller = peer::caller(&stream, socket).await?;
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    timeout(IO_TIMEOUT, (&mut stream).take(LARGEST_REQUEST).read_until(b'\n', &mut line)).await??;
    let refused = |message: &str| Answer::Refused { message: message.to_owned() };
    let answer = match (caller, serde_json::from_slice(&line)) {
        (None, _) => refused("only the account that runs the gateway, or root, may ask for that"),
        (Some(_), Err(_)) => refused("the gateway does not know this request: it is of another version"),
        (Some(caller), Ok(request)) => carry_out(gateway, journal, &Actor::from(&caller), request).await,
    };
    let answer = serde_json::to_vec(&answer)?;
    timeout(IO_TIMEOUT, stream.write_all(&answer)).await??;
    timeout(IO_TIMEOUT, stream.shutdown()).await??;
    Ok(())
}

async fn carry_out(gateway: &impl SessionControl, journal: &Journal, caller: &Actor, request: Request) -> Answer {
    let ended = match request {
        Request::EndSession { session, reason } => end_sessions(gateway, caller, vec![session], &reason).await,
        Request::EndSessionsOf { user, reason } => end_sessions(gateway, caller, gateway.live_of(&user), &reason).await,
        Request::Lock { person, reason } => {
            return match lock(gateway, journal, caller, &person, &reason).await {
                Ok(LockedOut { sessions, streams }) => Answer::Locked { sessions, streams },
                Err(message) => Answer::Refused { message },
            };
        }
        Request::Unlock { person } => {
            return match unlock(gateway, journal, caller, &person).await {
                Ok(true) => Answer::Unlocked,
                Ok(false) => Answer::Refused { message: format!("{person:?} is not locked out") },
                Err(message) => Answer::Refused { message },
            };
        }
        Request::Administered(done) => return note(journal, caller, done.into()).await,
        Request::Viewed { session, how } => return note(journal, caller, JournalEvent::Viewed { session, how }).await,
        Request::Searched(search) => return note(journal, caller, JournalEvent::Searched(search)).await,
    };
    match ended {
        Ok(EndedSessions { over, ending }) => Answer::Ended { over, ending },
        Err(message) => Answer::Refused { message },
    }
}

async fn note(journal: &Journal, caller: &Actor, event: JournalEvent) -> Answer {
    match journal.note_durably(caller, event).await {
        Ok(()) => Answer::Noted,
        Err(error) => Answer::Refused { message: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use journal::JournalSettings;
    use storage::{Memory, signing::Signer};
    use uuid::Uuid;

    use super::*;
    use crate::{AskError, ask, ask_if_there};

    /// A gateway with one session, which never ends.
    #[derive(Clone)]
    struct OneSession(RecordingId);

    impl SessionControl for OneSession {
        fn live_of(&self, user: &str) -> Vec<RecordingId> {
            if user == "ann" { vec![self.0] } else { Vec::new() }
        }

        async fn end(&self, sessions: Vec<RecordingId>, _: &Actor, reason: &str) -> Result<Vec<RecordingId>, String> {
            if reason.is_empty() {
                return Err("say why".to_owned());
            }
            Ok(sessions.into_iter().filter(|id| *id == self.0).collect())
        }

        async fn shut_out(&self, person: &str, _: &Actor, reason: &str) -> Result<LockedOut, String> {
            if reason.is_empty() {
                return Err("say why".to_owned());
            }
            Ok(LockedOut { sessions: u64::from(person == "ann"), streams: 0 })
        }

        async fn let_in(&self, person: &str) -> Result<bool, String> {
            Ok(person == "ann")
        }

        async fn is_over(&self, _: RecordingId) {}
    }

    async fn journal() -> Journal {
        let signer = Arc::new(Signer::generate().unwrap());
        let settings = JournalSettings { signer, ..JournalSettings::default() };
        Journal::open(Arc::new(Memory::new()), "gw", settings).await.unwrap()
    }

    #[tokio::test]
    async fn a_request_is_answered_or_refused() {
        let state = tempfile::tempdir().unwrap();
        let session = RecordingId(Uuid::now_v7());
        let request = |user: &str, reason: &str| Request::EndSessionsOf { user: user.into(), reason: reason.into() };
        assert_eq!(ask_if_there(state.path(), &request("ann", "x")).await.unwrap(), None);
        let shutdown = CancellationToken::new();
        let socket = ControlSocket::bind(state.path()).await.unwrap();
        let serving = tokio::spawn(socket.serve(OneSession(session), journal().await, shutdown.clone()));
        let ended = Answer::Ended { over: vec![session], ending: vec![] };
        assert_eq!(ask(state.path(), &request("ann", "x")).await.unwrap(), ended);
        let none = Answer::Ended { over: vec![], ending: vec![] };
        assert_eq!(ask(state.path(), &request("bob", "x")).await.unwrap(), none);
        assert_eq!(ask(state.path(), &request("ann", "")).await.unwrap_err().to_string(), "say why");
        let lock = |reason: &str| Request::Lock { person: "ann".to_owned(), reason: reason.to_owned() };
        assert_eq!(ask(state.path(), &lock("left")).await.unwrap(), Answer::Locked { sessions: 1, streams: 0 });
        assert_eq!(ask(state.path(), &lock("")).await.unwrap_err().to_string(), "say why");
        let unlock = |person: &str| Request::Unlock { person: person.to_owned() };
        assert_eq!(ask(state.path(), &unlock("ann")).await.unwrap(), Answer::Unlocked);
        let refused = ask(state.path(), &unlock("bob")).await.unwrap_err();
        assert_eq!(refused.to_string(), "\"bob\" is not locked out");
        let viewed = Request::Viewed { session, how: "play".to_owned() };
        assert_eq!(ask(state.path(), &viewed).await.unwrap(), Answer::Noted);
        shutdown.cancel();
        serving.await.unwrap();
        let error = ask(state.path(), &viewed).await.unwrap_err();
        assert!(matches!(error, AskError::NoGateway(..)), "{error}");
        assert!(!state.path().join(NAME).exists());
    }

    #[tokio::test]
    async fn of_two_starts_over_a_stale_socket_one_has_it_and_the_other_leaves_it_alone() {
        let state = tempfile::tempdir().unwrap();
        // A process that was killed left its socket.
        drop(std::os::unix::net::UnixListener::bind(state.path().join(NAME)).unwrap());
        let (one, other) = tokio::join!(ControlSocket::bind(state.path()), ControlSocket::bind(state.path()));
        assert!(matches!(one.as_ref().err().or(other.as_ref().err()), Some(SocketError::InUse(_))));
        let winner = one.ok().xor(other.ok()).expect("one of them has it");
        UnixStream::connect(state.path().join(NAME)).await.unwrap();
        drop(winner);
        ControlSocket::bind(state.path()).await.unwrap();
    }

    #[tokio::test]
    async fn only_the_own_socket_is_removed() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join(NAME);
        let earlier = ControlSocket::bind(state.path()).await.unwrap();
        std::fs::rename(&path, state.path().join("moved")).unwrap();
        let _later = UnixListener::bind(&path).unwrap();
        drop(earlier);
        UnixStream::connect(&path).await.expect("the later process still listens");
    }
}
