//! The frames that a spool file is made of.
//!
//! ```text
//!  0        4        8      9                          (little endian)
//!  | length | crc32  | kind | body …                |  length: of kind and body; the CRC covers the same
//!
//!  'H'  the header's line                              first frame of file 000000
//!  'F'  a fact, as JSON                                the others of file 000000
//!  'L'  a mark (68 bytes), then whole asciicast lines  the other files
//! ```
//!
//! Lines are JSON without control characters, and every length below 16 MiB has a zero byte: so no line can look like a
//! frame, and the frames behind damaged ones can be found again.

use std::ops::Range;

use crate::StreamTotals;

/// Length and CRC.
pub(super) const PREFIX: usize = 8;
/// Bytes of a mark.
const MARK: usize = 4 * 8 + 3 * 12;
/// Prefix, kind and mark: what is written before lines.
pub(super) const LINES_HEAD: usize = PREFIX + 1 + MARK;
/// Longest frame: below it a length has a zero byte.
const LONGEST: usize = (16 << 20) - 1;

/// What a recording knew beside its lines when they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Time of the last thing that was accepted, microseconds since the recording's start.
    pub micros: u64,
    /// Bytes that crossed so far.
    pub totals: StreamTotals,
    /// Beginnings of characters at the end of stdout, stderr and stdin, that are in no line yet.
    pub tails: [Tail; 3],
}

/// Up to three bytes that can still become a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tail {
    /// The bytes; those from `len` on mean nothing.
    pub bytes: [u8; 3],
    /// How many, 0 to 3.
    pub len: usize,
    /// When they came.
    pub micros: u64,
}

impl Tail {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len.min(3)]
    }
}

/// A frame's meaning.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Header(&'a [u8]),
    Fact(&'a [u8]),
    Lines(Mark, &'a [u8]),
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Frame(Frame<'a>),
    /// Bytes that are no frame, with frames behind them.
    Damaged(Range<usize>),
    /// Bytes up to the end that are no frame: one that was being written when the process died.
    Torn(Range<usize>),
}

/// The whole frame of a header or a fact.
pub(super) fn encode(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; PREFIX];
    frame.push(kind);
    frame.extend_from_slice(body);
    let length = (body.len() + 1) as u32;
    let crc = crc32fast::hash(&frame[PREFIX..]);
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[4..8].copy_from_slice(&crc.to_le_bytes());
    frame
}

/// What is written before `lines`, so that both together are a frame.
pub(super) fn lines_head(mark: &Mark, lines: &[u8]) -> [u8; LINES_HEAD] {
    let mut head = [0; LINES_HEAD];
    head[PREFIX] = b'L';
    let mut at = PREFIX + 1;
    let mut put = |bytes: &[u8]| {
        head[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    for number in [mark.micros, mark.totals.stdin, mark.totals.stdout, mark.totals.stderr] {
        put(&number.to_le_bytes());
    }
    for tail in &mark.tails {
        put(&[tail.len as u8]);
        put(&tail.bytes);
        put(&tail.micros.to_le_bytes());
    }
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[PREFIX..]);
    crc.update(lines);
    let length = (1 + MARK + lines.len()) as u32;
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..8].copy_from_slice(&crc.finalize().to_le_bytes());
    head
}

/// The frame at the beginning of `bytes` and its length; none where it is cut off or damaged.
pub(super) fn first(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= LONGEST)?;
    let content = rest.get(..length)?;
    let frame = decode(content)?;
    (crc32fast::hash(content) == u32::from_le_bytes(*crc)).then_some((frame, PREFIX + length))
}

/// A file's content, part by part, from `at` on. The second number is where the next part begins.
pub(super) fn part(bytes: &[u8], at: usize) -> Option<(Part<'_>, usize)> {
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
        b'F' => Some(Frame::Fact(body)),
        b'L' => {
            let (mark, lines) = body.split_at_checked(MARK)?;
            Some(Frame::Lines(mark_of(mark), lines))
        }
        _ => None,
    }
}

/// `bytes` are as many as a mark has.
fn mark_of(bytes: &[u8]) -> Mark {
    let (numbers, _) = bytes.as_chunks::<8>();
    let number = |place: usize| u64::from_le_bytes(numbers[place]);
    let mut tails = [Tail::default(); 3];
    for (tail, bytes) in tails.iter_mut().zip(bytes[32..].as_chunks::<12>().0) {
        let mut micros = [0; 8];
        micros.copy_from_slice(&bytes[4..]);
        tail.len = usize::from(bytes[0]).min(3);
        tail.bytes.copy_from_slice(&bytes[1..4]);
        tail.micros = u64::from_le_bytes(micros);
    }
    let totals = StreamTotals { stdin: number(1), stdout: number(2), stderr: number(3) };
    Mark { micros: number(0), totals, tails }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        let totals = StreamTotals { stdin: 1, stdout: 2, stderr: 3 };
        let tail = Tail { bytes: [0xe2, 0x82, 0], len: 2, micros: 7 };
        Mark { micros: 1_000_000, totals, tails: [tail, Tail::default(), Tail::default()] }
    }

    fn file() -> Vec<u8> {
        let line = b"[0.000001, \"o\", \"a\"]\n";
        [encode(b'F', b"{}"), lines_head(&mark(), line).to_vec(), line.to_vec(), encode(b'F', b"end")].concat()
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
        let expected = [Frame::Fact(b"{}"), Frame::Lines(mark(), line), Frame::Fact(b"end")].map(Part::Frame);
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
            assert_eq!(found[0], Part::Frame(Frame::Fact(b"{}")), "{place}");
            assert!(matches!(found[1], Part::Damaged(_)), "{place}");
            assert_eq!(found[2..], [Part::Frame(Frame::Fact(b"end"))], "{place}");
        }
    }
}
