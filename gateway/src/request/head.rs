//! Heads of HTTP/1.1 messages, read by hand where hyper cannot: upgrade requests, whose URLs may be longer than
//! `http::Uri` holds (65,534 bytes), and the answers to them, behind which another protocol begins.

use bytes::{Buf, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use httparse::{EMPTY_HEADER, Header};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head in bytes, in both directions: what kube-apiserver accepts (`http.DefaultMaxHeaderBytes`).
pub(crate) const MAX_HEAD: usize = 1 << 20;
/// Most header lines: `--as-group` 150 times must work; a list of thousands is an attack.
pub(crate) const MAX_HEADERS: usize = 2048;
/// Header lines that are parsed without an allocation.
const FEW_HEADERS: usize = 64;

/// Why a head cannot be read.
#[derive(Debug, Error)]
pub(crate) enum HeadError {
    #[error("the head is not HTTP/1.1: {0}")]
    Malformed(String),
    #[error("the head has more than {0} bytes")]
    TooLong(usize),
    #[error("the head has more than {MAX_HEADERS} lines")]
    TooMany,
    #[error("too many requests are unfinished at this gateway: try again later")]
    NoRoom,
    #[error("the connection ended inside the head")]
    Ended,
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
}

/// A request's head. Its target is not a `Uri`: see the module's documentation.
#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// False for HTTP/1.0.
    pub(crate) is_http11: bool,
    /// How many bytes of the buffer the head takes.
    pub(crate) length: usize,
}

/// A response's head.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

/// Reads until the buffer starts with a whole head. Before each read `may_grow` is asked, with what has been read so far,
/// whether the head may become longer.
///
/// # Cancel safety
/// What was read stays in the buffer.
pub(crate) async fn fill(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    mut may_grow: impl FnMut(&[u8]) -> Result<(), HeadError>,
) -> Result<(), HeadError> {
    // Each byte is looked at once.
    let mut seen = 0;
    loop {
        // The end may have begun in what was looked at: `\r\n\r\n`, or `\n\n` from clients that write bare newlines.
        let from = usize::saturating_sub(seen, 3);
        if ends(&buffer[from..]) {
            return Ok(());
        }
        seen = buffer.len();
        may_grow(buffer)?;
        buffer.reserve(2048);
        if stream.read_buf(buffer).await? == 0 {
            return Err(HeadError::Ended);
        }
    }
}

/// The bound on every head: [`MAX_HEAD`].
pub(crate) fn up_to_max(head: &[u8]) -> Result<(), HeadError> {
    if head.len() > MAX_HEAD { Err(HeadError::TooLong(MAX_HEAD)) } else { Ok(()) }
}

fn ends(bytes: &[u8]) -> bool {
    bytes.windows(3).any(|w| w == b"\n\r\n" || &w[1..] == b"\n\n" || &w[..2] == b"\n\n")
}

/// Parses the whole request head that the buffer starts with. Folded lines and blanks before colons are refused. Where the
/// body ends is another question: [`unambiguous_length`].
pub(crate) fn request(buffer: &[u8]) -> Result<RequestHead, HeadError> {
    with_lines(|lines| {
        let mut parsed = httparse::Request::new(lines);
        let length = whole(parsed.parse(buffer))?;
        let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes());
        Ok(RequestHead {
            method: method.map_err(|e| HeadError::Malformed(e.to_string()))?,
            target: parsed.path.unwrap_or_default().to_owned(),
            headers: headers(parsed.headers)?,
            is_http11: parsed.version == Some(1),
            length,
        })
    })
}

/// Checks that the headers say once, and in one way, where the body ends. Where two readers can disagree about that, a
/// second request can be smuggled behind the first (RFC 9112, sections 6.1 and 6.3).
pub(crate) fn unambiguous_length(headers: &HeaderMap) -> Result<(), HeadError> {
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = codings.next();
    let chunked = coding.is_none_or(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    if lengths > 1 || codings.next().is_some() || !chunked || (lengths == 1 && coding.is_some()) {
        return Err(HeadError::Malformed("where its body ends can be read in two ways".to_owned()));
    }
    Ok(())
}

/// Restores the ambiguity that a request's head had before hyper removed the second length: [`unambiguous_length`] then refuses the
/// request.
pub(crate) fn set_ambiguous_length(headers: &mut HeaderMap) {
    for _ in 0..2 {
        headers.append(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

/// Reads a response's head and leaves what follows it in the buffer. Interim answers (100, 103) are skipped.
pub(crate) async fn response(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> Result<ResponseHead, HeadError> {
    loop {
        fill(stream, buffer, up_to_max).await?;
        let (head, length) = parse_response(buffer)?;
        buffer.advance(length);
        if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(head);
        }
    }
}

fn parse_response(buffer: &[u8]) -> Result<(ResponseHead, usize), HeadError> {
    with_lines(|lines| {
        let mut parsed = httparse::Response::new(lines);
        let length = whole(parsed.parse(buffer))?;
        let status = StatusCode::from_u16(parsed.code.unwrap_or_default());
        let status = status.map_err(|e| HeadError::Malformed(e.to_string()))?;
        Ok((ResponseHead { status, headers: headers(parsed.headers)? }, length))
    })
}

/// Parses with room for few lines on the stack, and if that is not enough, with room for many on the heap.
fn with_lines<'b, T>(parse: impl Fn(&mut [Header<'b>]) -> Result<T, HeadError>) -> Result<T, HeadError> {
    match parse(&mut [EMPTY_HEADER; FEW_HEADERS]) {
        Err(HeadError::TooMany) => parse(&mut vec![EMPTY_HEADER; MAX_HEADERS]),
        parsed => parsed,
    }
}

fn whole(parsed: httparse::Result<usize>) -> Result<usize, HeadError> {
    match parsed {
        Ok(httparse::Status::Complete(length)) => Ok(length),
        Ok(httparse::Status::Partial) => Err(HeadError::Malformed("it ends too early".to_owned())),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooMany),
        Err(e) => Err(HeadError::Malformed(e.to_string())),
    }
}

fn headers(lines: &[Header<'_>]) -> Result<HeaderMap, HeadError> {
    let mut map = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let malformed = |e: &dyn std::fmt::Display| HeadError::Malformed(e.to_string());
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|e| malformed(&e))?;
        map.append(name, HeaderValue::from_bytes(line.value).map_err(|e| malformed(&e))?);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_head_is_found_at_any_cut() {
        let bytes = b"GET /x HTTP/1.1\r\nA: 1\r\n\r\nnext";
        for cut in 1..bytes.len() {
            let mut stream = AsyncReadExt::chain(&bytes[..cut], &bytes[cut..]);
            let mut buffer = BytesMut::new();
            fill(&mut stream, &mut buffer, up_to_max).await.unwrap();
            assert_eq!(request(&buffer).unwrap().length, bytes.len() - 4, "cut at {cut}");
        }
    }

    #[test]
    fn what_others_would_read_otherwise_is_refused() {
        for head in
            ["GET /x HTTP/1.1\r\nA : 1\r\n\r\n", "GET /x HTTP/1.1\r\nA: 1\r\n b\r\n\r\n", "GET /x y HTTP/1.1\r\n\r\n"]
        {
            assert!(matches!(request(head.as_bytes()), Err(HeadError::Malformed(_))), "{head:?}");
        }
    }

    #[test]
    fn a_body_has_one_length() {
        let read = |lines: &str| {
            let head = request(format!("POST /x HTTP/1.1\r\n{lines}\r\n").as_bytes()).unwrap();
            unambiguous_length(&head.headers)
        };
        for lines in ["", "Content-Length: 5\r\n", "Transfer-Encoding: Chunked\r\n"] {
            assert!(read(lines).is_ok(), "{lines:?}");
        }
        for lines in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ] {
            assert!(matches!(read(lines), Err(HeadError::Malformed(_))), "{lines:?}");
        }
    }

    #[test]
    fn many_lines_are_read() {
        let head = format!("GET /x HTTP/1.1\r\n{}\r\n", "Impersonate-Group: g\r\n".repeat(1500));
        assert_eq!(request(head.as_bytes()).unwrap().headers.len(), 1500);
    }
}
