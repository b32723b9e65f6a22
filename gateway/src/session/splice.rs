//! Two pumps between client and upstream: read, let the recorder accept, write.
//!
//! ```text
//!            read            accept            write
//!   client ────────▶ buffer ────────▶ recorder ────────▶ upstream     to_server
//!   client ◀──────── buffer ◀──────── recorder ◀──────── upstream     to_client
//! ```
//!
//! Each has one buffer and no queue: while the recorder or the other end is slow, nothing is read.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use recorder::{Ending, RecordError, Recording};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    pin, select,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use wire::Side;

use crate::{
    session::buffer::Buffer,
    session::registry::{KillSwitch, Termination},
    session::terminate,
};

/// After the server's last byte: how long the client has to take it and close.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a pump may take to stop when the gateway ends the session.
pub(crate) const STOP: Duration = Duration::from_secs(2);

/// What is known before the first read.
pub(crate) struct Start {
    /// Came behind the client's request; neither recorded nor sent yet.
    pub(crate) client: Bytes,
    /// Came behind the upstream's 101; recorded.
    pub(crate) server: Bytes,
    /// Over SPDY nothing may be written before the server's first frame: kubectl would lose it.
    pub(crate) silent_start: bool,
    /// See [`crate::Limits::linger`].
    pub(crate) linger: Duration,
}

/// How a pump ended.
enum PumpEnd {
    /// Its reading end said so, or broke.
    Eof,
    /// The client does not take bytes any more.
    ClientGone,
    /// It was told to, between two reads.
    Stopped,
    /// It was told to while the recorder had no room for what was read: that is not forwarded.
    Withheld,
    Failed(RecordError),
}

/// Why the gateway ends a session.
struct Abort {
    why: Termination,
    /// The recorder takes no more, or not in time.
    failed: bool,
    /// `to_client` has ended by that.
    ended: bool,
}

impl Abort {
    fn by_failure(error: &RecordError, ended: bool) -> Self {
        Self { why: of_failure(error), failed: true, ended }
    }
}

/// Moves bytes until both sides are done, or the gateway ends the session.
pub(crate) async fn splice<C, U>(
    client: C,
    upstream: U,
    start: Start,
    recording: &Recording,
    cut: &KillSwitch,
) -> Ending
where
    C: AsyncRead + AsyncWrite + Send + Unpin,
    U: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (mut from_client, mut client) = tokio::io::split(client);
    let (mut from_upstream, mut upstream) = tokio::io::split(upstream);
    let sent = AtomicU64::new(0);
    let stop = CancellationToken::new();
    let (cutting, whole) = {
        let to_server = to_server(&mut from_client, &mut upstream, recording, start.client);
        let to_client = to_client(&mut from_upstream, &mut client, recording, start.server, &stop, &sent);
        pin!(to_server, to_client);
        let mut first = None;
        let mut cutting = loop {
            select! {
                over = &mut to_server, if first != Some(Side::Client) => match over {
                    PumpEnd::Failed(error) => break Abort::by_failure(&error, false),
                    PumpEnd::Eof | PumpEnd::ClientGone | PumpEnd::Stopped | PumpEnd::Withheld => first = Some(Side::Client),
                },
                over = &mut to_client => match over {
                    PumpEnd::Failed(error) => break Abort::by_failure(&error, true),
                    PumpEnd::Eof | PumpEnd::Stopped | PumpEnd::Withheld => {
                        if first.is_none() {
                            let _ = timeout(DRAIN, &mut to_server).await;
                        }
                        return Ending::Closed(first.unwrap_or(Side::Server));
                    }
                    PumpEnd::ClientGone => return Ending::Closed(Side::Client),
                },
                error = recording.failed() => break Abort::by_failure(&error, false),
                () = cut.token.cancelled() => {
                    let why = cut.why().cloned().unwrap_or_else(crate::gateway::stopping);
                    break Abort { why, failed: false, ended: false };
                }
                () = silence(start.linger, &sent), if first.is_some() => return Ending::Closed(Side::Client),
            }
        };
        stop.cancel();
        // Between two writes: what the client has is whole reads, each of them recorded.
        let whole = cutting.ended || {
            let over = timeout(STOP, to_client).await;
            cutting.failed |= matches!(over, Ok(PumpEnd::Withheld | PumpEnd::Failed(_)));
            matches!(over, Ok(PumpEnd::Stopped | PumpEnd::Withheld | PumpEnd::Failed(_)))
        };
        (cutting, whole)
    };
    let spoken = !start.silent_start || sent.load(Ordering::Relaxed) > 0;
    if whole && spoken {
        terminate::visibly(&mut from_upstream, &mut client, recording, &cutting.why, cutting.failed).await;
    }
    terminate::close(&mut from_client, &mut client, &mut upstream).await;
    if cutting.why == crate::gateway::stopping() {
        return Ending::Interrupted;
    }
    let Termination { message, by, .. } = cutting.why;
    Ending::ByGateway { reason: message, by }
}

fn of_failure(error: &RecordError) -> Termination {
    match error {
        RecordError::Anomaly(_) => Termination::new(error.to_string(), "Forbidden", 403),
        _ => Termination::new(format!("the session was ended: {error}"), "InternalError", 500),
    }
}

/// Resolves when the server sent nothing for `linger`.
async fn silence(linger: Duration, sent: &AtomicU64) {
    loop {
        let before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(linger).await;
        if sent.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// Client to upstream. The client's half-close is handed on. An upstream that takes no more is no error: it may
/// have finished, and its last words are on their way; what the client still sends is thrown away.
async fn to_server(
    client: &mut (impl AsyncRead + Unpin),
    upstream: &mut (impl AsyncWrite + Unpin),
    recording: &Recording,
    early: Bytes,
) -> PumpEnd {
    let mut open = true;
    if !early.is_empty() {
        if let Err(error) = recording.accept(Side::Client, &early).await {
            return PumpEnd::Failed(error);
        }
        open = write(upstream, &early).await.is_ok();
    }
    drop(early);
    let mut buffer = Buffer::default();
    loop {
        let Ok(bytes @ [_, ..]) = buffer.read(client).await else { break };
        if !open {
            continue;
        }
        if let Err(error) = recording.accept(Side::Client, bytes).await {
            return PumpEnd::Failed(error);
        }
        open = write(upstream, bytes).await.is_ok();
    }
    recording.ended(Side::Client).await;
    let _ = timeout(DRAIN, upstream.shutdown()).await;
    PumpEnd::Eof
}

/// Upstream to client. The last bytes are flushed before the end is handed on.
async fn to_client(
    upstream: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    recording: &Recording,
    early: Bytes,
    stop: &CancellationToken,
    sent: &AtomicU64,
) -> PumpEnd {
    if !early.is_empty() {
        sent.fetch_add(early.len() as u64, Ordering::Relaxed);
        if write(client, &early).await.is_err() {
            return PumpEnd::ClientGone;
        }
    }
    drop(early);
    let stopped = stop.cancelled();
    pin!(stopped);
    let mut buffer = Buffer::default();
    loop {
        let read = select! {
            biased;
            () = &mut stopped => return PumpEnd::Stopped,
            read = buffer.read(upstream) => read,
        };
        let Ok(bytes @ [_, ..]) = read else { break };
        let accepted = select! {
            biased;
            accepted = recording.accept(Side::Server, bytes) => accepted,
            () = &mut stopped => return PumpEnd::Withheld,
        };
        if let Err(error) = accepted {
            return PumpEnd::Failed(error);
        }
        sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if write(client, bytes).await.is_err() {
            return PumpEnd::ClientGone;
        }
    }
    recording.ended(Side::Server).await;
    let _ = timeout(DRAIN, client.shutdown()).await;
    PumpEnd::Eof
}

/// Writes and flushes: a keystroke's echo must not wait in TLS's buffer.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

/// Reads and throws away until the end: closing a socket with unread bytes resets it, and a reset can overtake
/// what was sent last.
pub(crate) async fn drain(from: &mut (impl AsyncRead + Unpin), patience: Duration) {
    let mut bytes = [0; 512];
    let _ = timeout(patience, async { while matches!(from.read(&mut bytes).await, Ok(1..)) {} }).await;
}
