//! Requests that are no upgrades: forwarded as they are, streamed both ways, journalled.

use std::{error::Error, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use journal::Journal;
use recording::journal::{ApiRequest, JournalEvent};
use tokio_util::task::TaskTracker;

use super::upstream::{Cluster, Clusters, DialError, Origin};
use crate::{
    auth::{authorize::Permitted, refusals::RefusalJournal},
    request::{headers, status::Status},
};

/// What goes to a client: the gateway's own words, or the API server's body as it comes.
pub(crate) type Body = Either<Full<Bytes>, Incoming>;

/// The code in the journal of a request whose client went before there was an answer: the API server may have done what it
/// was asked all the same.
const CLIENT_GONE: u16 = 499;

/// Hands requests on to API servers.
pub(crate) struct Forwarder {
    pub(crate) clusters: Arc<Clusters>,
    pub(crate) journal: Journal,
    pub(crate) refusals: Arc<RefusalJournal>,
    pub(crate) tasks: TaskTracker,
}

impl Forwarder {
    /// Forwards a request. The response's body is streamed, and nothing of it is kept.
    ///
    /// # Cancel safety
    /// If the future is dropped, the request is journalled as one whose client has gone.
    pub(crate) async fn forward(&self, permitted: Permitted, body: Incoming) -> Response<Body> {
        let cluster = match self.clusters.of(&permitted.permit) {
            Ok(cluster) => cluster,
            Err(status) => {
                return self.refusals.note(permitted.refuse(status)).await.response().map(Either::Left);
            }
        };
        let mut entry = PendingJournalEntry {
            journal: &self.journal,
            tasks: &self.tasks,
            user: permitted.user().to_owned(),
            request: Some(permitted.journalled(0)),
            only_failures: only_failures(&permitted),
        };
        let answer = match send(&cluster, permitted, body).await {
            Ok(response) => response.map(Either::Right),
            Err(status) => status.response().map(Either::Left),
        };
        entry.answered(answer.status()).await;
        answer
    }
}

/// A request that is not in the journal yet. hyper drops a request's future when its client goes, and a DELETE whose sender
/// hung up must be journalled too: so it is noted at the latest when this is dropped.
struct PendingJournalEntry<'a> {
    journal: &'a Journal,
    tasks: &'a TaskTracker,
    user: String,
    /// `None` once the journal has it.
    request: Option<ApiRequest>,
    /// Whether the journal takes it only if it failed.
    only_failures: bool,
}

impl PendingJournalEntry<'_> {
    async fn answered(&mut self, status: StatusCode) {
        let Some(request) = &mut self.request else { return };
        request.code = status.as_u16();
        if self.only_failures && !status.is_client_error() && !status.is_server_error() {
            self.request = None;
            return;
        }
        // Kept until the queue has it: the queue may be full, and the client may not wait.
        self.journal.note(&self.user, JournalEvent::Request(request.clone())).await;
        self.request = None;
    }
}

impl Drop for PendingJournalEntry<'_> {
    fn drop(&mut self) {
        let Some(mut request) = self.request.take() else { return };
        if request.code == 0 {
            (request.code, request.reason) = (CLIENT_GONE, "the client went before it was answered".to_owned());
        }
        let (journal, user) = (self.journal.clone(), std::mem::take(&mut self.user));
        self.tasks.spawn(async move { journal.note(&user, JournalEvent::Request(request)).await });
    }
}

/// Whether the request only reads, by a rule that keeps reads out of the journal.
fn only_failures(permitted: &Permitted) -> bool {
    permitted.permit.action() == access::Action::Read && !permitted.permit.journal_reads()
}

async fn send(cluster: &Cluster, permitted: Permitted, body: Incoming) -> Result<Response<Incoming>, Status> {
    let parts = permitted.parts;
    let from = Origin { client: permitted.peer.address.ip(), recording: None };
    let uri = cluster.uri(&permitted.path, &parts.query);
    let uri = uri.ok_or_else(|| Status::new(StatusCode::URI_TOO_LONG, "the URL is too long to be forwarded"))?;
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = uri;
    *request.headers_mut() = cluster.request_headers(parts.headers, permitted.permit.impersonation(), from)?;
    let mut response = cluster.request(request).await.map_err(|error| failed(cluster, &error))?;
    headers::strip_hop_by_hop(response.headers_mut());
    Ok(response)
}

/// The refusal of a request that could not be sent, or was not answered.
fn failed(cluster: &Cluster, error: &legacy::Error) -> Status {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(dial) = cause.downcast_ref::<DialError>() {
            return cluster.unreachable(dial);
        }
        source = cause.source();
    }
    tracing::warn!(cluster = cluster.name, error = error as &dyn Error, "request to cluster failed");
    Status::bad_gateway(format!("cluster {:?}: its API server broke off before it answered", cluster.name))
}
