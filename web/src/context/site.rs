use std::sync::Arc;

use identity::{Authenticator, Lock};
use jiff::Timestamp;
use tokio::sync::watch;
use verify::VerificationResult;

/// What pages say about the process they come from.
pub(crate) struct Site {
    /// Shown at the foot of pages.
    pub(crate) gateway_name: String,
    /// When this process, and the gateway in it, started.
    pub(crate) started: Timestamp,
    /// The command that makes a first session.
    pub(crate) kubectl_hint: String,
    /// Whether this process can end sessions of its gateway.
    pub(crate) ends_sessions: bool,
    /// Whether this process can shut people out.
    pub(crate) locks_people: bool,
    /// What the last verification of the whole store found.
    pub(crate) verification: watch::Receiver<Option<VerificationResult>>,
    /// Knows who is shut out.
    pub(crate) authenticator: Arc<Authenticator>,
}

impl Site {
    /// Whether a session without a stored end was recorded by this gateway before it was restarted: then the session no
    /// longer goes on. Of other gateways nothing is known.
    pub(crate) fn has_outlived(&self, gateway: &str, started: Timestamp) -> bool {
        self.is_of_this_gateway(gateway) && started < self.started
    }

    /// Why a person is shut out; `None` if they are not, or if that cannot be read.
    pub(crate) fn lock_of(&self, person: &str) -> Option<Lock> {
        self.authenticator.lock_of(person).ok().flatten()
    }

    pub(crate) fn is_of_this_gateway(&self, gateway: &str) -> bool {
        gateway == self.gateway_name
    }
}
