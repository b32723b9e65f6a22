use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use recording::Manifest;
use spool::{SessionRecord, Spool, SpoolError, SpoolWriter};
use tokio::sync::Notify;

use crate::{RecordError, Settings, session::encoder::SessionEncoder, session::open_recording::micros_since};

/// How often a session that waits for room looks again, beside being told.
const LOOK: Duration = Duration::from_millis(250);

/// Where a recording's lines stand between the tape and the spool.
///
/// ```text
///  accept ─▶ tape ─▶ one write to the spool ─▶ accepted: it may be forwarded
///              └──────────────────────────── no room: accept waits, both directions with it, and at last fails
/// ```
pub(crate) struct SessionWriter {
    state: Mutex<State>,
    settings: Arc<Settings>,
    spool: Spool,
    /// Zero of the recording's clock.
    start: Instant,
    /// The recording failed or was closed.
    changed: Notify,
}

pub(crate) struct State {
    pub(crate) tape: SessionEncoder,
    /// None once the recording has ended.
    session: Option<SpoolWriter>,
    /// The tape has something that the spool had no room for.
    backlog: bool,
    /// When the open segment's first line came.
    since: Option<Instant>,
    closed: bool,
    failure: Option<RecordError>,
}

impl SessionWriter {
    pub(crate) fn new(
        tape: SessionEncoder,
        session: SpoolWriter,
        spool: Spool,
        settings: Arc<Settings>,
        start: Instant,
    ) -> Self {
        let state = State { tape, session: Some(session), backlog: false, since: None, closed: false, failure: None };
        Self { state: Mutex::new(state), settings, spool, start, changed: Notify::new() }
    }

    /// Runs `write` on the tape and returns once what it wrote is in the spool. While there is no room it waits, for as
    /// long as the settings' patience.
    pub(crate) async fn write<T>(&self, write: impl FnOnce(&mut SessionEncoder, u64) -> T) -> Result<T, RecordError> {
        self.caught_up().await?;
        let written = {
            let mut state = self.open()?;
            let written = write(&mut state.tape, self.micros());
            if self.flush(&mut state)? {
                return Ok(written);
            }
            written
        };
        self.caught_up().await?;
        Ok(written)
    }

    /// Resolves once everything on the tape is in the spool.
    async fn caught_up(&self) -> Result<(), RecordError> {
        let mut deadline = None;
        loop {
            // Made before the look, so that room made in between is not missed.
            let freed = self.spool.freed();
            {
                let mut state = self.open()?;
                if !state.backlog || self.flush(&mut state)? {
                    return Ok(());
                }
                let now = Instant::now();
                if *deadline.get_or_insert(now + self.settings.patience) <= now {
                    let error = state.append(self.micros()).err().map_or(RecordError::Slow, RecordError::Spool);
                    return Err(self.fail(&mut state, error));
                }
            }
            let _ = tokio::time::timeout(LOOK, freed).await;
        }
    }

    /// Writes what is on the tape; false where there is no room.
    fn flush(&self, state: &mut State) -> Result<bool, RecordError> {
        match state.append(self.micros()) {
            Ok(()) => {}
            Err(error) if error.is_full() => {
                state.backlog = true;
                return Ok(false);
            }
            Err(error) => return Err(self.fail(state, error.into())),
        }
        match state.note() {
            Ok(()) => state.backlog = false,
            Err(error) if error.is_full() => {
                state.backlog = true;
                return Ok(false);
            }
            Err(error) => return Err(self.fail(state, error.into())),
        }
        state.turn(self.settings.chunk_bytes as u64);
        Ok(true)
    }

    fn fail(&self, state: &mut State, error: RecordError) -> RecordError {
        let failure = state.failure.get_or_insert(error).clone();
        self.changed.notify_waiters();
        failure
    }

    /// What time alone does: characters that do not go on, a screen that may sleep, a chunk of age.
    pub(crate) fn tick(&self) {
        let mut state = self.lock();
        if state.closed || state.failure.is_some() {
            return;
        }
        if let Err(error @ SpoolError::Failed { .. }) = self.spool.check() {
            self.fail(&mut state, error.into());
            return;
        }
        let micros = self.micros();
        if state.tape.restless() {
            state.tape.settle(micros);
            if !state.tape.pending(micros).1.is_empty() {
                // No room is no harm: nothing waits to be forwarded.
                let _ = self.flush(&mut state);
            }
        }
        if state.since.is_some_and(|since| since.elapsed() >= self.settings.chunk_age) {
            state.turn(0);
        }
    }

    /// Writes down a fact for a manifest that somebody else may have to write. A disk that fails here fails at the next byte.
    pub(crate) fn note(&self, fact: &SessionRecord) {
        if let Some(session) = &mut self.lock().session {
            let _ = session.fact(fact);
        }
    }

    /// Closes the recording: `last` writes the last lines and gives the manifest.
    pub(crate) fn close(
        &self,
        last: impl FnOnce(&mut SessionEncoder, u64) -> Manifest,
    ) -> Result<Manifest, RecordError> {
        let mut state = self.lock();
        if state.closed {
            return Err(RecordError::Finished);
        }
        state.closed = true;
        let manifest = last(&mut state.tape, self.micros());
        self.changed.notify_waiters();
        Ok(manifest)
    }

    /// Writes the end. Where the disk has not a byte left it returns false, and is to be called again.
    ///
    /// # Errors
    /// The disk's: the recording will be found without an end.
    pub(crate) fn end(&self, manifest: &Manifest) -> Result<bool, RecordError> {
        let mut state = self.lock();
        let micros = self.micros();
        let State { tape, session, .. } = &mut *state;
        let Some(open) = session else { return Ok(true) };
        // The streams are over: nothing is held.
        let (mark, lines) = tape.pending(micros);
        let written = open.append_anyway(&mark, lines);
        if written.is_ok() {
            tape.written();
        }
        let ended = written.and_then(|()| open.fact(&SessionRecord::Ended(Box::new(manifest.clone()))));
        match ended {
            Ok(()) => {
                if let Some(session) = session.take() {
                    session.end();
                }
                Ok(true)
            }
            Err(error) if error.is_full() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Nobody will write any more, and there is no end.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        if !state.closed {
            state.closed = true;
            let _ = state.append(self.micros());
            state.session = None;
            self.changed.notify_waiters();
        }
    }

    /// Resolves when the recording has failed or is closed.
    pub(crate) async fn failed(&self) -> RecordError {
        loop {
            let changed = match self.open() {
                Ok(_state) => self.changed.notified(),
                Err(error) => return error,
            };
            changed.await;
        }
    }

    /// Resolves when there may be room.
    pub(crate) async fn room(&self) {
        let _ = tokio::time::timeout(LOOK, self.spool.freed()).await;
    }

    pub(crate) fn micros(&self) -> u64 {
        micros_since(self.start)
    }

    fn open(&self) -> Result<MutexGuard<'_, State>, RecordError> {
        let state = self.lock();
        match &state.failure {
            Some(failure) => Err(failure.clone()),
            None if state.closed => Err(RecordError::Finished),
            None => Ok(state),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, micros: u64) -> Result<(), SpoolError> {
        let Some(session) = &mut self.session else { return Ok(()) };
        for (place, holding) in self.tape.holdings().enumerate().filter(|(_, holding)| !holding.is_empty()) {
            session.hold(place, holding)?;
            holding.clear();
        }
        let (mark, lines) = self.tape.pending(micros);
        session.append(&mark, lines)?;
        if !lines.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
        self.tape.written();
        Ok(())
    }

    /// Writes down what a Status said about the end: whoever finishes the recording must know it once the client does.
    fn note(&mut self) -> Result<(), SpoolError> {
        if let (Some(session), Some(outcome)) = (&mut self.session, self.tape.said()) {
            session.fact(&SessionRecord::Said { outcome })?;
            self.tape.noted();
        }
        Ok(())
    }

    /// Ends the open segment once it has so many bytes.
    fn turn(&mut self, bytes: u64) {
        if let Some(session) = &mut self.session
            && session.segment_bytes() >= bytes
        {
            session.roll();
            self.since = None;
        }
    }
}
