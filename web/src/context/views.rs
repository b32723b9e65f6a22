use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use recording::RecordingId;

/// So long after a viewing was written down, more of it is the same viewing.
const ONE_VIEWING: Duration = Duration::from_secs(10 * 60);

/// Viewings remembered; when they are reached, all are forgotten and some are written down twice.
const MAX_VIEWINGS: usize = 10_000;

/// Which viewings have been written down lately.
#[derive(Default)]
pub(crate) struct ViewDedup {
    seen: Mutex<HashMap<(String, RecordingId), Instant>>,
}

impl ViewDedup {
    pub(crate) fn recent(&self, user: &str, session: RecordingId) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&(user.to_owned(), session)).is_some_and(|at| at.elapsed() < ONE_VIEWING)
    }

    pub(crate) fn add(&self, user: &str, session: RecordingId) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_VIEWINGS {
            seen.clear();
        }
        seen.insert((user.to_owned(), session), Instant::now());
    }
}
