//! The one thread that syncs: at once what a caller waits for, and at each interval everything else that was written.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::{Duration, Instant},
};

use crate::{
    LatencyObserver, SpoolError,
    error::FileError,
    shared::{Shared, SyncRequest, Syncs},
    spooled::SpooledSession,
};

/// From so many sessions on the whole file system is synced at once: each sync of a file costs a commit of the file system's
/// journal.
const ALL_AT_ONCE: usize = 8;

/// Starts the thread. It ends with the spool.
pub(crate) fn start(shared: &Arc<Shared>) -> std::io::Result<std::thread::JoinHandle<()>> {
    let (weak, interval) = (Arc::downgrade(shared), shared.capacity.limits.sync.max(Duration::from_millis(1)));
    std::thread::Builder::new().name("spool-sync".to_owned()).spawn(move || run(&weak, interval))
}

fn run(weak: &Weak<Shared>, interval: Duration) {
    let mut due = Instant::now() + interval;
    while let Some(shared) = weak.upgrade() {
        let (asked, over) = wait(&shared, due);
        if !asked.is_empty() {
            let sessions = asked.iter().map(|(session, _)| session).filter(|session| !session.is_detached());
            let done = sync(&shared, &sessions.cloned().collect::<Vec<_>>());
            for waiting in asked.into_iter().filter_map(|(_, waiting)| waiting) {
                let _ = waiting.send(done.clone());
            }
        }
        if over || due <= Instant::now() {
            shared.capacity.measure_disk();
            let dirty: Vec<_> = shared.sessions().values().filter(|session| session.is_dirty()).cloned().collect();
            // An error of the disk is kept, and nothing more is taken. What could not be opened is tried at the next interval.
            let _ = sync(&shared, &dirty);
            due = Instant::now() + interval;
        }
        if over {
            return;
        }
    }
}

/// Waits until something is asked for, or `due`, and takes it. The other value is whether the spool is over.
fn wait(shared: &Shared, due: Instant) -> (Vec<SyncRequest>, bool) {
    let wait = due.saturating_duration_since(Instant::now()).min(Duration::from_millis(200));
    let idle = |syncs: &mut Syncs| syncs.asked.is_empty() && !syncs.over;
    let waited = shared.wake.wait_timeout_while(shared.syncs(), wait, idle);
    let (mut syncs, _) = waited.unwrap_or_else(PoisonError::into_inner);
    (std::mem::take(&mut syncs.asked), syncs.over)
}

fn sync(shared: &Shared, sessions: &[Arc<SpooledSession>]) -> Result<(), SpoolError> {
    if sessions.is_empty() {
        return Ok(());
    }
    let start = shared.sync_latency.get().and_then(LatencyObserver::start);
    let synced = if sessions.len() < ALL_AT_ONCE { each(shared, sessions) } else { all(shared, sessions) };
    if let Some(latency) = shared.sync_latency.get() {
        latency.observe_since(start);
    }
    synced.map_err(|error| shared.capacity.failed(&shared.folder, error))
}

fn each(shared: &Shared, sessions: &[Arc<SpooledSession>]) -> Result<(), FileError> {
    sessions.iter().try_for_each(|session| session.sync())?;
    // The names of new sessions' folders.
    shared.open_folder.sync_all().map_err(FileError::Sync)
}

fn all(shared: &Shared, sessions: &[Arc<SpooledSession>]) -> Result<(), FileError> {
    let before: Vec<_> = sessions.iter().map(|session| session.before_sync()).collect();
    rustix::fs::syncfs(&shared.open_folder).map_err(|error| FileError::Sync(error.into()))?;
    sessions.iter().zip(before).for_each(|(session, files)| session.synced(files));
    Ok(())
}
