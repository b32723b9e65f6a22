use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many of one kind of thing may be under way: of all people together, and of each.
#[derive(Debug)]
pub(crate) struct Turns {
    all: usize,
    of_a_person: usize,
    /// How many there are, and whose. People without any are not in it.
    taken: Mutex<(usize, HashMap<String, usize>)>,
}

/// Why somebody has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All have as many as there may be.
    All,
    /// The person has as many as one person may.
    Person,
}

/// Somebody's turn. It is over when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    person: String,
}

impl Turns {
    pub(crate) fn new(all: usize, of_a_person: usize) -> Arc<Self> {
        Arc::new(Self { all, of_a_person, taken: Mutex::default() })
    }

    /// Takes a turn, without waiting for one.
    pub(crate) fn take(self: &Arc<Self>, person: &str) -> Result<Turn, Full> {
        let mut taken = self.lock();
        let (all, people) = &mut *taken;
        let of_person = people.get(person).copied().unwrap_or(0);
        if of_person >= self.of_a_person {
            return Err(Full::Person);
        }
        if *all >= self.all {
            return Err(Full::All);
        }
        *all += 1;
        people.insert(person.to_owned(), of_person + 1);
        Ok(Turn { turns: Arc::clone(self), person: person.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, (usize, HashMap<String, usize>)> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut taken = self.turns.lock();
        let (all, people) = &mut *taken;
        *all -= 1;
        if let Some(of_person) = people.get_mut(&self.person) {
            *of_person -= 1;
            if *of_person == 0 {
                people.remove(&self.person);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_does_not_take_all_turns() {
        let turns = Turns::new(3, 2);
        let take = |person| turns.take(person);
        let ada = [take("ada").unwrap(), take("ada").unwrap()];
        assert_eq!(take("ada").unwrap_err(), Full::Person);
        let bob = take("bob").unwrap();
        assert_eq!(take("bob").unwrap_err(), Full::All);
        drop(ada);
        let more = take("bob").unwrap();
        assert_eq!(take("bob").unwrap_err(), Full::Person);
        drop((bob, more));
        assert!(turns.lock().1.is_empty(), "people without a turn are not remembered");
    }
}
