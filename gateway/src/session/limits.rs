//! Places for recorded sessions: of all people together, and of each.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thiserror::Error;

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum LimitReached {
    #[error("the gateway records all sessions it can: {0}")]
    All(usize),
    #[error("you have {0} sessions at this gateway, and more are not allowed: end one first")]
    Person(usize),
}

/// All places of a gateway.
#[derive(Debug)]
pub(crate) struct SessionLimits {
    all: usize,
    each: usize,
    /// Taken ones, by name; nobody who has none is in it.
    taken: Mutex<HashMap<String, usize>>,
}

impl SessionLimits {
    /// Of all people, and of each.
    pub(crate) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { all, each, taken: Mutex::default() })
    }

    /// A place, until it is dropped.
    pub(crate) fn take(self: &Arc<Self>, user: &str) -> Result<SessionPermit, LimitReached> {
        let mut taken = self.lock();
        if taken.values().sum::<usize>() >= self.all {
            return Err(LimitReached::All(self.all));
        }
        let own = taken.entry(user.to_owned()).or_default();
        if *own >= self.each {
            return Err(LimitReached::Person(self.each));
        }
        *own += 1;
        Ok(SessionPermit { slots: Arc::clone(self), user: user.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One taken place.
#[derive(Debug)]
pub(crate) struct SessionPermit {
    slots: Arc<SessionLimits>,
    user: String,
}

impl Drop for SessionPermit {
    fn drop(&mut self) {
        let mut taken = self.slots.lock();
        if let Some(own) = taken.get_mut(&self.user) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let slots = SessionLimits::new(3, 2);
        let (first, _second) = (slots.take("ann").unwrap(), slots.take("ann").unwrap());
        assert_eq!(slots.take("ann").unwrap_err(), LimitReached::Person(2));
        let _third = slots.take("bob").unwrap();
        assert_eq!(slots.take("cid").unwrap_err(), LimitReached::All(3));
        drop(first);
        let again = slots.take("cid").unwrap();
        drop(again);
        assert_eq!(slots.lock().len(), 2, "who has none is not remembered");
    }
}
