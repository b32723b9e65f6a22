use std::sync::{Arc, PoisonError, RwLock};

use access::{Policy, PolicyError};

/// The policy in use, which can be exchanged while requests are decided.
///
/// A decision takes one policy and keeps it to its end. A permit that was given stays: an exchange ends no session.
#[derive(Clone, Debug)]
pub(crate) struct PolicyHandle(Arc<RwLock<Arc<Policy>>>);

impl PolicyHandle {
    /// Takes the first policy.
    ///
    /// # Errors
    /// [`PolicyError`] if it cannot be used.
    pub(crate) fn new(policy: Arc<Policy>) -> Result<Self, PolicyError> {
        policy.check()?;
        Ok(Self(Arc::new(RwLock::new(policy))))
    }

    /// The policy in use.
    pub(crate) fn current(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Uses a policy that [`Policy::check`] passed from the next decision on.
    pub(crate) fn exchange(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}
