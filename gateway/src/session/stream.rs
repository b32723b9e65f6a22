//! Forwarded answers that stay open: listed in the registry, and ended when their permit is.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::Response;
use hyper::body::{Body, Frame, SizeHint};
use thiserror::Error;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::registry::{Registration, Termination};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Waits for the answer to a forwarded request, or for the end of its permit.
///
/// # Errors
/// Why the permit was ended before there was an answer.
///
/// # Cancel safety
/// Dropping the future drops `forward`.
pub(crate) async fn registered<B>(
    registration: Registration,
    forward: impl Future<Output = Response<B>>,
) -> Result<Response<StreamBody<B>>, Termination> {
    tokio::select! {
        biased;
        () = registration.switch.token.cancelled() => {
            Err(registration.switch.why().cloned().unwrap_or_else(Termination::shutdown))
        }
        answer = forward => Ok(answer.map(|body| StreamBody { body, permit: Some(RunningPermit::new(registration)) })),
    }
}

/// A forwarded answer's body. If it is registered, it breaks off when its permit is ended: the client sees that it is not
/// whole.
pub(crate) struct StreamBody<B> {
    body: B,
    permit: Option<RunningPermit>,
}

struct RunningPermit {
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    _registration: Registration,
}

impl RunningPermit {
    fn new(registration: Registration) -> Self {
        Self { ended: Box::pin(registration.switch.token.clone().cancelled_owned()), _registration: registration }
    }
}

impl<B> StreamBody<B> {
    /// A body that nobody ends.
    pub(crate) fn unregistered(body: B) -> Self {
        Self { body, permit: None }
    }
}

impl<B: Body<Error: Into<BoxError>> + Unpin> Body for StreamBody<B> {
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(permit) = &mut self.permit
            && permit.ended.as_mut().poll(cx).is_ready()
        {
            self.permit = None;
            return Poll::Ready(Some(Err(Box::new(PermitEnded))));
        }
        Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why an answer breaks off.
#[derive(Debug, Error)]
#[error("the permit of this answer was ended")]
struct PermitEnded;
