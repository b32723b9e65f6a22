//! A session under way, as a task of its own: nothing of its connection's earlier life is kept in memory.

use std::sync::Arc;

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use recorder::Ending;
use tokio::io::{AsyncRead, AsyncWrite};
use wire::Side;

use crate::{
    auth::authorize::UpgradeProtocol,
    gateway::Shared,
    session::splice::{self, Start},
    session::upgrade::{self, UpgradedSession},
};

/// Starts to move bytes. `early` is what the client sent behind its request: held until now.
pub(crate) fn start<C>(shared: &Arc<Shared>, client: C, early: Bytes, session: UpgradedSession)
where
    C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let task = Arc::clone(shared);
    shared.tasks.spawn(async move { run(&task, client, early, session).await });
}

/// The same for a connection that hyper hands over once it has written the 101.
pub(crate) fn start_later(shared: &Arc<Shared>, upgraded: OnUpgrade, session: UpgradedSession) {
    let task = Arc::clone(shared);
    shared.tasks.spawn(async move {
        match upgraded.await {
            // hyper's leftover comes out of it first.
            Ok(client) => run(&task, TokioIo::new(client), Bytes::new(), session).await,
            Err(_) => upgrade::finish(&task, &session.user, session.recording, Ending::Closed(Side::Client)).await,
        }
    });
}

async fn run<C>(shared: &Shared, client: C, early: Bytes, session: UpgradedSession)
where
    C: AsyncRead + AsyncWrite + Send + Unpin,
{
    let UpgradedSession { upstream, early: server, recording, image, token, user, entered, slot, headers } = session;
    drop(headers);
    let silent_start = token == UpgradeProtocol::Spdy;
    let start = Start { client: early, server, silent_start, linger: shared.limits.linger };
    tracing::info!(session = %recording.id(), user, "session began");
    let how = splice::splice(client, upstream, start, &recording, &entered.cut).await;
    // Long over, but for a session that was shorter than a request.
    let _ = image.await;
    upgrade::finish(shared, &user, recording, how).await;
    // Who waits for its end finds its place free.
    drop((slot, entered));
}
