use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use access::{Credential, Principal, name};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use thiserror::Error;
use tokio::{sync::Semaphore, task, time::timeout};

use crate::{
    Authority, CertificateHolder, CertificateRefusal, Certificates, FileError, Links, Lock, Locks, TokenRefusal,
    Tokens, UsedLink, Users,
    web_sessions::{LoginMethod, WebSession, WebSessions},
};

/// Passwords that are hashed at a time. Each takes 19 MiB and a core for tens of milliseconds.
const HASHING: usize = 2;

/// How long an attempt waits for its turn to be hashed.
const HASHING_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a request to the gateway was not authenticated, in words for the person. Says nothing about who exists.
#[derive(Debug, Error)]
pub enum RequestRefusal {
    /// The request carries no credential.
    #[error("no credential: this gateway takes client certificates of its own CA and its own bearer tokens")]
    NoCredential,
    /// The client certificate was refused, and there was no token beside it.
    #[error(transparent)]
    Certificate(CertificateRefusal),
    /// The bearer token was refused.
    #[error(transparent)]
    Token(TokenRefusal),
    /// The client certificate is good and was revoked.
    #[error("the client certificate was revoked: ask an administrator for a new one")]
    Revoked,
    /// The credential is good, and the person is shut out. No other credential of theirs helps.
    #[error("{person} is locked out by an administrator: {reason}")]
    Locked {
        /// The person.
        person: String,
        /// Why, as the administrator wrote it.
        reason: String,
    },
    /// Whether the person is shut out cannot be read.
    #[error("the gateway cannot check now who is locked out")]
    Unreadable(#[source] FileError),
}

impl RequestRefusal {
    /// The gateway's own failure, if that is the reason: the credential may be right, and a new one would not help.
    pub fn failure(&self) -> Option<&FileError> {
        match self {
            Self::Token(TokenRefusal::Unreadable(error)) | Self::Unreadable(error) => Some(error),
            _ => None,
        }
    }

    /// Whether the person is known and refused all the same: a new login would not help.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}

/// Why somebody was not logged in to the pages.
#[derive(Debug, Error)]
pub enum LoginRefusal {
    /// The name, the password or the link is wrong, used or expired.
    #[error("the credential is wrong")]
    Wrong,
    /// The credential is right, and the person is shut out.
    #[error("{0} is locked out")]
    Locked(String),
    /// Too many passwords are being verified.
    #[error("too many people are logging in at once")]
    Busy,
    /// The credential cannot be checked.
    #[error("the credential cannot be checked")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Decides who someone is: the only place that judges credentials.
///
/// ```text
/// kubectl ── client certificate ──▶ certificate() once per connection ─┐
///         └─ bearer token ─────────────────────────────────────────────┴─▶ request() ──▶ Principal
///
/// browser ── password ──▶ log_in_with_password() ─┐
///         ├─ link ──────▶ log_in_with_link() ─────┴─▶ WebSession ── start() ──▶ cookie
///         └─ cookie ────▶ web_session() ──▶ WebSession
/// ```
pub struct Authenticator {
    authority: Arc<Authority>,
    tokens: Arc<Tokens>,
    users: Arc<Users>,
    links: Arc<Links>,
    revocations: Option<Revocations>,
    web_sessions: WebSessions,
    hashing: Arc<Semaphore>,
}

/// What makes good credentials worth nothing.
struct Revocations {
    locks: Arc<Locks>,
    certificates: Arc<Certificates>,
}

impl Authenticator {
    /// Judges credentials by these files.
    pub fn new(authority: Arc<Authority>, tokens: Arc<Tokens>, users: Arc<Users>, links: Arc<Links>) -> Self {
        let hashing = Arc::new(Semaphore::new(HASHING));
        Self { authority, tokens, users, links, revocations: None, web_sessions: WebSessions::default(), hashing }
    }

    /// Refuses the people whom `locks` names, and the certificates that `certificates` has as revoked.
    #[must_use]
    pub fn with_revocations(self, locks: Arc<Locks>, certificates: Arc<Certificates>) -> Self {
        Self { revocations: Some(Revocations { locks, certificates }), ..self }
    }

    /// The authority that signs and checks client certificates.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Whom a client's certificate chain names. A connection is asked once; [`Authenticator::request`] takes the answer
    /// for each of its requests.
    ///
    /// # Errors
    /// [`CertificateRefusal`], in words for the person.
    pub fn certificate(
        &self,
        chain: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<CertificateHolder, CertificateRefusal> {
        self.authority.identify(chain, now)
    }

    /// Who sends a request to the gateway, by its connection's certificate and its bearer token.
    ///
    /// A good certificate wins over a token, as on an API server (`k8s.io/apiserver/pkg/authentication/request/union`);
    /// a bad certificate is told only if there is no token.
    ///
    /// # Errors
    /// [`RequestRefusal`], in words for the person.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn request(
        &self,
        certificate: Option<&Result<CertificateHolder, CertificateRefusal>>,
        bearer: Option<&str>,
        now: SystemTime,
    ) -> Result<Arc<Principal>, RequestRefusal> {
        let certificate = certificate.map(|certificate| valid(certificate, now));
        let principal = match (certificate, bearer) {
            (Some(Ok(holder)), _) => Arc::clone(&holder.principal),
            (_, Some(secret)) => self.bearer(secret, now).map(Arc::new).map_err(RequestRefusal::Token)?,
            (Some(Err(refusal)), None) => return Err(RequestRefusal::Certificate(refusal)),
            (None, None) => return Err(RequestRefusal::NoCredential),
        };
        self.check_revocations(&principal)?;
        Ok(principal)
    }

    /// Whether a good credential is worth something.
    fn check_revocations(&self, principal: &Principal) -> Result<(), RequestRefusal> {
        let Some(Revocations { locks, certificates }) = &self.revocations else { return Ok(()) };
        if let Some(lock) = locks.of(&principal.name).map_err(RequestRefusal::Unreadable)? {
            return Err(RequestRefusal::Locked { person: principal.name.clone(), reason: lock.reason });
        }
        let is_certificate = principal.credential == Credential::ClientCertificate;
        if is_certificate && certificates.is_revoked(&principal.credential_id).map_err(RequestRefusal::Unreadable)? {
            return Err(RequestRefusal::Revoked);
        }
        Ok(())
    }

    /// Why a person is shut out; `None` if they are not.
    ///
    /// # Errors
    /// The file of locks cannot be read.
    pub fn lock_of(&self, person: &str) -> Result<Option<Lock>, FileError> {
        self.revocations.as_ref().map_or(Ok(None), |revocations| revocations.locks.of(person))
    }

    /// Whether a person may not log in to the pages. If that cannot be read they may not.
    fn is_locked(&self, person: &str) -> Result<bool, FileError> {
        Ok(self.lock_of(person)?.is_some())
    }

    fn bearer(&self, secret: &str, now: SystemTime) -> Result<Principal, TokenRefusal> {
        // A clock beyond year 9999 is no reason to let an expired token in.
        self.tokens.verify(secret, Timestamp::try_from(now).unwrap_or(Timestamp::MAX))
    }

    /// Verifies a name and a password for the pages. The session does not exist before [`Authenticator::start`].
    ///
    /// # Errors
    /// [`LoginRefusal`]
    ///
    /// # Cancel safety
    /// A password whose verification has begun is verified to its end in the background; nothing is started.
    pub async fn log_in_with_password(&self, user: &str, password: String) -> Result<WebSession, LoginRefusal> {
        // Whoever wrote such a name into the file: nobody has it.
        if name::check(user).is_err() {
            return Err(LoginRefusal::Wrong);
        }
        let turn = timeout(HASHING_TIMEOUT, Arc::clone(&self.hashing).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(LoginRefusal::Busy) };
        let (users, name) = (Arc::clone(&self.users), user.to_owned());
        let verified = task::spawn_blocking(move || {
            let verified = users.verify(&name, &password);
            drop(turn);
            verified
        });
        let fingerprint = verified.await.map_err(failed)?.map_err(failed)?.ok_or(LoginRefusal::Wrong)?;
        if self.is_locked(user).map_err(failed)? {
            return Err(LoginRefusal::Locked(user.to_owned()));
        }
        let method = LoginMethod::Password(fingerprint);
        Ok(WebSession { user: user.to_owned(), method, from: String::new() })
    }

    /// The user whom a link would log in; the link is not used up. Returns `None` if the link is not good.
    ///
    /// # Errors
    /// The file of links cannot be read.
    pub fn link_user(&self, secret: &str) -> Result<Option<String>, FileError> {
        self.links.user(secret)
    }

    /// Uses a link up. The session does not exist before [`Authenticator::start`].
    ///
    /// # Errors
    /// [`LoginRefusal::Wrong`] if the link was used, has expired or never was.
    ///
    /// # Cancel safety
    /// The link may be used up although nobody was logged in.
    pub async fn log_in_with_link(&self, secret: &str) -> Result<WebSession, LoginRefusal> {
        let (links, secret) = (Arc::clone(&self.links), secret.to_owned());
        let used = task::spawn_blocking(move || links.take(&secret)).await.map_err(failed)?.map_err(failed)?;
        let UsedLink { user, revocations } = used.ok_or(LoginRefusal::Wrong)?;
        if self.is_locked(&user).map_err(failed)? {
            return Err(LoginRefusal::Locked(user));
        }
        let local = self.users.fingerprint(&user).map_err(failed)?.is_some();
        Ok(WebSession { user, method: LoginMethod::Link { local, revocations }, from: String::new() })
    }

    /// Starts a web session, once the journal has it. Returns the cookie's token: 256 random bits.
    pub fn start(&self, session: WebSession, now: Instant) -> String {
        self.web_sessions.start(session, now)
    }

    /// The session of a cookie's token, or `None` if it is over: idle, old, ended, or its user's credential is gone.
    ///
    /// `in_use` is whether a person made the request; a request that a page makes by itself does not keep a session alive.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn web_session(&self, token: &str, in_use: bool, now: Instant) -> Option<WebSession> {
        let session = if in_use { self.web_sessions.find(token, now) } else { self.web_sessions.peek(token, now) }?;
        if self.is_valid(&session) {
            return Some(session);
        }
        self.web_sessions.end(token);
        None
    }

    /// Whether the credential that began a session is still the user's. A session that cannot be checked is not valid.
    fn is_valid(&self, session: &WebSession) -> bool {
        if !matches!(self.is_locked(&session.user), Ok(false)) {
            return false;
        }
        let present = self.users.fingerprint(&session.user);
        match session.method {
            LoginMethod::Password(shown) => matches!(present, Ok(Some(present)) if present == shown),
            LoginMethod::Link { local, revocations } => {
                let revoked = !matches!(self.links.revocations(&session.user), Ok(now) if now == revocations);
                !revoked && (!local || matches!(present, Ok(Some(_))))
            }
        }
    }

    /// Ends a session.
    pub fn log_out(&self, token: &str) {
        self.web_sessions.end(token);
    }

    /// Ends all sessions of a user and revokes their links. Returns how many sessions ended.
    ///
    /// # Errors
    /// The file of links cannot be changed. The sessions are ended all the same.
    pub fn log_out_user(&self, user: &str) -> Result<usize, FileError> {
        let ended = self.web_sessions.end_of_user(user);
        self.links.revoke(user)?;
        Ok(ended)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").field("authority", &self.authority).finish_non_exhaustive()
    }
}

fn valid(
    certificate: &Result<CertificateHolder, CertificateRefusal>,
    now: SystemTime,
) -> Result<&CertificateHolder, CertificateRefusal> {
    match certificate {
        Ok(holder) if now > holder.until => Err(CertificateRefusal::Expired),
        Ok(holder) => Ok(holder),
        Err(refusal) => Err(refusal.clone()),
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LoginRefusal {
    LoginRefusal::Failed(error.into())
}
