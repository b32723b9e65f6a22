/// Bounds on a file; beyond each the file is refused, with the line.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a line, and of a whole v1 file, which is one JSON value.
    pub line_bytes: usize,
    /// Bytes of the header, which goes into the recording's header as it is.
    pub header_bytes: usize,
    /// Bytes of the whole file once decompressed: a small file can grow a thousandfold and more.
    pub file_bytes: u64,
    /// Microseconds of the last event. A year: what is longer is a time of day, or a mistake.
    pub micros: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes: 64 << 20, header_bytes: 64 << 10, file_bytes: 64 << 30, micros: 366 * 86_400 * 1_000_000 }
    }
}
