//! From a request to a permit: who, what, may they, as whom. Nothing is forwarded before this says so.

use std::{
    sync::Arc,
    time::{Instant, SystemTime},
};

use access::{Action, BypassPath, Permit, Principal, Target};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use recording::journal::{self, JournalEvent};
use wire::Subresource;

use crate::{
    auth::authenticate::{self, Peer},
    auth::impersonate,
    gateway::Shared,
    proxy::upstream::Cluster,
    request::head,
    request::headers,
    request::options,
    request::path::Path,
    request::resource::{self, Resource},
    request::status::Status,
};

/// A request's head as both front doors give it. The URL is not a `Uri`: those end at 65,534 bytes.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

/// The protocol an upgrade asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpgradeProtocol {
    Spdy,
    WebSocket,
}

impl UpgradeProtocol {
    /// As it is written to the upstream.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Spdy => "SPDY/3.1",
            Self::WebSocket => "websocket",
        }
    }
}

/// A request that may go on.
pub(crate) struct Authorized {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) permit: Permit,
    pub(crate) verb: &'static str,
    /// Canonical, below the cluster.
    pub(crate) path: String,
    pub(crate) query: String,
    /// Set for exec, attach and portforward that ask for an upgrade.
    pub(crate) session: Option<(wire::Request, UpgradeProtocol)>,
}

/// A request that may not, and what the journal is to know of it.
pub(crate) struct Refusal {
    pub(crate) status: Status,
    pub(crate) note: Option<Box<(String, journal::ApiRequest)>>,
}

impl Refusal {
    /// Writes it down, where it is for the journal, and gives what the client is told.
    pub(crate) async fn noted(self, shared: &Shared) -> Status {
        if let Some(note) = self.note {
            let (user, request) = *note;
            shared.journal.note(&user, JournalEvent::Refused(request)).await;
        }
        self.status
    }
}

impl Authorized {
    /// It was let in, and cannot be served all the same.
    pub(crate) fn refused(&self, peer: &Peer, head: &Head, status: Status) -> Refusal {
        let note = journalled(peer, head, self.permit.target().clone(), self.verb, &status);
        Refusal { note: Some(Box::new((self.permit.principal().name.clone(), note))), status }
    }
}

/// Judges a request. Takes its credential out of the headers.
pub(crate) fn admit(shared: &Shared, peer: &Peer, head: &mut Head) -> Result<Authorized, Refusal> {
    let asked = asked(&head.headers);
    let shown = head.headers.contains_key(header::AUTHORIZATION);
    // Of what is malformed it is not known where its token is, and the journal is to say whose it was.
    let bearer = authenticate::take_bearer(&mut head.headers, !matches!(asked, Ok(None | Some(UpgradeProtocol::Spdy))));
    let principal = bearer.and_then(|bearer| authenticate::authenticate(peer, &shared.tokens, bearer.as_deref()));
    let principal = principal.map_err(|status| {
        let name = peer.name();
        // A credential that was shown and refused is for the journal; a stranger's knock is not.
        let credential = shown || peer.certificate.is_some();
        let note = !name.is_empty() || (credential && shared.strangers.allow(Instant::now()));
        let request = || Box::new((name, journalled(peer, head, Target::default(), "", &status)));
        Refusal { note: note.then(request), status }
    })?;
    let mut resource = Resource::unknown();
    judge(shared, &principal, head, asked, &mut resource).map_err(|status| {
        let note = journalled(peer, head, resource.target, resource.verb, &status);
        Refusal { note: Some(Box::new((principal.name.clone(), note))), status }
    })
}

/// The upgrade that a request asks for, of one that every server reads in the same way.
fn asked(headers: &HeaderMap) -> Result<Option<UpgradeProtocol>, Status> {
    head::unambiguous_length(headers).map_err(|error| Status::bad_request(error.to_string()))?;
    token(headers)
}

fn judge(
    shared: &Shared,
    principal: &Principal,
    head: &Head,
    asked: Result<Option<UpgradeProtocol>, Status>,
    resource: &mut Resource,
) -> Result<Authorized, Status> {
    let path = Path::parse(&head.path).map_err(|e| Status::bad_request(format!("ambiguous URL: {e}")))?;
    let [first, cluster, ..] = path.segments() else { return Err(elsewhere()) };
    if first != "clusters" {
        return Err(elsewhere());
    }
    let name = cluster.to_string();
    let path = path.below(2);
    let upgrades = !matches!(asked, Ok(None));
    *resource = resource::classify(&name, &head.method, path.segments(), &head.query, upgrades);
    let upgrade = asked?;
    let session = session(head, &path, resource, upgrade)?;
    let decided = shared.policy.decide(principal, resource.action, &resource.target, SystemTime::now());
    let permit = decided.map_err(|denial| Status::forbidden(denial.to_string()))?;
    if matches!(resource.action, Action::Bypass(_)) && upgrade.is_some() {
        return Err(Status::forbidden("kubetape cannot record this kind of connection, so it does not let it through"));
    }
    // A kubelet's `run` answers a plain POST with a command's output.
    if resource.action == Action::Bypass(BypassPath::NodeProxy) && !resource::reads(&head.method) {
        return Err(Status::forbidden(
            "kubetape cannot record what a kubelet is told to do: nodes/proxy is for reading",
        ));
    }
    let known = shared.clusters.get(&*name);
    let cluster = known.ok_or_else(|| Status::not_found(format!("no cluster {name:?} behind this gateway")))?;
    let permit = match impersonate::narrowed(&head.headers, permit.impersonation())? {
        Some(fewer) => permit.with_fewer_groups(fewer.groups),
        None => permit,
    };
    let mut written = String::with_capacity(head.path.len());
    path.write(&mut written);
    Ok(Authorized {
        cluster: Arc::clone(cluster),
        verb: resource.verb,
        path: written,
        query: head.query.clone(),
        session,
        permit,
    })
}

/// What exec, attach and portforward ask for; none for other requests.
fn session(
    head: &Head,
    path: &Path<'_>,
    resource: &mut Resource,
    upgrade: Option<UpgradeProtocol>,
) -> Result<Option<(wire::Request, UpgradeProtocol)>, Status> {
    let Some(subresource) = resource.streaming else { return Ok(None) };
    // `/api/v1/namespaces/{ns}/pods/{pod}/{subresource}`, as the API server registers it, and nothing longer.
    if path.segments().len() != 7 || path.trailing_slash() {
        return Err(Status::bad_request("ambiguous URL: this is not where a pod's exec, attach or portforward is"));
    }
    if !matches!(head.method, Method::GET | Method::POST) {
        return Err(Status::new(StatusCode::METHOD_NOT_ALLOWED, "exec, attach and portforward take GET and POST"));
    }
    if head.query.contains('#') {
        return Err(Status::bad_request("ambiguous URL: it has a `#`"));
    }
    let request = wire::Request::parse(subresource, &head.query).map_err(|e| Status::bad_request(e.to_string()))?;
    resource.target.container.clone_from(&request.container);
    // The API server's own words for the same mistake, or for an upgrade that came over h2.
    let token = upgrade.ok_or_else(|| Status::bad_request("Upgrade request required"))?;
    if token == UpgradeProtocol::WebSocket {
        handshake(&head.headers)?;
    }
    Ok(Some((request, token)))
}

/// The upgrade that a request asks for. What asks for another, or in a way that servers read differently, is
/// refused, whatever its path.
fn token(headers: &HeaderMap) -> Result<Option<UpgradeProtocol>, Status> {
    let mut values = headers.get_all(header::UPGRADE).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Status::bad_request("more than one Upgrade header"));
    }
    let token = match value.as_bytes().trim_ascii() {
        v if v.eq_ignore_ascii_case(b"websocket") => UpgradeProtocol::WebSocket,
        v if v.eq_ignore_ascii_case(b"spdy/3.1") => UpgradeProtocol::Spdy,
        _ => return Err(Status::bad_request("Upgrade: only websocket and SPDY/3.1 are known")),
    };
    if !headers::connection_upgrades(headers) {
        return Err(Status::bad_request("an Upgrade header without `Connection: Upgrade`"));
    }
    let lengths: Vec<_> = headers.get_all(header::CONTENT_LENGTH).iter().collect();
    let empty = lengths.is_empty() || (lengths.len() == 1 && lengths[0] == "0");
    if !empty || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Status::bad_request("an upgrade request has no body"));
    }
    Ok(Some(token))
}

/// RFC 6455, section 4.2.1: one 16-byte nonce in base64 and version 13. Any server refuses others; so nothing
/// is recorded and nobody is dialled for them.
fn handshake(headers: &HeaderMap) -> Result<(), Status> {
    let one = |name: HeaderName| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).map(|value| value.as_bytes().trim_ascii())
    };
    let nonce = one(header::SEC_WEBSOCKET_KEY).and_then(|key| BASE64_STANDARD.decode(key).ok());
    if nonce.is_none_or(|nonce| nonce.len() != 16) || one(header::SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(Status::bad_request("a WebSocket request has one Sec-WebSocket-Key and Sec-WebSocket-Version: 13"));
    }
    Ok(())
}

fn elsewhere() -> Status {
    Status::not_found(
        "this is a kubetape gateway: clusters are at /clusters/<name>; use that as the kubeconfig's server",
    )
}

/// A request as the journal keeps it.
pub(crate) fn journalled(peer: &Peer, head: &Head, target: Target, verb: &str, status: &Status) -> journal::ApiRequest {
    journal::ApiRequest { reason: status.message.clone(), ..noted(peer, head, target, verb, status.code.as_u16()) }
}

/// The same without a reason: it was not refused.
pub(crate) fn noted(peer: &Peer, head: &Head, target: Target, verb: &str, code: u16) -> journal::ApiRequest {
    let headers = &head.headers;
    journal::ApiRequest {
        options: options::asked(head),
        target,
        verb: verb.to_owned(),
        code,
        reason: String::new(),
        kubectl_command: headers::text(headers, "kubectl-command"),
        kubectl_session: headers::text(headers, "kubectl-session"),
        user_agent: headers::text(headers, "user-agent"),
        client: peer.address.to_string(),
    }
}

impl Resource {
    /// Before the path is read.
    fn unknown() -> Self {
        Self { target: Target::default(), verb: "", action: Action::Read, streaming: None::<Subresource> }
    }
}
