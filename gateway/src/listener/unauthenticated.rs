//! What connections may take on which no credential has been seen yet.
//!
//! ```text
//!   accepted ─▶ TLS ─▶ first head ─▶ later heads          until a credential was good: then none of these bounds holds
//!   │           └─ limits.head ───────────────────▶ closed
//!   │                  ├─ header lines ≤ 64 KiB ──▶ 431
//!   │                  ├─ request line ≤ 1 MiB ───▶ 431
//!   │                  └─ all such heads together beyond 4 KiB each ≤ limits.unfinished_heads ──▶ 503
//!   └─ limits.unauthenticated_per_address ─▶ closed before TLS
//! ```
//!
//! A request line may be longer than 64 KiB, since an exec's URL has its command and stands before the token.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::request::head::{HeadError, up_to_max};

/// Most bytes of header lines before a credential was seen. kubectl's have one to two KiB.
pub(crate) const MAX_UNAUTHENTICATED: usize = 64 << 10;
/// Bytes of an unfinished head that are not counted: ordinary requests get in although others hold all that may be held.
const UNCOUNTED: usize = 4 << 10;

/// The bounds of a gateway.
#[derive(Debug)]
pub(crate) struct Unauthenticated {
    per_address: usize,
    /// Connections by address; an address without any is not in it.
    connections: Mutex<HashMap<IpAddr, usize>>,
    /// Bytes that unfinished heads may still take.
    heads: Arc<Semaphore>,
}

impl Unauthenticated {
    pub(crate) fn new(per_address: usize, unfinished_heads: usize) -> Arc<Self> {
        let heads = Arc::new(Semaphore::new(unfinished_heads.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { per_address, connections: Mutex::default(), heads })
    }

    /// Counts a connection; `None` if its address has as many as it may.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<UnauthenticatedConnection> {
        let address = network(address);
        let mut connections = self.lock();
        let count = connections.entry(address).or_default();
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(UnauthenticatedConnection { bounds: Arc::clone(self), address, heads: None })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The network that bounds count as one address: a host with one IPv6 address can use the 2⁶⁴ of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        IpAddr::V4(v4) => IpAddr::V4(v4),
    }
}

/// A connection on which no credential has been seen. Dropped when one was, or when the connection ends.
#[derive(Debug)]
pub(crate) struct UnauthenticatedConnection {
    bounds: Arc<Unauthenticated>,
    address: IpAddr,
    heads: Option<OwnedSemaphorePermit>,
}

impl UnauthenticatedConnection {
    /// Takes room for a head of so many bytes in all. Room that was taken stays taken.
    pub(crate) fn reserve(&mut self, bytes: usize) -> Result<(), HeadError> {
        let taken = self.heads.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(more @ 1..) = bytes.saturating_sub(UNCOUNTED).checked_sub(taken) else { return Ok(()) };
        let more = u32::try_from(more).map_err(|_| HeadError::NoRoom)?;
        let more = Arc::clone(&self.bounds.heads).try_acquire_many_owned(more).map_err(|_| HeadError::NoRoom)?;
        match &mut self.heads {
            Some(heads) => heads.merge(more),
            None => self.heads = Some(more),
        }
        Ok(())
    }
}

impl Drop for UnauthenticatedConnection {
    fn drop(&mut self) {
        let mut connections = self.bounds.lock();
        if let Some(count) = connections.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                connections.remove(&self.address);
            }
        }
    }
}

/// Whether a credential was seen on a connection; until then it counts as unauthenticated.
#[derive(Debug)]
pub(crate) struct ConnectionAuth(Mutex<Option<UnauthenticatedConnection>>);

impl ConnectionAuth {
    /// `None` if a credential was seen.
    pub(crate) fn new(unauthenticated: Option<UnauthenticatedConnection>) -> Self {
        Self(Mutex::new(unauthenticated))
    }

    pub(crate) fn is_authenticated(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// A good credential was seen.
    pub(crate) fn authenticated(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

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
    pub(crate) fn may_grow(
        &mut self,
        head: &[u8],
        connection: &mut UnauthenticatedConnection,
    ) -> Result<(), HeadError> {
        up_to_max(head)?;
        self.look_at(head);
        let lines = self.headers.map_or(0, |start| head.len() - start);
        if lines > MAX_UNAUTHENTICATED && !self.shows_credential {
            return Err(HeadError::TooLong(MAX_UNAUTHENTICATED));
        }
        connection.reserve(head.len())
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
    use super::*;
    use crate::request::head::MAX_HEAD;

    fn connection(per_address: usize, heads: usize) -> (Arc<Unauthenticated>, UnauthenticatedConnection) {
        let bounds = Unauthenticated::new(per_address, heads);
        let connection = bounds.admit([127, 0, 0, 1].into()).unwrap();
        (bounds, connection)
    }

    #[test]
    fn an_address_has_a_bound_of_its_own_and_a_v6_network_is_one() {
        let (bounds, first) = connection(1, 0);
        assert!(bounds.admit([127, 0, 0, 1].into()).is_none());
        assert!(bounds.admit("::ffff:127.0.0.1".parse().unwrap()).is_none());
        let other = bounds.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(bounds.admit("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(bounds.admit("2001:db8:0:1::1".parse().unwrap()).is_some());
        drop((first, other));
        assert!(bounds.lock().is_empty(), "an address without connections is not remembered");
        assert!(bounds.admit([127, 0, 0, 1].into()).is_some());
    }

    #[test]
    fn heads_share_a_budget_beyond_what_is_not_counted() {
        let (bounds, mut first) = connection(2, 10_000);
        let mut second = bounds.admit([127, 0, 0, 1].into()).unwrap();
        first.reserve(UNCOUNTED + 6_000).unwrap();
        first.reserve(UNCOUNTED + 8_000).unwrap();
        second.reserve(UNCOUNTED).unwrap();
        assert!(matches!(second.reserve(UNCOUNTED + 3_000), Err(HeadError::NoRoom)));
        drop(first);
        second.reserve(UNCOUNTED + 3_000).unwrap();
    }

    /// Feeds a head in pieces of a kilobyte and gives how many bytes were taken.
    fn taken(head: &str) -> usize {
        let ((_bounds, mut connection), mut first) = (connection(1, 16 << 20), FirstHead::default());
        let ends = (1..).map(|piece| piece * 1024).take_while(|end| *end <= head.len());
        ends.take_while(|end| first.may_grow(&head.as_bytes()[..*end], &mut connection).is_ok()).last().unwrap()
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
