//! Who makes a request: logging in, the cookie, and what lets a request through.

pub(crate) mod client;
pub(crate) mod cookie;
pub(crate) mod guard;
pub(crate) mod login;
pub(crate) mod throttle;

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, HeaderName};
use identity::{
    Links, Users,
    web_sessions::{LoginMethod, WebSession, WebSessions},
};
use tokio::sync::Semaphore;

use self::{client::ClientAddresses, throttle::Throttle};

/// Passwords that are hashed at a time (19 MiB and a core each); more wait.
const CONCURRENT_HASHES: usize = 2;

/// On requests that a page makes with nobody at the keyboard: a page that is left open does not keep a login alive.
const UNATTENDED: HeaderName = HeaderName::from_static("kubetape-by-itself");

/// Who may log in, and who is logged in.
pub(crate) struct Auth {
    users: Users,
    links: Links,
    logins: WebSessions,
    throttle: Throttle,
    hashing: Arc<Semaphore>,
    clients: ClientAddresses,
    /// Browsers come over HTTPS: the cookie is for HTTPS only.
    https: bool,
}

impl Auth {
    pub(crate) fn new(users: Users, links: Links, clients: ClientAddresses, https: bool) -> Self {
        Self {
            users,
            links,
            logins: WebSessions::default(),
            throttle: Throttle::default(),
            hashing: Arc::new(Semaphore::new(CONCURRENT_HASHES)),
            clients,
            https,
        }
    }

    /// Who makes the request: `None` if nobody is logged in. Unless it says that nobody is at the keyboard, the request
    /// keeps the login alive.
    pub(crate) fn login(&self, headers: &HeaderMap) -> Option<WebSession> {
        let token = cookie::token(headers, self.https)?;
        let now = Instant::now();
        let attended = !headers.contains_key(UNATTENDED);
        let login = if attended { self.logins.find(token, now) } else { self.logins.peek(token, now) }?;
        if self.is_valid(&login) {
            return Some(login);
        }
        self.logins.end(token);
        None
    }

    /// Whether the person who opened a stream may go on reading it. A stream that is left open does not keep a login
    /// alive.
    pub(crate) fn may_go_on(&self, headers: &HeaderMap) -> bool {
        let token = cookie::token(headers, self.https);
        let login = token.and_then(|token| self.logins.peek(token, Instant::now()));
        login.is_some_and(|login| self.is_valid(&login))
    }

    /// Whether a login is still good. A password must be the one that was shown. A link's login ends when the links of
    /// its user are revoked, and when its user was one with a password and is removed.
    fn is_valid(&self, login: &WebSession) -> bool {
        match login.method {
            LoginMethod::Password(shown) => {
                matches!(self.users.fingerprint(&login.user), Ok(Some(now)) if now == shown)
            }
            LoginMethod::Link { revocations, had_password } => {
                matches!(self.links.revocations(&login.user), Ok(now) if now == revocations)
                    && (!had_password || matches!(self.users.fingerprint(&login.user), Ok(Some(_))))
            }
        }
    }
}
