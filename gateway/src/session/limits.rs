//! How many sessions are recorded at once: of all people together, and of each person.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thiserror::Error;

/// Why there is no place for another session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum LimitReached {
    #[error("the gateway records all sessions it can: {0}")]
    All(usize),
    #[error("you have {0} sessions at this gateway, and more are not allowed: end one first")]
    Person(usize),
}

/// The places for sessions of a gateway.
#[derive(Debug)]
pub(super) struct SessionLimits {
    all: usize,
    each: usize,
    /// Places that are taken, by the person's name. A person without any is not in it.
    taken: Mutex<HashMap<String, usize>>,
}

impl SessionLimits {
    /// `all` people together can have so many, and `each` person so many of them.
    pub(super) fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { all, each, taken: Mutex::default() })
    }

    /// Takes a place, which is free again when it is dropped.
    pub(super) fn take(self: &Arc<Self>, user: &str) -> Result<SessionPlace, LimitReached> {
        let mut taken = self.lock();
        if taken.values().sum::<usize>() >= self.all {
            return Err(LimitReached::All(self.all));
        }
        let own = taken.entry(user.to_owned()).or_default();
        if *own >= self.each {
            return Err(LimitReached::Person(self.each));
        }
        *own += 1;
        Ok(SessionPlace { limits: Arc::clone(self), user: user.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place that is taken.
#[derive(Debug)]
pub(super) struct SessionPlace {
    limits: Arc<SessionLimits>,
    user: String,
}

impl Drop for SessionPlace {
    fn drop(&mut self) {
        let mut taken = self.limits.lock();
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
        let limits = SessionLimits::new(3, 2);
        let (first, _second) = (limits.take("ann").unwrap(), limits.take("ann").unwrap());
        assert_eq!(limits.take("ann").unwrap_err(), LimitReached::Person(2));
        let _third = limits.take("bob").unwrap();
        assert_eq!(limits.take("cid").unwrap_err(), LimitReached::All(3));
        drop(first);
        let again = limits.take("cid").unwrap();
        drop(again);
        assert_eq!(limits.lock().len(), 2, "a person without any is not remembered");
    }
}
