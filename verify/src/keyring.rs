use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use recording::{JournalHead, Key, KeyId};
use storage::{
    Store, StoreError,
    signing::{
        DocumentKind, KeyPeriods, KeyRefusal, KeyStatement, KeyUse, PublicKey, SealError, Signature, SignedDocument,
        statements,
    },
};

use crate::{
    question::Trust,
    report::{Problem, Report},
};

/// What is wrong with a signature, and why.
pub(super) type Rejection = (Problem, String);

/// The keys that signatures are checked with.
pub(super) struct Keyring {
    keys: BTreeMap<KeyId, KnownKey>,
    /// What the store says of keys.
    periods: KeyPeriods,
    anchored: bool,
    /// Keys of signatures that have no statement in the store.
    unstated: Mutex<BTreeSet<KeyId>>,
}

struct KnownKey {
    public: PublicKey,
    trusted: bool,
}

impl Keyring {
    /// The keys of the store and those that are trusted.
    pub(super) async fn read(
        store: &Arc<dyn Store>,
        trusted: &[Trust],
        report: &mut Report,
    ) -> Result<Self, StoreError> {
        let mut keys = BTreeMap::new();
        for trust in trusted {
            if let Trust::Key(public) = trust {
                keys.insert(public.id(), KnownKey { public: *public, trusted: true });
            }
        }
        let mut stated = Vec::new();
        for (key, statement) in statements(store).await? {
            match statement {
                Ok(statement) if Key::signing_key(&statement.key) == key => stated.push(statement),
                Ok(_) => report.found(key, Problem::Foreign, "it is the statement of another key"),
                Err(error) => report.found(key, Problem::Altered, error.to_string()),
            }
        }
        report.keys = stated.len() as u64;
        for statement in &stated {
            let pinned = trusted.contains(&Trust::Pin(statement.key.clone()));
            let known =
                keys.entry(statement.key.clone()).or_insert(KnownKey { public: statement.public, trusted: false });
            known.trusted |= pinned;
        }
        let periods = KeyPeriods::new(stated);
        let mut keyring = Self { keys, periods, anchored: !trusted.is_empty(), unstated: Mutex::default() };
        keyring.introduce(report);
        Ok(keyring)
    }

    /// Finds out which keys vouch for which. Trust goes both ways: a key names in its own statement the one before it.
    fn introduce(&mut self, report: &mut Report) {
        let mut pairs = Vec::new();
        for statement in self.periods.statements() {
            let Some(introduction) = &statement.introduced_by else { continue };
            let object = Key::signing_key(&statement.key);
            match self.periods.predecessor(statement) {
                Some(before) => {
                    if self.periods.successors(before).count() > 1 {
                        report.found(
                            object,
                            Problem::Foreign,
                            format!("{} introduced another key as well", before.key),
                        );
                    }
                    pairs.push((before.key.clone(), statement.key.clone()));
                }
                None => {
                    let (object, problem, detail) = self.not_introduced(statement, &introduction.key);
                    report.found(object, problem, detail);
                }
            }
        }
        while let Some((a, b)) = pairs.iter().find(|(a, b)| self.is_trusted(a) != self.is_trusted(b)).cloned() {
            for id in [a, b] {
                if let Some(known) = self.keys.get_mut(&id) {
                    known.trusted = true;
                }
            }
        }
        for statement in self.periods.statements() {
            if self.anchored && !self.is_trusted(&statement.key) {
                let detail = "no key that you trust vouches for this one";
                report.found(Key::signing_key(&statement.key), Problem::UnknownKey, detail);
            }
        }
    }

    /// What is wrong where the key that a statement names did not introduce it.
    fn not_introduced(&self, statement: &KeyStatement, before: &KeyId) -> (Key, Problem, String) {
        let object = Key::signing_key(&statement.key);
        match self.periods.statement(before) {
            None => (Key::signing_key(before), Problem::Missing, format!("{object} says that this key introduced it")),
            Some(before) if statement.is_introduced_by(&before.public) => {
                let detail = format!("the key before it is that of another gateway, {}", before.gateway);
                (object, Problem::Foreign, detail)
            }
            Some(_) => (object, Problem::Altered, "the key before it did not introduce it".to_owned()),
        }
    }

    /// How far journals had come where keys were introduced, as the keys before have signed, and the objects that say so.
    pub(super) fn heads(&self) -> impl Iterator<Item = (&JournalHead, String)> {
        self.periods.statements().filter(|statement| self.periods.predecessor(statement).is_some()).flat_map(
            |statement| {
                let heads = statement.introduced_by.as_ref().and_then(|introduction| introduction.journals.as_deref());
                let object = Key::signing_key(&statement.key).to_string();
                heads.unwrap_or_default().iter().map(move |head| (head, object.clone()))
            },
        )
    }

    /// The gateway whose key it is; `None` if the store does not say.
    pub(super) fn gateway_of(&self, key: &KeyId) -> Option<&str> {
        self.periods.statement(key).map(|statement| statement.gateway.as_str())
    }

    /// Whether the key of a signature was in use at its time.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn in_time(&self, signature: &Signature) -> Result<(), Rejection> {
        let Some(gateway) = self.gateway_of(&signature.key) else { return Ok(()) };
        self.in_use(signature, gateway, None)
    }

    /// Whether the key of a signature was in use: at its time, in that journal or for a recording of it, and, of an object of
    /// the journal, at that place. A key without a statement is a finding of its own.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn in_use(&self, signature: &Signature, journal: &str, seq: Option<u64>) -> Result<(), Rejection> {
        let signed = KeyUse { journal, seq, time: signature.time };
        self.periods.check(&signature.key, signed).or_else(|refusal| match &refusal {
            KeyRefusal::Unknown(_) => Ok(()),
            KeyRefusal::OtherGateway { .. } => Err((Problem::Foreign, refusal.to_string())),
            KeyRefusal::OtherTime(_) | KeyRefusal::OtherPlace(_) => Err((Problem::KeyNotValid, refusal.to_string())),
        })
    }

    fn is_trusted(&self, id: &KeyId) -> bool {
        self.keys.get(id).is_some_and(|known| known.trusted)
    }

    /// Whether trusted keys were given.
    pub(super) fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Checks a signed document's signature. Whether its key was in use is another question ([`Self::in_use`]).
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self, kind: DocumentKind, document: &[u8]) -> Result<Signature, Rejection> {
        let sealed = SignedDocument::open(kind, document).map_err(|error| match error {
            SealError::Unsigned => (Problem::Unsigned, error.to_string()),
            _ => (Problem::Altered, error.to_string()),
        })?;
        match self.problem(&sealed) {
            Some(wrong) => Err(wrong),
            None => Ok(sealed.signature),
        }
    }

    fn problem(&self, sealed: &SignedDocument<'_>) -> Option<Rejection> {
        let Signature { key, .. } = &sealed.signature;
        let Some(known) = self.keys.get(key) else {
            return Some((Problem::UnknownKey, format!("it is signed by {key}, of which there is no keys/{key}.json")));
        };
        if !sealed.is_by(&known.public) {
            return Some((Problem::Altered, format!("the signature of {key} is wrong")));
        }
        if self.anchored && !known.trusted {
            return Some((
                Problem::UnknownKey,
                format!("it is signed by {key}, for which no key that you trust vouches"),
            ));
        }
        if self.periods.statement(key).is_none() {
            self.unstated.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        }
        None
    }

    /// Finds keys that have signed and have no statement in the store.
    pub(super) fn unstated(&self, report: &mut Report) {
        for id in self.unstated.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let detail = "the statement of a key that has signed is gone; the signatures were checked with yours";
            report.found(Key::signing_key(id), Problem::Missing, detail);
        }
    }
}
