//! What connections may take on which no credential has been seen yet.
//!
//! ```text
//!   accepted ─▶ TLS ─▶ first head ─▶ later heads          until a credential was good: then those of a person hold
//!   │           └─ limits.head ───────────────────▶ closed
//!   │                  ├─ header lines ≤ 64 KiB ──▶ 431
//!   │                  ├─ request line ≤ 1 MiB ───▶ 431
//!   │                  └─ all such heads together beyond 4 KiB each ≤ Settings::heads ──▶ 503
//!   └─ limits.unauthenticated_per_address, limits.connections ─▶ the oldest is closed
//! ```
//!
//! A request line may be longer than 64 KiB, since an exec's URL has its command and stands before the token.

use listener::Place;

use crate::request::head::{HeadError, up_to_max};

/// Most bytes of header lines before a credential was seen. kubectl's have one to two KiB.
pub(crate) const MAX_UNAUTHENTICATED: usize = 64 << 10;
/// Watches a connection's first head while it is read, for [`crate::request::head::fill`]. Each byte is looked at once.
#[derive(Debug, Default)]
pub(crate) struct FirstHead {
    /// Where the line starts that is not read to its end.
    line: usize,
    /// Where the header lines start; `None` while the request line is not read to its end.
    headers: Option<usize>,
    /// Bytes that were looked at.
    seen: usize,
    /// Whether a header line with a credential was seen; nobody has checked it.
    shows_credential: bool,
}

impl FirstHead {
    /// Whether a head that begins with these bytes may become longer.
    pub(crate) fn may_grow(&mut self, head: &[u8], place: &Place) -> Result<(), HeadError> {
        up_to_max(head)?;
        self.look_at(head);
        let lines = self.headers.map_or(0, |start| head.len() - start);
        if lines > MAX_UNAUTHENTICATED && !self.shows_credential && !place.is_let_in() {
            return Err(HeadError::TooLong(MAX_UNAUTHENTICATED));
        }
        place.reserve(head.len()).map_err(|_| HeadError::NoRoom)
    }

    fn look_at(&mut self, head: &[u8]) {
        while let Some(length) = head[self.seen..].iter().position(|byte| *byte == b'\n') {
            let end = self.seen + length + 1;
            let line = &head[self.line..end];
            self.shows_credential |= self.headers.is_some() && is_credential(line);
            self.headers.get_or_insert(end);
            (self.line, self.seen) = (end, end);
        }
        self.seen = head.len();
    }
}

fn is_credential(line: &[u8]) -> bool {
    let starts = |name: &[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    starts(b"authorization:") || (starts(b"sec-websocket-protocol:") && line.windows(7).any(|part| part == b".bearer"))
}

#[cfg(test)]
mod tests {
    use listener::{HeadBudget, PlaceLimits, Places};

    use super::*;
    use crate::request::head::MAX_HEAD;

    /// Feeds a head in pieces of a kilobyte and gives how many bytes were taken.
    fn taken(head: &str) -> usize {
        let limits = PlaceLimits { total: 1, per_address: 1, per_person: 1 };
        let place = Places::new(limits, HeadBudget::new(128 << 20)).admit(Some([127, 0, 0, 1].into())).unwrap();
        let mut first = FirstHead::default();
        let ends = (1..).map(|piece| piece * 1024).take_while(|end| *end <= head.len());
        ends.take_while(|end| first.may_grow(&head.as_bytes()[..*end], &place).is_ok()).last().unwrap()
    }

    #[test]
    fn header_lines_are_short_until_a_credential_is_seen() {
        let line = format!("X-Long: {}\r\n", "x".repeat(1000));
        let many = line.repeat(200);
        let without = taken(&format!("GET / HTTP/1.1\r\n{many}"));
        assert!(without.abs_diff(MAX_UNAUTHENTICATED) <= 1024, "{without}");
        let with = format!("GET / HTTP/1.1\r\nauthorization: Bearer x\r\n{many}");
        assert_eq!(taken(&with), with.len() / 1024 * 1024);
        let browser =
            format!("GET / HTTP/1.1\r\nSec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.eA, v5\r\n{many}");
        assert_eq!(taken(&browser), browser.len() / 1024 * 1024);
        let in_the_url = taken(&format!("GET /authorization: HTTP/1.1\r\n{many}"));
        assert!(in_the_url.abs_diff(MAX_UNAUTHENTICATED) <= 1024, "{in_the_url}");
    }

    #[test]
    fn a_request_line_may_be_as_long_as_a_head() {
        let long = taken(&format!("GET /{}", "x".repeat(2 * MAX_HEAD)));
        assert!(long.abs_diff(MAX_HEAD) <= 1024, "{long}");
    }
}
