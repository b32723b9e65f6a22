use recording::{Micros, StreamTotals};

/// What a recording knew beside its lines when they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Time of the last thing that was accepted.
    pub time: Micros,
    /// Bytes that crossed so far.
    pub totals: StreamTotals,
    /// Beginnings of characters at the end of each [`crate::StdStream`], that are in no line yet.
    pub tails: [PartialUtf8; 3],
    /// Whether the end of each [`crate::StdStream`] is what [`crate::SpoolWriter::hold`] wrote, and is in no line.
    pub held: [bool; 3],
    /// SHA-256 so far of each [`crate::StdStream`] that is not wholly in the lines.
    pub digests: [Option<[u8; 32]>; 3],
}

/// Up to three bytes that can still become a character.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartialUtf8 {
    /// The bytes; those from `len` on mean nothing.
    pub bytes: [u8; 3],
    /// How many, 0 to 3.
    pub len: usize,
    /// When they came.
    pub time: Micros,
}

impl PartialUtf8 {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len.min(3)]
    }
}

impl Checkpoint {
    /// The last state known, from the checkpoint of the last line's frame and the one of the checkpoint file.
    ///
    /// Only the file has digests. The writer writes it after the lines: where the process died between the two, digests of
    /// streams that moved on since are unknown.
    pub(crate) fn newest(of_lines: Option<Self>, of_file: Option<Self>) -> Option<Self> {
        let (Some(of_lines), Some(of_file)) = (of_lines, of_file) else { return of_lines.or(of_file) };
        if of_file.age() > of_lines.age() {
            return Some(of_file);
        }
        let mut digests = of_file.digests;
        for (digest, (now, then)) in digests.iter_mut().zip(of_lines.counts().into_iter().zip(of_file.counts())) {
            *digest = digest.filter(|_| now == then);
        }
        Some(Self { digests, ..of_lines })
    }

    fn counts(&self) -> [u64; 3] {
        crate::StdStream::ALL.map(|stream| stream.total(&self.totals))
    }

    fn age(&self) -> (Micros, u64) {
        (self.time, self.counts().iter().sum())
    }
}
