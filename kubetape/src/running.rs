//! The program's own running: its log, its runtimes, the files it may open, and the signals that end it in good order.

use std::future::Future;

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::raw::{Log, LogFormat};

/// The program ends with this status, and everything has been said.
#[derive(Debug)]
pub struct Exit(pub u8);

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit status {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// Starts the program's own log, on stderr. `level` holds if the configuration names none.
///
/// # Errors
/// The configured level is none.
pub fn start_log(log: &Log, level: &str) -> Result<()> {
    let filter = log.level.as_deref().unwrap_or(level);
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| anyhow!("log.level: {filter:?} is not such as \"info\": {error}"))?;
    // A log that nobody reads any more is no error: by default a line that cannot be written is told with `eprintln!`,
    // which panics, and the task that logged it is gone.
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second start (`serve` within `demo`) keeps the first.
    let _ = match log.format.unwrap_or_default() {
        LogFormat::Text => lines.with_ansi(colours).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// Threads of a runtime that wait for the disk. A thousand sessions that end together queue for these; with Tokio's 512
/// they took 270 MiB for stacks and heaps, and were no faster.
const BLOCKING_THREADS: usize = 64;

/// The runtime of what only reads: web, search follower, preparation of recordings, finalizing of orphans.
///
/// Recording and journal run on the other one. A durable write waits for a thread of its runtime's blocking pool, and a session
/// waits for the write: terminal emulation, password hashing and index queries must not stand before it in that queue.
#[derive(Clone, Debug)]
pub struct Readers(Handle);

impl Readers {
    /// Where tasks of readers are spawned.
    pub fn handle(&self) -> &Handle {
        &self.0
    }

    /// Runs `work` on the readers' runtime, so that what it opens (sockets, connections of a store) is driven by it.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        self.0.spawn(work).await.context("a task panicked")?
    }
}

/// Runs a subcommand to its end.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    run_on(runtime("kubetape")?, work)
}

/// Runs a server to its end: `work` on one runtime, and what it gives to [`Readers`] on another.
pub fn block_on_with_readers<T, F: Future<Output = Result<T>>>(work: impl FnOnce(Readers) -> F) -> Result<T> {
    let readers = runtime("read")?;
    let result = run_on(runtime("record")?, work(Readers(readers.handle().clone())));
    readers.shutdown_background();
    result
}

fn run_on<T>(runtime: Runtime, work: impl Future<Output = Result<T>>) -> Result<T> {
    let result = runtime.block_on(work);
    // A thread that waits for stdin must not keep the process.
    runtime.shutdown_background();
    result
}

fn runtime(thread: &str) -> Result<Runtime> {
    Builder::new_multi_thread()
        .thread_name(thread)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("cannot start threads")
}

/// Returns a token that SIGTERM and SIGINT cancel. A second signal ends the process at once.
///
/// # Errors
/// The signals cannot be listened for.
pub fn shutdown_on_signal() -> Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let shutdown = token.clone();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
        let name = next().await;
        shutdown.cancel();
        tracing::info!(signal = name, "shutting down");
        let name = next().await;
        tracing::warn!(signal = name, "exiting at once");
        std::process::exit(130);
    });
    Ok(token)
}

/// Has the system write no memory of this process to a disk when it crashes, and let no other process of the account read it: it
/// holds keys, and what people type.
///
/// # Errors
/// The system does not let the process say so.
pub fn forbid_core_dumps() -> Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).context("cannot switch core dumps off")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("cannot switch core dumps off")
}

/// Files that everything but connections and sessions has open: the index, storage, the web's connections, and second
/// files of sessions that are being recorded at this moment.
const OTHER_FILES: u64 = 1_024;

/// Raises the number of files that the process may have open to what `limits` need. Most systems start a process with
/// 1,024, and allow it far more.
///
/// # Errors
/// The system does not allow that many.
pub fn allow_open_files(limits: &gateway::Limits) -> Result<()> {
    let needed = needed_files(limits);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    ensure!(
        maximum.is_none_or(|maximum| maximum >= needed),
        "this process may have {} files open, and limits.connections = {} with limits.sessions = {} take up to {needed}: \
         allow it more (`ulimit -Hn`, or LimitNOFILE= of its systemd unit), or set smaller limits",
        maximum.unwrap_or(u64::MAX),
        limits.connections,
        limits.sessions
    );
    setrlimit(Resource::Nofile, Rlimit { current: maximum.or(Some(needed)), maximum })?;
    Ok(())
}

/// A connection is one file, and a session has two more: to the cluster, and its file in the spool.
fn needed_files(limits: &gateway::Limits) -> u64 {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    count(limits.connections).saturating_add(count(limits.sessions).saturating_mul(2)).saturating_add(OTHER_FILES)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, sync::Barrier, time::Duration};

    use journal::{Journal, JournalSettings};
    use recording::journal::JournalEvent;
    use storage::{Memory, signing::Signer};
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_crash_leaves_no_memory_on_a_disk() {
        forbid_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }

    #[test]
    fn readers_that_take_every_thread_do_not_delay_a_durable_note() {
        let spool = tempfile::tempdir().unwrap();
        let settings = JournalSettings {
            signer: Arc::new(Signer::generate().unwrap()),
            spool: Some(spool.path().join("journal")),
            ..JournalSettings::default()
        };
        let all_busy = Arc::new(Barrier::new(BLOCKING_THREADS + 1));
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        block_on_with_readers(async |readers| {
            for _ in 0..BLOCKING_THREADS {
                let (all_busy, held) = (Arc::clone(&all_busy), Arc::clone(&held));
                readers.handle().spawn_blocking(move || {
                    all_busy.wait();
                    let _ = held.lock().unwrap().recv();
                });
            }
            all_busy.wait();
            let journal = Journal::open(Arc::new(Memory::new()), "gw", settings).await?;
            let noted = timeout(Duration::from_secs(20), journal.note_durably("", JournalEvent::Stopped)).await;
            drop(release);
            noted.context("the note waits for a reader")??;
            Ok(())
        })
        .unwrap();
    }
}
