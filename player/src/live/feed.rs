use std::time::Duration;

use recording::{Micros, RecordingId, cast::events};
use spool::{Follow, SpoolError, SpoolEvent, SpoolReader};
use storage::{RecordingError, RecordingReader};
use tokio::time::timeout;

use crate::{
    PlayerError,
    chunk_read::{ChunkRead, read_chunk},
    projector::{EventPosition, ProjectedEvent, Projector},
    settings::STORE_TIMEOUT,
    timeline::SegmentStart,
};

/// How often the store is asked for the chunks of a session that another gateway records. A gateway stores one every few
/// seconds.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// How long one read of the spool may take if its data is there. A read that takes longer waits for the session.
const SPOOL_READ_TIMEOUT: Duration = Duration::from_millis(50);

/// A session's visible events from a segment's start on, as they come.
pub(super) struct LiveFeed {
    recordings: RecordingReader,
    id: RecordingId,
    source: FeedSource,
    projector: Projector,
    /// Events before it, in its chunk, are in the snapshot that the view began with.
    from: EventPosition,
    /// How many events of that chunk have come so far.
    seen: usize,
    over: bool,
}

enum FeedSource {
    /// This process records the session.
    SpoolReader(Box<Follow>),
    /// Another process does: the chunks of the store after this one.
    Store(u32),
}

impl LiveFeed {
    pub(super) fn open(
        recordings: RecordingReader,
        spool: Option<&SpoolReader>,
        id: RecordingId,
        start: &SegmentStart,
    ) -> Self {
        let source = match spool.and_then(|spool| spool.follow(id, start.position.chunk)) {
            Some(follow) => FeedSource::SpoolReader(Box::new(follow)),
            None => FeedSource::Store(start.position.chunk.saturating_sub(1)),
        };
        let (projector, from) = (start.projector.clone(), start.position);
        Self { recordings, id, source, projector, from, seen: 0, over: false }
    }

    /// Events that are there already; `None` if what follows has to be waited for.
    pub(super) async fn ready(&mut self) -> Result<Option<Vec<(Micros, ProjectedEvent)>>, PlayerError> {
        match &mut self.source {
            FeedSource::SpoolReader(follow) => match timeout(SPOOL_READ_TIMEOUT, follow.next()).await {
                Ok(event) => self.spooled(event).await,
                Err(_) => Ok(None),
            },
            FeedSource::Store(_) => self.stored().await,
        }
    }

    /// Waits for the next events. `None` if the session is over and all of it was returned.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<(Micros, ProjectedEvent)>>, PlayerError> {
        loop {
            if let FeedSource::SpoolReader(follow) = &mut self.source {
                let event = follow.next().await;
                return self.spooled(event).await;
            }
            if let Some(out) = self.stored().await? {
                return Ok(Some(out));
            }
            if self.over {
                return Ok(None);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn spooled(
        &mut self,
        event: Result<Option<SpoolEvent>, SpoolError>,
    ) -> Result<Option<Vec<(Micros, ProjectedEvent)>>, PlayerError> {
        match event.map_err(|error| PlayerError::Spool(Box::new(error)))? {
            Some(SpoolEvent::Lines { number, lines }) => Ok(Some(self.lines(number, &lines))),
            Some(SpoolEvent::Stored { from, to }) => Ok(Some(self.moved(from, to).await)),
            None => Ok(None),
        }
    }

    /// The events of chunks that have left the spool for the store. If the store does not return one in time, a notice
    /// stands for it and for those behind it, so that it does not hold up what is printed now.
    async fn moved(&mut self, from: u32, to: u32) -> Vec<(Micros, ProjectedEvent)> {
        let mut out = Vec::new();
        for number in from..=to {
            match timeout(STORE_TIMEOUT, self.recordings.chunk(self.id, number)).await {
                Ok(Ok(lines)) => out.append(&mut self.lines(number, &lines)),
                Ok(Err(RecordingError::Chunk { .. })) => {
                    out.push(self.notice(|projector| projector.unreadable(number)))
                }
                Ok(Err(RecordingError::Gap { .. })) => out.push(self.notice(|projector| projector.gap(number, number))),
                Ok(Err(_)) | Err(_) => {
                    out.push(self.notice(|projector| projector.unavailable(number, to)));
                    break;
                }
            }
        }
        out
    }

    /// The events of chunks that were stored since the last poll; `None` if there are none.
    async fn stored(&mut self) -> Result<Option<Vec<(Micros, ProjectedEvent)>>, PlayerError> {
        let FeedSource::Store(last) = &mut self.source else { return Ok(None) };
        let mut chunks = self.recordings.chunks_after(self.id, *last).await?;
        self.over = chunks.manifest().is_some();
        let mut newest = *last;
        let mut out = Vec::new();
        loop {
            match read_chunk(&mut chunks).await? {
                ChunkRead::End => break,
                ChunkRead::Lines(number, lines) => {
                    newest = number;
                    out.append(&mut self.lines(number, &lines));
                }
                ChunkRead::Gap(from, to) => {
                    newest = to;
                    out.push(self.notice(|projector| projector.gap(from, to)));
                }
                ChunkRead::Unreadable(number) => {
                    newest = number;
                    out.push(self.notice(|projector| projector.unreadable(number)));
                }
            }
        }
        self.source = FeedSource::Store(newest);
        Ok((!out.is_empty()).then_some(out))
    }

    fn notice(&mut self, make: impl FnOnce(&mut Projector) -> ProjectedEvent) -> (Micros, ProjectedEvent) {
        let notice = make(&mut self.projector);
        (self.projector.now(), notice)
    }

    /// The events of lines that are a chunk or a part of one.
    fn lines(&mut self, number: u32, lines: &[u8]) -> Vec<(Micros, ProjectedEvent)> {
        let mut out = Vec::new();
        for event in events(lines) {
            if number == self.from.chunk && self.seen < self.from.event {
                self.seen += 1;
                continue;
            }
            if let Some(shown) = self.projector.project(&event) {
                out.push((self.projector.now(), shown));
            }
        }
        out
    }
}
