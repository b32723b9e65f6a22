use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use listener::network;

/// Attempts are counted for this long.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Attempts that failed in a window, for one user from one address.
const PER_USER_AND_ADDRESS: u32 = 10;

/// Attempts that failed in a window, from one address for all users together.
const PER_ADDRESS: u32 = 60;

/// Attempts that failed in a window, for one user from any address: a bound on guessing from many.
const PER_USER: u32 = 100;

/// Counters at a time. When all are of running windows, an attempt that needs a new one is refused; people who are logged
/// in notice nothing.
const MAX_COUNTERS: usize = 30_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum CounterKey {
    Address(IpAddr),
    UserAndAddress(String, IpAddr),
    User(String),
}

struct AttemptCounter {
    attempts: u32,
    since: Instant,
}

/// Counts attempts to log in. An attempt counts before it is tried, so that many at once are bounded too, and is taken
/// back if it turns out not to have been a wrong guess.
///
/// If the person's address is unknown, only the user's counter counts: the address would be that of a proxy, and sixty
/// guesses of one stranger would lock out everybody behind it. How fast all users together can be guessed is then
/// bounded by the hashing (two at a time); `web.trusted_proxies` gives the stranger an address again.
#[derive(Default)]
pub(crate) struct Throttle {
    counters: Mutex<HashMap<CounterKey, AttemptCounter>>,
}

impl Throttle {
    /// Counts an attempt; false if it may not be tried now. `user` is `None` for a link, which names nobody: what is guessed
    /// counts for the address only.
    pub(crate) fn admit(&self, user: Option<&str>, address: Option<IpAddr>, now: Instant) -> bool {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        // The address comes first: what it has used up cannot count against anybody else.
        keys(user, address).into_iter().all(|(key, limit)| count(&mut counters, key, limit, now))
    }

    /// Takes back an attempt that was admitted: it logged in, or could not be tried. After a login the user's earlier
    /// attempts from the same address are forgotten too: the person had mistyped.
    pub(crate) fn take_back(&self, user: Option<&str>, address: Option<IpAddr>, logged_in: bool) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, _) in keys(user, address) {
            if logged_in && matches!(key, CounterKey::UserAndAddress(..)) {
                counters.remove(&key);
            } else if let Some(counter) = counters.get_mut(&key) {
                counter.attempts = counter.attempts.saturating_sub(1);
            }
        }
    }
}

/// What an attempt counts against, and how often it may.
fn keys(user: Option<&str>, address: Option<IpAddr>) -> Vec<(CounterKey, u32)> {
    let (address, user) = (address.map(network), user.map(str::to_owned));
    let mut keys = Vec::with_capacity(3);
    if let Some(address) = address {
        keys.push((CounterKey::Address(address), PER_ADDRESS));
    }
    if let (Some(address), Some(user)) = (address, &user) {
        keys.push((CounterKey::UserAndAddress(user.clone(), address), PER_USER_AND_ADDRESS));
    }
    keys.extend(user.map(|user| (CounterKey::User(user), PER_USER)));
    keys
}

fn count(counters: &mut HashMap<CounterKey, AttemptCounter>, key: CounterKey, limit: u32, now: Instant) -> bool {
    if counters.len() >= MAX_COUNTERS && !counters.contains_key(&key) {
        counters.retain(|_, counter| counter.attempts > 0 && now.duration_since(counter.since) < WINDOW);
        if counters.len() >= MAX_COUNTERS {
            return false;
        }
    }
    let counter = counters.entry(key).or_insert(AttemptCounter { attempts: 0, since: now });
    if now.duration_since(counter.since) >= WINDOW {
        *counter = AttemptCounter { attempts: 0, since: now };
    }
    counter.attempts = counter.attempts.saturating_add(1);
    counter.attempts <= limit
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn ten_attempts_then_a_wait_for_that_user_and_address_only() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..10 {
            assert!(throttle.admit(Some("ada"), here, now));
        }
        assert!(!throttle.admit(Some("ada"), here, now));
        assert!(throttle.admit(Some("ada"), there, now));
        assert!(throttle.admit(Some("bob"), here, now));
        assert!(throttle.admit(Some("ada"), here, now + WINDOW));
    }

    #[test]
    fn logging_in_forgives() {
        let (throttle, now, here) = (Throttle::default(), Instant::now(), address("192.0.2.1"));
        for _ in 0..10 {
            assert!(throttle.admit(Some("ada"), here, now));
        }
        throttle.take_back(Some("ada"), here, true);
        assert!(throttle.admit(Some("ada"), here, now));
    }

    #[test]
    fn successes_never_count_towards_a_lock() {
        let (throttle, now, here) = (Throttle::default(), Instant::now(), address("192.0.2.1"));
        for n in 0..500 {
            let user = if n % 2 == 0 { "ada".to_owned() } else { format!("user{n}") };
            assert!(throttle.admit(Some(&user), here, now), "{n}");
            throttle.take_back(Some(&user), here, true);
        }
    }

    #[test]
    fn what_was_not_tried_does_not_count_and_forgives_nothing() {
        let (throttle, now, here) = (Throttle::default(), Instant::now(), address("192.0.2.1"));
        for _ in 0..9 {
            assert!(throttle.admit(Some("ada"), here, now));
        }
        for _ in 0..20 {
            assert!(throttle.admit(Some("ada"), here, now));
            throttle.take_back(Some("ada"), here, false);
        }
        assert!(throttle.admit(Some("ada"), here, now));
        assert!(!throttle.admit(Some("ada"), here, now));
    }

    #[test]
    fn one_address_cannot_try_many_names_and_a_64_is_one_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..60 {
            assert!(throttle.admit(Some(&format!("user{n}")), address(&format!("2001:db8::{n:x}")), now));
        }
        assert!(!throttle.admit(Some("another"), address("2001:db8::ffff"), now));
        assert!(throttle.admit(Some("another"), address("2001:db8:0:1::1"), now));
    }

    #[test]
    fn without_an_address_one_user_is_guessed_a_hundred_times_and_others_still_log_in() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..100 {
            assert!(throttle.admit(Some("ada"), None, now));
        }
        assert!(!throttle.admit(Some("ada"), None, now));
        for n in 0..100 {
            assert!(throttle.admit(Some(&format!("user{n}")), None, now));
        }
    }

    #[test]
    fn links_that_are_guessed_count_for_the_address_and_lock_out_nobody_by_name() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..60 {
            assert!(throttle.admit(None, here, now));
        }
        assert!(!throttle.admit(None, here, now) && !throttle.admit(Some("ada"), here, now));
        assert!(throttle.admit(None, there, now) && throttle.admit(Some("ada"), there, now));
        // Without an address there is nothing to count for, and 256 bits are not guessed.
        assert!((0..1000).all(|_| throttle.admit(None, None, now)));
    }

    #[test]
    fn links_that_were_good_do_not_count() {
        let (throttle, now, here) = (Throttle::default(), Instant::now(), address("192.0.2.1"));
        for _ in 0..500 {
            assert!(throttle.admit(None, here, now));
            throttle.take_back(None, here, true);
        }
    }
}
