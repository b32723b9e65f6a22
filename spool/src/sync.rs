//! The one thread that syncs: what waits at once, everything else that was written at each interval.

use std::{
    fs::File,
    sync::{Arc, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::{SpoolError, inner::Inner, spooled::SpooledSession};

/// From so many sessions on the whole file system is synced at once: each sync of a file costs a commit of the file
/// system's journal.
const ALL_AT_ONCE: usize = 8;

/// Starts the thread. It ends with the spool.
pub(super) fn start(inner: &Arc<Inner>) -> std::io::Result<std::thread::JoinHandle<()>> {
    let (weak, interval) = (Arc::downgrade(inner), inner.limits.sync.max(Duration::from_millis(1)));
    std::thread::Builder::new().name("spool-sync".to_owned()).spawn(move || run(&weak, interval))
}

fn run(weak: &Weak<Inner>, interval: Duration) {
    let mut due = Instant::now() + interval;
    while let Some(inner) = weak.upgrade() {
        let (asked, over) = {
            let syncs = inner.syncs();
            let wait = due.saturating_duration_since(Instant::now()).min(Duration::from_millis(200));
            let idle = |syncs: &mut super::inner::Syncs| syncs.asked.is_empty() && !syncs.over;
            let waited = inner.wake.wait_timeout_while(syncs, wait, idle);
            let (mut syncs, _) = waited.unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut syncs.asked), syncs.over)
        };
        if !asked.is_empty() {
            let lives: Vec<_> = asked.iter().map(|(live, _)| Arc::clone(live)).filter(|live| !live.is_gone()).collect();
            let done = sync(&inner, &lives);
            for waiting in asked.into_iter().filter_map(|(_, waiting)| waiting) {
                let _ = waiting.send(done.clone());
            }
        }
        if over || due <= Instant::now() {
            inner.look();
            let dirty: Vec<_> = inner.sessions().values().filter(|live| live.is_dirty()).cloned().collect();
            // The error is kept by the spool: nothing more is taken.
            let _ = sync(&inner, &dirty);
            due = Instant::now() + interval;
        }
        if over {
            return;
        }
    }
}

fn sync(inner: &Inner, lives: &[Arc<SpooledSession>]) -> Result<(), SpoolError> {
    let synced = if lives.len() < ALL_AT_ONCE { each(inner, lives) } else { all(inner, lives) };
    synced.map_err(|error| inner.failed_sync(&inner.folder, error))
}

fn each(inner: &Inner, lives: &[Arc<SpooledSession>]) -> std::io::Result<()> {
    lives.iter().try_for_each(|live| live.sync())?;
    // The names of new sessions' folders.
    if lives.is_empty() { Ok(()) } else { File::open(&inner.folder)?.sync_all() }
}

fn all(inner: &Inner, lives: &[Arc<SpooledSession>]) -> std::io::Result<()> {
    let before: Vec<_> = lives.iter().map(|live| live.before_sync()).collect();
    rustix::fs::syncfs(File::open(&inner.folder)?)?;
    lives.iter().zip(before).for_each(|(live, files)| live.synced(files));
    Ok(())
}
