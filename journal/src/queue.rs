//! Entries on their way to the store: batches in order, bounded in bytes and entries.
//!
//! The queue's one mutex is held for a copy of an entry's bytes and, with a spool, for the `write(2)` of its line; entries
//! are serialised before.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use recording::{UnixMicros, journal::JournalEntry};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use crate::wal::{RecoveredLines, Wal, WalFile};

/// What an entry's line begins with before it has its time.
const UNTIMED: &[u8] = b"{\"micros\":0";

/// An entry's line but for its time.
pub(crate) struct UntimedLine(Vec<u8>);

impl UntimedLine {
    /// Serialises an entry, whose time is 0.
    ///
    /// # Errors
    /// That it cannot be written as JSON.
    pub(crate) fn new(entry: &JournalEntry) -> serde_json::Result<Self> {
        let line = serde_json::to_vec(entry)?;
        match line.strip_prefix(UNTIMED) {
            Some(rest) => Ok(Self(rest.to_vec())),
            None => Err(serde::ser::Error::custom("an entry that does not begin with its time")),
        }
    }

    /// The line of this time, with its newline.
    fn at(&self, time: UnixMicros) -> Vec<u8> {
        let mut line = UNTIMED.strip_suffix(b"0").unwrap_or(UNTIMED).to_vec();
        line.reserve(self.0.len() + 24);
        line.extend_from_slice(time.get().to_string().as_bytes());
        line.extend_from_slice(&self.0);
        line.push(b'\n');
        line
    }
}

/// Lines that become one object.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Whole JSON lines.
    pub(crate) lines: Vec<u8>,
    /// Entries in `lines`.
    pub(crate) entries: usize,
    /// Time of the first entry.
    pub(crate) first: UnixMicros,
    /// When the first entry came.
    pub(crate) since: Instant,
    /// Its entries on the gateway's own disk; `None` without a spool, or if the disk took not one of them.
    pub(crate) wal: Option<WalFile>,
    /// How many entries are there: the first ones. Once the disk did not take one, no later one of the batch follows it.
    pub(crate) spooled: usize,
    /// Durable notes that wait until it is stored.
    pub(crate) waiting: Vec<oneshot::Sender<()>>,
}

impl Batch {
    /// A batch without entries.
    fn new() -> Self {
        Self {
            lines: Vec::new(),
            entries: 0,
            first: UnixMicros::EPOCH,
            since: Instant::now(),
            wal: None,
            spooled: 0,
            waiting: Vec::new(),
        }
    }

    /// Whether the spool has all of it.
    fn is_whole(&self) -> bool {
        self.spooled == self.entries
    }
}

/// What the writer does next.
#[derive(Debug)]
pub(crate) enum NextBatch {
    /// This one is to be written.
    Due(Batch),
    /// Nothing is due before this moment.
    Later(Instant),
    /// Nothing is queued.
    Nothing,
    /// Nothing is queued and nothing will be.
    Over,
}

/// Limits of a queue; see [`crate::JournalSettings`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct QueueLimits {
    pub(crate) object_bytes: usize,
    pub(crate) object_age: std::time::Duration,
    pub(crate) queue_bytes: usize,
    pub(crate) queue_entries: usize,
}

/// The queue between notes and the writer.
#[derive(Debug)]
pub(crate) struct Queue {
    limits: QueueLimits,
    state: Mutex<QueuedBatches>,
    /// The writer has something to look at.
    pub(crate) work: Notify,
    /// There is room again, or the queue was closed.
    room: Notify,
}

#[derive(Debug, Default)]
struct QueuedBatches {
    batches: VecDeque<Batch>,
    /// Of queued batches and of the one being written.
    bytes: usize,
    entries: usize,
    closed: bool,
    wal: Option<Wal>,
}

/// The queue is closed: nothing more is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QueueClosed;

impl Queue {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self { limits, state: Mutex::default(), work: Notify::new(), room: Notify::new() }
    }

    /// Keeps entries in `wal` from now on, and begins with those that an earlier process left there.
    pub(crate) fn with_wal(self, wal: Wal, recovered: Vec<RecoveredLines>) -> Self {
        let mut state = self.state();
        state.wal = Some(wal);
        for RecoveredLines { file, lines } in recovered {
            let entries = lines.iter().filter(|&&byte| byte == b'\n').count();
            state.bytes += lines.len();
            state.entries += entries;
            let first = first_time(&lines);
            state.batches.push_back(Batch { lines, entries, first, wal: Some(file), spooled: entries, ..Batch::new() });
        }
        // What comes now is another batch: those have names of their own.
        drop(state);
        self
    }

    /// Bytes and entries that are queued or being written.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        let state = self.state();
        (state.bytes, state.entries)
    }

    fn state(&self) -> MutexGuard<'_, QueuedBatches> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry; waits while the queue is full. The entry gets its time with the queue held, so that times and order
    /// agree.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready the entry is not taken.
    pub(crate) async fn push(
        &self,
        line: &UntimedLine,
        mut waiting: Option<oneshot::Sender<()>>,
    ) -> Result<Durability, QueueClosed> {
        loop {
            // Listens before it looks, so that room made in between is not missed.
            let room = self.room.notified();
            {
                let mut state = self.state();
                if state.closed {
                    return Err(QueueClosed);
                }
                if state.bytes < self.limits.queue_bytes && state.entries < self.limits.queue_entries {
                    let written = state.append(self.limits.object_bytes, line, &mut waiting);
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

    /// Hands out what is due now. A batch that is handed out still counts until [`Queue::done`].
    pub(crate) fn next(&self, now: Instant) -> NextBatch {
        let mut state = self.state();
        let Some(front) = state.batches.front() else {
            return if state.closed { NextBatch::Over } else { NextBatch::Nothing };
        };
        let due_at = front.since + self.limits.object_age;
        if state.closed || state.is_due(self.limits.object_bytes) || due_at <= now {
            state.batches.pop_front().map_or(NextBatch::Nothing, NextBatch::Due)
        } else {
            NextBatch::Later(due_at)
        }
    }

    /// Notes that a sync of the file failed: what it has may not be on the disk, and the next sync would not say so. Later
    /// entries go to another file.
    pub(crate) fn distrust(&self, file: &WalFile) {
        let mut state = self.state();
        for batch in &mut state.batches {
            if batch.wal.as_ref().is_some_and(|own| own.is(file)) {
                batch.spooled = 0;
            }
        }
    }

    /// Makes room: the batch is stored or given up.
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

/// The time of the first of these entries; 0 if it cannot be read.
pub(crate) fn first_time(lines: &[u8]) -> UnixMicros {
    let line = lines.split(|&byte| byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<JournalEntry>(line).map_or(UnixMicros::EPOCH, |entry| entry.time)
}

/// Where an entry is beside the queue's memory.
pub(crate) enum Durability {
    /// Nowhere: there is no spool.
    InMemory,
    /// In the spool's file, written and not synced.
    OnDisk(WalFile),
    /// There is a spool, and it did not take the entry.
    NotOnDisk(std::io::Error),
}

impl QueuedBatches {
    fn append(
        &mut self,
        object_bytes: usize,
        line: &UntimedLine,
        waiting: &mut Option<oneshot::Sender<()>>,
    ) -> Durability {
        let now = UnixMicros::from(Timestamp::now());
        let line = line.at(now);
        let batch = match self.batches.pop_back() {
            Some(last) if last.lines.len() < object_bytes => last,
            full => {
                self.batches.extend(full);
                Batch::new()
            }
        };
        let (mut batch, durability) = self.spool(batch, &line);
        if batch.entries == 0 {
            batch.first = now;
        }
        batch.lines.extend_from_slice(&line);
        batch.entries += 1;
        batch.waiting.extend(waiting.take());
        self.entries += 1;
        self.bytes += line.len();
        self.batches.push_back(batch);
        durability
    }

    /// Writes an entry to the spool. Returns the batch that the entry belongs to: the given one, or a new one if the disk
    /// takes entries again after one that it did not take. So that one alone is in memory only.
    fn spool(&mut self, mut batch: Batch, line: &[u8]) -> (Batch, Durability) {
        let Some(wal) = &mut self.wal else { return (batch, Durability::InMemory) };
        let written = match &mut batch.wal {
            Some(file) if batch.spooled == batch.entries => file.append(line).map(|()| file.clone()),
            _ => wal.begin(line),
        };
        match written {
            Ok(file) => {
                if !batch.is_whole() {
                    self.batches.push_back(batch);
                    batch = Batch::new();
                }
                batch.wal = Some(file.clone());
                batch.spooled += 1;
                (batch, Durability::OnDisk(file))
            }
            // What the batch has in its file stays there, and so does the file's name: it is removed once that is stored.
            Err(error) => {
                tracing::error!(%error, "the journal's spool takes no entry: until it is stored it is in memory only");
                (batch, Durability::NotOnDisk(error))
            }
        }
    }

    /// Whether the first batch is to be written whatever its age.
    fn is_due(&self, object_bytes: usize) -> bool {
        self.batches.front().is_some_and(|batch| batch.lines.len() >= object_bytes || !batch.waiting.is_empty())
            || self.batches.len() > 1
    }
}

#[cfg(test)]
impl Queue {
    /// As on a disk that is full: the file of the last batch takes no more.
    pub(crate) fn fill_last_file(&self) {
        let mut state = self.state();
        state.batches.back_mut().unwrap().wal.as_mut().unwrap().fill();
    }
}
