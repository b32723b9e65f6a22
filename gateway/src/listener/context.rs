use std::{sync::Arc, time::SystemTime};

use identity::Authenticator;
use tokio_rustls::TlsAcceptor;

use crate::{
    Limits,
    auth::{
        authorize::{Permitted, Received},
        own_namespace::OwnNamespaces,
        policy::PolicyHandle,
        refusals::{Refusal, RefusalJournal},
    },
    listener::unauthenticated::{ConnectionAuth, Unauthenticated},
    proxy::forward::Forwarder,
    session::sessions::Sessions,
};

/// The handles that connections use, in the order in which a request needs them.
pub(crate) struct Context {
    pub(crate) limits: Limits,
    pub(crate) unauthenticated: Arc<Unauthenticated>,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) policy: PolicyHandle,
    pub(crate) own_namespaces: OwnNamespaces,
    pub(crate) refusals: Arc<RefusalJournal>,
    pub(crate) forwarder: Forwarder,
    pub(crate) sessions: Arc<Sessions>,
}

impl Context {
    /// Takes a request through the steps of authorization. Its connection is authenticated as soon as its sender is known.
    ///
    /// # Errors
    /// The step that refused it, for [`RefusalJournal::note`].
    pub(crate) async fn authorize(
        &self,
        received: Received,
        connection: &ConnectionAuth,
    ) -> Result<Permitted, Box<Refusal>> {
        let now = SystemTime::now();
        let authenticated = received.authenticate(&self.authenticator, now).await?;
        connection.authenticated();
        authenticated.classify()?.permit(&self.policy, &self.own_namespaces, now)
    }
}
