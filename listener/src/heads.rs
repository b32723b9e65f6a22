//! HTTP/1.1 in front of a library that forgives: each request's body has one length, or the request is marked.
//!
//! hyper takes a `Content-Length` beside a `Transfer-Encoding` out of a request, and the second of two equal ones, before
//! anybody else sees them. A server that reads the other one finds another request in the body (RFC 9112, section 11.2). So the
//! heads of a connection, all of them, pass through [`OneLength`] first. What it cannot say the end of is the last
//! that hyper gets, and [`Heads::next`] says so.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::places::Place;

/// Longest line of a chunk's size with its extensions, and longest trailers in all, as hyper has them.
const LONGEST_LINE: usize = 16 << 10;
/// Bytes that are read at once.
const READ: usize = 8 << 10;

/// What a request's head said about its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Where the body ends can be read in two ways: the request has to be refused. Nothing behind it is read.
    pub is_ambiguous: bool,
    /// What follows may be another protocol: unless it is switched to, the connection has to be closed behind the answer.
    pub asks_to_switch: bool,
}

/// What the heads of one connection said, in their order.
#[derive(Debug, Default)]
pub struct Heads {
    unasked: Mutex<VecDeque<Head>>,
}

impl Heads {
    /// What the head of the next request said. To be called once for each request, in order; for requests over h2, whose
    /// frames have one length, it says nothing.
    pub fn next(&self) -> Head {
        self.unasked.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or_default()
    }

    fn push(&self, head: Head) {
        self.unasked.lock().unwrap_or_else(PoisonError::into_inner).push_back(head);
    }
}

/// A connection whose requests are read along. Bytes come out as they came in, a head only when it is whole.
pub struct OneLength<S> {
    stream: S,
    heads: Arc<Heads>,
    /// Counts a head that is not whole yet.
    place: Option<Arc<Place>>,
    largest_head: usize,
    at: At,
    /// What was read and not looked at.
    input: BytesMut,
    /// What was looked at and may come out.
    ready: BytesMut,
}

/// Where in the requests the reader is.
#[derive(Debug, PartialEq, Eq)]
enum At {
    /// In a head; so many of its bytes are known not to end it.
    Head {
        seen: usize,
    },
    Body {
        left: u64,
    },
    ChunkSize,
    Chunk {
        left: u64,
    },
    /// So many bytes of trailers were read.
    Trailers {
        seen: usize,
    },
    /// In another protocol, or in h2.
    Other,
    /// Behind a request that is the last.
    Closed,
}

impl<S> OneLength<S> {
    /// Reads a connection's requests along. A head may have `largest_head` bytes, which must not be less than what the HTTP
    /// library takes; `place` bounds what unfinished ones take.
    pub fn new(stream: S, largest_head: usize, place: Option<Arc<Place>>) -> Self {
        Self::at(stream, largest_head, place, At::Head { seen: 0 })
    }

    /// Passes a connection on as it is: it speaks h2.
    pub fn h2(stream: S) -> Self {
        Self::at(stream, 0, None, At::Other)
    }

    fn at(stream: S, largest_head: usize, place: Option<Arc<Place>>, at: At) -> Self {
        let (input, ready) = (BytesMut::new(), BytesMut::new());
        Self { stream, heads: Arc::default(), place, largest_head, at, input, ready }
    }

    /// What the heads said.
    pub fn heads(&self) -> Arc<Heads> {
        Arc::clone(&self.heads)
    }

    /// Moves what may come out from `input` to `ready`. Returns whether more has to be read for it.
    fn advance(&mut self) -> io::Result<bool> {
        while self.ready.is_empty() {
            let more = match &mut self.at {
                At::Head { .. } => self.head()?,
                At::Body { left } | At::Chunk { left } => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(self.input.len());
                    *left -= take as u64;
                    self.ready.unsplit(self.input.split_to(take));
                    match self.at {
                        At::Body { left: 0 } => self.at = At::Head { seen: 0 },
                        At::Chunk { left: 0 } => self.at = At::ChunkSize,
                        _ => {}
                    }
                    self.ready.is_empty() && self.input.is_empty()
                }
                At::ChunkSize => self.chunk_size()?,
                At::Trailers { .. } => self.trailer()?,
                At::Other => {
                    self.ready.unsplit(self.input.split());
                    self.ready.is_empty()
                }
                At::Closed => return Ok(true),
            };
            if more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn head(&mut self) -> io::Result<bool> {
        let At::Head { seen } = self.at else { return Ok(false) };
        // Empty lines before a request are nobody's (RFC 9112, section 2.2).
        while seen == 0 && self.input.first().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            self.input.advance(1);
        }
        // An end may have begun in what was looked at.
        let from = seen.saturating_sub(3);
        let Some(end) = head_end(&self.input[from..]) else {
            self.at = At::Head { seen: self.input.len() };
            if self.input.len() > self.largest_head {
                // The library has its own answer to that, and closes.
                self.at = At::Closed;
                self.ready.unsplit(self.input.split());
                return Ok(false);
            }
            if let Some(place) = &self.place {
                place.reserve(self.input.len()).map_err(io::Error::other)?;
            }
            return Ok(true);
        };
        let head = self.input.split_to(from + end);
        if let Some(place) = &self.place {
            place.release();
        }
        let end = body_of(&head);
        let (said, at) = match end {
            BodyEnd::Ambiguous => (Head { is_ambiguous: true, asks_to_switch: false }, At::Closed),
            BodyEnd::OtherProtocol => (Head { is_ambiguous: false, asks_to_switch: true }, At::Other),
            BodyEnd::Length(left @ 1..) => (Head::default(), At::Body { left }),
            BodyEnd::Length(0) => (Head::default(), At::Head { seen: 0 }),
            BodyEnd::Chunked => (Head::default(), At::ChunkSize),
        };
        self.heads.push(said);
        self.at = at;
        self.ready.unsplit(head);
        Ok(false)
    }

    /// A chunk's size with its extensions: `5;x=y` and CRLF.
    fn chunk_size(&mut self) -> io::Result<bool> {
        let Some(line) = line(&self.input)? else { return Ok(true) };
        let length = line.len() + 2;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let behind = line.get(digits).copied();
        if !(1..=16).contains(&digits) || !matches!(behind, None | Some(b' ' | b'\t' | b';')) {
            return Err(malformed("the size of a chunk"));
        }
        let size = str::from_utf8(&line[..digits]).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let size = size.ok_or_else(|| malformed("the size of a chunk"))?;
        self.at = match size {
            0 => At::Trailers { seen: 0 },
            // Its CRLF is counted with it: the library looks at it.
            size => At::Chunk { left: size.checked_add(2).ok_or_else(|| malformed("the size of a chunk"))? },
        };
        self.ready.unsplit(self.input.split_to(length));
        Ok(false)
    }

    fn trailer(&mut self) -> io::Result<bool> {
        let At::Trailers { seen } = self.at else { return Ok(false) };
        let Some(line) = line(&self.input)? else { return Ok(true) };
        let (is_last, length) = (line.is_empty(), line.len() + 2);
        if seen + length > LONGEST_LINE {
            return Err(malformed("the trailers, which are too long"));
        }
        self.at = if is_last { At::Head { seen: 0 } } else { At::Trailers { seen: seen + length } };
        self.ready.unsplit(self.input.split_to(length));
        Ok(false)
    }
}

/// The line that bytes start with, without its CRLF; `None` if it is not whole. A bare CR or LF is none of a line's.
fn line(bytes: &[u8]) -> io::Result<Option<&[u8]>> {
    let Some(at) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if bytes.len() > LONGEST_LINE { Err(malformed("a line, which is too long")) } else { Ok(None) };
    };
    match bytes.get(at..at + 2) {
        Some(b"\r\n") => Ok(Some(&bytes[..at])),
        Some(_) => Err(malformed("the end of a line")),
        None if bytes[at] == b'\r' => Ok(None),
        None => Err(malformed("the end of a line")),
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a chunked body cannot be read: {what}"))
}

/// How many bytes a head takes; `None` if it does not end in them. Lines end in LF, with or without a CR, as parsers take it.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let lf = from + bytes[from..].iter().position(|byte| *byte == b'\n')?;
        match &bytes[lf + 1..] {
            [b'\n', ..] => return Some(lf + 2),
            [b'\r', b'\n', ..] => return Some(lf + 3),
            _ => from = lf + 1,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum BodyEnd {
    Length(u64),
    Chunked,
    Ambiguous,
    OtherProtocol,
}

/// Where the body behind a whole head ends, if that can be said in one way only.
fn body_of(head: &[u8]) -> BodyEnd {
    let mut lines = head.split(|byte| *byte == b'\n');
    let is_connect = lines.next().is_some_and(|request| request.starts_with(b"CONNECT "));
    let (mut length, mut chunked, mut switches) = (None, false, is_connect);
    for line in lines {
        // A folded line, or a blank before the colon: the library refuses them, and others read them in their own ways.
        if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            return BodyEnd::Ambiguous;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        match name {
            name if name.eq_ignore_ascii_case(b"content-length") => match (length, digits(value)) {
                (None, Some(given)) => length = Some(given),
                _ => return BodyEnd::Ambiguous,
            },
            name if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return BodyEnd::Ambiguous;
                }
                chunked = true;
            }
            name if name.eq_ignore_ascii_case(b"upgrade") => switches = true,
            name if name.trim_ascii().len() < name.len() => return BodyEnd::Ambiguous,
            _ => {}
        }
    }
    match (length, chunked) {
        (Some(_), true) => BodyEnd::Ambiguous,
        (None | Some(0), false) if switches => BodyEnd::OtherProtocol,
        // An upgrade has no body.
        _ if switches => BodyEnd::Ambiguous,
        (_, true) => BodyEnd::Chunked,
        (length, false) => BodyEnd::Length(length.unwrap_or(0)),
    }
}

/// A number in digits alone.
fn digits(value: &[u8]) -> Option<u64> {
    let text = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}

impl<S: AsyncRead + Unpin> AsyncRead for OneLength<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if !this.ready.is_empty() {
                let take = this.ready.len().min(out.remaining());
                out.put_slice(&this.ready.split_to(take));
                return Poll::Ready(Ok(()));
            }
            if !this.advance()? {
                continue;
            }
            if this.at == At::Closed {
                // Not an end, which would cancel the request that is being refused. The connection is closed behind its answer.
                return Poll::Pending;
            }
            if this.at == At::Other {
                return Pin::new(&mut this.stream).poll_read(cx, out);
            }
            let mut bytes = [0; READ];
            let mut read = ReadBuf::new(&mut bytes);
            match Pin::new(&mut this.stream).poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => this.input.extend_from_slice(read.filled()),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for OneLength<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Passes bytes through, cut into pieces of so many, until nothing more comes. Returns what came and what the heads said.
    async fn pass(bytes: &[u8], piece: usize) -> (io::Result<Vec<u8>>, Vec<Head>) {
        let (mut client, server) = duplex(1 << 20);
        let mut reader = OneLength::new(server, 64 << 10, None);
        let heads = reader.heads();
        let (mut passed, mut failed) = (Vec::new(), None);
        for piece in bytes.chunks(piece) {
            client.write_all(piece).await.unwrap();
            let mut out = [0; 4096];
            loop {
                let read = std::future::poll_fn(|cx| {
                    let mut out = ReadBuf::new(&mut out);
                    Poll::Ready(match Pin::new(&mut reader).poll_read(cx, &mut out) {
                        Poll::Ready(read) => read.map(|()| out.filled().len()),
                        Poll::Pending => Ok(0),
                    })
                });
                match read.await {
                    Ok(0) => break,
                    Ok(length) => passed.extend_from_slice(&out[..length]),
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
        }
        let heads = std::iter::from_fn(|| heads.unasked.lock().unwrap().pop_front()).collect();
        (failed.map_or(Ok(passed), Err), heads)
    }

    const GOOD: Head = Head { is_ambiguous: false, asks_to_switch: false };
    const AMBIGUOUS: Head = Head { is_ambiguous: true, asks_to_switch: false };
    const SWITCHES: Head = Head { is_ambiguous: false, asks_to_switch: true };

    #[tokio::test]
    async fn requests_pass_as_they_are_at_any_cut() {
        let requests = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n\
                        POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
                        POST /c HTTP/1.1\nTransfer-Encoding: Chunked\n\n5;x=y\r\nhello\r\n1 \r\n!\r\n0\r\nT: 1\r\n\r\n\
                        GET /d HTTP/1.1\r\nContent-Length: 0\r\n\r\n";
        for piece in 1..requests.len() {
            let (passed, heads) = pass(requests.as_bytes(), piece).await;
            assert_eq!(String::from_utf8(passed.unwrap()).unwrap(), requests, "in pieces of {piece}");
            assert_eq!(heads, [GOOD; 4], "in pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn a_body_with_two_lengths_is_marked_wherever_it_comes_and_nothing_behind_it_passes() {
        for lines in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "transfer-encoding:chunked\r\nX: y\r\ncOnTeNt-LeNgTh:5\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Content-Length: 5, 5\r\n",
            "Content-Length: +5\r\n",
            "Content-Length:\r\n",
            "Content-Length: 5\r\n 6\r\n",
            "Content-Length : 5\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Upgrade: x\r\nContent-Length: 5\r\n",
        ] {
            for before in
                ["", "GET /a HTTP/1.1\r\n\r\n", "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"]
            {
                let bad = format!("{before}POST /x HTTP/1.1\r\n{lines}\r\n");
                let (passed, heads) = pass(format!("{bad}0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n").as_bytes(), 7).await;
                assert_eq!(String::from_utf8(passed.unwrap()).unwrap(), bad);
                assert_eq!(heads.last(), Some(&AMBIGUOUS), "{lines:?}");
                assert_eq!(heads.iter().filter(|head| **head == GOOD).count(), heads.len() - 1, "{lines:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_chunked_body_that_two_readers_could_end_in_two_places_ends_the_connection() {
        let head = "POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in [
            "\r\n",
            "x\r\n",
            "5x\r\nhello\r\n",
            "0x5\r\nhello\r\n",
            "-1\r\n",
            "5\nhello\r\n",
            "5;a\nb\r\nhello\r\n",
            "00000000000000005\r\nhello\r\n",
            "ffffffffffffffff\r\nhello",
            "0\r\nT: 1\n\r\n",
            "0\r\n\n",
        ] {
            let (passed, heads) = pass(format!("{head}{body}").as_bytes(), 1).await;
            assert!(passed.is_err(), "{body:?} gives {passed:?}");
            assert_eq!(heads, [GOOD], "{body:?}");
        }
    }

    #[tokio::test]
    async fn behind_an_upgrade_all_passes() {
        for head in ["GET /x HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\n\r\n"] {
            let all = format!("{head}\0\r\n\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n");
            let (passed, heads) = pass(all.as_bytes(), 3).await;
            assert_eq!(String::from_utf8(passed.unwrap()).unwrap(), all);
            assert_eq!(heads, [SWITCHES]);
        }
    }

    #[tokio::test]
    async fn a_head_without_an_end_is_the_librarys_to_refuse() {
        let endless = vec![b'x'; 70 << 10];
        let (passed, heads) = pass(&endless, 1000).await;
        let passed = passed.unwrap();
        assert!((64 << 10..66 << 10).contains(&passed.len()), "{}", passed.len());
        assert!(heads.is_empty());
    }

    #[tokio::test]
    async fn h2_passes_untouched() {
        let (mut client, server) = duplex(1024);
        let mut reader = OneLength::h2(server);
        client.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        let mut out = [0; 33];
        reader.read_exact(&mut out).await.unwrap();
        assert!(out.ends_with(b"\x04\0\0\0\0\0"));
    }
}
