//! A bundle: an excerpt of a store with one recording and all that is needed to verify it, and nothing of anybody else's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use recording::{
    Key, KeyId, LARGEST_MANIFEST, RecordingId,
    journal::{JournalEntry, JournalEvent},
};
use storage::{
    Store, StoreError,
    journal::{self, EntryProof, JournalError, JournalObject, JournalReader, LARGEST_JOURNAL_OBJECT, SealedObject},
    signing::{DocumentKind, SignedDocument, statements},
};

/// The second verifier, short enough for an auditor to read.
const VERIFIER: &str = include_str!("../../docs/verify.py");
/// What the objects mean.
const FORMAT: &str = include_str!("../../docs/format.md");
/// How far behind a session's end a journal is searched for the entry that vouches for its manifest. It comes with the upload,
/// seconds later, and not at all in journals of before there were such entries.
const AFTER_END: Duration = Duration::from_secs(24 * 3600);
/// Names asked of the store at once.
const PAGE: usize = 1000;

/// The file at the top of a bundle.
pub const BUNDLE_FILE: &str = "bundle.json";

/// What a bundle consists of.
#[derive(Debug)]
pub struct Bundle {
    store: Arc<dyn Store>,
    files: Vec<BundleFile>,
    /// Objects and entries of the journal among them.
    journal_entries: usize,
}

/// A file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleFile {
    /// Its path, with `/` between folders.
    pub path: String,
    /// Its length in bytes, as the listing said.
    pub size: u64,
    contents: Contents,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Contents {
    Stored(Key),
    Made(Bytes),
}

impl Bundle {
    /// Finds what belongs to a recording. Returns `None` if there is no such recording. `written_by` is the program's name and
    /// version.
    ///
    /// # Errors
    /// The store's.
    ///
    /// # Cancel safety
    /// Nothing is written: the future may be dropped at any time.
    pub async fn gather(store: &Arc<dyn Store>, id: RecordingId, written_by: &str) -> Result<Option<Self>, StoreError> {
        let mut files = stored(store, &Key::recording_prefix(id)).await?;
        if files.is_empty() {
            return Ok(None);
        }
        let mut keys = BTreeSet::new();
        match store.read(&Key::manifest(id), LARGEST_MANIFEST).await {
            Ok(document) => keys.extend(signing_key(DocumentKind::Manifest, &document)),
            Err(StoreError::NotFound(_) | StoreError::TooLarge { .. }) => {}
            Err(error) => return Err(error),
        }
        let journal = journal_files(store, id, &mut keys).await?;
        let journal_entries = journal.len();
        files.extend(journal);
        files.extend(key_files(store, &keys).await?);
        files.extend(explanations(id, written_by));
        Ok(Some(Self { store: Arc::clone(store), files, journal_entries }))
    }

    /// Its files, in no order.
    pub fn files(&self) -> &[BundleFile] {
        &self.files
    }

    /// How many of them are entries or objects of the journal.
    pub fn journal_entries(&self) -> usize {
        self.journal_entries
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// The contents of one of its files.
    ///
    /// # Errors
    /// The store's.
    pub async fn read(&self, file: &BundleFile) -> Result<Bytes, StoreError> {
        match &file.contents {
            Contents::Made(bytes) => Ok(bytes.clone()),
            // Manifests are the largest that there are.
            Contents::Stored(key) => self.store.read(key, LARGEST_MANIFEST).await,
        }
    }
}

impl BundleFile {
    fn made(path: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { path: path.into(), size: bytes.len() as u64, contents: Contents::Made(bytes) }
    }
}

/// All objects below a prefix.
async fn stored(store: &Arc<dyn Store>, prefix: &str) -> Result<Vec<BundleFile>, StoreError> {
    let mut files: Vec<BundleFile> = Vec::new();
    let mut after: Option<Key> = None;
    loop {
        let page = store.list(prefix, after.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|object| object.key.clone());
        files.extend(page.into_iter().map(|object| BundleFile {
            path: object.key.to_string(),
            size: object.size,
            contents: Contents::Stored(object.key),
        }));
        if is_last {
            return Ok(files);
        }
    }
}

/// What the journals say of the recording: its entries, each with its proof. An object of before entries could be proven comes
/// whole. `keys` gets the keys that signed.
async fn journal_files(
    store: &Arc<dyn Store>,
    id: RecordingId,
    keys: &mut BTreeSet<KeyId>,
) -> Result<Vec<BundleFile>, StoreError> {
    let reader = JournalReader::new(Arc::clone(store));
    let mut files = Vec::new();
    for gateway in reader.gateways().await.map_err(of_store)? {
        // `-` sorts before every number.
        let mut after = Key::new(format!("journal/{gateway}/{}/-", id.day())).ok();
        let mut search = JournalSearch::default();
        loop {
            let objects = reader.list(&gateway, after.as_ref(), PAGE).await.map_err(of_store)?;
            let is_last = objects.len() < PAGE;
            after = objects.last().map(|object| object.key.clone());
            for object in objects {
                if !search.is_over {
                    files.extend(search.object(store, &gateway, object, id, keys).await?);
                }
            }
            if is_last || search.is_over {
                break;
            }
        }
    }
    Ok(files)
}

/// How far the search through one gateway's journal has come.
#[derive(Default)]
struct JournalSearch {
    ended: Option<recording::UnixMicros>,
    is_over: bool,
}

impl JournalSearch {
    async fn object(
        &mut self,
        store: &Arc<dyn Store>,
        gateway: &str,
        object: JournalObject,
        id: RecordingId,
        keys: &mut BTreeSet<KeyId>,
    ) -> Result<Vec<BundleFile>, StoreError> {
        let bytes = match store.read(&object.key, LARGEST_JOURNAL_OBJECT).await {
            Ok(bytes) => bytes,
            // It says nothing about this recording; `verify` of the store names it.
            Err(StoreError::NotFound(_) | StoreError::TooLarge { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let entries = journal::decode(&object.key, &bytes).unwrap_or_default();
        let is_vouched_for = entries.iter().any(|entry| stores(&entry.what, id));
        self.ended = self.ended.or_else(|| entries.iter().find(|entry| ends(&entry.what, id)).map(|entry| entry.time));
        let last = entries.last().map(|entry| entry.time);
        self.is_over =
            is_vouched_for || self.ended.zip(last).is_some_and(|(ended, last)| last.since(ended) > AFTER_END);
        if !entries.iter().any(|entry| speaks_of(&entry.what, id)) {
            return Ok(Vec::new());
        }
        keys.extend(SealedObject::new(&bytes).seal.and_then(|seal| signing_key(DocumentKind::Journal, seal)));
        let is_wanted =
            |line: &[u8]| serde_json::from_slice::<JournalEntry>(line).is_ok_and(|entry| speaks_of(&entry.what, id));
        let Some(proofs) = EntryProof::of(&bytes, is_wanted) else {
            let (path, size) = (object.key.to_string(), bytes.len() as u64);
            return Ok(vec![BundleFile { path, size, contents: Contents::Stored(object.key) }]);
        };
        let files = proofs.iter().filter_map(|proof| {
            let json = serde_json::to_vec(proof).ok()?;
            Some(BundleFile::made(proof.key(gateway, object.seq)?.as_str(), json))
        });
        Ok(files.collect())
    }
}

/// The statements of these keys, and of those that introduced them or that they introduced: of all keys of their gateways.
async fn key_files(store: &Arc<dyn Store>, keys: &BTreeSet<KeyId>) -> Result<Vec<BundleFile>, StoreError> {
    let stated: BTreeMap<Key, String> = statements(store)
        .await?
        .into_iter()
        .filter_map(|(key, statement)| Some((key, statement.ok()?.gateway)))
        .collect();
    let gateways: BTreeSet<&String> = keys.iter().filter_map(|id| stated.get(&Key::signing_key(id))).collect();
    let mut files = stored(store, "keys/").await?;
    files.retain(|file| match &file.contents {
        Contents::Stored(key) => stated.get(key).is_some_and(|gateway| gateways.contains(gateway)),
        Contents::Made(_) => false,
    });
    Ok(files)
}

/// Who says to have signed a document.
fn signing_key(kind: DocumentKind, document: &[u8]) -> Option<KeyId> {
    SignedDocument::open(kind, document).ok().map(|signed| signed.signature.key)
}

fn explanations(id: RecordingId, written_by: &str) -> [BundleFile; 4] {
    let about = serde_json::json!({
        "format": 2,
        "recordings": [id],
        "written_micros": Timestamp::now().as_microsecond(),
        "written_by": written_by,
    });
    [
        BundleFile::made(BUNDLE_FILE, format!("{about:#}\n")),
        BundleFile::made("README.txt", readme(id)),
        BundleFile::made("format.md", FORMAT),
        BundleFile::made("verify.py", VERIFIER),
    ]
}

/// A listing fails by the store alone.
fn of_store(error: JournalError) -> StoreError {
    match error {
        JournalError::Store(error) => error,
        other => StoreError::Failed { action: "list", key: "journal/".to_owned(), source: other.into() },
    }
}

fn speaks_of(what: &JournalEvent, id: RecordingId) -> bool {
    match what {
        JournalEvent::SessionOpened { session, .. }
        | JournalEvent::SessionEnded { session, .. }
        | JournalEvent::SessionStored { session, .. }
        | JournalEvent::Terminated { session, .. }
        | JournalEvent::Copied { session, .. }
        | JournalEvent::Forwarded { session, .. }
        | JournalEvent::Imported { session, .. } => *session == id,
        // Who looked at it is no part of what happened, and an act of somebody else.
        _ => false,
    }
}

fn stores(what: &JournalEvent, id: RecordingId) -> bool {
    matches!(what, JournalEvent::SessionStored { session, .. } if *session == id)
}

fn ends(what: &JournalEvent, id: RecordingId) -> bool {
    matches!(what, JournalEvent::SessionEnded { session, .. } | JournalEvent::Imported { session, .. } if *session == id)
}

fn readme(id: RecordingId) -> String {
    format!(
        "A recording that Kubetape made, {id}, with what is needed to check it.\n\n\
         recordings/   its objects, as they were stored\n\
         entries/      what the journal says of it: when it was opened, by whom, how it ended. Each entry comes with what\n\
         \x20             proves that the gateway wrote it, and shows nothing of the entries beside it\n\
         journal/      only for old recordings: whole journal objects, of before entries could be shown alone\n\
         keys/         the public keys that it may be signed with, and who introduced them\n\
         format.md     what all of it means\n\n\
         Check it with the public key that you were given apart from this folder (the keys in it came with the data, \
         and prove nothing by themselves), as the excerpt of a store that it is:\n\n\
         \x20   kubetape verify . --bundle --key kubetape.pub\n\
         \x20   python3 verify.py . --bundle --key kubetape.pub    # needs the packages cryptography and zstandard\n\n\
         \"proven\" is said of what is here. Whether anything was left out only the whole store can show.\n\n\
         Watch it:\n\n\
         \x20   zstdcat {folder}0*.cast.zst | asciinema play -\n",
        folder = Key::recording_prefix(id)
    )
}
