//! The sessions of this process's gateway, from its spool: they are found before a chunk of them is stored.
//!
//! ```text
//! in the spool  ─▶ feed: commands and output as they come      the state says "nothing was read"
//! no longer     ─▶ the manifest is in the store: finished as any other recording
//! ```
//!
//! Since the state does not know how far a feed came, all that feeds added is taken back and read again after a start.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use recording::{RecordingId, cast::SessionMetadata};
use spool::{Follow, SpoolError, SpoolEvent, SpoolReader};
use storage::{RecordingError, RecordingReader};

use super::{Follower, Report, recordings::Look};
use crate::{Index, Masks, Result, document::Stage, origin::Origin, output::Reading, reading};

/// Between two looks at the spool.
pub(super) const EVERY: Duration = Duration::from_millis(400);
/// Time that one look takes, about; what is left comes with the next.
const PATIENCE: Duration = Duration::from_millis(250);
/// Sessions that are read from the spool at the same time; of more, chunks are read once they are stored.
const MOST: usize = 1024;
/// Those whose output is read on as well; of more, the output is found after their end.
const MOST_READINGS: usize = 256;
/// After the last line of a session, how long lines on its screen may still be told.
const SETTLING: Duration = Duration::from_secs(3);

/// The sessions that are read from the spool.
#[derive(Default)]
pub(super) struct Feeds {
    spool: Option<SpoolReader>,
    open: BTreeMap<RecordingId, Feed>,
    /// Those that cannot be read here.
    refused: HashSet<RecordingId>,
    /// Where the next look begins, so that a flood in one session does not hide the others.
    turn: Option<RecordingId>,
    looked: Option<Instant>,
}

impl Feeds {
    pub(super) fn new(spool: SpoolReader) -> Self {
        Self { spool: Some(spool), ..Self::default() }
    }

    pub(super) fn contains(&self, id: RecordingId) -> bool {
        self.open.contains_key(&id)
    }

    pub(super) fn exist(&self) -> bool {
        self.spool.is_some()
    }

    /// Forgets how far they came: they are read from the start.
    pub(super) fn start_over(&mut self) {
        self.open.clear();
    }

    /// Sessions that came into the spool, and those that left it.
    fn changes(&self) -> (Vec<RecordingId>, Vec<RecordingId>) {
        let Some(spool) = &self.spool else { return Default::default() };
        let there = spool.sessions();
        let new = there.iter().filter(|id| !self.contains(**id) && !self.refused.contains(id)).copied().collect();
        let gone = self.open.keys().filter(|id| !spool.has(**id)).copied().collect();
        (new, gone)
    }

    /// All, the one after the last that was read first.
    fn in_turn(&self) -> Vec<RecordingId> {
        let mut ids: Vec<RecordingId> = self.open.keys().copied().collect();
        let next = self.turn.map_or(0, |last| ids.partition_point(|id| *id <= last));
        ids.rotate_left(next);
        ids
    }
}

/// A session that is read.
struct Feed {
    id: RecordingId,
    of: Origin,
    follow: Follow,
    /// Chunks that are read from the store, since they left the spool before they were read there.
    stored: VecDeque<u32>,
    /// None where there are too many, and of a session that has ended.
    reading: Option<Box<Reading>>,
    heard: Instant,
    /// Whether all lines on the screen were told since.
    settled: bool,
}

impl Follower {
    /// Takes in what is new in the spool, and commits it; not more often than [`EVERY`]. Says whether a session ended.
    pub(super) async fn follow_spool(&mut self, report: Report<'_>) -> Result<bool> {
        if !self.feeds.exist() || self.feeds.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(false);
        }
        self.know_state()?;
        let ended = self.read_spool().await?;
        self.feeds.looked = Some(Instant::now());
        self.commit(report).await?;
        Ok(ended)
    }

    /// Takes in what is new in the spool. Says whether a session ended.
    pub(super) async fn read_spool(&mut self) -> Result<bool> {
        let (new, gone) = self.feeds.changes();
        for id in &gone {
            self.feeds.open.remove(id);
            self.known.wake(*id);
            match self.look_at(*id, 0).await {
                Ok(_) => {}
                Err(Look::Recording(error)) => self.damaged(*id, &error),
                Err(Look::Index(error)) => return Err(error),
            }
        }
        for id in new {
            self.begin_feed(id)?;
        }
        let deadline = Instant::now() + PATIENCE;
        for id in self.feeds.in_turn() {
            self.read_feed(id, deadline).await?;
            self.feeds.turn = Some(id);
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(!gone.is_empty())
    }

    /// Begins to read a session, in the place of whatever the index has of it.
    fn begin_feed(&mut self, id: RecordingId) -> Result<()> {
        let is_done = self.known.contains(id) && !self.state().open.contains_key(&id);
        if is_done || self.feeds.open.len() >= MOST {
            return Ok(());
        }
        let Some((session, follow)) = self.feeds.spool.as_ref().and_then(|spool| start(spool, id)) else {
            self.feeds.refused.insert(id);
            return Ok(());
        };
        let documents = reading::begun(&session, &self.masks);
        self.index.replace_session(id, &documents)?;
        self.index.delete_live_output(id)?;
        self.added(documents.len());
        self.state().open.insert(id, 0);
        self.known.take_over(id);
        let of = Origin::of(&reading::row(&session, None, &self.masks));
        let readings = self.feeds.open.values().filter(|feed| feed.reading.is_some()).count();
        let reading = (readings < MOST_READINGS)
            .then(|| Box::new(Reading::new(of.clone(), Stage::Live, Arc::clone(&self.masks))));
        let feed = Feed { id, of, follow, stored: VecDeque::new(), reading, heard: Instant::now(), settled: false };
        self.feeds.open.insert(id, feed);
        Ok(())
    }

    async fn read_feed(&mut self, id: RecordingId, deadline: Instant) -> Result<()> {
        let Some(mut feed) = self.feeds.open.remove(&id) else { return Ok(()) };
        let (documents, read) = feed.read(&self.recordings, &self.index, &self.masks, deadline).await;
        self.added(documents);
        match read {
            Ok(()) => {}
            Err(Trouble::Store(error)) => self.damaged(id, &error),
            Err(Trouble::Index(error)) => return Err(error),
            Err(Trouble::Spool(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(session = %id, error, "a session in the spool cannot be read: its chunks are, once stored");
                self.feeds.refused.insert(id);
                return Ok(());
            }
        }
        self.feeds.open.insert(id, feed);
        Ok(())
    }
}

/// What a session's header says, and its lines; none where they cannot be read.
fn start(spool: &SpoolReader, id: RecordingId) -> Option<(SessionMetadata, Follow)> {
    let follow = spool.follow(id, 1)?;
    let header = spool.header(id).ok().flatten()?;
    (header.kubetape.id == id).then_some((header.kubetape, follow))
}

/// Why a feed was not read on.
enum Trouble {
    /// Is tried again.
    Store(RecordingError),
    Spool(SpoolError),
    Index(crate::SearchError),
}

impl Feed {
    /// Takes in what is there, until the deadline. Says how many documents were added.
    async fn read(
        &mut self,
        recordings: &RecordingReader,
        index: &Index,
        masks: &Arc<Masks>,
        deadline: Instant,
    ) -> (usize, Result<(), Trouble>) {
        let mut documents = 0;
        loop {
            let lines = match self.lines(recordings).await {
                Ok(Some(lines)) => lines,
                Ok(None) => break,
                Err(trouble) => return (documents, Err(trouble)),
            };
            match self.take(index, masks, Some(lines)).await {
                Ok(added) => documents += added,
                Err(trouble) => return (documents, Err(trouble)),
            }
            if Instant::now() >= deadline {
                return (documents, Ok(()));
            }
        }
        if !self.settled {
            // Looked at before: on a busy machine this look may be the only one since, however late it is.
            let settled = self.heard.elapsed() >= SETTLING;
            match self.take(index, masks, None).await {
                Ok(added) => documents += added,
                Err(trouble) => return (documents, Err(trouble)),
            }
            self.settled = settled;
        } else if self.reading.is_some() && self.follow.is_over() {
            // It waits for the store, which may be away for long: its screen is not kept for that.
            self.reading = None;
        }
        (documents, Ok(()))
    }

    /// The next lines; none where that is all for now.
    async fn lines(&mut self, recordings: &RecordingReader) -> Result<Option<Vec<u8>>, Trouble> {
        loop {
            if let Some(&number) = self.stored.front() {
                let lines = recordings.chunk(self.id, number).await;
                if let Err(error @ RecordingError::Store(_)) = lines {
                    return Err(Trouble::Store(error));
                }
                self.stored.pop_front();
                // What is damaged is told once the recording is over.
                if let Ok(lines) = lines {
                    return Ok(Some(lines));
                }
                continue;
            }
            match self.follow.ready().await.map_err(Trouble::Spool)? {
                Some(SpoolEvent::Lines { lines, .. }) => return Ok(Some(lines)),
                Some(SpoolEvent::Stored { from, to }) => self.stored.extend(from..=to),
                None => return Ok(None),
            }
        }
    }

    /// Adds what is in the lines; without any, what stood on the screen for long enough.
    async fn take(&mut self, index: &Index, masks: &Arc<Masks>, lines: Option<Vec<u8>>) -> Result<usize, Trouble> {
        if lines.is_some() {
            self.heard = Instant::now();
            self.settled = false;
        }
        let (id, of, index, masks) = (self.id, self.of.clone(), index.clone(), Arc::clone(masks));
        let mut reading = self.reading.take();
        let since = Timestamp::now().as_microsecond().saturating_sub(of.started);
        let read = tokio::task::spawn_blocking(move || {
            let mut added = 0;
            if let Some(lines) = &lines {
                let commands = if of.tty { reading::typed(&of, lines, &masks) } else { Vec::new() };
                let whole = reading.as_mut().map_or_else(Vec::new, |reading| reading.chunk(lines));
                index.add(&commands)?;
                index.add(&whole)?;
                added += commands.len() + whole.len();
            } else if let Some(reading) = &mut reading {
                let shown = reading.pause(u64::try_from(since).unwrap_or(0));
                index.add_shown(id, &shown)?;
                added += shown.documents();
            }
            Ok((added, reading))
        });
        let (added, reading) = match read.await {
            Ok(read) => read.map_err(Trouble::Index)?,
            Err(gone) => return Err(Trouble::Index(super::panicked(&gone))),
        };
        self.reading = reading;
        Ok(added)
    }
}
