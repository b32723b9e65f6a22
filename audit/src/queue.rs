//! Entries on their way to the store: batches in order, bounded in bytes and entries.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

/// Lines that become one object.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Whole JSON lines.
    pub(crate) lines: Vec<u8>,
    /// Entries in `lines`.
    pub(crate) entries: usize,
    /// Time of the first entry, microseconds since 1970.
    pub(crate) micros: i64,
    /// When the first entry came.
    pub(crate) since: Instant,
    /// Whom to tell that it is stored.
    pub(crate) waiting: Vec<oneshot::Sender<()>>,
}

/// What the writer has to do next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Write this.
    Batch(Batch),
    /// Nothing is due before this moment.
    Later(Instant),
    /// Nothing is queued.
    Nothing,
    /// Nothing is queued and nothing will be.
    Over,
}

/// Limits of a queue; see [`crate::JournalSettings`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) object_bytes: usize,
    pub(crate) object_age: std::time::Duration,
    pub(crate) queue_bytes: usize,
    pub(crate) queue_entries: usize,
}

/// The queue between notes and the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: Limits,
    state: Mutex<State>,
    /// The writer has something to look at.
    pub(crate) work: Notify,
    /// There is room again, or the queue was closed.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Batch>,
    /// Of queued batches and of the one being written.
    bytes: usize,
    entries: usize,
    closed: bool,
}

/// The queue is closed: nothing more is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

impl Queue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), work: Notify::new(), room: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry; waits while the queue is full. `write` appends the entry's line and returns its time; it
    /// is called with the queue held, so that times and order agree.
    pub(crate) async fn push<E>(
        &self,
        mut write: impl FnMut(&mut Vec<u8>) -> Result<i64, E>,
        mut waiting: Option<oneshot::Sender<()>>,
    ) -> Result<Result<(), E>, Closed> {
        loop {
            // Listens before it looks, so that room made in between is not missed.
            let room = self.room.notified();
            {
                let mut state = self.state();
                if state.closed {
                    return Err(Closed);
                }
                if state.bytes < self.limits.queue_bytes && state.entries < self.limits.queue_entries {
                    let written = state.append(self.limits.object_bytes, &mut write, &mut waiting);
                    let due = state.is_due(self.limits.object_bytes);
                    let first = state.batches.len() == 1 && state.batches[0].entries == 1;
                    drop(state);
                    if due || first {
                        self.work.notify_one();
                    }
                    return Ok(written);
                }
            }
            room.await;
        }
    }

    /// What is due now. A batch that is handed out still counts until [`Queue::done`].
    pub(crate) fn next(&self, now: Instant) -> Next {
        let mut state = self.state();
        let Some(front) = state.batches.front() else {
            return if state.closed { Next::Over } else { Next::Nothing };
        };
        let due_at = front.since + self.limits.object_age;
        if state.closed || state.is_due(self.limits.object_bytes) || due_at <= now {
            state.batches.pop_front().map_or(Next::Nothing, Next::Batch)
        } else {
            Next::Later(due_at)
        }
    }

    /// The batch is stored or given up.
    pub(crate) fn done(&self, batch: &Batch) {
        let mut state = self.state();
        state.bytes -= batch.lines.len();
        state.entries -= batch.entries;
        drop(state);
        self.room.notify_waiters();
    }

    /// Takes nothing more. What is queued becomes due.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.work.notify_one();
        self.room.notify_waiters();
    }

    /// Whether the queue was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }
}

impl State {
    fn append<E>(
        &mut self,
        object_bytes: usize,
        write: &mut impl FnMut(&mut Vec<u8>) -> Result<i64, E>,
        waiting: &mut Option<oneshot::Sender<()>>,
    ) -> Result<(), E> {
        let open = self.batches.back().is_some_and(|last| last.lines.len() < object_bytes);
        if !open {
            self.batches.push_back(Batch {
                lines: Vec::with_capacity(4096.min(object_bytes)),
                entries: 0,
                micros: 0,
                since: Instant::now(),
                waiting: Vec::new(),
            });
        }
        let Some(batch) = self.batches.back_mut() else { return Ok(()) };
        let before = batch.lines.len();
        match write(&mut batch.lines) {
            Ok(micros) => {
                if batch.entries == 0 {
                    batch.micros = micros;
                }
                batch.entries += 1;
                batch.waiting.extend(waiting.take());
                self.entries += 1;
                self.bytes += batch.lines.len() - before;
                Ok(())
            }
            Err(error) => {
                batch.lines.truncate(before);
                if batch.entries == 0 {
                    self.batches.pop_back();
                }
                Err(error)
            }
        }
    }

    /// Whether the first batch is to be written whatever its age.
    fn is_due(&self, object_bytes: usize) -> bool {
        self.batches.front().is_some_and(|batch| batch.lines.len() >= object_bytes || !batch.waiting.is_empty())
            || self.batches.len() > 1
    }
}
