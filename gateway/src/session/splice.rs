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
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use recorder::{Ending, LatencyObserver, RecordError, Recording};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    pin, select,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use wire::Side;

use super::{
    buffer::Buffer,
    registry::{KillSwitch, Termination},
    terminate::{self, STOP},
};
use crate::{ForwardLatency, transport::write};

/// How long the client has, after the server's last byte, to take it and close.
const DRAIN: Duration = Duration::from_secs(5);

/// What is known before the first read.
pub(crate) struct Start {
    /// What came behind the client's request; neither recorded nor sent yet.
    pub(crate) client: Bytes,
    /// What came behind the API server's 101; recorded already.
    pub(crate) server: Bytes,
    /// Whether nothing may be written before the server's first frame. Over SPDY kubectl would lose it.
    pub(crate) silent_start: bool,
    /// See [`crate::Limits::linger`].
    pub(crate) linger: Duration,
    /// Told how long each message took.
    pub(crate) latency: ForwardLatency,
}

/// How a pump ended.
enum PumpEnd {
    /// The end that it reads from closed, or broke.
    Eof,
    /// The client takes no more bytes.
    ClientGone,
    /// It was told to stop, between two reads.
    Stopped,
    /// It was told to stop while the recorder had no room for what was read, which is not forwarded.
    NotForwarded,
    /// The recorder did not accept what was read, which is not forwarded.
    Failed(RecordError),
}

/// Why the gateway ends a session.
struct Abort {
    why: Termination,
    /// Whether the recorder takes no more, or not in time.
    failed: bool,
    /// Whether `to_client` has ended for this reason.
    ended: bool,
}

impl Abort {
    fn by_failure(error: &RecordError, ended: bool) -> Self {
        Self { why: termination_of(error), failed: true, ended }
    }
}

/// Moves bytes until both sides are done, or the gateway ends the session.
pub(crate) async fn splice<C, U>(
    client: C,
    upstream: U,
    start: Start,
    recording: &Recording,
    switch: &KillSwitch,
) -> Ending
where
    C: AsyncRead + AsyncWrite + Send + Unpin,
    U: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (mut from_client, mut client) = tokio::io::split(client);
    let (mut from_upstream, mut upstream) = tokio::io::split(upstream);
    let sent = AtomicU64::new(0);
    let stop = CancellationToken::new();
    let (abort, whole) = {
        let to_server = to_server(&mut from_client, &mut upstream, recording, start.client, &start.latency.to_server);
        let to_client =
            to_client(&mut from_upstream, &mut client, recording, start.server, &stop, &sent, &start.latency.to_client);
        pin!(to_server, to_client);
        let mut first = None;
        let mut abort = loop {
            select! {
                over = &mut to_server, if first != Some(Side::Client) => match over {
                    PumpEnd::Failed(error) => break Abort::by_failure(&error, false),
                    PumpEnd::Eof | PumpEnd::ClientGone | PumpEnd::Stopped | PumpEnd::NotForwarded => first = Some(Side::Client),
                },
                over = &mut to_client => match over {
                    PumpEnd::Failed(error) => break Abort::by_failure(&error, true),
                    PumpEnd::Eof | PumpEnd::Stopped | PumpEnd::NotForwarded => {
                        if first.is_none() {
                            let _ = timeout(DRAIN, &mut to_server).await;
                        }
                        return Ending::Closed(first.unwrap_or(Side::Server));
                    }
                    PumpEnd::ClientGone => return Ending::Closed(Side::Client),
                },
                error = recording.failed() => break Abort::by_failure(&error, false),
                () = switch.token.cancelled() => {
                    let why = switch.why().cloned().unwrap_or_else(Termination::shutdown);
                    break Abort { why, failed: false, ended: false };
                }
                () = silence(start.linger, &sent), if first.is_some() => return Ending::Closed(Side::Client),
            }
        };
        stop.cancel();
        // The pump stops between two writes: the client has whole reads, each of which is recorded.
        let whole = abort.ended || {
            let over = timeout(STOP, to_client).await;
            abort.failed |= matches!(over, Ok(PumpEnd::NotForwarded | PumpEnd::Failed(_)));
            matches!(over, Ok(PumpEnd::Stopped | PumpEnd::NotForwarded | PumpEnd::Failed(_)))
        };
        (abort, whole)
    };
    let spoken = !start.silent_start || sent.load(Ordering::Relaxed) > 0;
    if whole && spoken {
        terminate::visibly(&mut from_upstream, &mut client, recording, &abort.why, abort.failed).await;
    }
    terminate::close(&mut from_client, &mut client, &mut upstream).await;
    if abort.why == Termination::shutdown() {
        return Ending::Interrupted;
    }
    let Termination { message, by, .. } = abort.why;
    Ending::ByGateway { reason: message, by }
}

fn termination_of(error: &RecordError) -> Termination {
    match error {
        RecordError::Anomaly(_) => Termination::new(error.to_string(), "Forbidden", 403),
        _ => Termination::new(format!("the session was ended: {error}"), "InternalError", 500),
    }
}

/// Resolves when the server has sent nothing for `linger`.
async fn silence(linger: Duration, sent: &AtomicU64) {
    loop {
        let before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(linger).await;
        if sent.load(Ordering::Relaxed) == before {
            return;
        }
    }
}

/// Moves bytes from the client to the API server, and hands the client's half-close on. An API server that takes no more
/// is no error: it may have finished, and its last bytes are on their way. What the client still sends is discarded.
async fn to_server(
    client: &mut (impl AsyncRead + Unpin),
    upstream: &mut (impl AsyncWrite + Unpin),
    recording: &Recording,
    early: Bytes,
    latency: &LatencyObserver,
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
        let began = latency.start();
        if let Err(error) = recording.accept(Side::Client, bytes).await {
            return PumpEnd::Failed(error);
        }
        open = write(upstream, bytes).await.is_ok();
        latency.observe_since(began);
    }
    recording.ended(Side::Client).await;
    let _ = timeout(DRAIN, upstream.shutdown()).await;
    PumpEnd::Eof
}

/// Moves bytes from the API server to the client. The last bytes are flushed before the end is handed on.
async fn to_client(
    upstream: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    recording: &Recording,
    early: Bytes,
    stop: &CancellationToken,
    sent: &AtomicU64,
    latency: &LatencyObserver,
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
        let began = latency.start();
        let accepted = select! {
            biased;
            accepted = recording.accept(Side::Server, bytes) => accepted,
            () = &mut stopped => return PumpEnd::NotForwarded,
        };
        if let Err(error) = accepted {
            return PumpEnd::Failed(error);
        }
        sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if write(client, bytes).await.is_err() {
            return PumpEnd::ClientGone;
        }
        latency.observe_since(began);
    }
    recording.ended(Side::Server).await;
    let _ = timeout(DRAIN, client.shutdown()).await;
    PumpEnd::Eof
}
