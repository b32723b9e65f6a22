//! Who makes a request: logging in, the cookie, and what lets a request through.

pub(crate) mod client;
pub(crate) mod cookie;
pub(crate) mod guard;
pub(crate) mod login;
pub(crate) mod throttle;

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, HeaderName};
use identity::{Authenticator, WebSession};

use crate::context::turns::Turns;

use self::{client::ClientAddresses, throttle::Throttle};

/// On requests that a page makes with nobody at the keyboard: a page that is left open does not keep a login alive.
const UNATTENDED: HeaderName = HeaderName::from_static("kubetape-by-itself");

/// Requests that are answered at a time, up to their response's head: of all people, and of one.
const REQUESTS: usize = 1024;
const REQUESTS_OF_A_PERSON: usize = 32;

/// Who may log in, and who is logged in.
pub(crate) struct Auth {
    authenticator: Arc<Authenticator>,
    throttle: Throttle,
    /// Requests of people that are under way.
    requests: Arc<Turns>,
    clients: ClientAddresses,
    /// Browsers come over HTTPS: the cookie is for HTTPS only.
    https: bool,
}

impl Auth {
    pub(crate) fn new(authenticator: Arc<Authenticator>, clients: ClientAddresses, https: bool) -> Self {
        Self {
            authenticator,
            throttle: Throttle::default(),
            requests: Turns::new(REQUESTS, REQUESTS_OF_A_PERSON),
            clients,
            https,
        }
    }

    /// Tells from where people come.
    pub(crate) fn clients(&self) -> &ClientAddresses {
        &self.clients
    }

    /// Who makes the request: `None` if nobody is logged in. Unless it says that nobody is at the keyboard, the request
    /// keeps the login alive.
    pub(crate) async fn login(&self, headers: &HeaderMap) -> Option<WebSession> {
        let token = cookie::token(headers, self.https)?;
        let attended = !headers.contains_key(UNATTENDED);
        self.authenticator.web_session(token, attended, Instant::now()).await
    }

    /// Whether the login of the request that opened a stream is still valid. A stream that is left open does not keep a
    /// login alive.
    pub(crate) async fn is_valid(&self, headers: &HeaderMap) -> bool {
        let Some(token) = cookie::token(headers, self.https) else { return false };
        self.authenticator.web_session(token, false, Instant::now()).await.is_some()
    }
}
