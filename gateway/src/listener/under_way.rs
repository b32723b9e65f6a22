//! How many requests of a connection are under way, answers that are being sent included.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::{sync::Notify, time::timeout};

/// The requests of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<Requests>);

#[derive(Debug, Default)]
struct Requests {
    count: AtomicUsize,
    changed: Notify,
}

/// A request that is under way. Dropped when it is over.
#[derive(Debug)]
pub(super) struct Running(Arc<Requests>);

impl UnderWay {
    pub(super) fn begin(&self) -> Running {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        self.0.changed.notify_one();
        Running(Arc::clone(&self.0))
    }

    /// Resolves when nothing was under way for so long. One task waits for it.
    pub(super) async fn idle(&self, limit: Duration) {
        loop {
            let changed = self.0.changed.notified();
            if self.0.count.load(Ordering::SeqCst) > 0 {
                changed.await;
            } else if timeout(limit, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}

/// An answer's body: its request is under way until it is sent, or given up.
pub(super) struct Counted<B> {
    body: B,
    _running: Running,
}

impl<B> Counted<B> {
    pub(super) fn new(body: B, running: Running) -> Self {
        Self { body, _running: running }
    }
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_idle_when_the_last_of_its_requests_is_over() {
        let under_way = UnderWay::default();
        let mut running = vec![under_way.begin(), under_way.begin()];
        let idle = under_way.idle(Duration::ZERO);
        tokio::pin!(idle);
        while !running.is_empty() {
            for _ in 0..10 {
                tokio::select! {
                    biased;
                    () = idle.as_mut() => panic!("{} requests are under way", running.len()),
                    () = tokio::task::yield_now() => {}
                }
            }
            running.pop();
        }
        timeout(Duration::from_secs(20), idle).await.expect("nothing is under way");
    }
}
