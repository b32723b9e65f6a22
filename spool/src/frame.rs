//! The frames that a spool file is made of.
//!
//! ```text
//!  0        4        8      9                          (little endian)
//!  | length | crc32  | kind | body …                |  length: of kind and body; the CRC covers the same
//!
//!  'H'  the header's line                              first frame of file 000000
//!  'F'  a record, as JSON                              the others of file 000000
//!  'f'  the beginning of a long one, or more of it     before its 'F'
//!  'L'  a checkpoint (68 bytes), then whole lines      segments: files 000001 and up
//!  'l'  lines of a long append, without its end        before its 'L', which may be in a later segment
//!  'M'  a counter, a checkpoint, three digests         the two slots of file `marks`
//!  'B'  a counter, then an omission as JSON, or none   first frame of `stdout.0` and the like
//!  'D'  a time, a place in the stream, bytes           the others of those
//! ```
//!
//! An append is whole with its 'L', and a record with its 'F': what stands before one that never came does not count.
//!
//! Lines are JSON without control characters, and every length below 16 MiB has a zero byte: no line can look like a frame,
//! so the frames behind damaged ones can be found again.

use std::{io, ops::Range};

use recording::{Micros, StreamTotals};

use crate::{Checkpoint, PartialUtf8};

/// Length and CRC.
pub(crate) const PREFIX: usize = 8;
/// Bytes of a checkpoint, without its digests.
const CHECKPOINT: usize = 4 * 8 + 3 * 12;
/// Bytes of a checkpoint's digests: for each a byte that says whether there is one, and the digest.
const DIGESTS: usize = 3 * 33;
/// Bytes of the frame of a checkpoint by itself.
pub(crate) const CHECKPOINT_FRAME: usize = PREFIX + 1 + 8 + CHECKPOINT + DIGESTS;
/// The bit of a tail's length byte that says that the stream's end is held.
const HELD: u8 = 0x80;
/// Bytes of prefix, kind and checkpoint: what is written before lines.
pub(crate) const LINES_HEAD: usize = PREFIX + 1 + CHECKPOINT;
/// Longest frame: every length up to it has a zero byte.
const LONGEST: usize = (16 << 20) - 1;
/// Longer lines, and longer records, are several frames: far below the longest that is read, and no more than a reader wants
/// at once.
pub(crate) const PIECE: usize = 1 << 20;

/// A frame's meaning.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    Header(&'a [u8]),
    Record(&'a [u8]),
    /// A record's JSON, which goes on in the next frame.
    RecordBegun(&'a [u8]),
    /// The checkpoint has no digests.
    Lines(Checkpoint, &'a [u8]),
    /// Lines of an append that goes on in the next frame.
    LinesBegun(&'a [u8]),
    /// A counter, which is higher in the newer of two, and the checkpoint.
    Checkpoint(u64, Checkpoint),
    /// A counter of a stream's files, and the omission's JSON.
    Begin(u64, &'a [u8]),
    /// When the bytes came, the place in the stream of the first of them, and the bytes.
    HeldTail(Micros, u64, &'a [u8]),
}

/// A part of a file.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack of the reader")]
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Frame(Frame<'a>),
    /// Bytes that are no frame, with frames behind them.
    Damaged(Range<usize>),
    /// Bytes up to the end that are no frame: one that was being written when the process died.
    Torn(Range<usize>),
}

/// The whole frame of a header or a record.
pub(crate) fn encode(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; PREFIX];
    frame.push(kind);
    frame.extend_from_slice(body);
    let length = (body.len() + 1) as u32;
    let crc = crc32fast::hash(&frame[PREFIX..]);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
    frame
}

/// Whether a frame of so many bytes behind its kind can be read again. Nothing longer may be written.
///
/// # Errors
/// That it is too long.
pub(crate) fn fits(length: usize) -> io::Result<()> {
    if length < LONGEST {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "longer than a frame may be"))
    }
}

/// The frames of a record.
pub(crate) fn encode_record(json: &[u8]) -> Vec<u8> {
    let (begun, last) = json.split_at(json.len().saturating_sub(1) / PIECE * PIECE);
    let mut frames: Vec<u8> = begun.chunks(PIECE).flat_map(|piece| encode(b'f', piece)).collect();
    frames.extend(encode(b'F', last));
    frames
}

/// The head of a frame of `lines` that are not the last of their append.
pub(crate) fn begun_head(lines: &[u8]) -> [u8; PREFIX + 1] {
    let mut head = [0; PREFIX + 1];
    head[PREFIX] = b'l';
    seal(&mut head, lines);
    head
}

/// The head of a frame of an append's last `lines`.
pub(crate) fn lines_head(checkpoint: &Checkpoint, lines: &[u8]) -> [u8; LINES_HEAD] {
    let mut head = [0; LINES_HEAD];
    head[PREFIX] = b'L';
    put_checkpoint(&mut head[PREFIX + 1..], checkpoint);
    seal(&mut head, lines);
    head
}

/// The frame of a checkpoint by itself.
pub(crate) fn checkpoint_alone(counter: u64, checkpoint: &Checkpoint) -> [u8; CHECKPOINT_FRAME] {
    let mut frame = [0; CHECKPOINT_FRAME];
    frame[PREFIX] = b'M';
    let (number, rest) = frame[PREFIX + 1..].split_at_mut(8);
    number.copy_from_slice(&counter.to_le_bytes());
    let (numbers, digests) = rest.split_at_mut(CHECKPOINT);
    put_checkpoint(numbers, checkpoint);
    for (place, digest) in digests.chunks_exact_mut(33).zip(checkpoint.digests) {
        if let Some(digest) = digest {
            place[0] = 1;
            place[1..].copy_from_slice(&digest);
        }
    }
    seal(&mut frame, &[]);
    frame
}

/// Appends the frame of held bytes.
pub(crate) fn push_held(into: &mut Vec<u8>, time: Micros, at: u64, bytes: &[u8]) {
    let mut head = [0; PREFIX + 17];
    head[PREFIX] = b'D';
    head[PREFIX + 1..PREFIX + 9].copy_from_slice(&time.get().to_le_bytes());
    head[PREFIX + 9..].copy_from_slice(&at.to_le_bytes());
    seal(&mut head, bytes);
    into.extend_from_slice(&head);
    into.extend_from_slice(bytes);
}

/// Fills in the length and CRC of a frame whose end is `rest`.
fn seal(head: &mut [u8], rest: &[u8]) {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[PREFIX..]);
    crc.update(rest);
    let length = (head.len() - PREFIX + rest.len()) as u32;
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..8].copy_from_slice(&crc.finalize().to_le_bytes());
}

/// Writes a checkpoint without its digests into `into`, which has room for it.
fn put_checkpoint(into: &mut [u8], checkpoint: &Checkpoint) {
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        into[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    for number in [checkpoint.time.get(), checkpoint.totals.stdin, checkpoint.totals.stdout, checkpoint.totals.stderr] {
        put(&number.to_le_bytes());
    }
    for (tail, held) in checkpoint.tails.iter().zip(checkpoint.held) {
        put(&[tail.len as u8 | if held { HELD } else { 0 }]);
        put(&tail.bytes);
        put(&tail.time.get().to_le_bytes());
    }
}

/// The frame at the beginning of `bytes` and its length; `None` if it is cut off or damaged.
pub(crate) fn first(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= LONGEST)?;
    let content = rest.get(..length)?;
    let frame = decode(content)?;
    (crc32fast::hash(content) == u32::from_le_bytes(*crc)).then_some((frame, PREFIX + length))
}

/// The part of a file that begins at `at`, and where the next one begins; `None` at the file's end.
pub(crate) fn part(bytes: &[u8], at: usize) -> Option<(Part<'_>, usize)> {
    if at >= bytes.len() {
        return None;
    }
    if let Some((frame, length)) = first(&bytes[at..]) {
        return Some((Part::Frame(frame), at + length));
    }
    match (at + 1..bytes.len()).find(|&next| first(&bytes[next..]).is_some()) {
        Some(next) => Some((Part::Damaged(at..next), next)),
        None => Some((Part::Torn(at..bytes.len()), bytes.len())),
    }
}

fn decode(content: &[u8]) -> Option<Frame<'_>> {
    let (kind, body) = content.split_first()?;
    match kind {
        b'H' => Some(Frame::Header(body)),
        b'F' => Some(Frame::Record(body)),
        b'f' => Some(Frame::RecordBegun(body)),
        b'l' => Some(Frame::LinesBegun(body)),
        b'L' => {
            let (checkpoint, lines) = body.split_at_checked(CHECKPOINT)?;
            Some(Frame::Lines(checkpoint_of(checkpoint), lines))
        }
        b'M' => {
            let (counter, rest) = number(body)?;
            let (checkpoint, digests) =
                rest.split_at_checked(CHECKPOINT).filter(|(_, digests)| digests.len() == DIGESTS)?;
            Some(Frame::Checkpoint(counter, Checkpoint { digests: digests_of(digests), ..checkpoint_of(checkpoint) }))
        }
        b'B' => number(body).map(|(counter, json)| Frame::Begin(counter, json)),
        b'D' => {
            let (time, rest) = number(body)?;
            let (at, bytes) = number(rest)?;
            Some(Frame::HeldTail(Micros::new(time), at, bytes))
        }
        _ => None,
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    bytes.split_first_chunk::<8>().map(|(number, rest)| (u64::from_le_bytes(*number), rest))
}

fn digests_of(bytes: &[u8]) -> [Option<[u8; 32]>; 3] {
    let mut digests = [None; 3];
    for (digest, place) in digests.iter_mut().zip(bytes.chunks_exact(33)) {
        *digest = place.split_first_chunk::<1>().filter(|(is, _)| is[0] == 1).and_then(|(_, it)| it.try_into().ok());
    }
    digests
}

/// Reads a checkpoint without digests. `bytes` are as many as it has.
fn checkpoint_of(bytes: &[u8]) -> Checkpoint {
    let (numbers, _) = bytes.as_chunks::<8>();
    let number = |place: usize| u64::from_le_bytes(numbers[place]);
    let (mut tails, mut held) = ([PartialUtf8::default(); 3], [false; 3]);
    for ((tail, held), bytes) in tails.iter_mut().zip(&mut held).zip(bytes[32..].as_chunks::<12>().0) {
        let mut time = [0; 8];
        time.copy_from_slice(&bytes[4..]);
        *held = bytes[0] & HELD != 0;
        tail.len = usize::from(bytes[0] & !HELD).min(3);
        tail.bytes.copy_from_slice(&bytes[1..4]);
        tail.time = Micros::new(u64::from_le_bytes(time));
    }
    let totals = StreamTotals { stdin: number(1), stdout: number(2), stderr: number(3) };
    Checkpoint { time: Micros::new(number(0)), totals, tails, held, digests: [None; 3] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let totals = StreamTotals { stdin: 1, stdout: 2, stderr: 3 };
        let tail = PartialUtf8 { bytes: [0xe2, 0x82, 0], len: 2, time: Micros::new(7) };
        let tails = [tail, PartialUtf8::default(), PartialUtf8::default()];
        Checkpoint { time: Micros::from_secs(1), totals, tails, held: [true, false, true], digests: [None; 3] }
    }

    #[test]
    fn a_checkpoint_by_itself_has_its_digests() {
        let checkpoint = Checkpoint { digests: [Some([7; 32]), None, Some([0; 32])], ..checkpoint() };
        let frame = checkpoint_alone(9, &checkpoint);
        assert_eq!(first(&frame), Some((Frame::Checkpoint(9, checkpoint), CHECKPOINT_FRAME)));
    }

    #[test]
    fn a_long_record_comes_back_from_frames_that_can_be_read() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 20 * PIECE + 7] {
            let json: Vec<u8> = (0..length).map(|at| b' ' + (at % 90) as u8).collect();
            let frames = encode_record(&json);
            let mut read = Vec::new();
            for part in parts(&frames) {
                let (Part::Frame(Frame::RecordBegun(piece)) | Part::Frame(Frame::Record(piece))) = part else {
                    panic!("{length}: no frame")
                };
                assert!(piece.len() <= PIECE);
                read.extend_from_slice(piece);
            }
            assert!(read == json, "{length}");
        }
        assert!(fits(LONGEST - 1).is_ok() && fits(LONGEST).is_err());
    }

    #[test]
    fn held_bytes_come_back_with_time_and_place() {
        let mut bytes = encode(b'B', &[&3_u64.to_le_bytes()[..], b"null"].concat());
        push_held(&mut bytes, Micros::new(5), 1 << 40, b"the end");
        let expected =
            [Frame::Begin(3, b"null"), Frame::HeldTail(Micros::new(5), 1 << 40, b"the end")].map(Part::Frame);
        assert_eq!(parts(&bytes), expected);
    }

    fn file() -> Vec<u8> {
        let line = b"[0.000001, \"o\", \"a\"]\n";
        [encode(b'F', b"{}"), lines_head(&checkpoint(), line).to_vec(), line.to_vec(), encode(b'F', b"end")].concat()
    }

    fn parts(bytes: &[u8]) -> Vec<Part<'_>> {
        let mut at = 0;
        std::iter::from_fn(|| {
            let (found, next) = part(bytes, at)?;
            at = next;
            Some(found)
        })
        .collect()
    }

    #[test]
    fn frames_come_back_as_they_were_written() {
        let bytes = file();
        let line = b"[0.000001, \"o\", \"a\"]\n";
        let expected = [Frame::Record(b"{}"), Frame::Lines(checkpoint(), line), Frame::Record(b"end")].map(Part::Frame);
        assert_eq!(parts(&bytes), expected);
    }

    #[test]
    fn a_file_that_ends_anywhere_has_its_whole_frames_and_a_torn_one() {
        let bytes = file();
        let whole = parts(&bytes);
        for end in 0..bytes.len() {
            let found = parts(&bytes[..end]);
            let frames = found.iter().filter(|part| matches!(part, Part::Frame(_))).count();
            assert_eq!(found[..frames], whole[..frames], "{end}");
            assert!(found[frames..].iter().all(|part| matches!(part, Part::Torn(_))), "{end}");
        }
    }

    #[test]
    fn frames_behind_a_damaged_byte_are_found_again() {
        let bytes = file();
        let first = encode(b'F', b"{}").len();
        for place in first..bytes.len() - encode(b'F', b"end").len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x40;
            let found = parts(&damaged);
            assert_eq!(found[0], Part::Frame(Frame::Record(b"{}")), "{place}");
            assert!(matches!(found[1], Part::Damaged(_)), "{place}");
            assert_eq!(found[2..], [Part::Frame(Frame::Record(b"end"))], "{place}");
        }
    }
}
