use std::{io, sync::Arc, time::SystemTime};

use bytes::Bytes;
use recording::{
    Chunk, Key, LARGEST_MANIFEST, Manifest, Outcome, RecordingId,
    cast::{Header, SessionMetadata, pieces},
};
use spool::{Checkpoint, Segment, SessionRecord, SessionRecords, SpoolError};
use storage::{
    RecordingError, RecordingReader, StoreError,
    chunk::{self, LARGEST_OBJECT, MAX_UNCOMPRESSED},
};
use tokio::task::spawn_blocking;

use crate::{
    recover::recovered_tail::rest,
    recover::stream_accounting::StreamAccounting,
    recover::summary::RecoveredSummary,
    session::open_request::unix_micros,
    upload::uploader::{Attempts, Conflict, Uploader, described},
};

/// Most bytes of lines in a chunk of what is known beyond the segments: up to twice `keep_last` of each stream, six times as
/// long as JSON.
const LARGEST_BEYOND: usize = 16 << 20;

/// One session's way from the spool to the store: chunks in order, then the manifest, then the spool lets go of it.
pub(crate) struct UploadTask {
    depot: Arc<Uploader>,
    id: RecordingId,
    facts: SessionRecords,
    chunks: Vec<Chunk>,
    digest: [u8; 32],
    /// Of the last segment that was read.
    mark: Option<Checkpoint>,
    /// What the lines have, of an earlier process's session: what the disk has lost of it is told.
    count: Option<StreamAccounting>,
    /// The store failed, or this is an earlier process's session: another may have completed it meanwhile.
    doubtful: bool,
    /// There is a manifest: nothing may be put beside what it lists.
    completed: bool,
}

/// Why a step did not work.
enum UploadError {
    /// The store, or the spool's disk: it may work later.
    Retry(String),
    /// The store has something else under our names.
    Conflict(Conflict),
    /// The disk has lost what a recording begins with.
    CorruptHeader,
}

impl From<StoreError> for UploadError {
    fn from(error: StoreError) -> Self {
        Self::Retry(described(&error))
    }
}

impl From<SpoolError> for UploadError {
    fn from(error: SpoolError) -> Self {
        Self::Retry(described(&error))
    }
}

impl From<RecordingError> for UploadError {
    fn from(error: RecordingError) -> Self {
        Self::Retry(described(&error))
    }
}

impl From<io::Error> for UploadError {
    fn from(error: io::Error) -> Self {
        Self::Retry(error.to_string())
    }
}

/// An object before it is put, and the lines in it.
struct PendingChunk {
    object: Vec<u8>,
    /// The lines that what the store has must have, if it has something.
    lines: Vec<u8>,
    uncompressed: u64,
    first_micros: u64,
    last_micros: u64,
}

impl UploadTask {
    pub(crate) fn new(depot: Arc<Uploader>, id: RecordingId) -> Self {
        let doubtful = depot.spool.is_left(id);
        Self {
            depot,
            id,
            facts: SessionRecords::default(),
            chunks: Vec::new(),
            digest: [0; 32],
            mark: None,
            count: doubtful.then(StreamAccounting::default),
            doubtful,
            completed: false,
        }
    }

    /// Runs until the session is in the store. Whatever fails is tried again; only a store that has something else under
    /// our names ends it, or a header that the disk has damaged, and then the session is set aside.
    pub(crate) async fn run(mut self) {
        let mut attempts = Attempts::default();
        loop {
            match self.go_on(&mut attempts).await {
                Ok(()) => break,
                Err(UploadError::Conflict(conflict)) => {
                    self.tell_of_conflict(&conflict).await;
                    self.set_aside(&conflict);
                    break;
                }
                Err(UploadError::CorruptHeader) => {
                    // It is told once more should this process die before the folder is elsewhere.
                    let _ = self.depot.tell(self.id, "", &Outcome::Interrupted).await;
                    self.set_aside(&"its header is damaged on the gateway's disk");
                    break;
                }
                Err(UploadError::Retry(why)) => {
                    tracing::debug!(session = %self.id, why, "not stored yet");
                    self.doubtful = true;
                    self.shed();
                    self.depot.pause(&mut attempts).await;
                }
            }
        }
        self.depot.ends.forget(self.id);
    }

    async fn go_on(&mut self, attempts: &mut Attempts) -> Result<(), UploadError> {
        if self.chunks.is_empty() {
            // However many sessions go on at once, when the store is back or a process starts: few are read.
            let _place = self.depot.place().await;
            let (spool, id) = (self.depot.spool.clone(), self.id);
            let Some(facts) = blocking(move || spool.facts(id)).await? else {
                return self.without_header();
            };
            self.facts = facts;
            self.refuse_completed().await?;
            self.put_header().await?;
        }
        loop {
            let Some(mut watch) = self.depot.spool.watch(self.id) else { return Ok(()) };
            let (ended, _) = watch.seen();
            for number in self.depot.spool.closed_segments(self.id)? {
                self.learn_to(number).await?;
                self.put_segment(number).await?;
                *attempts = Attempts::default();
            }
            if ended {
                return self.finish().await;
            }
            watch.changed().await;
        }
    }

    /// Forgets what is read again by the next attempt: thousands may wait for a store that is away.
    fn shed(&mut self) {
        if self.chunks.is_empty() {
            self.facts = SessionRecords::default();
        }
    }

    /// Nothing was dialled, and nobody was told of it, where the header was never whole.
    fn without_header(&self) -> Result<(), UploadError> {
        match self.depot.spool.is_unopened(self.id)? {
            true => Ok(self.depot.spool.finished(self.id)?),
            false => Err(UploadError::CorruptHeader),
        }
    }

    async fn put_header(&mut self) -> Result<(), UploadError> {
        let lines = self.facts.header.clone();
        let object = chunk::compress(&lines)?;
        let uncompressed = lines.len() as u64;
        self.put(0, PendingChunk { object, lines, uncompressed, first_micros: 0, last_micros: 0 }).await
    }

    /// Stores a segment and removes it.
    async fn put_segment(&mut self, number: u32) -> Result<(), UploadError> {
        if self.chunks.last().is_some_and(|last| last.number >= number) {
            return self.let_go(number).await;
        }
        let _place = self.depot.place().await;
        let (spool, id) = (self.depot.spool.clone(), self.id);
        let (packed, mark, damaged) = blocking(move || -> Result<_, UploadError> {
            let segment = spool.segment(id, number)?;
            let (mark, damaged) = (segment.mark, segment.damaged);
            Ok((pack(segment)?, mark, damaged))
        })
        .await?;
        self.mark = mark.or(self.mark);
        if damaged > 0 {
            tracing::error!(session = %id, number, places = damaged, "the spool is damaged: the recording says where");
        }
        if packed.uncompressed > 0 {
            self.refuse_completed().await?;
            self.put(number, packed).await?;
        }
        self.let_go(number).await
    }

    /// Removes a stored segment. What an earlier process knew beside its last lines stays until the manifest is stored, and what
    /// the chunks up to it were: the next process has only the store to learn them from.
    async fn let_go(&self, number: u32) -> Result<(), UploadError> {
        let (spool, id, of_lines) = (self.depot.spool.clone(), self.id, self.mark);
        if self.facts.ended.is_none() && spool.is_left(id) {
            blocking(move || spool.mark(id, of_lines)?.map_or(Ok(()), |mark| spool.keep(id, &mark))).await?;
        }
        if self.facts.stored.as_ref().is_some_and(|(known, _)| *known <= self.last_number()) {
            self.check_stored()?;
        }
        let (spool, stored) = (self.depot.spool.clone(), self.chunks.last().cloned());
        blocking(move || {
            if let Some(Chunk { number, digest, .. }) = stored.filter(|chunk| chunk.number > 0) {
                // A disk without room gets some by what follows.
                let _ = spool.note(id, &SessionRecord::Stored { number, digest });
            }
            spool.stored(id, number)
        })
        .await
    }

    async fn put(&mut self, number: u32, packed: PendingChunk) -> Result<(), UploadError> {
        let PendingChunk { object, lines, uncompressed, first_micros, last_micros } = packed;
        let counted = self.counted(number, &lines);
        // Another version of zstd may have made other bytes of the same lines.
        let ours = |there: &Bytes| chunk::decompress(there, MAX_UNCOMPRESSED).is_ok_and(|there| there == lines);
        let stored = self.depot.put(&Key::chunk(self.id, number), object.into(), LARGEST_OBJECT, ours).await?;
        let stored = stored.map_err(UploadError::Conflict)?;
        self.list(number, &stored, uncompressed, (first_micros, last_micros));
        self.count = counted;
        Ok(())
    }

    /// The count with a chunk's lines. What was found to be missing does not count as something that was said.
    fn counted(&self, number: u32, lines: &[u8]) -> Option<StreamAccounting> {
        let mut count = self.count.clone()?;
        if number > 0 && self.facts.rest.is_none_or(|rest| number < rest) {
            count.lines(lines);
        }
        Some(count)
    }

    /// Adds a chunk to the manifest's list.
    fn list(&mut self, number: u32, object: &[u8], uncompressed: u64, (first_micros, last_micros): (u64, u64)) {
        self.digest = chunk::chain(self.digest, object);
        self.chunks.push(Chunk {
            number,
            size: object.len() as u64,
            uncompressed,
            digest: recording::hex(self.digest),
            first_micros,
            last_micros,
        });
    }

    /// Chunks before `number` that an earlier process stored.
    async fn learn_to(&mut self, number: u32) -> Result<(), UploadError> {
        if self.last_number() + 1 >= number {
            return Ok(());
        }
        let listed = RecordingReader::new(self.depot.store.clone()).objects(self.id).await?;
        // A number that is not there is in neither: the list has a hole, which every reader names.
        for (missing, size) in listed.chunks.into_iter().filter(|(at, _)| *at < number) {
            if missing <= self.last_number() {
                continue;
            }
            let key = Key::chunk(self.id, missing);
            if size > LARGEST_OBJECT {
                return Err(UploadError::Conflict(Conflict(key)));
            }
            let object = match self.depot.observed(self.depot.store.read(&key)).await {
                Err(StoreError::NotFound(_)) => continue,
                other => other?,
            };
            let lines = chunk::decompress(&object, MAX_UNCOMPRESSED).unwrap_or_default();
            self.count = self.counted(missing, &lines);
            let uncompressed = lines.len() as u64;
            let segment = Segment { lines, ..Segment::default() };
            let times = (segment.first_micros().unwrap_or(0), segment.last_micros().unwrap_or(0));
            self.list(missing, &object, uncompressed, times);
        }
        Ok(())
    }

    /// Whether somebody else completed the session while it was not known how this gateway is. Then nothing more may be
    /// put beside what they listed.
    async fn refuse_completed(&mut self) -> Result<(), UploadError> {
        if !std::mem::take(&mut self.doubtful) && !self.completed {
            return Ok(());
        }
        let manifest = Key::manifest(self.id);
        match self.depot.observed(storage::size(&*self.depot.store, &manifest)).await {
            Ok(None) => Ok(()),
            // Ours, perhaps: the spool was not cleared any more. What it lists decides.
            Ok(_) if self.depot.spool.closed_segments(self.id)?.is_empty() => {
                self.completed = true;
                Ok(())
            }
            Ok(_) => Err(UploadError::Conflict(Conflict(manifest))),
            Err(error) => {
                self.doubtful = true;
                Err(error.into())
            }
        }
    }

    async fn finish(&mut self) -> Result<(), UploadError> {
        let (spool, id) = (self.depot.spool.clone(), self.id);
        if let Some(facts) = blocking(move || spool.facts(id)).await? {
            self.facts = facts;
        }
        if self.doubtful_end() {
            self.learn_all().await?;
        }
        self.check_stored()?;
        let told = self.told().await;
        let own = self.count.is_none() && self.facts.ended.is_some();
        let mut manifest = match self.facts.ended.take() {
            Some(manifest) => self.checked(*manifest).await?,
            None => self.interrupted(told.clone()).await?,
        };
        manifest.chunks.clone_from(&self.chunks);
        let stored = self.put_manifest(&manifest).await?;
        // Who completed it in our absence has told of its end; whoever ended it here tells of it.
        if told.is_none() && stored == manifest && !own {
            self.tell(&manifest).await?;
        }
        Ok(self.depot.spool.finished(self.id)?)
    }

    /// What the journal says of the end: of a session that was ended here, once it says something.
    async fn told(&self) -> Option<Outcome> {
        match (&self.facts.told, &self.count) {
            (Some(told), _) => Some(told.clone()),
            (None, None) => self.depot.ends.outcome(self.id).await,
            (None, Some(_)) => None,
        }
    }

    /// An earlier process's session that cannot be stored has its end told all the same; whoever put a manifest there has told it.
    async fn tell_of_conflict(&self, Conflict(key): &Conflict) {
        let Ok(Some(facts)) = self.depot.spool.facts(self.id) else { return };
        if self.count.is_none() || facts.told.is_some() || *key == Key::manifest(self.id) {
            return;
        }
        let ended = facts.ended.map(|manifest| manifest.outcome);
        let outcome = ended.or(facts.said).unwrap_or(Outcome::Interrupted);
        let user = Header::parse(&facts.header).map_or_else(|_| String::new(), |header| header.kubetape.principal.name);
        // Where the journal does not take it the log has it: the session is set aside either way.
        let _ = self.depot.tell(self.id, &user, &outcome).await;
    }

    async fn tell(&self, manifest: &Manifest) -> Result<(), UploadError> {
        let outcome = manifest.outcome.clone();
        if !self.depot.tell(self.id, &manifest.session.principal.name, &outcome).await {
            return Err(UploadError::Retry("the journal did not take the session's end".to_owned()));
        }
        let (spool, id) = (self.depot.spool.clone(), self.id);
        let noted = blocking(move || spool.note(id, &SessionRecord::Told { outcome })).await;
        // A disk that does not take it must not have the end told again and again.
        if let Err(UploadError::Retry(why)) = noted {
            tracing::warn!(session = %id, why, "cannot note that the journal has the session's end");
        }
        Ok(())
    }

    /// Only the header is known: an earlier process may have stored and removed all segments.
    fn doubtful_end(&self) -> bool {
        self.chunks.len() == 1 && self.depot.spool.is_left(self.id)
    }

    /// Whether the store still has what an earlier process put there: the digest of the last chunk vouches for those before it.
    fn check_stored(&self) -> Result<(), UploadError> {
        let Some((number, digest)) = &self.facts.stored else { return Ok(()) };
        match self.chunks.iter().find(|chunk| chunk.number == *number) {
            Some(chunk) if chunk.digest == *digest => Ok(()),
            _ => Err(UploadError::Conflict(Conflict(Key::chunk(self.id, *number)))),
        }
    }

    async fn learn_all(&mut self) -> Result<(), UploadError> {
        let numbers = RecordingReader::new(self.depot.store.clone()).chunk_numbers(self.id).await?;
        match numbers.last() {
            Some(last) => self.learn_to(last + 1).await,
            None => Ok(()),
        }
    }

    /// The answer is the manifest that the store has: this one, or one that says the same of the same chunks.
    async fn put_manifest(&mut self, manifest: &Manifest) -> Result<Manifest, UploadError> {
        let object = self.depot.signer.seal_manifest(&manifest, unix_micros(SystemTime::now()));
        let ours = |there: &Bytes| {
            serde_json::from_slice::<Manifest>(there).is_ok_and(|there| {
                (&there.session, &there.outcome, &there.chunks)
                    == (&manifest.session, &manifest.outcome, &manifest.chunks)
            })
        };
        let _place = self.depot.place().await;
        let put = self.depot.put(&Key::manifest(self.id), object, LARGEST_MANIFEST, ours).await?;
        let stored = put.map_err(UploadError::Conflict)?;
        Ok(serde_json::from_slice(&stored).map_err(io::Error::from)?)
    }

    /// The manifest of a session without an end: what its lines, the mark and facts say, and the journal, which comes first.
    async fn interrupted(&mut self, told: Option<Outcome>) -> Result<Manifest, UploadError> {
        let mark = self.depot.spool.mark(self.id, self.mark)?;
        let header = Header::parse(&self.facts.header).map_err(io::Error::other)?;
        self.put_rest(&header.kubetape, mark.unwrap_or_default()).await?;
        let gist = RecoveredSummary::of(&RecordingReader::new(self.depot.store.clone()), self.id, &self.chunks).await?;
        let known = told.or_else(|| self.facts.said.clone());
        let outcome = known.or_else(|| gist.outcome()).unwrap_or(Outcome::Interrupted);
        tracing::warn!(session = %self.id, outcome = outcome.name(), "completed a session that had no end");
        let digests = mark.and_then(|mark| gist.digests(&mark));
        let mut manifest = gist.manifest(header.kubetape, outcome, self.facts.transport.clone());
        if let Some(mark) = mark {
            manifest.duration_micros = manifest.duration_micros.max(mark.micros);
            manifest.totals = mark.totals;
        }
        manifest.ended_micros = manifest.session.started_micros.saturating_add_unsigned(manifest.duration_micros);
        manifest.contents.digests = digests;
        manifest.image.clone_from(&self.facts.image);
        Ok(manifest)
    }

    /// The manifest of a session with an end, after a look at whether the disk had the lines with it: what is missing is told in
    /// a chunk of its own.
    async fn checked(&mut self, mut manifest: Manifest) -> Result<Manifest, UploadError> {
        let Some(mut count) = self.count.clone() else { return Ok(manifest) };
        let (first, micros) = self.first_of_rest();
        let lacking = count.lacking(&manifest.session, &manifest.totals, micros.max(manifest.duration_micros));
        count.lines(&lacking);
        self.put_beyond(first, lacking).await?;
        let known = manifest.anomalies.clone();
        manifest.anomalies.extend(count.into_missing().into_iter().filter(|text| !known.contains(text)));
        Ok(manifest)
    }

    /// Stores what is known beyond the segments of a session without an end, and what is known to be missing.
    async fn put_rest(&mut self, session: &SessionMetadata, mark: Checkpoint) -> Result<(), UploadError> {
        let (first, micros) = self.first_of_rest();
        let (spool, id, facts) = (self.depot.spool.clone(), self.id, self.facts.clone());
        let mut lines = blocking(move || rest(&spool, id, &facts, &mark, micros)).await?;
        if let Some(mut count) = self.count.clone() {
            count.lines(&lines);
            let last = Segment { lines: std::mem::take(&mut lines), ..Segment::default() };
            let micros = last.last_micros().unwrap_or(micros).max(mark.micros);
            lines = [last.lines, count.lacking(session, &mark.totals, micros)].concat();
        }
        self.put_beyond(first, lines).await
    }

    /// Number of the first chunk beyond the segments, and the time of the last line before it.
    fn first_of_rest(&self) -> (u32, u64) {
        let first = self.facts.rest.unwrap_or_else(|| self.last_number() + 1);
        let before = self.chunks.iter().rfind(|chunk| chunk.number < first);
        (first, before.map_or(0, |chunk| chunk.last_micros))
    }

    /// Stores lines as chunks of their own, of which the first's number is written down before: whoever goes on after this
    /// process makes the same of the same, and must not store it twice.
    async fn put_beyond(&mut self, first: u32, lines: Vec<u8>) -> Result<(), UploadError> {
        if !lines.is_empty() && self.facts.rest.is_none() {
            let (spool, id) = (self.depot.spool.clone(), self.id);
            blocking(move || spool.note(id, &SessionRecord::Rest { chunk: first })).await?;
            self.facts.rest = Some(first);
        }
        let _place = self.depot.place().await;
        for (number, lines) in (first..).zip(pieces(&lines, LARGEST_BEYOND)) {
            if number > self.last_number() {
                self.put_one_beyond(number, lines.to_vec()).await?;
            }
        }
        Ok(())
    }

    async fn put_one_beyond(&mut self, number: u32, lines: Vec<u8>) -> Result<(), UploadError> {
        let packed = blocking(move || pack(Segment { lines, ..Segment::default() })).await?;
        self.refuse_completed().await?;
        if self.completed {
            return Err(UploadError::Conflict(Conflict(Key::manifest(self.id))));
        }
        self.put(number, packed).await
    }

    fn last_number(&self) -> u32 {
        self.chunks.last().map_or(0, |chunk| chunk.number)
    }

    fn set_aside(&self, why: &dyn std::fmt::Display) {
        let session = self.id;
        match self.depot.spool.set_aside(session) {
            Ok(place) => {
                tracing::error!(%session, place = %place.display(), %why, "the session cannot be stored: it is kept aside");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(%session, error, %why, "the session cannot be stored");
            }
        }
    }
}

fn pack(segment: Segment) -> io::Result<PendingChunk> {
    Ok(PendingChunk {
        object: chunk::compress(&segment.lines)?,
        uncompressed: segment.lines.len() as u64,
        first_micros: segment.first_micros().unwrap_or(0),
        last_micros: segment.last_micros().unwrap_or(0),
        lines: segment.lines,
    })
}

/// File calls and compression block: they run where blocking is allowed.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, UploadError>
where
    T: Send + 'static,
    E: Into<UploadError> + Send + 'static,
{
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(gone) => Err(UploadError::Retry(gone.to_string())),
    }
}
