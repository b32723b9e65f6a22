use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use recording::{Manifest, Micros};
use spool::{SessionRecord, SpoolError, SpoolGauges, SpoolWriter};
use tokio::sync::Notify;

use crate::{
    RecordError, Settings,
    clock::time_since,
    session::encoder::{Batch, SessionEncoder},
};

/// How often a session that waits for room looks again, beside being notified.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Brings a recording's lines from the encoder to the spool.
///
/// ```text
///  accept ─▶ encoder ── take_batch ─▶ one write to the spool ── commit ─▶ accepted: it may be forwarded
///                                          └─ no room: accept waits, both directions with it, and fails at last
/// ```
pub(crate) struct SessionWriter {
    state: Mutex<WriterState>,
    settings: Arc<Settings>,
    gauges: SpoolGauges,
    /// Zero of the recording's clock.
    start: Instant,
    /// Notified when the recording has failed or is closed.
    stopped: Notify,
}

pub(crate) struct WriterState {
    pub(crate) encoder: SessionEncoder,
    /// `None` once the recording has ended.
    spooled: Option<SpoolWriter>,
    /// The batch that the spool had no room for.
    backlog: Option<Batch>,
    /// When the open segment's first line came.
    segment_since: Option<Instant>,
    is_closed: bool,
    failure: Option<RecordError>,
}

impl SessionWriter {
    pub(crate) fn new(
        encoder: SessionEncoder,
        spooled: SpoolWriter,
        gauges: SpoolGauges,
        settings: Arc<Settings>,
        start: Instant,
    ) -> Self {
        let state = WriterState {
            encoder,
            spooled: Some(spooled),
            backlog: None,
            segment_since: None,
            is_closed: false,
            failure: None,
        };
        Self { state: Mutex::new(state), settings, gauges, start, stopped: Notify::new() }
    }

    /// Runs `write` on the encoder and returns once what it wrote is in the spool. While there is no room it waits, as long as
    /// the settings' patience.
    pub(crate) async fn write<T>(
        &self,
        write: impl FnOnce(&mut SessionEncoder, Micros) -> T,
    ) -> Result<T, RecordError> {
        self.caught_up().await?;
        let written = {
            let mut state = self.open()?;
            let written = write(&mut state.encoder, self.now());
            if self.flush(&mut state)? {
                return Ok(written);
            }
            written
        };
        self.caught_up().await?;
        Ok(written)
    }

    /// Resolves once there is no backlog.
    async fn caught_up(&self) -> Result<(), RecordError> {
        let mut deadline = None;
        loop {
            // Made before the look, so that room made in between is not missed.
            let freed = self.gauges.freed();
            {
                let mut state = self.open()?;
                if state.backlog.is_none() || self.flush(&mut state)? {
                    return Ok(());
                }
                let now = Instant::now();
                if *deadline.get_or_insert(now + self.settings.patience) <= now {
                    let error = state.spool_batches(self.now()).err().map_or(RecordError::Slow, RecordError::Spool);
                    return Err(self.fail(&mut state, error));
                }
            }
            let _ = tokio::time::timeout(POLL_INTERVAL, freed).await;
        }
    }

    /// Writes what the encoder has to the spool; false if there is no room.
    fn flush(&self, state: &mut WriterState) -> Result<bool, RecordError> {
        match state.spool_batches(self.now()) {
            Ok(()) => {
                state.end_segment_of(self.settings.chunk_bytes as u64);
                Ok(true)
            }
            Err(error) if error.is_full() => Ok(false),
            Err(error) => Err(self.fail(state, error.into())),
        }
    }

    fn fail(&self, state: &mut WriterState, error: RecordError) -> RecordError {
        let failure = state.failure.get_or_insert(error).clone();
        self.stopped.notify_waiters();
        failure
    }

    /// Does what time alone does: gives up characters that do not go on, lets the screen sleep, closes an old segment.
    pub(crate) fn tick(&self) {
        let mut state = self.lock();
        if state.is_closed || state.failure.is_some() {
            return;
        }
        if let Err(error @ SpoolError::Failed { .. }) = self.gauges.check() {
            self.fail(&mut state, error.into());
            return;
        }
        if state.encoder.restless() {
            state.encoder.settle(self.now());
            if state.encoder.has_lines() {
                // No room is no harm: nothing waits to be forwarded.
                let _ = self.flush(&mut state);
            }
        }
        if state.segment_since.is_some_and(|since| since.elapsed() >= self.settings.chunk_age) {
            state.end_segment_of(0);
        }
    }

    /// Appends a record for a manifest that another process may have to write. A disk that fails here fails at the next byte.
    pub(crate) fn note(&self, record: &SessionRecord) {
        if let Some(spooled) = &mut self.lock().spooled {
            let _ = spooled.note(record);
        }
    }

    /// Closes the recording. `last` writes the last lines and returns the manifest.
    pub(crate) fn close(
        &self,
        last: impl FnOnce(&mut SessionEncoder, Micros) -> Manifest,
    ) -> Result<Manifest, RecordError> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(RecordError::Finished);
        }
        state.is_closed = true;
        let manifest = last(&mut state.encoder, self.now());
        self.stopped.notify_waiters();
        Ok(manifest)
    }

    /// Writes the end. Returns false if the disk has not a byte left: the caller calls again later.
    ///
    /// # Errors
    /// The disk's: the recording will be found without an end.
    pub(crate) fn end(&self, manifest: &Manifest) -> Result<bool, RecordError> {
        match self.lock().end(manifest, self.now()) {
            Ok(()) => Ok(true),
            Err(error) if error.is_full() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Closes the recording without an end: nobody will write any more.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        if !state.is_closed {
            state.is_closed = true;
            let _ = state.spool_batches(self.now());
            state.spooled = None;
            self.stopped.notify_waiters();
        }
    }

    /// Resolves when the recording has failed or is closed.
    pub(crate) async fn failed(&self) -> RecordError {
        loop {
            let stopped = match self.open() {
                Ok(_state) => self.stopped.notified(),
                Err(error) => return error,
            };
            stopped.await;
        }
    }

    /// Resolves when there may be room.
    pub(crate) async fn room(&self) {
        let _ = tokio::time::timeout(POLL_INTERVAL, self.gauges.freed()).await;
    }

    fn now(&self) -> Micros {
        time_since(self.start)
    }

    fn open(&self) -> Result<MutexGuard<'_, WriterState>, RecordError> {
        let state = self.lock();
        match &state.failure {
            Some(failure) => Err(failure.clone()),
            None if state.is_closed => Err(RecordError::Finished),
            None => Ok(state),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, WriterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriterState {
    /// Writes the backlog, and then what the encoder has since.
    fn spool_batches(&mut self, now: Micros) -> Result<(), SpoolError> {
        if let Some(backlog) = self.backlog.take() {
            self.spool(backlog)?;
        }
        let batch = self.encoder.take_batch(now);
        self.spool(batch)
    }

    /// Writes a batch. What fails is the backlog then, without the parts of it that are written.
    fn spool(&mut self, mut batch: Batch) -> Result<(), SpoolError> {
        let Some(spooled) = &mut self.spooled else { return Ok(()) };
        let has_lines = batch.has_lines();
        if let Err(error) = batch.write(spooled) {
            self.backlog = Some(batch);
            return Err(error);
        }
        if has_lines {
            self.segment_since.get_or_insert_with(Instant::now);
        }
        self.encoder.commit(batch);
        Ok(())
    }

    /// Writes the last lines, for which the spool's limits leave room, and the end.
    fn end(&mut self, manifest: &Manifest, now: Micros) -> Result<(), SpoolError> {
        let Some(spooled) = &mut self.spooled else { return Ok(()) };
        let mut batch = self.encoder.take_batch(now);
        if let Some(backlog) = self.backlog.take() {
            batch = batch.behind(backlog);
        }
        if let Err(error) = batch.write_last(spooled) {
            self.backlog = Some(batch);
            return Err(error);
        }
        self.encoder.commit(batch);
        spooled.note(&SessionRecord::Ended(Box::new(manifest.clone())))?;
        if let Some(spooled) = self.spooled.take() {
            spooled.end();
        }
        Ok(())
    }

    /// Ends the open segment if it has so many bytes.
    fn end_segment_of(&mut self, bytes: u64) {
        if let Some(spooled) = &mut self.spooled
            && spooled.segment_bytes() >= bytes
        {
            spooled.roll();
            self.segment_since = None;
        }
    }
}
