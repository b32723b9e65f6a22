use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::Notify;

use crate::{RecordError, Settings, opened::micros_since, tape::Tape, timeline::Cut};

/// Where a recording's lines stand between the tape and the store.
///
/// ```text
///  accept ─▶ tape ──by size, age, end──▶ ready ──▶ uploader ─▶ store
///   waits while pending > max_pending ◀──────────────┘ pending: bytes of ready, and of what is being stored
/// ```
///
/// Accepted means here: in the memory of this process, or stored. What shall survive the process has to be written
/// in [`Shelf::write`], between the tape and its answer, and may be let go of in [`Shelf::stored`].
pub(crate) struct Shelf {
    state: Mutex<State>,
    settings: Arc<Settings>,
    /// Zero of the recording's clock.
    start: Instant,
    /// The uploader has something to do.
    work: Notify,
    /// There is room again, or the recording failed.
    changed: Notify,
}

pub(crate) struct State {
    pub(crate) tape: Tape,
    ready: VecDeque<Cut>,
    pending: usize,
    /// When the open chunk's first event came.
    since: Option<Instant>,
    closed: bool,
    failure: Option<RecordError>,
}

/// What the uploader does next.
pub(crate) enum Next {
    Store(Cut),
    WaitUntil(Instant),
    Wait,
    End,
}

impl Shelf {
    pub(crate) fn new(tape: Tape, settings: Arc<Settings>, start: Instant) -> Self {
        let state = State { tape, ready: VecDeque::new(), pending: 0, since: None, closed: false, failure: None };
        Self { state: Mutex::new(state), settings, start, work: Notify::new(), changed: Notify::new() }
    }

    pub(crate) fn micros(&self) -> u64 {
        micros_since(self.start)
    }

    /// Runs `write` on the tape once there is room, and sees to it that what it wrote is stored in time.
    pub(crate) async fn write<T>(&self, write: impl FnOnce(&mut Tape, u64) -> T) -> Result<T, RecordError> {
        loop {
            let changed = {
                let mut state = self.lock();
                if let Some(failure) = &state.failure {
                    return Err(failure.clone());
                }
                if state.closed {
                    return Err(RecordError::Finished);
                }
                if state.pending <= self.settings.max_pending {
                    let written = write(&mut state.tape, self.micros());
                    self.after_write(&mut state);
                    return Ok(written);
                }
                // Made under the lock: whoever makes room afterwards wakes it.
                self.changed.notified()
            };
            changed.await;
        }
    }

    fn after_write(&self, state: &mut State) {
        if state.tape.len() >= self.settings.chunk_bytes {
            state.cut(self.micros());
            self.work.notify_one();
        } else if state.since.is_none() && state.tape.restless() {
            state.since = Some(Instant::now());
            self.work.notify_one();
        }
    }

    /// Closes the recording: `last` writes the last events.
    pub(crate) fn close<T>(&self, last: impl FnOnce(&mut Tape, u64) -> T) -> Result<T, RecordError> {
        let mut state = self.lock();
        if state.closed {
            return Err(RecordError::Finished);
        }
        state.closed = true;
        let micros = self.micros();
        let summary = last(&mut state.tape, micros);
        state.cut(micros);
        self.work.notify_one();
        self.changed.notify_waiters();
        Ok(summary)
    }

    pub(crate) fn next(&self) -> Next {
        let mut state = self.lock();
        if let Some(since) = state.since
            && !state.closed
            && since + self.settings.chunk_age <= Instant::now()
        {
            self.by_age(&mut state);
        }
        match (state.ready.pop_front(), state.since) {
            (Some(cut), _) => Next::Store(cut),
            (None, _) if state.closed => Next::End,
            (None, Some(since)) => Next::WaitUntil(since + self.settings.chunk_age),
            (None, None) => Next::Wait,
        }
    }

    /// The open chunk's time has come. A tape that is restless even so gets a second look.
    fn by_age(&self, state: &mut State) {
        let micros = self.micros();
        state.tape.settle(micros);
        state.cut(micros);
        state.since = state.tape.restless().then(Instant::now);
    }

    pub(crate) fn stored(&self, bytes: usize) {
        let mut state = self.lock();
        state.pending = state.pending.saturating_sub(bytes);
        self.changed.notify_waiters();
    }

    pub(crate) fn fail(&self, error: RecordError) {
        let mut state = self.lock();
        state.ready.clear();
        state.failure = Some(error);
        self.changed.notify_waiters();
    }

    /// Waits until the uploader has something to do.
    pub(crate) async fn work(&self) {
        self.work.notified().await;
    }

    /// Resolves when the recording has failed or is closed.
    pub(crate) async fn failed(&self) -> RecordError {
        loop {
            let changed = {
                let state = self.lock();
                if let Some(failure) = &state.failure {
                    return failure.clone();
                }
                if state.closed {
                    return RecordError::Finished;
                }
                self.changed.notified()
            };
            changed.await;
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cut(&mut self, micros: u64) {
        self.since = None;
        if let Some(cut) = self.tape.cut(micros) {
            self.pending += cut.lines.len();
            self.ready.push_back(cut);
        }
    }
}
