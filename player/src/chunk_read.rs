use storage::{
    RecordingError,
    recordings::{ChunkOrGap, Chunks},
};

use crate::PlayerError;

/// What reading a recording's next chunk gave, with damage as a value.
pub(crate) enum ChunkRead {
    /// The chunk's number and its lines.
    Lines(u32, Vec<u8>),
    /// The first and the last of the chunks that are missing.
    Gap(u32, u32),
    /// The number of a chunk that is stored and cannot be read.
    Unreadable(u32),
    /// No chunk follows.
    End,
}

/// Reads the next chunk. Damage is a value, so that it does not keep the rest of the recording from being shown.
///
/// # Errors
/// [`PlayerError::Recording`] if the store fails.
pub(crate) async fn read_chunk(chunks: &mut Chunks) -> Result<ChunkRead, PlayerError> {
    match chunks.next().await {
        Ok(None) => Ok(ChunkRead::End),
        Ok(Some(ChunkOrGap::Lines { number, lines })) => Ok(ChunkRead::Lines(number, lines)),
        Ok(Some(ChunkOrGap::Gap { from, to })) => Ok(ChunkRead::Gap(from, to)),
        Err(RecordingError::Chunk { number, .. }) => Ok(ChunkRead::Unreadable(number)),
        Err(RecordingError::Gap { number, .. }) => Ok(ChunkRead::Gap(number, number)),
        Err(error) => Err(error.into()),
    }
}
