use std::process::{Command, Stdio};

use recording::hex;
use storage::chunk::{ChunkError, MAX_UNCOMPRESSED, chain, compress, decompress};

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
