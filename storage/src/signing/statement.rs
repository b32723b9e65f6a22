use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{DocumentKind, PublicKey, SealError, SignedDocument, Signer};
use crate::{ObjectMeta, Store, StoreError};
use recording::{JournalHead, Key, KeyId, UnixMicros, hex, unhex};

/// Most objects asked of the store at once.
const PAGE: usize = 1000;

/// What a gateway says of its key, kept beside the data as `keys/<id>.json`, signed by the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStatement {
    /// 2, or 1 where nothing says how far the journals had come when the key was introduced.
    pub format: u32,
    /// The key's name.
    pub key: KeyId,
    /// The key.
    pub public: PublicKey,
    /// The gateway that signs with it.
    pub gateway: String,
    /// From when on. A key that introduces another one is valid until that one's begins.
    #[serde(rename = "from_micros")]
    pub from: UnixMicros,
    /// The key before it, which vouches for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced_by: Option<Introduction>,
}

/// One key's signature under the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// The key that vouches.
    pub key: KeyId,
    /// How far the gateway's journals had come, sorted by name: the key before signed all of that, and the next one signs what
    /// comes behind it. So neither can write the other's part anew. `None` in statements of format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journals: Option<Vec<JournalHead>>,
    /// Its signature of [`KeyStatement::introduction`], 128 hexadecimal digits.
    ed25519: String,
}

/// Why a key's statement is not to be believed, or could not be published.
#[derive(Debug, Error)]
pub enum StatementError {
    /// Not a sealed document.
    #[error("it is no statement of a key")]
    Seal(#[from] SealError),
    /// A member is missing or wrong.
    #[error("it is no statement of a key")]
    NotJson(#[from] serde_json::Error),
    /// Larger than any.
    #[error("it is too large for a statement of a key")]
    TooLarge,
    /// Its key did not sign it, or has another name.
    #[error("its own key did not sign it")]
    NotByItself,
    /// The key belongs to a gateway of another name.
    #[error(
        "the signing key {key} belongs to the gateway {gateway}: give this gateway that name again, or move the key \
         away, so that a new one is made, which auditors have to be given"
    )]
    OtherGateway {
        /// The key.
        key: KeyId,
        /// The gateway that it has signed for.
        gateway: String,
    },
    /// In the store is another statement of that name.
    #[error("{0} is there already, and is not what this key says of itself")]
    Conflict(Key),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl KeyStatement {
    /// Largest statement that is read: they have less than one KiB.
    pub const LARGEST: u64 = 64 << 10;

    /// Reads one that its own key has signed. Whether that key is to be trusted is another question.
    ///
    /// # Errors
    /// [`StatementError`]
    pub fn parse(document: &[u8]) -> Result<Self, StatementError> {
        let sealed = SignedDocument::open(DocumentKind::Key, document)?;
        let statement: Self = serde_json::from_slice(document)?;
        if statement.key != statement.public.id() || !sealed.is_by(&statement.public) {
            return Err(StatementError::NotByItself);
        }
        Ok(statement)
    }

    /// What the key before signs.
    fn introduction(&self, journals: Option<&[JournalHead]>) -> Vec<u8> {
        let Self { public, gateway, from, .. } = self;
        let format = 1 + u8::from(journals.is_some());
        let mut text = format!("kubetape key introduction {format}\n{}\n{gateway}\n{}\n", public.to_hex(), from.get());
        for JournalHead { gateway, seq, sha256 } in journals.unwrap_or_default() {
            text += &format!("{gateway} {seq} {sha256}\n");
        }
        text.into_bytes()
    }

    /// Whether `by` is the key before this one, and vouches for it.
    pub fn is_introduced_by(&self, by: &PublicKey) -> bool {
        let Some(introduction) = &self.introduced_by else { return false };
        let text = self.introduction(introduction.journals.as_deref());
        introduction.key == by.id()
            && unhex(&introduction.ed25519).is_some_and(|signature| by.verifies(&text, &signature))
    }
}

/// The key that a key comes after.
#[derive(Debug)]
pub struct Predecessor<'a> {
    /// It vouches for the next one.
    pub signer: &'a Signer,
    /// How far it has signed the gateway's journals.
    pub journals: Vec<JournalHead>,
}

/// Puts the key's statement beside the data, unless it is there; `before` vouches for it.
///
/// # Errors
/// [`StatementError`]
pub async fn publish(
    store: &Arc<dyn Store>,
    gateway: &str,
    signer: &Signer,
    before: Option<Predecessor<'_>>,
    now: UnixMicros,
) -> Result<KeyStatement, StatementError> {
    let id = signer.public().id();
    let key = Key::signing_key(&id);
    match store.read(&key, KeyStatement::LARGEST).await {
        Err(StoreError::TooLarge { key, .. }) => return Err(StatementError::Conflict(key)),
        Ok(document) => return ours(&document, gateway, signer, key),
        Err(StoreError::NotFound(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut statement = KeyStatement {
        format: 2,
        key: id,
        public: signer.public(),
        gateway: gateway.to_owned(),
        from: now,
        introduced_by: None,
    };
    statement.introduced_by = before.map(|Predecessor { signer, mut journals }| {
        journals.sort_unstable();
        let ed25519 = hex(signer.sign(&statement.introduction(Some(&journals))));
        Introduction { key: signer.public().id(), journals: Some(journals), ed25519 }
    });
    let document = signer.seal(DocumentKind::Key, serde_json::to_vec(&statement)?, now);
    match store.put_new(&key, document).await {
        Ok(()) => Ok(statement),
        // Another process with the same key was faster, or an earlier try's answer was lost.
        Err(StoreError::Exists(key)) => {
            let document = store.read(&key, KeyStatement::LARGEST).await?;
            ours(&document, gateway, signer, key)
        }
        Err(error) => Err(error.into()),
    }
}

/// The keys that are kept beside the data, by name; what is no statement of a key comes as the reason why not.
///
/// # Errors
/// The store's.
pub async fn statements(
    store: &Arc<dyn Store>,
) -> Result<Vec<(Key, Result<KeyStatement, StatementError>)>, StoreError> {
    let mut found = Vec::new();
    loop {
        let page = store.list("keys/", found.last().map(|(key, _)| key), PAGE).await?;
        let full = page.len() == PAGE;
        for ObjectMeta { key, .. } in page {
            let statement = match store.read(&key, KeyStatement::LARGEST).await {
                Ok(document) => KeyStatement::parse(&document),
                Err(StoreError::TooLarge { .. }) => Err(StatementError::TooLarge),
                Err(error) => return Err(error),
            };
            found.push((key, statement));
        }
        if !full {
            return Ok(found);
        }
    }
}

/// The statement under the key's name, if the key says it of itself and of this gateway.
fn ours(document: &[u8], gateway: &str, signer: &Signer, name: Key) -> Result<KeyStatement, StatementError> {
    match KeyStatement::parse(document).ok().filter(|statement| statement.public == signer.public()) {
        None => Err(StatementError::Conflict(name)),
        Some(statement) if statement.gateway != gateway => {
            Err(StatementError::OtherGateway { key: statement.key, gateway: statement.gateway })
        }
        Some(statement) => Ok(statement),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;

    #[tokio::test]
    async fn a_key_is_published_once_and_vouched_for_by_the_one_before() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let (old, new) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let first = publish(&store, "gw", &old, None, UnixMicros::new(1)).await.unwrap();
        let head = |gateway: &str| JournalHead { gateway: gateway.to_owned(), seq: 7, sha256: "ab".repeat(32) };
        let before = Predecessor { signer: &old, journals: vec![head("gw-cli"), head("gw")] };
        let second = publish(&store, "gw", &new, Some(before), UnixMicros::new(2)).await.unwrap();
        assert_eq!(publish(&store, "gw", &new, None, UnixMicros::new(3)).await.unwrap(), second);

        let document = store.read(&Key::signing_key(&second.key), KeyStatement::LARGEST).await.unwrap();
        let read = KeyStatement::parse(&document).unwrap();
        assert_eq!(read, second);
        assert!(read.is_introduced_by(&old.public()) && !read.is_introduced_by(&new.public()));
        assert!(!first.is_introduced_by(&old.public()));
        let moved = KeyStatement { from: UnixMicros::new(1), ..read };
        assert!(!moved.is_introduced_by(&old.public()));

        // Nobody can move the border between the two keys, or take it away.
        let introduction = second.introduced_by.clone().unwrap();
        assert_eq!(introduction.journals.as_ref().unwrap()[0], head("gw"), "sorted");
        for journals in [None, Some(vec![]), Some(vec![head("gw")]), Some(vec![head("gw-cli"), head("gw")])] {
            let introduced_by = Some(Introduction { journals, ..introduction.clone() });
            assert!(!KeyStatement { introduced_by, ..second.clone() }.is_introduced_by(&old.public()));
        }
    }

    #[tokio::test]
    async fn a_key_signs_for_one_gateway() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let signer = Signer::generate().unwrap();
        publish(&store, "gw-a", &signer, None, UnixMicros::new(1)).await.unwrap();
        let refused = publish(&store, "gw-b", &signer, None, UnixMicros::new(2)).await.unwrap_err();
        assert!(refused.to_string().contains("belongs to the gateway gw-a"), "{refused}");
    }

    #[test]
    fn an_introduction_of_the_first_format_is_read() {
        let (old, new) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let mut statement = KeyStatement {
            format: 1,
            key: new.public().id(),
            public: new.public(),
            gateway: "gw".to_owned(),
            from: UnixMicros::new(5),
            introduced_by: None,
        };
        let text = format!("kubetape key introduction 1\n{}\ngw\n5\n", new.public().to_hex());
        let introduction =
            Introduction { key: old.public().id(), journals: None, ed25519: hex(old.sign(text.as_bytes())) };
        statement.introduced_by = Some(introduction);
        assert!(statement.is_introduced_by(&old.public()));
    }

    #[tokio::test]
    async fn a_name_that_is_taken_by_something_else_is_an_error() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let signer = Signer::generate().unwrap();
        store.put_new(&Key::signing_key(&signer.public().id()), b"{}".as_slice().into()).await.unwrap();
        assert!(matches!(
            publish(&store, "gw", &signer, None, UnixMicros::new(1)).await,
            Err(StatementError::Conflict(_))
        ));
    }

    #[tokio::test]
    async fn a_statement_of_another_key_is_not_believed() {
        let (signer, other) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let statement = KeyStatement {
            format: 1,
            key: other.public().id(),
            public: other.public(),
            gateway: "gw".to_owned(),
            from: UnixMicros::EPOCH,
            introduced_by: None,
        };
        let document = signer.seal(DocumentKind::Key, serde_json::to_vec(&statement).unwrap(), UnixMicros::EPOCH);
        assert!(matches!(KeyStatement::parse(&document), Err(StatementError::NotByItself)));
    }
}
