//! Requests that are no upgrades: forwarded as they are, streamed both ways, journalled.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use recording::journal::{self, JournalEvent};

use crate::{
    auth::authenticate::Peer,
    auth::authorize::{self, Authorized, Head},
    auth::impersonate,
    gateway::Shared,
    proxy::upstream::{Cluster, DialError},
    request::headers,
    request::status::Status,
};

/// What goes to a client: the gateway's own words, or the upstream's body as it comes.
pub(crate) type Body = Either<Full<Bytes>, Incoming>;

/// What a journal has instead of a status where the client went before there was one: the API server may have done
/// what was asked all the same.
const CLIENT_GONE: u16 = 499;

/// Forwards a request that was admitted. The response's body is streamed; nothing of it is kept.
pub(crate) async fn forward(
    shared: &Arc<Shared>,
    peer: &Peer,
    admitted: Authorized,
    head: Head,
    body: Incoming,
) -> Response<Body> {
    let note = authorize::noted(peer, &head, admitted.permit.target().clone(), admitted.verb, 0);
    let mut unheard = PendingJournalEntry {
        shared,
        user: admitted.permit.principal().name.clone(),
        request: Some(note),
        quiet: quiet(&admitted),
    };
    let answer = match send(&admitted, head, body).await {
        Ok(response) => response.map(Either::Right),
        Err(status) => status.response().map(Either::Left),
    };
    unheard.answered(answer.status()).await;
    answer
}

/// A request that the journal has not heard of yet. hyper drops a request's future when its client goes: whoever
/// sends a DELETE and hangs up must not be left out.
struct PendingJournalEntry<'a> {
    shared: &'a Arc<Shared>,
    user: String,
    request: Option<journal::ApiRequest>,
    /// What only reads, by a rule that keeps that out of the journal.
    quiet: bool,
}

impl PendingJournalEntry<'_> {
    async fn answered(&mut self, status: StatusCode) {
        let Some(request) = &mut self.request else { return };
        request.code = status.as_u16();
        if self.quiet && !status.is_client_error() && !status.is_server_error() {
            self.request = None;
            return;
        }
        // Kept until the queue has it: it may be full, and the client may not wait.
        self.shared.journal.note(&self.user, JournalEvent::Request(request.clone())).await;
        self.request = None;
    }
}

impl Drop for PendingJournalEntry<'_> {
    fn drop(&mut self) {
        let Some(mut request) = self.request.take() else { return };
        if request.code == 0 {
            (request.code, request.reason) = (CLIENT_GONE, "the client went before it was answered".to_owned());
        }
        let (shared, user) = (Arc::clone(self.shared), std::mem::take(&mut self.user));
        self.shared.tasks.spawn(async move { shared.journal.note(&user, JournalEvent::Request(request)).await });
    }
}

fn quiet(admitted: &Authorized) -> bool {
    admitted.permit.action() == access::Action::Read && !admitted.permit.journal_reads()
}

async fn send(admitted: &Authorized, head: Head, body: Incoming) -> Result<Response<Incoming>, Status> {
    let cluster = &*admitted.cluster;
    let uri = cluster.uri(&admitted.path, &admitted.query);
    let uri = uri.ok_or_else(|| Status::new(StatusCode::URI_TOO_LONG, "the URL is too long to be forwarded"))?;
    let mut request = Request::new(body);
    *request.method_mut() = head.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = own(head.headers, admitted)?;
    let mut response = cluster.request(request).await.map_err(|e| unreachable(cluster, &e))?;
    headers::strip_hop_by_hop(response.headers_mut());
    Ok(response)
}

/// The client's headers with the gateway's credential and the person's impersonation.
pub(crate) fn own(mut headers: HeaderMap, admitted: &Authorized) -> Result<HeaderMap, Status> {
    headers::strip_request(&mut headers);
    impersonate::set(&mut headers, admitted.permit.impersonation())?;
    admitted.cluster.authorize(&mut headers).map_err(|e| undialled(&admitted.cluster, &e))?;
    headers.insert(header::HOST, admitted.cluster.host.clone());
    Ok(headers)
}

/// A cluster that cannot be dialled, told to the person.
pub(crate) fn undialled(cluster: &Cluster, error: &DialError) -> Status {
    tracing::warn!(cluster = cluster.name, error = error as &dyn std::error::Error, "cluster is unreachable");
    Status::unavailable(format!("cluster {:?} is unreachable: {error}", cluster.name))
}

fn unreachable(cluster: &Cluster, error: &hyper_util::client::legacy::Error) -> Status {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(dial) = cause.downcast_ref::<DialError>() {
            return undialled(cluster, dial);
        }
        source = cause.source();
    }
    tracing::warn!(cluster = cluster.name, error = error as &dyn std::error::Error, "request to cluster failed");
    Status::bad_gateway(format!("cluster {:?}: its API server broke off before it answered", cluster.name))
}
