use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Attempts are counted for so long.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Attempts in a window for one user from one address.
const PER_USER_AND_ADDRESS: u32 = 10;

/// Attempts in a window from one address, whoever the user.
const PER_ADDRESS: u32 = 60;

/// Attempts in a window for one user, from whichever address: a bound on guessing from many.
const PER_USER: u32 = 100;

/// Counters at a time. When all are of running windows, whatever needs a new one waits: those who are
/// logged in notice nothing.
const MAX_COUNTERS: usize = 30_000;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Address(IpAddr),
    User(String),
    Both(String, IpAddr),
}

struct Counter {
    attempts: u32,
    since: Instant,
}

/// Counts attempts to log in, before they are tried.
#[derive(Default)]
pub(crate) struct Throttle {
    counters: Mutex<HashMap<Who, Counter>>,
}

impl Throttle {
    /// Counts an attempt; `false` when it may not be tried now.
    pub(crate) fn admit(&self, user: &str, address: IpAddr, now: Instant) -> bool {
        let address = network(address);
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        // The address first: what it has used up cannot count against anybody else.
        count(&mut counters, Who::Address(address), PER_ADDRESS, now)
            && count(&mut counters, Who::Both(user.to_owned(), address), PER_USER_AND_ADDRESS, now)
            && count(&mut counters, Who::User(user.to_owned()), PER_USER, now)
    }

    /// Forgets the attempts of a user and address: they logged in.
    pub(crate) fn forgive(&self, user: &str, address: IpAddr) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.remove(&Who::Both(user.to_owned(), network(address)));
    }
}

fn count(counters: &mut HashMap<Who, Counter>, who: Who, limit: u32, now: Instant) -> bool {
    if counters.len() >= MAX_COUNTERS && !counters.contains_key(&who) {
        counters.retain(|_, counter| now.duration_since(counter.since) < WINDOW);
        if counters.len() >= MAX_COUNTERS {
            return false;
        }
    }
    let counter = counters.entry(who).or_insert(Counter { attempts: 0, since: now });
    if now.duration_since(counter.since) >= WINDOW {
        *counter = Counter { attempts: 0, since: now };
    }
    counter.attempts = counter.attempts.saturating_add(1);
    counter.attempts <= limit
}

/// An IPv6 customer has at least a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ten_attempts_then_a_wait_for_that_user_and_address_only() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let (here, there) = (address("192.0.2.1"), address("192.0.2.2"));
        for _ in 0..10 {
            assert!(throttle.admit("ada", here, now));
        }
        assert!(!throttle.admit("ada", here, now));
        assert!(throttle.admit("ada", there, now));
        assert!(throttle.admit("bob", here, now));
        assert!(throttle.admit("ada", here, now + WINDOW));
    }

    #[test]
    fn logging_in_forgives() {
        let (throttle, now, here) = (Throttle::default(), Instant::now(), address("192.0.2.1"));
        for _ in 0..10 {
            assert!(throttle.admit("ada", here, now));
        }
        throttle.forgive("ada", here);
        assert!(throttle.admit("ada", here, now));
    }

    #[test]
    fn one_address_cannot_try_many_names_and_a_64_is_one_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..60 {
            assert!(throttle.admit(&format!("user{n}"), address(&format!("2001:db8::{n:x}")), now));
        }
        assert!(!throttle.admit("another", address("2001:db8::ffff"), now));
        assert!(throttle.admit("another", address("2001:db8:0:1::1"), now));
    }
}
