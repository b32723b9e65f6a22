use std::time::Duration;

use recording::{RecordingId, cast::events};
use spool::{Follow, SpoolError, SpoolEvent, SpoolReader};
use storage::{RecordingError, RecordingReader};
use tokio::time::timeout;

use crate::{
    PlayerError,
    here::PATIENCE,
    projector::{Place, ProjectedEvent, Projector},
    timeline::{Mark, Next, next},
};

/// Between two looks at a store in which another gateway records. It stores a chunk every few seconds.
const LOOK: Duration = Duration::from_millis(500);

/// For one read of the spool.
const MOMENT: Duration = Duration::from_millis(50);

/// What is shown from a mark on, as it comes.
pub(super) struct Feed {
    recordings: RecordingReader,
    id: RecordingId,
    source: Source,
    projector: Projector,
    /// Events of this chunk up to there were drawn before.
    from: Place,
    /// Events of that chunk that have come so far.
    seen: usize,
    over: bool,
}

enum Source {
    /// The gateway of this process records it.
    Spool(Box<Follow>),
    /// The chunks of the store, after this one.
    Store(u32),
}

impl Feed {
    pub(super) fn open(recordings: RecordingReader, spool: Option<&SpoolReader>, id: RecordingId, mark: &Mark) -> Self {
        let source = match spool.and_then(|spool| spool.follow(id, mark.place.chunk)) {
            Some(follow) => Source::Spool(Box::new(follow)),
            None => Source::Store(mark.place.chunk.saturating_sub(1)),
        };
        Self { recordings, id, source, projector: mark.projector.clone(), from: mark.place, seen: 0, over: false }
    }

    /// What is there without waiting for the session; none when that is all.
    pub(super) async fn ready(&mut self) -> Result<Option<Vec<(u64, ProjectedEvent)>>, PlayerError> {
        match &mut self.source {
            // A read takes a moment, so it is given one; what waits longer waits for the session.
            Source::Spool(follow) => match tokio::time::timeout(MOMENT, follow.next()).await {
                Ok(news) => self.spooled(news).await,
                Err(_) => Ok(None),
            },
            Source::Store(_) => self.stored().await,
        }
    }

    /// What comes next; none when the session is over and all was shown.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<(u64, ProjectedEvent)>>, PlayerError> {
        loop {
            if let Source::Spool(follow) = &mut self.source {
                let news = follow.next().await;
                return self.spooled(news).await;
            }
            if let Some(frames) = self.stored().await? {
                return Ok(Some(frames));
            }
            if self.over {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn spooled(
        &mut self,
        news: Result<Option<SpoolEvent>, SpoolError>,
    ) -> Result<Option<Vec<(u64, ProjectedEvent)>>, PlayerError> {
        match news.map_err(|error| PlayerError::Spool(Box::new(error)))? {
            Some(SpoolEvent::Lines { number, lines }) => Ok(Some(self.lines(number, &lines))),
            Some(SpoolEvent::Stored { from, to }) => Ok(Some(self.left(from, to).await)),
            None => Ok(None),
        }
    }

    /// Chunks that have left the spool for the store. One that the store does not give is told, with those behind it: what is
    /// said now is not held up by it.
    async fn left(&mut self, from: u32, to: u32) -> Vec<(u64, ProjectedEvent)> {
        let mut frames = Vec::new();
        for number in from..=to {
            match timeout(PATIENCE, self.recordings.chunk(self.id, number)).await {
                Ok(Ok(lines)) => frames.append(&mut self.lines(number, &lines)),
                Ok(Err(RecordingError::Chunk { .. })) => frames.push(self.told(|p| p.unreadable(number))),
                Ok(Err(RecordingError::Gap { .. })) => frames.push(self.told(|p| p.gap(number, number))),
                Ok(Err(_)) | Err(_) => {
                    frames.push(self.told(|p| p.away(number, to)));
                    break;
                }
            }
        }
        frames
    }

    /// Chunks that came into the store since the last look; none where there are no new ones.
    async fn stored(&mut self) -> Result<Option<Vec<(u64, ProjectedEvent)>>, PlayerError> {
        let Source::Store(last) = &mut self.source else { return Ok(None) };
        let mut chunks = self.recordings.chunks_after(self.id, *last).await?;
        self.over = chunks.manifest().is_some();
        let mut newest = *last;
        let mut frames = Vec::new();
        loop {
            match next(&mut chunks).await? {
                Next::End => break,
                Next::Lines(number, lines) => {
                    newest = number;
                    frames.append(&mut self.lines(number, &lines));
                }
                Next::Gap(from, to) => {
                    newest = to;
                    frames.push(self.told(|projector| projector.gap(from, to)));
                }
                Next::Unreadable(number) => {
                    newest = number;
                    frames.push(self.told(|projector| projector.unreadable(number)));
                }
            }
        }
        self.source = Source::Store(newest);
        Ok((!frames.is_empty()).then_some(frames))
    }

    fn told(&mut self, say: impl FnOnce(&mut Projector) -> ProjectedEvent) -> (u64, ProjectedEvent) {
        let shown = say(&mut self.projector);
        (self.projector.now(), shown)
    }

    /// The frames of lines that are a chunk or a piece of one.
    fn lines(&mut self, number: u32, lines: &[u8]) -> Vec<(u64, ProjectedEvent)> {
        let mut frames = Vec::new();
        for event in events(lines) {
            if number == self.from.chunk && self.seen < self.from.event {
                self.seen += 1;
                continue;
            }
            if let Some(shown) = self.projector.project(&event) {
                frames.push((self.projector.now(), shown));
            }
        }
        frames
    }
}
