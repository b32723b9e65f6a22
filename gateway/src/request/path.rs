//! A URL's path, read once. Policy and API server both get what is made of it here, so they cannot disagree.

use std::{borrow::Cow, fmt::Write};

use percent_encoding::percent_decode_str;
use thiserror::Error;

/// Why a path is refused: two readers could disagree about what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum PathError {
    #[error("the path does not start with a slash")]
    Relative,
    #[error("the path has an empty segment (`//`)")]
    Empty,
    #[error("the path has a segment `.` or `..`")]
    Dots,
    #[error("the path has a percent-encoding that is not one, or is not UTF-8")]
    Encoding,
    #[error("the path has a slash, backslash, percent sign, `#` or control character inside a segment")]
    Character,
}

/// The decoded segments. A slash at the end is kept, since proxied paths differ by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path<'a> {
    segments: Vec<Cow<'a, str>>,
    trailing_slash: bool,
}

impl<'a> Path<'a> {
    /// Reads a path as it stands in a request line, without its query.
    pub(crate) fn parse(raw: &'a str) -> Result<Self, PathError> {
        let rest = raw.strip_prefix('/').ok_or(PathError::Relative)?;
        if rest.is_empty() {
            return Ok(Self { segments: Vec::new(), trailing_slash: true });
        }
        let (rest, trailing_slash) = rest.strip_suffix('/').map_or((rest, false), |rest| (rest, true));
        let segments = rest.split('/').map(segment).collect::<Result<_, _>>()?;
        Ok(Self { segments, trailing_slash })
    }

    pub(crate) fn segments(&self) -> &[Cow<'a, str>] {
        &self.segments
    }

    pub(crate) fn trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    /// Removes the first `count` segments.
    pub(crate) fn below(mut self, count: usize) -> Self {
        self.segments.drain(..count.min(self.segments.len()));
        self.trailing_slash |= self.segments.is_empty();
        self
    }

    /// Appends the only spelling of this path that goes upstream.
    pub(crate) fn write(&self, out: &mut String) {
        for segment in &self.segments {
            out.push('/');
            segment.bytes().for_each(|byte| write_byte(out, byte));
        }
        if self.trailing_slash {
            out.push('/');
        }
    }
}

/// Writes a `pchar` (RFC 3986, section 3.3) as it is, and everything else percent-encoded.
fn write_byte(out: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
        out.push(char::from(byte));
    } else {
        let _ = write!(out, "%{byte:02X}");
    }
}

fn segment(raw: &str) -> Result<Cow<'_, str>, PathError> {
    if raw.is_empty() {
        return Err(PathError::Empty);
    }
    if !whole_escapes(raw) {
        return Err(PathError::Encoding);
    }
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| PathError::Encoding)?;
    if matches!(&*decoded, "." | "..") {
        return Err(PathError::Dots);
    }
    // A `%` after decoding: a server that decodes twice would read something else.
    if decoded.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | '%' | '#')) {
        return Err(PathError::Character);
    }
    Ok(decoded)
}

/// Whether every `%` is followed by two hexadecimal digits.
fn whole_escapes(raw: &str) -> bool {
    raw.split('%').skip(1).all(|rest| rest.as_bytes().get(..2).is_some_and(|h| h.iter().all(u8::is_ascii_hexdigit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(raw: &str) -> Result<String, PathError> {
        let mut out = String::new();
        Path::parse(raw)?.write(&mut out);
        Ok(out)
    }

    #[test]
    fn one_spelling_goes_upstream() {
        for (raw, written) in [
            ("/", "/"),
            ("/api/v1", "/api/v1"),
            ("/apis/", "/apis/"),
            ("/api/v1/namespaces/default/pods/web/%65xec", "/api/v1/namespaces/default/pods/web/exec"),
            ("/a/system%3Anode", "/a/system:node"),
            ("/a/b%20c%3f", "/a/b%20c%3F"),
            ("/a/%C3%A9", "/a/%C3%A9"),
        ] {
            assert_eq!(canonical(raw).as_deref(), Ok(written));
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (raw, error) in [
            ("api", PathError::Relative),
            ("", PathError::Relative),
            ("//api", PathError::Empty),
            ("/api//v1", PathError::Empty),
            ("/a/./b", PathError::Dots),
            ("/a/%2e%2E/b", PathError::Dots),
            ("/a/..", PathError::Dots),
            ("/a/b%2fexec", PathError::Character),
            ("/a/b%5Cexec", PathError::Character),
            ("/a/%00", PathError::Character),
            ("/a/%2565xec", PathError::Character),
            ("/a/%23", PathError::Character),
            ("/a/%", PathError::Encoding),
            ("/a/%6", PathError::Encoding),
            ("/a/%zz", PathError::Encoding),
            ("/a/%ff", PathError::Encoding),
        ] {
            assert_eq!(canonical(raw), Err(error), "{raw}");
        }
    }
}
