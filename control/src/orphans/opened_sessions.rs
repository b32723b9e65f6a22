use std::{collections::HashMap, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};
use recording::{
    Key, RecordingId,
    journal::{JournalEntry, JournalEvent},
};
use sha2::{Digest, Sha256};
use storage::{
    Store, StoreError,
    chunk::LARGEST_OBJECT,
    journal::{self, Seal, SealedObject},
    signing::{DocumentKind, KeyPeriods, KeyUse, SignedDocument, statements},
};

/// Objects asked of the store at once.
const PAGE: usize = 1000;

/// Which sessions gateways opened, and for whom, as their own journals say. Only journal objects count that the gateway
/// signed, with a key that was in use at that time. Journals are read as far back as [`OpenedSessions::user`] is asked.
pub struct OpenedSessions {
    store: Arc<dyn Store>,
    keys: KeyPeriods,
    journals: HashMap<String, ReadJournal>,
}

/// What was read of a gateway's journal.
#[derive(Default)]
struct ReadJournal {
    /// The day before the first one that was read, or `None` if nothing was.
    after: Option<String>,
    users: HashMap<RecordingId, String>,
}

impl OpenedSessions {
    /// Reads the key statements in the store. A statement that its own key did not sign is left out.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let stated = statements(&store).await?.into_iter();
        let keys = stated.filter_map(|(key, stated)| stated.ok().filter(|it| Key::signing_key(&it.key) == key));
        let keys = KeyPeriods::new(keys);
        Ok(Self { store, keys, journals: HashMap::new() })
    }

    /// The person for whom `gateway` opened the session, or `None` if its journal does not say so.
    ///
    /// # Errors
    /// The store's.
    pub async fn user(&mut self, gateway: &str, id: RecordingId) -> Result<Option<String>, StoreError> {
        // An object's day is that of its first entry: a session of the first second of a day may be in one of the day before.
        let after = day(id, -2 * 86_400);
        let known = self.journals.get(gateway).and_then(|journal| journal.after.clone());
        if known.as_ref().is_none_or(|known| after < *known) {
            let users = self.read(gateway, &after, known.as_deref()).await?;
            let journal = self.journals.entry(gateway.to_owned()).or_default();
            journal.users.extend(users);
            journal.after = Some(after);
        }
        Ok(self.journals.get(gateway).and_then(|journal| journal.users.get(&id).cloned()))
    }

    /// Sessions opened on the days after `after`, up to the day `until`, or to the journal's end.
    async fn read(
        &self,
        gateway: &str,
        after: &str,
        until: Option<&str>,
    ) -> Result<Vec<(RecordingId, String)>, StoreError> {
        let prefix = format!("journal/{gateway}/");
        // `a` sorts behind every number of that day.
        let mut last = Key::new(format!("{prefix}{after}/a")).ok();
        let mut users = Vec::new();
        loop {
            let page = self.store.list(&prefix, last.as_ref(), PAGE).await?;
            let full = page.len() == PAGE;
            last = page.last().map(|object| object.key.clone());
            for object in page {
                let later = until.is_some_and(|until| object.key.as_str() > format!("{prefix}{until}/a").as_str());
                if later {
                    return Ok(users);
                }
                if object.key.journal_seq().is_some() && object.size <= LARGEST_OBJECT {
                    users.extend(self.opened_in(gateway, &object.key).await?);
                }
            }
            if !full {
                return Ok(users);
            }
        }
    }

    async fn opened_in(&self, gateway: &str, key: &Key) -> Result<Vec<(RecordingId, String)>, StoreError> {
        let object = match self.store.read(key, LARGEST_OBJECT).await {
            Err(StoreError::NotFound(_) | StoreError::TooLarge { .. }) => return Ok(Vec::new()),
            other => other?,
        };
        let entries =
            if self.is_genuine(gateway, key, &object) { journal::decode(key, &object) } else { Ok(Vec::new()) };
        let opened = |entry: JournalEntry| match entry.what {
            JournalEvent::SessionOpened { session, .. } if entry.gateway == gateway => Some((session, entry.user)),
            _ => None,
        };
        Ok(entries.unwrap_or_default().into_iter().filter_map(opened).collect())
    }

    /// Whether the gateway wrote this object under this name.
    fn is_genuine(&self, gateway: &str, key: &Key, object: &[u8]) -> bool {
        let parts = SealedObject::new(object);
        let Some(document) = parts.seal else { return false };
        let Ok(sealed) = SignedDocument::open(DocumentKind::Journal, document) else { return false };
        let Some(stated) = self.keys.statement(&sealed.signature.key).filter(|it| it.gateway == gateway) else {
            return false;
        };
        let signed = KeyUse { journal: gateway, seq: key.journal_seq(), time: sealed.signature.time };
        let in_use = self.keys.check(&stated.key, signed).is_ok();
        let whole = serde_json::from_slice::<Seal>(document).is_ok_and(|seal| {
            seal.object == key.as_str() && seal.sha256 == recording::hex(Sha256::digest(parts.frame).into())
        });
        in_use && whole && sealed.is_by(&stated.public)
    }
}

/// `YYYY/MM/DD` of the moment `seconds` after a session's start.
fn day(id: RecordingId, seconds: i64) -> String {
    let start = id.0.get_timestamp().map_or(0, |at| at.to_unix().0).cast_signed();
    let at = Timestamp::from_second(start.saturating_add(seconds)).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::UTC).strftime("%Y/%m/%d").to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ::journal::{Journal, JournalSettings};
    use recording::{UnixMicros, journal::ApiRequest};
    use storage::{
        Memory,
        signing::{Signer, publish},
    };
    use uuid::Uuid;

    use super::*;

    async fn key(store: &Arc<dyn Store>, gateway: &str) -> Arc<Signer> {
        let signer = Signer::generate().unwrap();
        publish(store, gateway, &signer, None, Timestamp::now().into()).await.unwrap();
        Arc::new(signer)
    }

    /// A journal with the opening of a session for ann.
    async fn journalled(store: &Arc<dyn Store>, gateway: &str, signer: Arc<Signer>) -> RecordingId {
        let session = RecordingId(Uuid::now_v7());
        let settings = JournalSettings { signer, ..JournalSettings::default() };
        let journal = Journal::open(Arc::clone(store), gateway, settings).await.unwrap();
        journal
            .note("ann", JournalEvent::SessionOpened { session, request: ApiRequest::default(), grant: Box::default() })
            .await;
        journal.close().await.unwrap();
        session
    }

    async fn user(store: &Arc<dyn Store>, gateway: &str, id: RecordingId) -> Option<String> {
        OpenedSessions::load(Arc::clone(store)).await.unwrap().user(gateway, id).await.unwrap()
    }

    #[tokio::test]
    async fn a_gateways_own_journal_vouches_for_what_it_opened() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let own = key(&store, "gw-1").await;
        let session = journalled(&store, "gw-1", Arc::clone(&own)).await;
        assert_eq!(user(&store, "gw-1", session).await.as_deref(), Some("ann"));
        assert_eq!(user(&store, "gw-1", RecordingId(Uuid::now_v7())).await, None);
        assert_eq!(user(&store, "gw-2", session).await, None, "another gateway's journal");
    }

    #[tokio::test]
    async fn a_journal_that_the_gateway_did_not_sign_vouches_for_nothing() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        key(&store, "gw-1").await;
        let unknown = journalled(&store, "gw-1", Arc::new(Signer::generate().unwrap())).await;
        assert_eq!(user(&store, "gw-1", unknown).await, None, "a key that nobody stated");
        let others = key(&store, "gw-2").await;
        let foreign = journalled(&store, "gw-1", others).await;
        assert_eq!(user(&store, "gw-1", foreign).await, None, "another gateway's key");
        let late = Signer::generate().unwrap();
        let next_year = UnixMicros::from(Timestamp::now()) + Duration::from_hours(365 * 24);
        publish(&store, "gw-1", &late, None, next_year).await.unwrap();
        let early = journalled(&store, "gw-1", Arc::new(late)).await;
        assert_eq!(user(&store, "gw-1", early).await, None, "before its key was in use");
    }

    #[tokio::test]
    async fn an_object_under_another_name_or_with_other_lines_vouches_for_nothing() {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let own = key(&store, "gw-1").await;
        let session = journalled(&store, "gw-1", own).await;
        let entry = store.list("journal/gw-1/", None, 1).await.unwrap().remove(0);
        let object = store.read(&entry.key, u64::MAX).await.unwrap();
        let forged: Arc<dyn Store> = Arc::new(Memory::new());
        for keys in store.list("keys/", None, 9).await.unwrap() {
            forged.put_new(&keys.key, store.read(&keys.key, u64::MAX).await.unwrap()).await.unwrap();
        }
        let moved = Key::new(entry.key.as_str().replace("000000000000", "000000000001")).unwrap();
        forged.put_new(&moved, object.clone()).await.unwrap();
        assert_eq!(user(&forged, "gw-1", session).await, None);
        let seal = SealedObject::new(&object).seal.unwrap().len() + 8;
        let other = JournalEntry {
            from: String::new(),
            time: UnixMicros::new(1),
            gateway: "gw-1".to_owned(),
            user: "ann".to_owned(),
            what: JournalEvent::SessionOpened { session, request: ApiRequest::default(), grant: Box::default() },
        };
        let lines = journal::encode(&[other]).unwrap();
        forged.put_new(&entry.key, [&lines, &object[object.len() - seal..]].concat().into()).await.unwrap();
        assert_eq!(user(&forged, "gw-1", session).await, None);
    }
}
