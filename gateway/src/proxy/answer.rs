//! An API server's refusal of an upgrade: read whole, within a bound, and handed on unchanged.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::request::{head::ResponseHead, headers, status::Status};

/// Longest body of a refusal in bytes; a Status has a few hundred. A longer one counts as a failure of the API server.
const MAX_BODY: usize = 1 << 20;

/// An API server's answer that is no 101.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Reads the body that belongs to a head (RFC 9112, section 6.3). `None` if it is too long or broken.
pub(crate) async fn read(
    head: ResponseHead,
    mut buffer: BytesMut,
    stream: &mut (impl AsyncRead + Unpin),
) -> Option<Answer> {
    let ResponseHead { status, mut headers } = head;
    let chunked = headers.contains_key(header::TRANSFER_ENCODING);
    let length = headers.get(header::CONTENT_LENGTH).cloned();
    let empty = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = match (chunked, length) {
        _ if empty => Bytes::new(),
        (true, _) => dechunk(&mut buffer, stream).await?,
        (false, Some(length)) => {
            let length: usize = length.to_str().ok()?.parse().ok().filter(|length| *length <= MAX_BODY)?;
            while buffer.len() < length {
                more(&mut buffer, stream).await.filter(|read| *read > 0)?;
            }
            buffer.split_to(length).freeze()
        }
        (false, None) => {
            while more(&mut buffer, stream).await? > 0 {}
            buffer.freeze()
        }
    };
    headers::strip_hop_by_hop(&mut headers);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    Some(Answer { status, headers, body })
}

impl Answer {
    /// Gives a refusal with an empty body a Status: kubectl would show `Error from server: ` and nothing behind it.
    pub(crate) fn in_words(mut self, cluster: &str) -> Self {
        let refusal = self.status.is_client_error() || self.status.is_server_error();
        if refusal && self.body.is_empty() {
            let message = format!("cluster {cluster:?}: its API server answered {} and nothing else", self.status);
            self.body = Status::new(self.status, message).json();
            self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            self.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        }
        self
    }
}

async fn more(buffer: &mut BytesMut, stream: &mut (impl AsyncRead + Unpin)) -> Option<usize> {
    if buffer.len() > MAX_BODY {
        return None;
    }
    buffer.reserve(4096);
    match stream.read_buf(buffer).await {
        Ok(read) => Some(read),
        // A body that ends with its connection also ends if TLS was not closed properly.
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Some(0),
        Err(_) => None,
    }
}

async fn dechunk(buffer: &mut BytesMut, stream: &mut (impl AsyncRead + Unpin)) -> Option<Bytes> {
    let mut body = BytesMut::new();
    loop {
        match httparse::parse_chunk_size(buffer) {
            Ok(httparse::Status::Complete((_, 0))) => return Some(body.freeze()),
            Ok(httparse::Status::Complete((line, size))) => {
                let size = usize::try_from(size).ok().filter(|size| *size <= MAX_BODY - body.len())?;
                while buffer.len() < line + size + 2 {
                    more(buffer, stream).await.filter(|read| *read > 0)?;
                }
                buffer.advance(line);
                body.extend_from_slice(&buffer.split_to(size));
                buffer.advance(2);
            }
            Ok(httparse::Status::Partial) => {
                more(buffer, stream).await.filter(|read| *read > 0)?;
            }
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(head: &str, body: &[u8]) -> Option<Bytes> {
        let mut buffer = BytesMut::new();
        let mut stream = AsyncReadExt::chain(head.as_bytes(), body);
        let head = crate::request::head::response(&mut stream, &mut buffer).await.unwrap();
        read(head, buffer, &mut stream).await.map(|answer| answer.body)
    }

    #[tokio::test]
    async fn a_body_is_read_as_its_head_frames_it() {
        let counted = "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(body(counted, b"abcd").await.unwrap(), "abc");
        assert_eq!(body("HTTP/1.1 403 Forbidden\r\n\r\n", b"abcd").await.unwrap(), "abcd");
        let chunked = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(body(chunked, b"2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n").await.unwrap(), "abc");
    }

    #[tokio::test]
    async fn a_broken_or_endless_body_is_none() {
        let chunked = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(body(chunked, b"5\r\nab").await.is_none());
        assert!(body(chunked, b"zz\r\n").await.is_none());
        assert!(body(chunked, b"ffffffffff\r\n").await.is_none());
        assert!(body("HTTP/1.1 403 F\r\nContent-Length: 99999999\r\n\r\n", b"").await.is_none());
    }
}
