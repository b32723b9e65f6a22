use std::collections::VecDeque;

use super::{RecordingError, RecordingReader};
use recording::{
    Manifest, RecordingId,
    cast::{Event, Header, events},
};

/// What comes next of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkOrGap {
    /// A chunk's lines, decompressed.
    Lines {
        /// The chunk's number.
        number: u32,
        /// Whole lines.
        lines: Vec<u8>,
    },
    /// Chunks that must be there and are not.
    Gap {
        /// The first of them.
        from: u32,
        /// The last of them.
        to: u32,
    },
}

/// A recording's chunks one after the other, from number 1 on; see [`RecordingReader::chunks`].
#[derive(Debug)]
pub struct Chunks {
    recordings: RecordingReader,
    id: RecordingId,
    numbers: VecDeque<u32>,
    expected: u32,
    /// The last number that the manifest lists, until it was seen.
    last: Option<u32>,
    manifest: Option<Manifest>,
}

impl RecordingReader {
    /// The chunks with events, in order, as they are listed now; each is read when it is asked for. What is missing
    /// between two chunks, or at the end by the manifest, comes as [`ChunkOrGap::Gap`].
    ///
    /// # Errors
    /// The store's, or a manifest that cannot be read.
    pub async fn chunks(&self, id: RecordingId) -> Result<Chunks, RecordingError> {
        self.chunks_after(id, 0).await
    }

    /// The chunks after `number`, in order: see [`Self::chunks`].
    ///
    /// # Errors
    /// As [`Self::chunks`].
    pub async fn chunks_after(&self, id: RecordingId, number: u32) -> Result<Chunks, RecordingError> {
        // The manifest is written last: whatever it lists is in a listing that is made after it was read.
        let manifest = self.manifest(id).await?;
        let last = manifest.as_ref().and_then(|manifest| manifest.chunks.iter().map(|chunk| chunk.number).max());
        let numbers = self.chunk_numbers_after(id, Some(number)).await?.into();
        Ok(Chunks { recordings: self.clone(), id, numbers, expected: number.saturating_add(1), last, manifest })
    }

    /// Header and all events. For recordings that fit in memory; see [`Self::chunks`] for others.
    ///
    /// # Errors
    /// A gap or a line that cannot be read is an error here.
    pub async fn events(&self, id: RecordingId) -> Result<(Header, Vec<Event>), RecordingError> {
        let header = self.header(id).await?;
        let mut chunks = self.chunks(id).await?;
        let mut all = Vec::new();
        while let Some(item) = chunks.next().await? {
            match item {
                ChunkOrGap::Gap { from, .. } => return Err(RecordingError::Gap { id, number: from }),
                ChunkOrGap::Lines { number, lines } => {
                    for event in events(&lines) {
                        all.push(event.map_err(|source| RecordingError::Line { id, number, source })?);
                    }
                }
            }
        }
        Ok((header, all))
    }
}

impl Chunks {
    /// The manifest, as it was when the chunks were listed. With one, no further chunk will come.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The next chunk or gap; `None` at the end.
    ///
    /// # Cancel safety
    /// If the future is dropped the chunk that was being read is skipped.
    ///
    /// # Errors
    /// A chunk that cannot be read. The next call goes on with the one after it.
    pub async fn next(&mut self) -> Result<Option<ChunkOrGap>, RecordingError> {
        let Some(&number) = self.numbers.front() else { return Ok(self.tail()) };
        if number > self.expected {
            let from = std::mem::replace(&mut self.expected, number);
            return Ok(Some(ChunkOrGap::Gap { from, to: number - 1 }));
        }
        self.numbers.pop_front();
        self.expected = number.saturating_add(1);
        let lines = self.recordings.chunk(self.id, number).await?;
        Ok(Some(ChunkOrGap::Lines { number, lines }))
    }

    fn tail(&mut self) -> Option<ChunkOrGap> {
        let last = self.last.take().filter(|last| *last >= self.expected)?;
        Some(ChunkOrGap::Gap { from: self.expected, to: last })
    }
}
