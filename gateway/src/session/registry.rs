//! The sessions that are under way, and how one is ended.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use recording::RecordingId;
use tokio_util::sync::CancellationToken;

/// Why the gateway ends a session: what the person sees, and Kubernetes' reason and code for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Termination {
    pub(crate) message: String,
    pub(crate) reason: &'static str,
    pub(crate) code: u16,
    /// Who asked for it; empty where the gateway does it by itself.
    pub(crate) by: String,
}

impl Termination {
    pub(crate) fn new(message: String, reason: &'static str, code: u16) -> Self {
        Self { message, reason, code, by: String::new() }
    }
}

/// One session's switch.
#[derive(Debug, Default)]
pub(crate) struct KillSwitch {
    pub(crate) token: CancellationToken,
    why: OnceLock<Termination>,
    /// Whose it is.
    user: String,
    /// Cancelled when the session has left.
    over: CancellationToken,
}

impl KillSwitch {
    /// The first reason stands.
    pub(crate) fn cut(&self, why: Termination) {
        let _ = self.why.set(why);
        self.token.cancel();
    }

    pub(crate) fn why(&self) -> Option<&Termination> {
        self.why.get()
    }
}

/// All sessions of a gateway.
#[derive(Debug, Default)]
pub(crate) struct SessionRegistry {
    sessions: Mutex<HashMap<RecordingId, Arc<KillSwitch>>>,
}

impl SessionRegistry {
    pub(crate) fn enter(self: &Arc<Self>, id: RecordingId, user: &str) -> Registration {
        let cut = Arc::new(KillSwitch { user: user.to_owned(), ..KillSwitch::default() });
        self.lock().insert(id, Arc::clone(&cut));
        Registration { live: Arc::clone(self), id, cut }
    }

    pub(crate) fn ids(&self) -> Vec<RecordingId> {
        self.lock().keys().copied().collect()
    }

    pub(crate) fn of(&self, user: &str) -> Vec<RecordingId> {
        self.lock().iter().filter(|(_, cut)| cut.user == user).map(|(id, _)| *id).collect()
    }

    /// Resolves when there is no such session.
    pub(crate) async fn left(&self, id: RecordingId) {
        let over = self.lock().get(&id).map(|cut| cut.over.clone());
        if let Some(over) = over {
            over.cancelled().await;
        }
    }

    pub(crate) fn end(&self, id: RecordingId, why: Termination) -> bool {
        let cut = self.lock().get(&id).cloned();
        cut.map(|cut| cut.cut(why)).is_some()
    }

    pub(crate) fn end_all(&self, why: &Termination) {
        let cuts: Vec<_> = self.lock().values().cloned().collect();
        cuts.iter().for_each(|cut| cut.cut(why.clone()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RecordingId, Arc<KillSwitch>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place among the live ones; left when dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    live: Arc<SessionRegistry>,
    id: RecordingId,
    pub(crate) cut: Arc<KillSwitch>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.live.lock().remove(&self.id);
        self.cut.over.cancel();
    }
}
