//! The spool's own threads for file calls that are short and must not wait: not behind readers in Tokio's pool, nor on a
//! worker of the runtime, which a disk that stalls would stop.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use tokio::{sync::oneshot, task::spawn_blocking};

use crate::SpoolError;

/// Threads: making a session's folder takes tens of microseconds, so that four make some ten thousand a second.
const THREADS: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// What the threads have been asked for. Callers wait for their jobs, each for one at a time: there are never more jobs than
/// sessions.
#[derive(Default)]
pub(crate) struct DiskJobs {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl std::fmt::Debug for DiskJobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DiskJobs")
    }
}

impl DiskJobs {
    /// Starts the threads. They end when the queue is closed and empty.
    pub(crate) fn start(self: &Arc<Self>) -> std::io::Result<Vec<JoinHandle<()>>> {
        let spawn = |number: usize| {
            let jobs = Arc::clone(self);
            thread::Builder::new().name(format!("spool-disk-{number}")).spawn(move || jobs.work())
        };
        (0..THREADS).map(spawn).collect()
    }

    /// Runs `job` on one of the threads and resolves with what it returns. A panic of the job is one of the caller's.
    ///
    /// # Cancel safety
    /// Once polled, the job runs to its end whether its caller waits or not.
    pub(crate) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, waiting) = oneshot::channel();
        self.push(move || {
            // Where the caller is gone the result is dropped here.
            let _ = done.send(catch_unwind(AssertUnwindSafe(job)));
        });
        match waiting.await.expect("every job is run, by a thread or by who closes the queue") {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Has `job` run, without waiting for it. After [`Self::close`] it runs at once.
    pub(crate) fn push(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.queue();
        if queue.closed {
            drop(queue);
            job();
        } else {
            queue.jobs.push_back(Box::new(job));
            self.wake.notify_one();
        }
    }

    /// Lets the threads end once they have done what is in the queue.
    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.wake.notify_all();
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("a file call of the spool panicked");
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closed;
        let waited = self.wake.wait_while(self.queue(), idle);
        waited.unwrap_or_else(PoisonError::into_inner).jobs.pop_front()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs a long call where Tokio lets tasks block: reads, and the syncs of one file. They wait behind each other there, and
/// nobody who begins or ends a session waits for them.
///
/// # Errors
/// The call's, or that the runtime is stopping.
pub(crate) async fn run_blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, SpoolError> {
    match spawn_blocking(call).await {
        Ok(result) => result,
        Err(gone) => match gone.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(stopping) => Err(SpoolError::failed("read", "the spool".as_ref(), std::io::Error::other(stopping))),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::{Context, Poll, Waker},
    };

    use super::*;

    #[tokio::test]
    async fn a_job_whose_caller_is_gone_is_done_before_the_threads_end() {
        let (jobs, done) = (Arc::new(DiskJobs::default()), Arc::new(AtomicUsize::new(0)));
        let threads = jobs.start().unwrap();
        for _ in 0..100 {
            let done = Arc::clone(&done);
            let mut waiting = Box::pin(jobs.run(move || done.fetch_add(1, Ordering::SeqCst)));
            let _: Poll<_> = waiting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        jobs.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(done.load(Ordering::SeqCst), 100);
        assert_eq!(jobs.run(|| 7).await, 7, "at once, after the end");
    }

    #[tokio::test]
    async fn a_panic_is_the_callers_and_the_threads_go_on() {
        let jobs = Arc::new(DiskJobs::default());
        let threads = jobs.start().unwrap();
        for _ in 0..2 * THREADS {
            let asked = Arc::clone(&jobs);
            assert!(tokio::spawn(async move { asked.run(|| panic!("a test's")).await }).await.is_err());
        }
        assert_eq!(jobs.run(|| 7).await, 7);
        jobs.close();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
