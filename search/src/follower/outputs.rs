//! The output's part of a step: what recordings that are over showed.
//!
//! It is read after the heads and commands of all of them, since it can be much. A step of a running follower reads for
//! a while only, and the next one goes on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use recording::RecordingId;
use storage::{
    RecordingError, RecordingReader,
    recordings::{Chunks, Piece},
};

use super::{Follower, Report, ScanMode};
use crate::{Index, Result, SearchError, document::Stage, mask::Masks, origin::Origin, output::Reading, reading};

/// Time that a step of a running follower takes for output.
const PATIENCE: Duration = Duration::from_millis(500);
/// Recordings whose output waits to be read; with more, nothing else is done first.
const MOST_WAITING: usize = 512;

/// A recording that is being read.
pub(super) struct Open {
    chunks: Chunks,
    reading: Reading,
}

/// What became of a recording's turn.
enum Turn {
    Done {
        damaged: Vec<RecordingError>,
    },
    /// There was no time for all of it.
    More(Box<Open>),
    /// The store failed: it is begun again.
    Store,
    Index(SearchError),
}

impl Follower {
    /// Reads output that waits, if there is too much of it.
    pub(super) async fn read_if_much_waits(&mut self, report: Report<'_>) -> Result<()> {
        if self.state().reading.len() < MOST_WAITING { Ok(()) } else { self.read_outputs(ScanMode::Full, report).await }
    }

    /// Reads output that waits, newest recording first.
    pub(super) async fn read_outputs(&mut self, care: ScanMode, report: Report<'_>) -> Result<()> {
        let deadline = (care != ScanMode::Full).then(|| Instant::now() + PATIENCE);
        let waiting: Vec<RecordingId> = self.state().reading.iter().rev().copied().collect();
        let (recordings, index, masks) = (self.recordings.clone(), self.index.clone(), Arc::clone(&self.masks));
        let begun: Vec<(RecordingId, Option<Box<Open>>)> =
            waiting.into_iter().map(|id| (id, self.outputs.remove(&id))).collect();
        let turns = begun.into_iter().map(|(id, open)| {
            let (recordings, index, masks) = (recordings.clone(), index.clone(), Arc::clone(&masks));
            async move { (id, turn(&recordings, &index, &masks, id, open, deadline).await) }
        });
        let mut turns = Box::pin(stream::iter(turns).buffer_unordered(self.at_once));
        let mut failed = None;
        while let Some((id, (documents, turn))) = turns.next().await {
            self.added(documents);
            match turn {
                Turn::Done { damaged } => {
                    self.index.delete_live_output(id)?;
                    self.state().reading.remove(&id);
                    self.progress.read += 1;
                    self.added(1);
                    damaged.iter().for_each(|error| self.damaged(id, error));
                }
                Turn::More(open) => _ = self.outputs.insert(id, open),
                Turn::Store => {}
                Turn::Index(error) => failed = Some(error),
            }
            self.commit_if_many(report).await?;
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Reads a recording on, until it ends or the deadline is over. Says how many documents were added.
async fn turn(
    recordings: &RecordingReader,
    index: &Index,
    masks: &Arc<Masks>,
    id: RecordingId,
    open: Option<Box<Open>>,
    deadline: Option<Instant>,
) -> (usize, Turn) {
    let mut documents = 0;
    let mut damaged = Vec::new();
    let is_late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    let mut open = match open {
        Some(open) => open,
        // Nothing was read and nothing is there: the next step begins.
        None if is_late() => return (0, Turn::Store),
        None => match begin(recordings, index, masks, id).await {
            Ok(Some(open)) => open,
            Ok(None) => return (0, Turn::Done { damaged }),
            Err(turn) => return (0, turn),
        },
    };
    loop {
        if is_late() {
            return (documents, Turn::More(open));
        }
        let lines = match open.chunks.next().await {
            Ok(Some(Piece::Lines { lines, .. })) => Some(lines),
            Ok(Some(Piece::Gap { .. })) => continue,
            Ok(None) => None,
            Err(RecordingError::Store(_)) => return (documents, Turn::Store),
            Err(error) => {
                damaged.push(error);
                continue;
            }
        };
        let over = lines.is_none();
        let (chunks, mut reading) = (open.chunks, open.reading);
        let index = index.clone();
        let read = tokio::task::spawn_blocking(move || {
            let (found, reading) = match lines {
                Some(lines) => (reading.chunk(&lines), Some(reading)),
                None => (reading.finish(), None),
            };
            index.add(&found).map(|()| (found.len(), reading))
        });
        match read.await {
            Ok(Ok((found, reading))) => {
                documents += found;
                match reading {
                    Some(reading) if !over => open = Box::new(Open { chunks, reading }),
                    _ => return (documents, Turn::Done { damaged }),
                }
            }
            Ok(Err(error)) => return (documents, Turn::Index(error)),
            Err(error) => return (documents, Turn::Index(super::panicked(&error))),
        }
    }
}

/// Begins with a recording; none where it has no manifest that can be read.
async fn begin(
    recordings: &RecordingReader,
    index: &Index,
    masks: &Arc<Masks>,
    id: RecordingId,
) -> Result<Option<Box<Open>>, Turn> {
    let chunks = match recordings.chunks(id).await {
        Ok(chunks) => chunks,
        Err(RecordingError::Store(_)) => return Err(Turn::Store),
        Err(error) => return Err(Turn::Done { damaged: vec![error] }),
    };
    let Some(manifest) = chunks.manifest() else { return Ok(None) };
    let of = Origin::of(&reading::row(&manifest.session, Some(manifest), masks));
    // What an earlier turn of another process left.
    index.delete_output(id, Stage::Over).map_err(Turn::Index)?;
    let reading = Reading::new(of, Stage::Over, Arc::clone(masks));
    Ok(Some(Box::new(Open { chunks, reading })))
}
