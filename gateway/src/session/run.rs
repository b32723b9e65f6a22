//! A session under way, as a task of its own: nothing of its connection's earlier life is kept in memory.

use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use listener::Place;
use recorder::Ending;
use tokio::io::{AsyncRead, AsyncWrite};
use wire::Side;

use super::{
    finish,
    sessions::Sessions,
    splice::{self, Start},
    upgrade::{Opened, UpgradedSession},
};
use crate::request::protocol::UpgradeProtocol;

/// Starts to move bytes. `early` is what the client sent behind its request, held back until now; `place` is the
/// connection's, until the session is over.
pub(crate) fn start<C>(sessions: &Arc<Sessions>, client: C, early: Bytes, session: UpgradedSession, place: Arc<Place>)
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let task = Arc::clone(sessions);
    sessions.tasks.spawn(async move {
        run(&task, client, early, session).await;
        drop(place);
    });
}

/// Starts to move bytes once hyper has written the 101 and hands the connection over.
pub(crate) fn start_later(sessions: &Arc<Sessions>, upgraded: OnUpgrade, session: UpgradedSession, place: Arc<Place>) {
    let task = Arc::clone(sessions);
    sessions.tasks.spawn(async move {
        match upgraded.await {
            // What hyper read too much comes out of the connection first.
            Ok(client) => run(&task, TokioIo::new(client), Bytes::new(), session).await,
            Err(_) => {
                let UpgradedSession { upstream, opened, .. } = session;
                drop(upstream);
                end(&task, opened, Ending::Closed(Side::Client)).await;
            }
        }
        drop(place);
    });
}

async fn run<C>(sessions: &Sessions, client: C, early: Bytes, session: UpgradedSession)
where
    C: AsyncRead + AsyncWrite + Send + Unpin,
{
    let UpgradedSession { upstream, early: server, protocol, opened, headers } = session;
    drop(headers);
    let silent_start = protocol == UpgradeProtocol::Spdy;
    let latency = sessions.forward_latency.clone();
    let start = Start { client: early, server, silent_start, linger: sessions.limits.linger, latency };
    tracing::info!(session = %opened.recording.id(), user = opened.user, "session began");
    let how = splice::splice(client, upstream, start, &opened.recording, &opened.registration.switch).await;
    end(sessions, opened, how).await;
}

/// Ends a session of which no byte crosses any more. The person can open the next one at once; the recording waits for the
/// image, so that the record of it precedes the end.
async fn end(sessions: &Sessions, opened: Opened, how: Ending) {
    let Opened { recording, image, user, registration, place } = opened;
    drop(place);
    registration.release();
    // Ended long ago, unless the session was shorter than a request to the API server.
    let _ = image.await;
    finish::finish(sessions, &user, recording, how).await;
    drop(registration);
}
