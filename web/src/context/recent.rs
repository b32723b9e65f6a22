use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// For this long after something was journalled, more of it is the same entry.
const ONE_ENTRY: Duration = Duration::from_secs(10 * 60);

/// Entries remembered. One more forgets those that are over, or else the oldest: it is journalled twice.
const MAX_ENTRIES: usize = 10_000;

/// What was journalled lately, so that the pages of one viewing or one search are one entry.
pub(crate) struct RecentEntries<K> {
    noted: Mutex<HashMap<K, Instant>>,
}

impl<K> Default for RecentEntries<K> {
    fn default() -> Self {
        Self { noted: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> RecentEntries<K> {
    pub(crate) fn contains(&self, key: &K, now: Instant) -> bool {
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get(key).is_some_and(|at| now.duration_since(*at) < ONE_ENTRY)
    }

    pub(crate) fn add(&self, key: K, now: Instant) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= MAX_ENTRIES {
            noted.retain(|_, at| now.duration_since(*at) < ONE_ENTRY);
        }
        if noted.len() >= MAX_ENTRIES
            && let Some(oldest) = noted.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone())
        {
            noted.remove(&oldest);
        }
        noted.insert(key, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_the_same_for_ten_minutes() {
        let (recent, now) = (RecentEntries::default(), Instant::now());
        assert!(!recent.contains(&"ada", now));
        recent.add("ada", now);
        assert!(recent.contains(&"ada", now) && !recent.contains(&"bo", now));
        assert!(!recent.contains(&"ada", now + ONE_ENTRY));
    }

    #[test]
    fn one_entry_too_many_forgets_the_oldest_only() {
        let (recent, start) = (RecentEntries::default(), Instant::now());
        let at = |n: usize| start + Duration::from_micros(n as u64);
        for n in 0..=MAX_ENTRIES {
            recent.add(n, at(n));
        }
        assert!(!recent.contains(&0, at(MAX_ENTRIES)));
        assert!(recent.contains(&1, at(MAX_ENTRIES)) && recent.contains(&MAX_ENTRIES, at(MAX_ENTRIES)));
    }
}
