use std::{sync::Arc, time::SystemTime};

use http::StatusCode;
use identity::Authenticator;
use listener::{Place, Places, TrustedProxies};
use tokio_rustls::TlsAcceptor;

use crate::{
    Limits,
    auth::{
        authorize::{Permitted, Received},
        own_namespace::OwnNamespaces,
        policy::PolicyHandle,
        refusals::{Refusal, RefusalJournal, Step},
    },
    proxy::forward::Forwarder,
    request::status::Status,
    session::sessions::Sessions,
};

/// The handles that connections use, in the order in which a request needs them.
pub(crate) struct Context {
    pub(crate) limits: Limits,
    pub(crate) places: Arc<Places>,
    /// Whose PROXY header is believed.
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) policy: PolicyHandle,
    pub(crate) own_namespaces: OwnNamespaces,
    pub(crate) refusals: Arc<RefusalJournal>,
    pub(crate) forwarder: Forwarder,
    pub(crate) sessions: Arc<Sessions>,
}

impl Context {
    /// Takes a request through the steps of authorization. Its connection is its sender's as soon as that is known.
    ///
    /// # Errors
    /// The step that refused it, for [`RefusalJournal::note`].
    pub(crate) async fn authorize(&self, received: Received, connection: &Place) -> Result<Permitted, Box<Refusal>> {
        let now = SystemTime::now();
        let authenticated = received.authenticate(&self.authenticator, now).await?;
        if let Err(full) = connection.let_in(Some(authenticated.user())) {
            let status = Status::new(StatusCode::TOO_MANY_REQUESTS, full.to_string());
            return Err(authenticated.refuse(Step::Service, status));
        }
        authenticated.classify()?.permit(&self.policy, &self.own_namespaces, now)
    }
}
