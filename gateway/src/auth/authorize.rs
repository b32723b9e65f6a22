//! From a request to a permit, in four steps. Each step's type carries what is known by then, and only [`Permitted`] can be
//! forwarded.
//!
//! ```text
//!   Received ──────────▶ Authenticated ──────────▶ Classified ──────────▶ Permitted
//!   peer, request        + principal               + target, verb,        + permit
//!   │                    │                           action, path         │
//!   └────────────────────┴────────────▶ Refusal ◀──┴──────────────────────┘
//!                                       the step, and what was known there
//! ```

use std::{sync::Arc, time::SystemTime};

use access::{Action, BypassPath, Permit, Principal, Target};
use http::{Method, StatusCode, header};
use identity::Authenticator;

use super::{
    authenticate::{self, Peer},
    impersonate,
    own_namespace::OwnNamespaces,
    policy::PolicyHandle,
    refusals::{Refusal, Step},
};
use crate::request::{
    parts::RequestParts,
    path::Path,
    protocol::{self, UpgradeProtocol},
    resource::{self, Resource},
    status::Status,
};

/// A request of which nobody knows yet who sent it.
pub(crate) struct Received {
    pub(crate) peer: Arc<Peer>,
    pub(crate) parts: RequestParts,
}

/// A request whose sender is known. Its credential is no longer among its headers.
pub(crate) struct Authenticated {
    peer: Arc<Peer>,
    parts: RequestParts,
    principal: Arc<Principal>,
}

/// A request of which it is known who wants to do what.
pub(crate) struct Classified {
    sender: Authenticated,
    resource: Resource,
    /// Canonical, below the cluster.
    path: String,
    /// Whether the path is where the API server registers a pod's subresources, and nothing longer.
    is_pod_subresource: bool,
}

/// A request that may go on.
pub(crate) struct Permitted {
    pub(crate) peer: Arc<Peer>,
    pub(crate) parts: RequestParts,
    pub(crate) permit: Arc<Permit>,
    pub(crate) verb: &'static str,
    /// Canonical, below the cluster.
    pub(crate) path: String,
    /// Set for exec, attach and portforward.
    pub(crate) session: Option<SessionRequest>,
    /// See [`Resource::stays_open`].
    pub(crate) stays_open: bool,
}

/// An exec, attach or portforward that asks for an upgrade.
#[derive(Clone, Debug)]
pub(crate) struct SessionRequest {
    pub(crate) request: wire::Request,
    pub(crate) protocol: UpgradeProtocol,
}

impl Received {
    /// Finds out who sent the request, and takes the credential out of its headers.
    ///
    /// # Cancel safety
    /// The request is lost, and nothing else has happened.
    pub(crate) async fn authenticate(
        mut self,
        authenticator: &Authenticator,
        now: SystemTime,
    ) -> Result<Authenticated, Box<Refusal>> {
        let showed_credential =
            self.peer.certificate.is_some() || self.parts.headers.contains_key(header::AUTHORIZATION);
        let principal = match authenticate::take_bearer(&mut self.parts.headers) {
            Ok(bearer) => {
                let known = authenticator.request(self.peer.certificate.as_ref(), bearer.as_deref(), now).await;
                known.map_err(|refusal| authenticate::status(&refusal))
            }
            Err(status) => Err(status),
        };
        match principal {
            Ok(principal) => Ok(Authenticated { peer: self.peer, parts: self.parts, principal }),
            Err(status) => {
                let step = Step::Authentication { showed_credential };
                let request = self.parts.journalled(self.peer.address, Target::default(), "", 0);
                Err(Refusal::new(step, self.peer.name(now).to_owned(), request, status))
            }
        }
    }
}

impl Authenticated {
    /// Finds out what the request is about.
    pub(crate) fn classify(self) -> Result<Classified, Box<Refusal>> {
        match read(&self.parts) {
            Ok((resource, path, is_pod_subresource)) => {
                Ok(Classified { sender: self, resource, path, is_pod_subresource })
            }
            Err(status) => Err(self.refuse(Step::Classification, status)),
        }
    }

    /// The person's name.
    pub(crate) fn user(&self) -> &str {
        &self.principal.name
    }

    /// Refuses the request before it is known what it is about.
    pub(crate) fn refuse(&self, step: Step, status: Status) -> Box<Refusal> {
        let request = self.parts.journalled(self.peer.address, Target::default(), "", 0);
        Refusal::new(step, self.principal.name.clone(), request, status)
    }
}

impl Classified {
    /// Asks the policy, and whether it is the gateway's own namespace.
    pub(crate) fn permit(
        mut self,
        policy: &PolicyHandle,
        own: &OwnNamespaces,
        now: SystemTime,
    ) -> Result<Permitted, Box<Refusal>> {
        match self.decide(policy, own, now) {
            Ok((permit, session)) => Ok(Permitted {
                peer: self.sender.peer,
                parts: self.sender.parts,
                permit: Arc::new(permit),
                verb: self.resource.verb,
                path: self.path,
                session,
                stays_open: self.resource.stays_open,
            }),
            Err(status) => {
                let Self { sender, resource, .. } = self;
                let request = sender.parts.journalled(sender.peer.address, resource.target, resource.verb, 0);
                Err(Refusal::new(Step::Decision, sender.principal.name.clone(), request, status))
            }
        }
    }

    fn decide(
        &mut self,
        policy: &PolicyHandle,
        own: &OwnNamespaces,
        now: SystemTime,
    ) -> Result<(Permit, Option<SessionRequest>), Status> {
        let parts = &self.sender.parts;
        let upgrade = UpgradeProtocol::of(&parts.headers)?;
        let session = self.session(upgrade)?;
        if let Some(session) = &session {
            self.resource.target.container.clone_from(&session.request.container);
        }
        let Resource { action, target, .. } = &self.resource;
        let permit = policy.current().decide(&self.sender.principal, *action, target, now);
        let permit = permit.map_err(|denial| Status::forbidden(denial.to_string()))?;
        own.check(&self.sender.principal.name, *action, target)?;
        refuse_unrecordable(*action, upgrade, &self.sender.parts.method)?;
        let permit = match impersonate::narrowed(&self.sender.parts.headers, permit.impersonation())? {
            Some(groups) => permit.with_fewer_groups(groups),
            None => permit,
        };
        Ok((permit, session))
    }

    /// What exec, attach and portforward ask for; `None` for other requests.
    fn session(&self, upgrade: Option<UpgradeProtocol>) -> Result<Option<SessionRequest>, Status> {
        let Some(subresource) = self.resource.streaming else { return Ok(None) };
        let parts = &self.sender.parts;
        if !self.is_pod_subresource {
            return Err(Status::bad_request("ambiguous URL: this is not where a pod's exec, attach or portforward is"));
        }
        if !matches!(parts.method, Method::GET | Method::POST) {
            return Err(Status::new(StatusCode::METHOD_NOT_ALLOWED, "exec, attach and portforward take GET and POST"));
        }
        if parts.query.contains('#') {
            return Err(Status::bad_request("ambiguous URL: it has a `#`"));
        }
        let request =
            wire::Request::parse(subresource, &parts.query).map_err(|e| Status::bad_request(e.to_string()))?;
        // The API server's own words, also for an upgrade that came over h2.
        let protocol = upgrade.ok_or_else(|| Status::bad_request("Upgrade request required"))?;
        if protocol == UpgradeProtocol::WebSocket {
            protocol::check_websocket(&parts.headers)?;
        }
        Ok(Some(SessionRequest { request, protocol }))
    }
}

impl Permitted {
    /// The request as the journal keeps it, with the API server's answer; zero before there is one.
    pub(crate) fn journalled(&self, code: u16) -> recording::journal::ApiRequest {
        self.parts.journalled(self.peer.address, self.permit.target().clone(), self.verb, code)
    }

    /// The person's name.
    pub(crate) fn user(&self) -> &str {
        &self.permit.principal().name
    }

    /// A request that policy permits and the gateway cannot serve.
    pub(crate) fn refuse(&self, status: Status) -> Box<Refusal> {
        Refusal::new(Step::Service, self.user().to_owned(), self.journalled(0), status)
    }
}

/// Reads what a request is about: the resource, the canonical path below the cluster, and whether that path is exactly a
/// pod's subresource.
fn read(parts: &RequestParts) -> Result<(Resource, String, bool), Status> {
    let path = Path::parse(&parts.path).map_err(|e| Status::bad_request(format!("ambiguous URL: {e}")))?;
    let cluster = match path.segments() {
        [first, cluster, ..] if first == "clusters" => cluster.to_string(),
        _ => return Err(outside_clusters()),
    };
    let path = path.below(2);
    let asks_upgrade = parts.headers.contains_key(header::UPGRADE);
    let resource = resource::classify(&cluster, &parts.method, path.segments(), &parts.query, asks_upgrade);
    // `/api/v1/namespaces/{ns}/pods/{pod}/{subresource}`
    let is_pod_subresource = path.segments().len() == 7 && !path.trailing_slash();
    let mut canonical = String::with_capacity(parts.path.len());
    path.write(&mut canonical);
    Ok((resource, canonical, is_pod_subresource))
}

/// Refuses what policy may permit and nobody could record.
fn refuse_unrecordable(action: Action, upgrade: Option<UpgradeProtocol>, method: &Method) -> Result<(), Status> {
    if matches!(action, Action::Bypass(_)) && upgrade.is_some() {
        return Err(Status::forbidden("kubetape cannot record this kind of connection, so it does not let it through"));
    }
    // A kubelet's `run` answers a plain POST with a command's output.
    if action == Action::Bypass(BypassPath::NodeProxy) && !resource::reads(method) {
        return Err(Status::forbidden(
            "kubetape cannot record what a kubelet is told to do: nodes/proxy is for reading",
        ));
    }
    Ok(())
}

fn outside_clusters() -> Status {
    Status::not_found(
        "this is a kubetape gateway: clusters are at /clusters/<name>; use that as the kubeconfig's server",
    )
}
