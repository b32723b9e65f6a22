use recording::Chunk;
use storage::{ChunkObject, StoredChunk};

use crate::blocking::blocking;

/// The chunks that a manifest will list, each digest chained to the one before it.
#[derive(Debug, Default)]
pub(crate) struct ChunkList {
    chunks: Vec<Chunk>,
    digest: [u8; 32],
}

impl ChunkList {
    /// The chunks so far, in order.
    pub(crate) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The digest of the last chunk, to which the next one is chained.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The last chunk's number, 0 before the first.
    pub(crate) fn last_number(&self) -> u32 {
        self.chunks.last().map_or(0, |chunk| chunk.number)
    }

    /// Adds a chunk with these lines.
    pub(crate) fn push(&mut self, stored: &StoredChunk, lines: &[u8]) {
        let (first, last) = (spool::first_time(lines), spool::last_time(lines));
        self.digest = stored.digest;
        self.chunks.push(stored.listed(first.unwrap_or_default(), last.unwrap_or_default()));
    }

    /// Adds a chunk that was read from the store. Returns its lines, or `None` if it is damaged.
    pub(crate) async fn learn(&mut self, object: ChunkObject) -> Option<Vec<u8>> {
        let previous = self.digest;
        let (stored, lines) = blocking(move || {
            let lines = object.lines().ok();
            (object.stored(lines.as_ref().map_or(0, Vec::len) as u64, previous), lines)
        })
        .await;
        self.push(&stored, lines.as_deref().unwrap_or_default());
        lines
    }
}
