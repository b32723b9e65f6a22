use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
};

use flate2::read::MultiGzDecoder;

use crate::{ImportError, ImportLimits};

/// Bytes read at once.
const BUFFER: usize = 64 << 10;

/// The lines of a file, decompressed on the way, with bounds.
pub(crate) struct Lines {
    reader: Box<dyn BufRead + Send>,
    limits: ImportLimits,
    number: u64,
    bytes: u64,
    compressed: bool,
}

impl Lines {
    /// Starts at the beginning of the file. `tick` hears of every piece of the file that was read, in bytes.
    ///
    /// # Errors
    /// Of reading the first bytes, by which the compression is known.
    pub(crate) fn open(mut file: File, limits: ImportLimits, tick: impl Fn(u64) + Send + 'static) -> io::Result<Self> {
        file.rewind()?;
        let mut magic = [0; 4];
        let read = read_up_to(&mut file, &mut magic)?;
        file.rewind()?;
        let file = CountingReader { file, tick };
        let (reader, compressed): (Box<dyn BufRead + Send>, bool) = match magic {
            // RFC 1952, section 2.3.1.
            [0x1f, 0x8b, ..] if read >= 2 => {
                (Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(BufReader::new(file)))), true)
            }
            // RFC 8878, section 3.1.1.
            [0x28, 0xb5, 0x2f, 0xfd] => {
                (Box::new(BufReader::with_capacity(BUFFER, zstd::stream::read::Decoder::new(file)?)), true)
            }
            _ => (Box::new(BufReader::with_capacity(BUFFER, file)), false),
        };
        Ok(Self { reader, limits, number: 0, bytes: 0, compressed })
    }

    /// The number of the line that was read last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The next line into `line`, without its end; false at the end of the file.
    pub(crate) fn next(&mut self, line: &mut Vec<u8>) -> Result<bool, ImportError> {
        line.clear();
        self.number += 1;
        let mut any = false;
        loop {
            let (piece, ends) = {
                let buffer = match self.reader.fill_buf() {
                    Ok(buffer) => buffer,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(source) => return Err(self.unreadable(source)),
                };
                if buffer.is_empty() {
                    break;
                }
                let end = memchr::memchr(b'\n', buffer);
                let piece = &buffer[..end.unwrap_or(buffer.len())];
                line.extend_from_slice(&piece[..piece.len().min(self.limits.line_bytes + 1 - line.len())]);
                (piece.len() + usize::from(end.is_some()), end.is_some())
            };
            any = true;
            self.reader.consume(piece);
            self.bytes += piece as u64;
            self.check(line.len())?;
            if ends {
                break;
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(any)
    }

    /// All that is left, into one value that is no larger than a line may be.
    pub(crate) fn rest(&mut self, into: &mut Vec<u8>) -> Result<(), ImportError> {
        let mut line = Vec::new();
        let first = self.number;
        while self.next(&mut line)? {
            into.push(b'\n');
            into.extend_from_slice(&line);
            self.check(into.len())?;
        }
        self.number = first;
        Ok(())
    }

    fn check(&self, length: usize) -> Result<(), ImportError> {
        let ImportLimits { line_bytes, file_bytes, .. } = self.limits;
        if length > line_bytes {
            return Err(ImportError::broken(self.number, format!("it is longer than {line_bytes} bytes")));
        }
        if self.bytes > file_bytes {
            let reason = format!("the file has more than {file_bytes} bytes up to here, decompressed (--max-bytes)");
            return Err(ImportError::broken(self.number, reason));
        }
        Ok(())
    }

    fn unreadable(&self, source: io::Error) -> ImportError {
        if self.compressed {
            ImportError::Compressed { line: self.number, source }
        } else {
            ImportError::broken(self.number, format!("it cannot be read: {source}"))
        }
    }
}

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match file.read(&mut buffer[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

/// A file that tells how far it was read.
struct CountingReader<F> {
    file: File,
    tick: F,
}

impl<F: Fn(u64)> Read for CountingReader<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        (self.tick)(read as u64);
        Ok(read)
    }
}
