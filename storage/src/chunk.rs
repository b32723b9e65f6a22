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
const POOLED: usize = 4;

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
/// Only if zstd has no memory.
pub(crate) fn compress(lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = match pool().pop() {
        Some(compressor) => compressor,
        None => new_compressor()?,
    };
    let mut frame = compressor.compress(lines)?;
    frame.shrink_to_fit();
    let mut pool = pool();
    if pool.len() < POOLED {
        pool.push(compressor);
    }
    Ok(frame)
}

/// Unpacks the lines of one or more concatenated frames, at most `max` bytes of them.
///
/// # Errors
/// [`ChunkError`]
pub(crate) fn decompress(bytes: &[u8], max: usize) -> Result<Vec<u8>, ChunkError> {
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
pub(crate) fn chain(previous: [u8; 32], object: &[u8]) -> [u8; 32] {
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

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use recording::hex;

    use super::*;

    #[test]
    fn lines_come_back_and_frames_can_be_joined() {
        let (one, two) = (compress(b"one\n").unwrap(), compress(&b"two\n".repeat(10_000)).unwrap());
        assert_eq!(decompress(&one, 4).unwrap(), b"one\n");
        let joined = decompress(&[one, two].concat(), MAX_UNCOMPRESSED).unwrap();
        assert_eq!(joined.len(), 4 + 40_000);
        assert_eq!(decompress(&compress(b"").unwrap(), 0).unwrap(), b"");
    }

    #[test]
    fn a_frame_knows_its_size_and_has_a_checksum() {
        let frame = compress(b"some lines\n").unwrap();
        // RFC 8878, 3.1.1.1.1: bits 7 and 6 with bit 5 tell of the content size, bit 2 of the checksum.
        let descriptor = frame[4];
        assert_eq!(descriptor & 0b100, 0b100);
        assert!(descriptor & 0b1110_0000 != 0);
        let mut damaged = frame.clone();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert!(matches!(decompress(&damaged, 100), Err(ChunkError::Damaged(_))));
        assert!(matches!(decompress(&frame[..last], 100), Err(ChunkError::Damaged(_))));
        assert!(matches!(decompress(b"not zstd", 100), Err(ChunkError::Damaged(_))));
    }

    #[test]
    fn what_grows_too_large_is_refused() {
        let bomb = compress(&vec![b' '; 1 << 20]).unwrap();
        assert!(bomb.len() < 200);
        assert!(matches!(decompress(&bomb, (1 << 20) - 1), Err(ChunkError::TooLarge(_))));
        // Frames that are small one by one.
        assert!(matches!(decompress(&bomb.repeat(3), 2 << 20), Err(ChunkError::TooLarge(_))));
    }

    #[test]
    fn the_chain_is_sha256_of_digest_and_object() {
        let zeros = chain([0; 32], b"");
        // SHA-256 of 32 zero bytes.
        assert_eq!(hex(zeros), "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925");
        assert_ne!(chain(zeros, b"a"), chain([0; 32], b"a"));
    }

    #[test]
    fn zstdcat_reads_it() {
        let Ok(mut zstdcat) = Command::new("zstdcat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() else {
            eprintln!("skipped: zstdcat_reads_it (zstdcat is not installed)");
            return;
        };
        let frames = [compress(b"one\n").unwrap(), compress(b"two\n").unwrap()].concat();
        std::io::Write::write_all(&mut zstdcat.stdin.take().unwrap(), &frames).unwrap();
        assert_eq!(zstdcat.wait_with_output().unwrap().stdout, b"one\ntwo\n");
    }
}
