//! What is under way, and how it is ended from outside: sessions, and forwarded reads whose answers stay open.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use access::Permit;
use recording::{RecordingId, journal::ApiRequest};
use tokio_util::sync::CancellationToken;

/// Why the gateway ends a session: what the person sees, and Kubernetes' reason and code for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Termination {
    pub(crate) message: String,
    pub(crate) reason: &'static str,
    pub(crate) code: u16,
    /// Who asked for it; empty if the gateway does it by itself.
    pub(crate) by: String,
}

impl Termination {
    pub(crate) fn new(message: String, reason: &'static str, code: u16) -> Self {
        Self { message, reason, code, by: String::new() }
    }

    /// An administrator asked for it.
    pub(crate) fn by_administrator(by: &str, reason: &str) -> Self {
        let message = format!("session ended by an administrator: {reason}");
        Self { by: by.to_owned(), ..Self::new(message, "Forbidden", 403) }
    }

    /// The process ends.
    pub(crate) fn shutdown() -> Self {
        Self::new("gateway is shutting down".to_owned(), "ServiceUnavailable", 503)
    }
}

/// What a permit is used for.
#[derive(Clone, Debug)]
pub(crate) enum PermitUse {
    /// A recorded session.
    Session(RecordingId),
    /// A forwarded request whose answer stays open: a watch, a log that is followed.
    Stream(Box<ApiRequest>),
}

/// Ends one session or stream.
#[derive(Debug)]
pub(crate) struct KillSwitch {
    /// Cancelled when it is to end.
    pub(crate) token: CancellationToken,
    pub(crate) permit: Arc<Permit>,
    pub(crate) used_for: PermitUse,
    why: OnceLock<Termination>,
    /// No byte crosses any more; the recording may still be finished.
    released: AtomicBool,
    /// Cancelled when the recording is finished.
    over: CancellationToken,
}

impl KillSwitch {
    /// Ends it. If that was done before, the first reason stands.
    pub(crate) fn end(&self, why: Termination) {
        let _ = self.why.set(why);
        self.token.cancel();
    }

    /// Why it was ended; `None` if it was not.
    pub(crate) fn why(&self) -> Option<&Termination> {
        self.why.get()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Session(RecordingId),
    Stream(u64),
}

/// All sessions and streams of a gateway, each with its permit.
#[derive(Debug, Default)]
pub(crate) struct SessionRegistry {
    entries: Mutex<Entries>,
    next_stream: AtomicU64,
}

#[derive(Debug, Default)]
struct Entries {
    switches: HashMap<Key, Arc<KillSwitch>>,
    /// People who are shut out, and why. A request that was authenticated before that and is listed after it is ended at once.
    shut_out: HashMap<String, Termination>,
}

impl SessionRegistry {
    /// Lists a session until the registration is dropped.
    pub(crate) fn enter(self: &Arc<Self>, id: RecordingId, permit: Arc<Permit>) -> Registration {
        self.insert(Key::Session(id), permit, PermitUse::Session(id))
    }

    /// Lists a forwarded request until the registration is dropped.
    pub(crate) fn enter_stream(self: &Arc<Self>, permit: Arc<Permit>, request: ApiRequest) -> Registration {
        let key = Key::Stream(self.next_stream.fetch_add(1, Ordering::Relaxed));
        self.insert(key, permit, PermitUse::Stream(Box::new(request)))
    }

    fn insert(self: &Arc<Self>, key: Key, permit: Arc<Permit>, used_for: PermitUse) -> Registration {
        let switch = Arc::new(KillSwitch {
            token: CancellationToken::new(),
            permit,
            used_for,
            why: OnceLock::new(),
            released: AtomicBool::new(false),
            over: CancellationToken::new(),
        });
        let mut entries = self.lock();
        if let Some(why) = entries.shut_out.get(&switch.permit.principal().name) {
            switch.end(why.clone());
        }
        entries.switches.insert(key, Arc::clone(&switch));
        drop(entries);
        Registration { registry: Arc::clone(self), key, switch }
    }

    /// The sessions whose permit `matches`.
    pub(crate) fn sessions(&self, matches: impl Fn(&Permit) -> bool) -> Vec<(RecordingId, Arc<Permit>)> {
        let session = |switch: &Arc<KillSwitch>| match switch.used_for {
            PermitUse::Session(id) if matches(&switch.permit) => Some((id, Arc::clone(&switch.permit))),
            PermitUse::Session(_) | PermitUse::Stream(_) => None,
        };
        self.switches().iter().filter_map(session).collect()
    }

    /// Ends a session; false if there is none of this id.
    pub(crate) fn end(&self, id: RecordingId, why: Termination) -> bool {
        let switch = self.lock().switches.get(&Key::Session(id)).filter(|switch| is_live(switch)).cloned();
        switch.map(|switch| switch.end(why)).is_some()
    }

    /// Ends all sessions and streams whose permit `matches`, and returns them.
    pub(crate) fn end_where(&self, matches: impl Fn(&Permit) -> bool, why: &Termination) -> Vec<Arc<KillSwitch>> {
        let mut ended = self.switches();
        ended.retain(|switch| matches(&switch.permit));
        ended.iter().for_each(|switch| switch.end(why.clone()));
        ended
    }

    /// Ends everything of a person, now and from now on, and returns what was under way.
    pub(crate) fn shut_out(&self, person: &str, why: &Termination) -> Vec<Arc<KillSwitch>> {
        self.lock().shut_out.insert(person.to_owned(), why.clone());
        self.end_where(|permit| permit.principal().name == person, why)
    }

    /// Lets a person in again.
    pub(crate) fn let_in(&self, person: &str) {
        self.lock().shut_out.remove(person);
    }

    /// Ends all sessions. Streams are left to their connections.
    pub(crate) fn end_sessions(&self, why: &Termination) {
        let sessions = self.switches();
        let sessions = sessions.iter().filter(|switch| matches!(switch.used_for, PermitUse::Session(_)));
        sessions.for_each(|switch| switch.end(why.clone()));
    }

    /// Resolves when the recording of that session is finished, or if there is no such session.
    pub(crate) async fn left(&self, id: RecordingId) {
        let over = self.lock().switches.get(&Key::Session(id)).map(|switch| switch.over.clone());
        if let Some(over) = over {
            over.cancelled().await;
        }
    }

    /// Everything that is live, taken out of the lock: a caller's predicate may take its time.
    fn switches(&self) -> Vec<Arc<KillSwitch>> {
        self.lock().switches.values().filter(|switch| is_live(switch)).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_live(switch: &KillSwitch) -> bool {
    !switch.released.load(Ordering::Relaxed)
}

/// An entry in the registry, which is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    registry: Arc<SessionRegistry>,
    key: Key,
    pub(crate) switch: Arc<KillSwitch>,
}

impl Registration {
    /// Takes the session off the list, although its recording is not finished: [`SessionRegistry::left`] waits for that.
    pub(crate) fn release(&self) {
        self.switch.released.store(true, Ordering::Relaxed);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.lock().switches.remove(&self.key);
        self.switch.over.cancel();
    }
}

#[cfg(test)]
mod tests {
    use access::{Action, Credential, Policy, Principal, Rule, Target};
    use uuid::Uuid;

    use super::*;

    fn permit(user: &str, groups: &[&str], cluster: &str) -> Arc<Permit> {
        let rule: Rule = serde_json::from_str(r#"{"name":"all","users":["*"],"clusters":["*"]}"#).unwrap();
        let principal = Principal {
            name: user.to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            credential: Credential::Token,
            credential_id: "1".to_owned(),
        };
        let target = Target { cluster: cluster.to_owned(), ..Target::default() };
        let now = std::time::SystemTime::UNIX_EPOCH;
        Arc::new(Policy { rules: vec![rule] }.decide(&principal, Action::Exec, &target, now).unwrap())
    }

    fn id() -> RecordingId {
        RecordingId(Uuid::now_v7())
    }

    #[test]
    fn a_predicate_over_permits_ends_sessions_and_streams() {
        let registry: Arc<SessionRegistry> = Arc::default();
        let jane = registry.enter(id(), permit("jane", &["dev"], "prod"));
        let watch = registry.enter_stream(permit("jane", &["dev"], "test"), ApiRequest::default());
        let joe = registry.enter(id(), permit("joe", &[], "prod"));
        let why = Termination::by_administrator("ann", "locked out");
        let ended = registry.end_where(|permit| permit.principal().groups.contains(&"dev".to_owned()), &why);
        assert_eq!(ended.len(), 2);
        for switch in [&jane.switch, &watch.switch] {
            assert_eq!(switch.why(), Some(&why));
        }
        assert!(!joe.switch.token.is_cancelled());
        let ended = registry.end_where(|permit| permit.target().cluster == "prod", &Termination::shutdown());
        assert_eq!(ended.len(), 2);
        assert_eq!(jane.switch.why(), Some(&why), "the first reason stands");
    }

    #[test]
    fn a_person_who_is_shut_out_is_ended_also_where_they_were_let_in_a_moment_before() {
        let registry: Arc<SessionRegistry> = Arc::default();
        let (jane, joe) = (permit("jane", &[], "prod"), permit("joe", &[], "prod"));
        let before = registry.enter(id(), Arc::clone(&jane));
        let other = registry.enter(id(), Arc::clone(&joe));
        let why = Termination::by_administrator("ann", "left the company");
        assert_eq!(registry.shut_out("jane", &why).len(), 1);
        let late = registry.enter(id(), Arc::clone(&jane));
        let late_watch = registry.enter_stream(Arc::clone(&jane), ApiRequest::default());
        for switch in [&before.switch, &late.switch, &late_watch.switch] {
            assert!(switch.token.is_cancelled() && switch.why() == Some(&why));
        }
        let unaffected = registry.enter(id(), joe);
        assert!(!other.switch.token.is_cancelled() && !unaffected.switch.token.is_cancelled());
        registry.let_in("jane");
        assert!(!registry.enter(id(), jane).switch.token.is_cancelled());
    }

    #[tokio::test]
    async fn a_released_session_is_not_listed_and_is_waited_for() {
        let registry: Arc<SessionRegistry> = Arc::default();
        let id = id();
        let session = registry.enter(id, permit("jane", &[], "prod"));
        assert_eq!(registry.sessions(|permit| permit.principal().name == "jane").len(), 1);
        session.release();
        assert!(registry.sessions(|_| true).is_empty() && !registry.end(id, Termination::shutdown()));
        let left = registry.left(id);
        tokio::pin!(left);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(left.as_mut().poll(&mut context).is_pending());
        drop(session);
        left.await;
    }

    #[test]
    fn a_shutdown_leaves_streams_to_their_connections() {
        let registry: Arc<SessionRegistry> = Arc::default();
        let session = registry.enter(id(), permit("jane", &[], "prod"));
        let watch = registry.enter_stream(permit("jane", &[], "prod"), ApiRequest::default());
        registry.end_sessions(&Termination::shutdown());
        assert_eq!((session.switch.token.is_cancelled(), watch.switch.token.is_cancelled()), (true, false));
    }
}
