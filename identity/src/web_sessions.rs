//! Who is logged in to the pages, in memory. Restarting the process ends all sessions.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use recording::journal::Actor;

use crate::users::Fingerprint;

/// A session that nobody used for this long is over.
const IDLE: Duration = Duration::from_secs(2 * 60 * 60);

/// However much it is used, a session is over after a working day.
pub const LONGEST_SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// Sessions at a time. One more ends the session that was idle longest.
const MAX_SESSIONS: usize = 10_000;

/// How somebody logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginMethod {
    /// With the password whose stored hash has this fingerprint.
    Password(Fingerprint),
    /// With a one-time link.
    Link {
        /// Whether the link's user was a local user then: the session ends when that user is removed.
        local: bool,
        /// [`crate::Links::revocations`] of the user then: the session ends when the user's links are revoked.
        revocations: u64,
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

/// Somebody who is logged in to the pages. ("Session" alone is a recorded session.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSession {
    /// The person's name.
    pub user: String,
    /// How the person logged in.
    pub method: LoginMethod,
    /// The address that the request came from; empty if it is not known.
    pub from: String,
}

impl WebSession {
    /// Who makes the request, for the journal.
    pub fn actor(&self) -> Actor {
        Actor { user: self.user.clone(), from: self.from.clone() }
    }
}

struct Entry {
    session: WebSession,
    since: Instant,
    used: Instant,
}

impl Entry {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.used) >= IDLE || now.duration_since(self.since) >= LONGEST_SESSION
    }
}

/// Sessions by the SHA-256 of their token.
#[derive(Default)]
pub(crate) struct WebSessions {
    entries: Mutex<HashMap<[u8; 32], Entry>>,
}

impl WebSessions {
    /// Starts a session. Returns its token: 256 random bits in URL-safe base64.
    pub(crate) fn start(&self, session: WebSession, now: Instant) -> String {
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let mut entries = self.entries();
        if entries.len() >= MAX_SESSIONS {
            make_room(&mut entries, now);
        }
        entries.insert(digest(&token), Entry { session, since: now, used: now });
        token
    }

    /// The session of a token. Finding it counts as use.
    pub(crate) fn find(&self, token: &str, now: Instant) -> Option<WebSession> {
        self.look_up(token, now, |entry| entry.used = now)
    }

    /// The session of a token, for a request that a page makes by itself: the session still goes idle.
    pub(crate) fn peek(&self, token: &str, now: Instant) -> Option<WebSession> {
        self.look_up(token, now, |_| ())
    }

    fn look_up(&self, token: &str, now: Instant, touch: impl FnOnce(&mut Entry)) -> Option<WebSession> {
        let mut entries = self.entries();
        let key = digest(token);
        if entries.get(&key)?.is_over(now) {
            entries.remove(&key);
            return None;
        }
        let entry = entries.get_mut(&key)?;
        touch(entry);
        Some(entry.session.clone())
    }

    /// Ends the session of a token.
    pub(crate) fn end(&self, token: &str) {
        self.entries().remove(&digest(token));
    }

    /// Ends all sessions of a user. Returns how many there were.
    pub(crate) fn end_of_user(&self, user: &str) -> usize {
        let mut entries = self.entries();
        let before = entries.len();
        entries.retain(|_, entry| entry.session.user != user);
        before - entries.len()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<[u8; 32], Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(entries: &mut HashMap<[u8; 32], Entry>, now: Instant) {
    entries.retain(|_, entry| !entry.is_over(now));
    if entries.len() >= MAX_SESSIONS
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
        let method = LoginMethod::Link { local: false, revocations: 0 };
        WebSession { user: "ada".to_owned(), method, from: String::new() }
    }

    #[test]
    fn a_token_is_good_until_it_is_ended() {
        let (sessions, now) = (WebSessions::default(), Instant::now());
        let token = sessions.start(ada(), now);
        assert_eq!(sessions.find(&token, now), Some(ada()));
        assert_eq!(sessions.find("guess", now), None);
        sessions.end(&token);
        assert_eq!(sessions.find(&token, now), None);
    }

    #[test]
    fn idle_and_old_sessions_are_over() {
        let (sessions, start) = (WebSessions::default(), Instant::now());
        let idle = sessions.start(ada(), start);
        assert_eq!(sessions.find(&idle, start + IDLE), None);

        let left_open = sessions.start(ada(), start);
        assert!(sessions.peek(&left_open, start + IDLE / 2).is_some());
        assert_eq!(sessions.peek(&left_open, start + IDLE), None);

        let busy = sessions.start(ada(), start);
        let (mut now, step) = (start, Duration::from_secs(60 * 60));
        while now + step < start + LONGEST_SESSION {
            now += step;
            assert!(sessions.find(&busy, now).is_some());
        }
        assert_eq!(sessions.find(&busy, start + LONGEST_SESSION), None);
    }

    #[test]
    fn one_session_too_many_ends_the_one_idle_longest() {
        let (sessions, start) = (WebSessions::default(), Instant::now());
        let first = sessions.start(ada(), start);
        let second = sessions.start(ada(), start + Duration::from_secs(1));
        for _ in 2..=MAX_SESSIONS {
            sessions.start(ada(), start + Duration::from_secs(2));
        }
        assert_eq!(sessions.find(&first, start + Duration::from_secs(3)), None);
        assert!(sessions.find(&second, start + Duration::from_secs(3)).is_some());
    }

    #[test]
    fn all_sessions_of_one_user_can_be_ended() {
        let (sessions, now) = (WebSessions::default(), Instant::now());
        let bob = WebSession { user: "bob".to_owned(), ..ada() };
        let tokens = [sessions.start(ada(), now), sessions.start(ada(), now), sessions.start(bob, now)];
        assert_eq!(sessions.end_of_user("ada"), 2);
        let left = tokens.map(|token| sessions.find(&token, now).is_some());
        assert_eq!(left, [false, false, true]);
    }
}
