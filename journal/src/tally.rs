use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use recording::journal::JournalEvent;

/// How many entries of each kind a process has taken.
#[derive(Debug, Default)]
pub(crate) struct EventCounters(Mutex<BTreeMap<Kind, u64>>);

/// An entry's event, and a session's outcome where it is the end of one.
type Kind = (&'static str, Option<&'static str>);

impl EventCounters {
    pub(crate) fn count(&self, what: &JournalEvent) {
        let outcome = match what {
            JournalEvent::SessionEnded { outcome, .. } => Some(outcome.name()),
            _ => None,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry((what.name(), outcome)).or_default() += 1;
    }

    pub(crate) fn all(&self) -> BTreeMap<Kind, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
