use std::{collections::BTreeMap, ops::Range};

use recording::{KeyId, UnixMicros, journal::side_journals};
use thiserror::Error;

use super::KeyStatement;

/// Which key was in use when, and where in which journal.
///
/// ```text
/// journal gw:  0   1   2   3 │ 4   5   6
/// key:         first         │ second, whose introduction by the first says "gw 3 <digest>"
/// ```
///
/// A statement counts as introduced only if the key before signed that, for the same gateway. Where the introduction is of
/// format 1 there is no border in the journals, only one in time.
#[derive(Clone, Debug, Default)]
pub struct KeyPeriods(BTreeMap<KeyId, KeyStatement>);

/// What a key has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse<'a> {
    /// The journal that it belongs to, which names the gateway: its own, or one of its [`side_journals`].
    pub journal: &'a str,
    /// Its place there, if it is an object of the journal.
    pub seq: Option<u64>,
    /// When it was signed, as the signature says.
    pub time: UnixMicros,
}

/// Why a key may not have signed something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyRefusal {
    /// There is no statement of the key.
    #[error("there is no statement of the key {0}")]
    Unknown(KeyId),
    /// The key is another gateway's.
    #[error("it is signed by {key}, which is the key of the gateway {gateway}")]
    OtherGateway {
        /// The key.
        key: KeyId,
        /// Whose it is.
        gateway: String,
    },
    /// The signature's time is not one of the key's.
    #[error("{0} signed it at a time when it was not the key in use")]
    OtherTime(KeyId),
    /// Another key was in use at that place of the journal.
    #[error("{0} was not the key in use at this place of the journal")]
    OtherPlace(KeyId),
}

impl KeyPeriods {
    /// Takes statements that their own keys have signed ([`KeyStatement::parse`]).
    pub fn new(statements: impl IntoIterator<Item = KeyStatement>) -> Self {
        Self(statements.into_iter().map(|statement| (statement.key.clone(), statement)).collect())
    }

    /// What a key says of itself.
    pub fn statement(&self, key: &KeyId) -> Option<&KeyStatement> {
        self.0.get(key)
    }

    /// All statements, by key.
    pub fn statements(&self) -> impl Iterator<Item = &KeyStatement> {
        self.0.values()
    }

    /// Whether the key may have signed it.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, key: &KeyId, signed: KeyUse<'_>) -> Result<(), KeyRefusal> {
        let statement = self.0.get(key).ok_or_else(|| KeyRefusal::Unknown(key.clone()))?;
        if !is_of(&statement.gateway, signed.journal) {
            let (key, gateway) = (key.clone(), statement.gateway.clone());
            return Err(KeyRefusal::OtherGateway { key, gateway });
        }
        let until = self.successors(statement).map(|next| next.from).min();
        if signed.time < statement.from || until.is_some_and(|until| signed.time > until) {
            return Err(KeyRefusal::OtherTime(key.clone()));
        }
        if signed.seq.is_some_and(|seq| !self.places(statement, signed.journal).contains(&seq)) {
            return Err(KeyRefusal::OtherPlace(key.clone()));
        }
        Ok(())
    }

    /// The numbers of the objects of a journal that the key may have signed.
    fn places(&self, statement: &KeyStatement, journal: &str) -> Range<u64> {
        let first = self.predecessor(statement).and_then(|_| border(statement, journal)).unwrap_or(0);
        let end = self.successors(statement).filter_map(|next| border(next, journal)).min();
        first..end.unwrap_or(u64::MAX)
    }

    /// The key before, if it vouches for this one.
    pub fn predecessor(&self, statement: &KeyStatement) -> Option<&KeyStatement> {
        let before = self.0.get(&statement.introduced_by.as_ref()?.key)?;
        (before.gateway == statement.gateway && statement.is_introduced_by(&before.public)).then_some(before)
    }

    /// The keys that this one vouches for: one, if everybody is honest.
    pub fn successors<'a>(&'a self, statement: &'a KeyStatement) -> impl Iterator<Item = &'a KeyStatement> {
        self.0.values().filter(|next| self.predecessor(next).is_some_and(|before| before.key == statement.key))
    }
}

/// Whether a gateway of that name writes the journal.
fn is_of(gateway: &str, journal: &str) -> bool {
    journal == gateway || side_journals(gateway).iter().any(|side| side == journal)
}

/// The first object of a journal that an introduced key signs; `None` if the introduction does not say.
fn border(introduced: &KeyStatement, journal: &str) -> Option<u64> {
    let heads = introduced.introduced_by.as_ref()?.journals.as_ref()?;
    // A journal that is not named had no object.
    Some(heads.iter().find(|head| head.gateway == journal).map_or(0, |head| head.seq.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use recording::JournalHead;

    use super::*;
    use crate::{
        Memory, Store,
        signing::{Predecessor, Signer, publish},
    };

    /// Two keys of `gw`, the second from microsecond 100 and from behind object 3 of the journal on, and one of `other`.
    async fn keys() -> (KeyPeriods, [KeyId; 3]) {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let signers = [(); 3].map(|()| Signer::generate().unwrap());
        let [first, second, other] = &signers;
        let head = JournalHead { gateway: "gw".to_owned(), seq: 3, sha256: "00".repeat(32) };
        let before = Predecessor { signer: first, journals: vec![head] };
        let statements = [
            publish(&store, "gw", first, None, UnixMicros::new(1)).await.unwrap(),
            publish(&store, "gw", second, Some(before), UnixMicros::new(100)).await.unwrap(),
            publish(&store, "other", other, None, UnixMicros::new(1)).await.unwrap(),
        ];
        (KeyPeriods::new(statements), signers.map(|signer| signer.public().id()))
    }

    fn object(journal: &str, seq: u64, micros: i64) -> KeyUse<'_> {
        KeyUse { journal, seq: Some(seq), time: UnixMicros::new(micros) }
    }

    #[tokio::test]
    async fn each_key_signs_its_own_part_of_a_journal() {
        let (periods, [first, second, _]) = keys().await;
        for seq in 0..8 {
            let by_first = periods.check(&first, object("gw", seq, 50)).is_ok();
            let by_second = periods.check(&second, object("gw", seq, 150)).is_ok();
            assert_eq!((by_first, by_second), (seq <= 3, seq > 3), "object {seq}");
        }
        let refused = periods.check(&second, object("gw", 3, 150)).unwrap_err();
        assert_eq!(refused, KeyRefusal::OtherPlace(second.clone()));
        // The side journal had no object when the key was replaced: all of it is the second key's.
        assert_eq!(periods.check(&second, object("gw-cli", 0, 150)), Ok(()));
        assert_eq!(periods.check(&first, object("gw-cli", 0, 50)), Err(KeyRefusal::OtherPlace(first)));
    }

    #[tokio::test]
    async fn each_key_signs_in_its_own_time_and_for_its_own_gateway() {
        let (periods, [first, second, other]) = keys().await;
        let manifest = |micros| KeyUse { journal: "gw", seq: None, time: UnixMicros::new(micros) };
        for (key, micros, right) in [
            (&first, 0, false),
            (&first, 1, true),
            (&first, 100, true),
            (&first, 101, false),
            (&second, 99, false),
            (&second, 100, true),
            (&second, i64::MAX, true),
        ] {
            assert_eq!(periods.check(key, manifest(micros)).is_ok(), right, "{micros}");
        }
        let refused = periods.check(&other, manifest(50)).unwrap_err();
        assert_eq!(refused.to_string(), format!("it is signed by {other}, which is the key of the gateway other"));
    }

    #[tokio::test]
    async fn a_key_of_one_gateway_introduces_none_of_another() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let (mine, next) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let before = Predecessor { signer: &mine, journals: Vec::new() };
        let statements = [
            publish(&store, "gw", &mine, None, UnixMicros::new(1)).await.unwrap(),
            publish(&store, "victim", &next, Some(before), UnixMicros::new(2)).await.unwrap(),
        ];
        let introduced = statements[1].clone();
        assert!(introduced.is_introduced_by(&mine.public()), "the signature is right");
        assert_eq!(KeyPeriods::new(statements).predecessor(&introduced), None);
    }
}
