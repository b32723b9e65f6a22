//! Web logins: who is logged in with which cookie, until when. In memory.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::users::Fingerprint;

/// A login that nobody used for so long is over.
pub const IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// However much it is used, a login is over after a working day.
pub const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);

/// Logins at a time; one more ends the one that was idle longest.
const MAX_LOGINS: usize = 10_000;

/// How somebody logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// With the password whose stored hash has this fingerprint.
    Password(Fingerprint),
    /// With a one-time link. The login is good while both stay as they were.
    Link {
        /// [`crate::Links::revocations`] of the user.
        revocations: u64,
        /// Whether the user was one with a password: then the login ends when that user is removed. Links are also made
        /// for people who never had one.
        had_password: bool,
    },
}

impl LoginMethod {
    /// The journal's word for it.
    pub fn word(self) -> &'static str {
        match self {
            LoginMethod::Password(_) => "password",
            LoginMethod::Link { .. } => "link",
        }
    }
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSession {
    /// Who.
    pub user: String,
    /// How they logged in.
    pub method: LoginMethod,
}

struct Entry {
    login: WebSession,
    since: Instant,
    used: Instant,
}

impl Entry {
    fn over(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= IDLE || now.duration_since(self.since) >= ABSOLUTE
    }
}

/// The logins of this process, by SHA-256 of their token. A restart ends them all.
#[derive(Default)]
pub struct WebSessions {
    entries: Mutex<HashMap<[u8; 32], Entry>>,
}

impl WebSessions {
    /// Starts one. Returns the token: 256 random bits, URL-safe base64.
    pub fn start(&self, login: WebSession, now: Instant) -> String {
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_LOGINS {
            make_room(&mut entries, now);
        }
        entries.insert(digest(&token), Entry { login, since: now, used: now });
        token
    }

    /// Whose token it is; the login is used by that.
    pub fn find(&self, token: &str, now: Instant) -> Option<WebSession> {
        self.look(token, now, |entry| entry.used = now)
    }

    /// Whose token it is, for a request that a page makes by itself: such a login still goes idle.
    pub fn peek(&self, token: &str, now: Instant) -> Option<WebSession> {
        self.look(token, now, |_| ())
    }

    fn look(&self, token: &str, now: Instant, touch: impl FnOnce(&mut Entry)) -> Option<WebSession> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let key = digest(token);
        if entries.get(&key)?.over(now) {
            entries.remove(&key);
            return None;
        }
        let entry = entries.get_mut(&key)?;
        touch(entry);
        Some(entry.login.clone())
    }

    /// Ends one.
    pub fn end(&self, token: &str) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&digest(token));
    }
}

fn make_room(entries: &mut HashMap<[u8; 32], Entry>, now: Instant) {
    entries.retain(|_, entry| !entry.over(now));
    if entries.len() >= MAX_LOGINS
        && let Some(idle) = entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| *key)
    {
        entries.remove(&idle);
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> WebSession {
        WebSession { user: "ada".to_owned(), method: LoginMethod::Link { revocations: 0, had_password: false } }
    }

    #[test]
    fn a_token_is_good_until_it_is_ended() {
        let (logins, now) = (WebSessions::default(), Instant::now());
        let token = logins.start(ada(), now);
        assert_eq!(logins.find(&token, now), Some(ada()));
        assert_eq!(logins.find("guess", now), None);
        logins.end(&token);
        assert_eq!(logins.find(&token, now), None);
    }

    #[test]
    fn idle_and_old_logins_are_over() {
        let (logins, start) = (WebSessions::default(), Instant::now());
        let idle = logins.start(ada(), start);
        assert_eq!(logins.find(&idle, start + IDLE), None);

        let left_open = logins.start(ada(), start);
        assert!(logins.peek(&left_open, start + IDLE / 2).is_some());
        assert_eq!(logins.peek(&left_open, start + IDLE), None);

        let busy = logins.start(ada(), start);
        let (mut now, step) = (start, Duration::from_secs(60 * 60));
        while now + step < start + ABSOLUTE {
            now += step;
            assert!(logins.find(&busy, now).is_some());
        }
        assert_eq!(logins.find(&busy, start + ABSOLUTE), None);
    }

    #[test]
    fn one_login_too_many_ends_the_one_idle_longest() {
        let (logins, start) = (WebSessions::default(), Instant::now());
        let first = logins.start(ada(), start);
        let second = logins.start(ada(), start + Duration::from_secs(1));
        for _ in 2..=MAX_LOGINS {
            logins.start(ada(), start + Duration::from_secs(2));
        }
        assert_eq!(logins.find(&first, start + Duration::from_secs(3)), None);
        assert!(logins.find(&second, start + Duration::from_secs(3)).is_some());
    }
}
