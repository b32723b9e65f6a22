use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use recording::{Key, KeyId, UnixMicros};
use storage::{
    Store, StoreError,
    signing::{DocumentKind, KeyStatement, PublicKey, SealError, Signature, SignedDocument, statements},
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
    anchored: bool,
    /// Keys of signatures that have no statement in the store.
    unstated: Mutex<BTreeSet<KeyId>>,
}

struct KnownKey {
    public: PublicKey,
    /// What the store says of it; `None` for a key that only the person who asks has.
    statement: Option<KeyStatement>,
    /// When the key begins that this one introduced.
    until: Option<UnixMicros>,
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
                keys.insert(public.id(), KnownKey { public: *public, statement: None, until: None, trusted: true });
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
            let known = keys.entry(statement.key.clone()).or_insert(KnownKey {
                public: statement.public,
                statement: None,
                until: None,
                trusted: false,
            });
            known.trusted |= pinned;
            known.statement = Some(statement.clone());
        }
        let mut keyring = Self { keys, anchored: !trusted.is_empty(), unstated: Mutex::default() };
        keyring.introduce(&stated, report);
        Ok(keyring)
    }

    /// Finds out which keys vouch for which. Trust goes both ways: a key names in its own statement the one before it.
    fn introduce(&mut self, stated: &[KeyStatement], report: &mut Report) {
        let mut pairs = Vec::new();
        for statement in stated {
            let Some(introduction) = &statement.introduced_by else { continue };
            let object = Key::signing_key(&statement.key);
            match self.keys.get_mut(&introduction.key) {
                None => report.found(
                    Key::signing_key(&introduction.key),
                    Problem::Missing,
                    format!("{object} says that this key introduced it"),
                ),
                Some(before) if statement.is_introduced_by(&before.public) => {
                    before.until = Some(before.until.map_or(statement.from, |at| at.min(statement.from)));
                    pairs.push((introduction.key.clone(), statement.key.clone()));
                }
                Some(_) => report.found(object, Problem::Altered, "the key before it did not introduce it"),
            }
        }
        while let Some((a, b)) = pairs.iter().find(|(a, b)| self.is_trusted(a) != self.is_trusted(b)).cloned() {
            for id in [a, b] {
                if let Some(known) = self.keys.get_mut(&id) {
                    known.trusted = true;
                }
            }
        }
        for statement in stated {
            if self.anchored && !self.is_trusted(&statement.key) {
                let detail = "no key that you trust vouches for this one";
                report.found(Key::signing_key(&statement.key), Problem::UnknownKey, detail);
            }
        }
    }

    fn is_trusted(&self, id: &KeyId) -> bool {
        self.keys.get(id).is_some_and(|known| known.trusted)
    }

    /// Whether trusted keys were given.
    pub(super) fn is_anchored(&self) -> bool {
        self.anchored
    }

    /// Checks a signed document's signature.
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
        let Signature { key, time, .. } = &sealed.signature;
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
        let Some(statement) = &known.statement else {
            self.unstated.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
            return None;
        };
        let valid = *time >= statement.from && known.until.is_none_or(|until| *time <= until);
        let detail = || format!("{key} signed it at a time when it was not the key in use");
        (!valid).then(|| (Problem::KeyNotValid, detail()))
    }

    /// Finds keys that have signed and have no statement in the store.
    pub(super) fn unstated(&self, report: &mut Report) {
        for id in self.unstated.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let detail = "the statement of a key that has signed is gone; the signatures were checked with yours";
            report.found(Key::signing_key(id), Problem::Missing, detail);
        }
    }
}
