//! How many connections there may be: of strangers by address, of people by name, and of all together.
//!
//! ```text
//!   accepted ─▶ stranger ──────── let_in(name) ───────▶ person      connections of a name ≤ per_person
//!                 │  connections of an address ≤ per_address
//!                 │  unfinished heads of strangers, and of a person: see HeadBudget
//!                 └─ evicted, when another comes and there is no room: the oldest goes first
//! ```

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use thiserror::Error;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Bytes of an unfinished head that are not counted: ordinary requests get in although others hold all that may be held.
const UNCOUNTED: usize = 4 << 10;
/// Of what unfinished heads of strangers may take in all, one address may take this part, and a person as much again.
const PARTS: usize = 8;

/// Unfinished heads would take more than they may.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("there is no room for more unfinished requests: try again")]
pub struct NoRoom;

/// A person has as many connections as one person may.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error(
    "{0} connections of yours are open, and one person may have no more: close some (limits.connections_per_person)"
)]
pub struct PersonFull(pub usize);

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceLimits {
    /// In all.
    pub total: usize,
    /// Of one address (IPv6: of one /64 network), of strangers.
    pub per_address: usize,
    /// Of one person.
    pub per_person: usize,
}

/// What unfinished request heads may take, on all listeners of a process together: those of strangers, and those of each person,
/// whom strangers then cannot keep out.
#[derive(Clone, Debug)]
pub struct HeadBudget(Arc<Heads>);

#[derive(Debug)]
struct Heads {
    of_strangers: usize,
    of_one: usize,
    taken: Mutex<TakenHeads>,
}

#[derive(Debug, Default)]
struct TakenHeads {
    of_strangers: usize,
    /// By whose they are; who has none is not in it.
    of_each: HashMap<Holder, usize>,
}

/// Whose a connection is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    /// A stranger's; the address is not known where it stands for many.
    Stranger(Option<IpAddr>),
    /// A person's.
    Person(String),
    /// A proxy's, which carries the requests of several people.
    Shared,
}

impl HeadBudget {
    /// So many bytes of strangers, beyond the first 4 KiB of each head; an eighth of them from one address. A person has an
    /// eighth too, which does not count for strangers.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Heads { of_strangers: bytes, of_one: bytes / PARTS, taken: Mutex::default() }))
    }

    fn take(&self, holder: &Holder, bytes: usize) -> Result<(), NoRoom> {
        let mut taken = self.lock();
        let is_strangers = matches!(holder, Holder::Stranger(_));
        if is_strangers && taken.of_strangers.saturating_add(bytes) > self.0.of_strangers {
            return Err(NoRoom);
        }
        if !matches!(holder, Holder::Stranger(None) | Holder::Shared) {
            let of_one = taken.of_each.get(holder).copied().unwrap_or(0).saturating_add(bytes);
            if of_one > self.0.of_one {
                return Err(NoRoom);
            }
            taken.of_each.insert(holder.clone(), of_one);
        }
        if is_strangers {
            taken.of_strangers += bytes;
        }
        Ok(())
    }

    fn give_back(&self, holder: &Holder, bytes: usize) {
        let mut taken = self.lock();
        if matches!(holder, Holder::Stranger(_)) {
            taken.of_strangers -= bytes;
        }
        if let Some(of_one) = taken.of_each.get_mut(holder) {
            *of_one -= bytes;
            if *of_one == 0 {
                taken.of_each.remove(holder);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, TakenHeads> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 64 MiB: a thousand of the largest heads that a stranger may send.
impl Default for HeadBudget {
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

/// The places of one listener.
#[derive(Debug)]
pub struct Places {
    limits: PlaceLimits,
    heads: HeadBudget,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    /// The next place's number.
    next: u64,
    total: usize,
    /// By number, so that the first is the oldest.
    strangers: BTreeMap<u64, Stranger>,
    /// The strangers of each address that has some.
    addresses: HashMap<IpAddr, BTreeSet<u64>>,
    /// How many connections each person has who has some.
    people: HashMap<String, usize>,
}

#[derive(Debug)]
struct Stranger {
    address: Option<IpAddr>,
    evicted: CancellationToken,
}

impl Places {
    /// Places for so many.
    pub fn new(limits: PlaceLimits, heads: HeadBudget) -> Arc<Self> {
        Arc::new(Self { limits, heads, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Waits until one more may come: there is a place, or a stranger who can be evicted.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.has_room() {
                return;
            }
            freed.await;
        }
    }

    fn has_room(&self) -> bool {
        let taken = self.lock();
        taken.total < self.limits.total || !taken.strangers.is_empty()
    }

    /// Takes a place for a stranger; `address` is `None` while it is not known, or stands for many. The oldest stranger is
    /// evicted if there is no room: of the address if that has as many as it may, else of all. `None` if all places are people's.
    pub fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Place> {
        let mut taken = self.lock();
        if taken.total >= self.limits.total {
            let oldest = taken.strangers.keys().next().copied()?;
            taken.evict(oldest);
        }
        let number = taken.next;
        let evicted = CancellationToken::new();
        (taken.next, taken.total) = (number + 1, taken.total + 1);
        taken.strangers.insert(number, Stranger { address: None, evicted: evicted.clone() });
        drop(taken);
        let state = Mutex::new(PlaceState { holder: Holder::Stranger(None), heads: 0 });
        let place = Place { places: Arc::clone(self), number, evicted, state };
        if let Some(address) = address {
            place.comes_from(address);
        }
        Some(place)
    }

    /// Takes a place as [`Places::admit`] does, and waits for one if all are people's.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn admitted(self: &Arc<Self>, address: Option<IpAddr>) -> Place {
        loop {
            if let Some(place) = self.admit(address) {
                return place;
            }
            self.room().await;
        }
    }

    /// Connections of strangers, and of people.
    #[cfg(test)]
    fn count(&self) -> (usize, usize) {
        let taken = self.lock();
        (taken.strangers.len(), taken.people.values().sum())
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn evict(&mut self, number: u64) {
        if let Some(stranger) = self.remove(number) {
            self.total -= 1;
            stranger.evicted.cancel();
        }
    }

    /// Takes a stranger out of the tables.
    fn remove(&mut self, number: u64) -> Option<Stranger> {
        let stranger = self.strangers.remove(&number)?;
        if let Some(address) = stranger.address
            && let Some(of_address) = self.addresses.get_mut(&address)
        {
            of_address.remove(&number);
            if of_address.is_empty() {
                self.addresses.remove(&address);
            }
        }
        Some(stranger)
    }
}

/// The network that bounds count as one address: a host with one IPv6 address can use the 2⁶⁴ of its /64.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
        IpAddr::V4(v4) => IpAddr::V4(v4),
    }
}

/// A connection's place. Dropped when the connection ends.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    number: u64,
    evicted: CancellationToken,
    state: Mutex<PlaceState>,
}

#[derive(Debug)]
struct PlaceState {
    holder: Holder,
    /// Bytes that its unfinished head has taken.
    heads: usize,
}

impl PlaceState {
    fn is_let_in(&self) -> bool {
        !matches!(self.holder, Holder::Stranger(_))
    }
}

impl Place {
    /// Counts the connection for an address, from now on. Of an address that has as many as it may, the oldest is evicted.
    pub fn comes_from(&self, address: IpAddr) {
        let address = network(address);
        {
            let mut state = self.lock();
            if state.holder != Holder::Stranger(None) || state.heads > 0 {
                return;
            }
            state.holder = Holder::Stranger(Some(address));
        }
        let mut taken = self.places.lock();
        let Some(stranger) = taken.strangers.get_mut(&self.number) else { return };
        stranger.address = Some(address);
        let of_address = taken.addresses.entry(address).or_default();
        of_address.insert(self.number);
        if of_address.len() > self.places.limits.per_address
            && let Some(oldest) = of_address.first().copied()
        {
            taken.evict(oldest);
        }
    }

    /// Resolves when the connection has to go, to make room for another. Never, once somebody is let in on it.
    pub async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    /// Whether somebody was let in on the connection.
    pub fn is_let_in(&self) -> bool {
        self.lock().is_let_in()
    }

    /// A good credential was seen on the connection: it is this person's from now on; or nobody's, if it carries the requests of
    /// several (`None`). Who comes second on a connection changes nothing.
    ///
    /// # Errors
    /// [`PersonFull`]; the connection stays a stranger's.
    pub fn let_in(&self, person: Option<&str>) -> Result<(), PersonFull> {
        let mut state = self.lock();
        if state.is_let_in() {
            return Ok(());
        }
        let mut taken = self.places.lock();
        if let Some(person) = person {
            let count = taken.people.get(person).copied().unwrap_or(0);
            if count >= self.places.limits.per_person {
                return Err(PersonFull(count));
            }
        }
        // One that is evicted already ends by that.
        if taken.remove(self.number).is_none() {
            return Ok(());
        }
        if let Some(person) = person {
            *taken.people.entry(person.to_owned()).or_default() += 1;
        }
        drop(taken);
        self.give_back(&mut state);
        state.holder = person.map_or(Holder::Shared, |person| Holder::Person(person.to_owned()));
        Ok(())
    }

    /// Takes room for an unfinished head of so many bytes in all: from what strangers have, or the person whose it is.
    ///
    /// # Errors
    /// [`NoRoom`]; what was taken stays taken.
    pub fn reserve(&self, bytes: usize) -> Result<(), NoRoom> {
        let mut state = self.lock();
        let Some(more @ 1..) = bytes.saturating_sub(UNCOUNTED).checked_sub(state.heads) else { return Ok(()) };
        self.places.heads.take(&state.holder, more)?;
        state.heads += more;
        Ok(())
    }

    /// The head is whole: gives its room back.
    pub fn release(&self) {
        self.give_back(&mut self.lock());
    }

    fn give_back(&self, state: &mut PlaceState) {
        let heads = std::mem::take(&mut state.heads);
        self.places.heads.give_back(&state.holder, heads);
    }

    fn lock(&self) -> MutexGuard<'_, PlaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.release();
        let holder = self.lock().holder.clone();
        let mut taken = self.places.lock();
        match holder {
            Holder::Person(person) => {
                taken.total -= 1;
                if let Some(count) = taken.people.get_mut(&person) {
                    *count -= 1;
                    if *count == 0 {
                        taken.people.remove(&person);
                    }
                }
            }
            Holder::Shared => taken.total -= 1,
            // One that was evicted has given its place away.
            Holder::Stranger(_) if taken.remove(self.number).is_some() => taken.total -= 1,
            Holder::Stranger(_) => {}
        }
        drop(taken);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(total: usize, per_address: usize, per_person: usize) -> Arc<Places> {
        Places::new(PlaceLimits { total, per_address, per_person }, HeadBudget::new(80 << 10))
    }

    fn from(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn evicted(places: &[&Place]) -> Vec<bool> {
        places.iter().map(|place| place.evicted.is_cancelled()).collect()
    }

    #[test]
    fn the_oldest_stranger_of_a_full_address_goes_first() {
        let places = places(100, 2, 10);
        let of = |address| places.admit(from(address)).unwrap();
        let other = of("192.0.2.2");
        let (first, second, third) = (of("192.0.2.1"), of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_eq!(evicted(&[&first, &second, &third, &other]), [true, false, false, false]);
        // A person's connection is none of the address's any more.
        second.let_in(Some("ann")).unwrap();
        let fourth = of("192.0.2.1");
        assert_eq!(evicted(&[&second, &third, &fourth]), [false; 3]);
        drop(fourth);
        let fifth = of("192.0.2.1");
        assert_eq!(evicted(&[&second, &third, &fifth]), [false; 3]);
        assert_eq!(places.count(), (3, 1));
    }

    #[test]
    fn a_64_is_one_address() {
        let places = places(100, 2, 10);
        let of = |address| places.admit(from(address)).unwrap();
        let (first, _second, other) = (of("2001:db8::1"), of("2001:db8::ffff:1"), of("2001:db8:0:1::1"));
        let third = of("2001:db8::2");
        assert_eq!(evicted(&[&first, &other, &third]), [true, false, false]);
    }

    #[tokio::test]
    async fn when_all_places_are_taken_the_oldest_stranger_goes_and_people_stay() {
        let places = places(3, 3, 3);
        let of = |address| places.admit(from(address));
        let (ann, stranger, later) = (of("192.0.2.1").unwrap(), of("192.0.2.2").unwrap(), of("192.0.2.3").unwrap());
        ann.let_in(Some("ann")).unwrap();
        let next = of("192.0.2.4").unwrap();
        assert_eq!(evicted(&[&ann, &stranger, &later, &next]), [false, true, false, false]);
        stranger.evicted().await;
        for place in [&later, &next] {
            place.let_in(Some("bob")).unwrap();
        }
        assert!(of("192.0.2.5").is_none());
        tokio::select! {
            biased;
            () = places.room() => panic!("people do not make room"),
            () = std::future::ready(()) => {}
        }
        // What was evicted has no place left to give.
        drop(stranger);
        assert!(of("192.0.2.5").is_none());
        drop(later);
        places.room().await;
        assert!(of("192.0.2.5").is_some());
    }

    #[test]
    fn one_person_has_as_many_as_one_may_from_wherever() {
        let places = places(100, 100, 2);
        let of = |n: u8| places.admit(from(&format!("192.0.2.{n}"))).unwrap();
        let all: Vec<_> = (0..4).map(of).collect();
        for place in &all[..2] {
            place.let_in(Some("ann")).unwrap();
            place.let_in(Some("ann")).unwrap();
        }
        assert_eq!(all[2].let_in(Some("ann")), Err(PersonFull(2)));
        assert!(!all[2].is_let_in());
        all[2].let_in(Some("bob")).unwrap();
        // One that carries several people's is nobody's.
        all[3].let_in(None).unwrap();
        assert_eq!(places.count(), (0, 3));
        drop(all);
        assert_eq!((places.count(), places.lock().total), ((0, 0), 0));
        of(1).let_in(Some("ann")).unwrap();
    }

    #[test]
    fn unfinished_heads_share_what_there_is_and_no_address_takes_it_all() {
        let budget = HeadBudget::new(80 << 10);
        let limits = PlaceLimits { total: 100, per_address: 100, per_person: 100 };
        let (gateway, web) = (Places::new(limits, budget.clone()), Places::new(limits, budget));
        let of = |places: &Arc<Places>, n: u8| places.admit(from(&format!("192.0.2.{n}"))).unwrap();
        let one = of(&gateway, 1);
        // The first 4 KiB are free, and an eighth of 80 KiB is an address's.
        assert_eq!((one.reserve(14 << 10), one.reserve((14 << 10) + 1)), (Ok(()), Err(NoRoom)));
        assert_eq!(of(&web, 1).reserve(5 << 10), Err(NoRoom));
        let others: Vec<_> = (2..9).map(|n| of(&web, n)).collect();
        assert!(others.iter().all(|place| place.reserve(14 << 10).is_ok()));
        let last = of(&gateway, 9);
        assert_eq!((last.reserve(4 << 10), last.reserve(5 << 10)), (Ok(()), Err(NoRoom)));
        one.release();
        assert_eq!(last.reserve(14 << 10), Ok(()));
        // A person has as much as an address, whatever strangers take.
        last.let_in(Some("ann")).unwrap();
        one.reserve(14 << 10).unwrap();
        let another = of(&web, 10);
        another.let_in(Some("ann")).unwrap();
        assert_eq!((last.reserve(10 << 10), another.reserve(8 << 10)), (Ok(()), Ok(())));
        assert_eq!((last.reserve(11 << 10), another.reserve(9 << 10)), (Err(NoRoom), Err(NoRoom)));
        last.release();
        another.reserve(14 << 10).unwrap();
        drop((one, others, last, another));
        assert_eq!(gateway.heads.lock().of_strangers, 0);
        assert!(gateway.heads.lock().of_each.is_empty(), "who holds none is not remembered");
    }
}
