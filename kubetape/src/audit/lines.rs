//! The lines of an audit log: plain, gzip or zstd, each with a bound.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
};

use flate2::read::MultiGzDecoder;

/// Longest line in bytes. An API server's events are limited by its requests' bodies, 3 MiB, and it has at most two in one.
pub const LONGEST: usize = 16 << 20;

const BUFFER: usize = 1 << 18;

/// A line of an audit log.
#[derive(Debug, PartialEq, Eq)]
pub enum AuditLine<'a> {
    /// A whole one, without its line feed.
    Whole(&'a [u8]),
    /// One with more bytes than [`LONGEST`]. They were skipped.
    TooLong,
}

/// The lines of one file.
pub struct AuditLines {
    input: Box<dyn BufRead>,
    line: Vec<u8>,
    longest: usize,
}

impl AuditLines {
    /// Opens a file, or stdin for `-`. What begins as gzip or zstd do is decompressed.
    ///
    /// # Errors
    /// It cannot be opened or read.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") { Self::new(io::stdin(), LONGEST) } else { Self::new(File::open(path)?, LONGEST) }
    }

    fn new(mut input: impl Read + 'static, longest: usize) -> io::Result<Self> {
        let mut magic = Vec::new();
        input.by_ref().take(4).read_to_end(&mut magic)?;
        let kind = magic.clone();
        let input = Cursor::new(magic).chain(input);
        let input: Box<dyn BufRead> = match kind.as_slice() {
            [0x1f, 0x8b, ..] => Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(BufReader::new(input)))),
            [0x28, 0xb5, 0x2f, 0xfd] => {
                Box::new(BufReader::with_capacity(BUFFER, zstd::stream::read::Decoder::new(input)?))
            }
            _ => Box::new(BufReader::with_capacity(BUFFER, input)),
        };
        Ok(Self { input, line: Vec::new(), longest })
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// It cannot be read, or decompressed: what follows is lost.
    pub fn next(&mut self) -> io::Result<Option<AuditLine<'_>>> {
        self.line.clear();
        let most = self.longest as u64 + 1;
        if self.input.by_ref().take(most).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
        } else if self.line.len() > self.longest {
            self.line = Vec::new();
            self.skip_line()?;
            return Ok(Some(AuditLine::TooLong));
        }
        Ok(Some(AuditLine::Whole(&self.line)))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                self.input.consume(end + 1);
                return Ok(());
            }
            let all = buffer.len();
            self.input.consume(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: Vec<u8>, longest: usize) -> Vec<Option<String>> {
        let mut lines = AuditLines::new(Cursor::new(bytes), longest).unwrap();
        let mut all = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            all.push(match line {
                AuditLine::Whole(bytes) => Some(String::from_utf8(bytes.to_vec()).unwrap()),
                AuditLine::TooLong => None,
            });
        }
        all
    }

    #[test]
    fn what_is_too_long_is_skipped_and_said_and_the_next_line_is_read() {
        let text = |text: &str| Some(text.to_owned());
        let lines = b"12345\n123456\n1\n\n1234567890\nlast".to_vec();
        assert_eq!(read(lines, 5), [text("12345"), None, text("1"), text(""), None, text("last")]);
        assert_eq!(read(b"1234567".to_vec(), 5), [None]);
        assert!(read(Vec::new(), 5).is_empty());
    }

    #[test]
    fn compressed_files_are_known_by_their_beginning() {
        let lines = "one\ntwo\n".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(lines.as_bytes()).unwrap();
        let packed =
            [lines.clone().into_bytes(), gzip.finish().unwrap(), zstd::encode_all(lines.as_bytes(), 3).unwrap()];
        for bytes in packed {
            assert_eq!(read(bytes, 100).len(), 2000);
        }
    }

    #[test]
    fn a_file_that_was_cut_is_no_whole_one() {
        let packed = zstd::encode_all(&b"one\ntwo\n"[..], 3).unwrap();
        let mut lines = AuditLines::new(Cursor::new(packed[..packed.len() - 3].to_vec()), 100).unwrap();
        let end = loop {
            match lines.next() {
                Ok(Some(_)) => {}
                other => break other.map(|line| line.is_none()),
            }
        };
        assert!(end.is_err());
    }
}
