use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes of an idle session's buffer, and of a busy one's: it grows when reads fill it and shrinks when they do not.
const SMALL: usize = 1 << 10;
const LARGE: usize = 64 << 10;
/// How many reads in sequence of less than a quarter shrink a buffer.
const QUIET: u8 = 16;

/// A read buffer that costs an idle session little.
#[derive(Default)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    filled: bool,
    quiet: u8,
}

impl Buffer {
    /// Reads what is there; nothing at the end of the stream.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(super) async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> io::Result<&[u8]> {
        self.fit();
        let read = from.read(&mut self.bytes).await?;
        self.filled = read == self.bytes.len();
        self.quiet = if read < self.bytes.len() / 4 { self.quiet.saturating_add(1) } else { 0 };
        Ok(&self.bytes[..read])
    }

    fn fit(&mut self) {
        let length = self.bytes.len();
        if length == 0 {
            self.bytes = vec![0; SMALL];
        } else if self.filled && length < LARGE {
            self.bytes = vec![0; length * 4];
            self.filled = false;
        } else if self.quiet >= QUIET && length > SMALL {
            self.bytes = vec![0; SMALL];
            self.quiet = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_grows_with_floods_and_shrinks_with_keystrokes() {
        let flood = vec![7; 1 << 20];
        let mut stream = &flood[..];
        let mut buffer = Buffer::default();
        let mut total = 0;
        while let read @ 1.. = buffer.read(&mut stream).await.unwrap().len() {
            total += read;
        }
        assert_eq!((total, buffer.bytes.len()), (1 << 20, LARGE));
        for _ in 0..=QUIET {
            assert_eq!(buffer.read(&mut &b"k"[..]).await.unwrap(), b"k");
        }
        assert_eq!(buffer.bytes.len(), SMALL);
    }
}
