//! Ending a session so that the person sees why. A connection that is merely cut makes kubectl exit 0 over SPDY.

use std::time::Duration;

use recorder::Recording;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use wire::Side;

use super::registry::Termination;
use crate::transport::{drain, write};

/// How long a step may take when the gateway ends a session.
pub(super) const STOP: Duration = Duration::from_secs(2);
/// Longest rest of a frame that is filled up when the server's own bytes cannot be recorded any more.
const FILL: u64 = 64 << 10;

/// Where the server's bytes stand after an attempt to bring them to a frame boundary.
enum FrameBoundary {
    /// At the boundary.
    Reached,
    /// In a frame whose next bytes cannot be recorded.
    Within,
    /// The client takes no more, or the server sends no more.
    Never,
}

/// Brings the server's bytes to a frame boundary and writes the end of the session there: a failure Status, then the
/// transport's own close. If no boundary comes in time, nothing is written.
pub(crate) async fn visibly(
    upstream: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    recording: &Recording,
    why: &Termination,
    failed: bool,
) {
    let boundary = if failed { FrameBoundary::Within } else { to_frame_boundary(upstream, client, recording).await };
    let reached = match boundary {
        FrameBoundary::Reached => true,
        FrameBoundary::Within => fill(client, recording).await,
        FrameBoundary::Never => false,
    };
    if reached {
        let bytes = recording.termination(&why.message, why.reason, why.code);
        let _ = timeout(STOP, write(client, &bytes)).await;
    }
}

/// Goes on recording and forwarding up to the frame boundary.
async fn to_frame_boundary(
    upstream: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    recording: &Recording,
) -> FrameBoundary {
    let rest = async {
        let mut buffer = [0; 4096];
        loop {
            let want = match recording.bytes_to_frame_boundary() {
                Some(0) => return FrameBoundary::Reached,
                Some(rest) => usize::try_from(rest).unwrap_or(buffer.len()).min(buffer.len()),
                None => 1,
            };
            let Ok(read @ 1..) = upstream.read(&mut buffer[..want]).await else { return FrameBoundary::Never };
            let bytes = &buffer[..read];
            // It does not wait for room: that may take longer than the person is allowed to stay.
            match timeout(Duration::ZERO, recording.accept(Side::Server, bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return FrameBoundary::Within,
            }
            if write(client, bytes).await.is_err() {
                return FrameBoundary::Never;
            }
        }
    };
    timeout(STOP, rest).await.unwrap_or(FrameBoundary::Never)
}

/// Completes the frame with zero bytes: none of the server's own may be forwarded unrecorded.
async fn fill(client: &mut (impl AsyncWrite + Unpin), recording: &Recording) -> bool {
    match recording.bytes_to_frame_boundary() {
        Some(0) => true,
        Some(rest @ ..=FILL) => {
            let zeros = vec![0; usize::try_from(rest).unwrap_or(0)];
            matches!(timeout(STOP, write(client, &zeros)).await, Ok(Ok(())))
        }
        Some(_) | None => false,
    }
}

/// Closes both connections in an orderly way.
pub(crate) async fn close(
    from_client: &mut (impl AsyncRead + Unpin),
    client: &mut (impl AsyncWrite + Unpin),
    upstream: &mut (impl AsyncWrite + Unpin),
) {
    let _ = timeout(STOP, client.shutdown()).await;
    let _ = timeout(Duration::from_secs(1), upstream.shutdown()).await;
    drain(from_client, STOP).await;
}
