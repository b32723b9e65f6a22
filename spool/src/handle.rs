use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use recording::RecordingId;

use crate::{shared::Shared, spooled::SpooledSession, sync};

/// What every handle of a spool has: the spool stays open, and its threads run, until the last one is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    _threads: Arc<Threads>,
}

impl Handle {
    /// Starts the spool's threads.
    pub(crate) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let threads = Arc::new(Threads::start(&shared)?);
        Ok(Self { shared, _threads: threads })
    }

    pub(crate) fn find(&self, id: RecordingId) -> Option<Arc<SpooledSession>> {
        self.shared.sessions().get(&id).cloned()
    }
}

/// The spool's threads, which end with its last handle.
#[derive(Debug)]
struct Threads {
    shared: Arc<Shared>,
    running: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let mut running = shared.jobs.start()?;
        running.push(sync::start(shared)?);
        Ok(Self { shared: Arc::clone(shared), running: Mutex::new(running) })
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.jobs.close();
        self.shared.syncs().over = true;
        self.shared.wake.notify_one();
        let running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in running.into_iter().filter(|thread| thread.thread().id() != thread::current().id()) {
            let _ = thread.join();
        }
    }
}
