//! A chunk: whole lines in one zstd frame that knows its content's size and carries a checksum.

use std::{
    io::{self, Read},
    sync::Mutex,
};

use sha2::{Digest, Sha256};
use thiserror::Error;
use zstd::bulk::Compressor;

/// Most that a chunk or journal object may hold once decompressed. A writer stays far below it; what claims more is
/// refused unread.
pub const MAX_UNCOMPRESSED: usize = 64 << 20;

/// Largest object in bytes that is read as a chunk: 64 MiB of lines that do not compress stay below. Anybody who can
/// write the store may have put a larger one.
pub const LARGEST_OBJECT: u64 = 80 << 20;

/// Compression level. Of cast lines of a build log in 1 MiB frames, level 1 makes 17 % at 470 MB/s and level 3 as much
/// at 420 MB/s; of keystrokes level 1 makes less than level 3.
const LEVEL: i32 = 1;

/// Compressors kept for the next chunk, about 1 MiB each; more than these at once are made and thrown away.
const KEPT: usize = 4;

/// Sessions share a few compressors, so that an idle session holds none.
static COMPRESSORS: Mutex<Vec<Compressor<'static>>> = Mutex::new(Vec::new());

/// Why an object is not a chunk.
#[derive(Debug, Error)]
pub enum ChunkError {
    /// Not zstd, cut off, or its checksum does not fit.
    #[error("the zstd frame is damaged")]
    Damaged(#[source] io::Error),
    /// The object is larger than any chunk or journal object; it was not read.
    #[error("the object is larger than {0} bytes")]
    ObjectTooLarge(u64),
    /// More content than the reader allows.
    #[error("the content is larger than {0} bytes")]
    TooLarge(usize),
}

/// Compresses whole lines to one zstd frame with content size and checksum.
///
/// # Errors
/// Only where zstd has no memory.
pub fn compress(lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = match pool().pop() {
        Some(compressor) => compressor,
        None => new_compressor()?,
    };
    let mut frame = compressor.compress(lines)?;
    frame.shrink_to_fit();
    let mut kept = pool();
    if kept.len() < KEPT {
        kept.push(compressor);
    }
    Ok(frame)
}

/// The lines of one or more concatenated frames, at most `max` bytes of them.
///
/// # Errors
/// [`ChunkError`]
pub fn decompress(bytes: &[u8], max: usize) -> Result<Vec<u8>, ChunkError> {
    let declared = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten().unwrap_or(0);
    let declared = usize::try_from(declared).unwrap_or(usize::MAX);
    if declared > max {
        return Err(ChunkError::TooLarge(max));
    }
    let mut lines = Vec::with_capacity(declared);
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(ChunkError::Damaged)?;
    decoder.take(limit).read_to_end(&mut lines).map_err(ChunkError::Damaged)?;
    if lines.len() > max { Err(ChunkError::TooLarge(max)) } else { Ok(lines) }
}

/// The digest of a chunk: SHA-256 of the previous chunk's digest (zeros for the first) and the object's bytes.
pub fn chain(previous: [u8; 32], object: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(previous).chain_update(object).finalize().into()
}

fn new_compressor() -> io::Result<Compressor<'static>> {
    let mut compressor = Compressor::new(LEVEL)?;
    compressor.include_checksum(true)?;
    compressor.include_contentsize(true)?;
    Ok(compressor)
}

fn pool() -> std::sync::MutexGuard<'static, Vec<Compressor<'static>>> {
    COMPRESSORS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
