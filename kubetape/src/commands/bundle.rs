//! `kubetape export --format bundle`: a folder with a recording and all that is needed to verify it.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use recording::{Key, LARGEST_MANIFEST, RecordingId, journal::JournalEvent};
use storage::{Store, journal::JournalReader};

use super::verify::BUNDLE;

/// The second verifier, short enough for an auditor to read.
const VERIFIER: &str = include_str!("../../../docs/verify.py");
/// What the objects mean.
const FORMAT: &str = include_str!("../../../docs/format.md");
/// How far behind a session's end a journal is searched for the entry that vouches for its manifest. It comes with the upload,
/// seconds later, and not at all in journals of before there were such entries.
const AFTER_END: Duration = Duration::from_secs(24 * 3600);
/// Names asked of the store at once.
const PAGE: usize = 1000;

/// What the folder will have in it.
pub struct Bundle<'a> {
    store: &'a Arc<dyn Store>,
    id: RecordingId,
    folder: &'a Path,
    objects: Vec<Key>,
    /// How many of them are journal objects.
    journal_objects: usize,
}

impl<'a> Bundle<'a> {
    /// Lists the objects, and makes the folder, which must be new or empty. Nothing of the recording is in it yet.
    ///
    /// # Errors
    /// There is no such recording, the folder is in use, or the store or the folder fails.
    pub async fn gather(store: &'a Arc<dyn Store>, id: RecordingId, folder: &'a Path) -> Result<Self> {
        let failed = || format!("cannot write {}", folder.display());
        make(folder).with_context(failed)?;
        let empty = std::fs::read_dir(folder).with_context(failed)?.next().is_none();
        ensure!(empty, "{} is there and not empty: name a new folder (--output)", folder.display());
        let mut objects = listed(store, &Key::recording_prefix(id)).await?;
        ensure!(!objects.is_empty(), "there is no recording {id}: see `kubetape ls`");
        objects.extend(listed(store, "keys/").await?);
        let journal = journal(store, id).await?;
        let journal_objects = journal.len();
        objects.extend(journal);
        Ok(Self { store, id, folder, objects, journal_objects })
    }

    /// Writes the folder.
    ///
    /// # Errors
    /// An object cannot be read, or a file not be written.
    pub async fn write(&self) -> Result<()> {
        let Self { store, id, folder, objects, journal_objects } = self;
        for key in objects {
            // Manifests are the largest that there are.
            let object = store.read(key, LARGEST_MANIFEST).await.with_context(|| format!("cannot read {key}"))?;
            put(&folder.join(key.as_str()), &object)?;
        }
        let about = serde_json::json!({
            "format": 1,
            "recordings": [id],
            "written_micros": Timestamp::now().as_microsecond(),
            "written_by": concat!("kubetape ", env!("CARGO_PKG_VERSION")),
        });
        put(&folder.join(BUNDLE), format!("{about:#}\n").as_bytes())?;
        put(&folder.join("README.txt"), readme(*id).as_bytes())?;
        put(&folder.join("format.md"), FORMAT.as_bytes())?;
        put(&folder.join("verify.py"), VERIFIER.as_bytes())?;
        eprintln!("{}: {} objects, {journal_objects} of them of the journal", folder.display(), objects.len());
        Ok(())
    }
}

async fn listed(store: &Arc<dyn Store>, prefix: &str) -> Result<Vec<Key>> {
    let mut keys: Vec<Key> = Vec::new();
    loop {
        let page = store.list(prefix, keys.last(), PAGE).await.context("cannot list the storage")?;
        let full = page.len() == PAGE;
        keys.extend(page.into_iter().map(|entry| entry.key));
        if !full {
            return Ok(keys);
        }
    }
}

/// The journal objects that speak of the recording, from its day to the one that vouches for its manifest.
async fn journal(store: &Arc<dyn Store>, id: RecordingId) -> Result<Vec<Key>> {
    let reader = JournalReader::new(Arc::clone(store));
    let mut found = Vec::new();
    for gateway in reader.gateways().await? {
        // `-` sorts before every number.
        let mut after = Key::new(format!("journal/{gateway}/{}/-", id.day())).ok();
        let (mut ended, mut is_vouched_for) = (None, false);
        'gateway: loop {
            let objects = reader.list(&gateway, after.as_ref(), PAGE).await?;
            let full = objects.len() == PAGE;
            after = objects.last().map(|object| object.key.clone());
            for object in objects {
                // An object that cannot be read says nothing about this recording; `verify` of the store names it.
                let entries = reader.read(&object).await.unwrap_or_default();
                if entries.iter().any(|entry| speaks_of(&entry.what, id)) {
                    found.push(object.key);
                }
                is_vouched_for |= entries.iter().any(|entry| stores(&entry.what, id));
                ended = ended.or_else(|| entries.iter().find(|entry| ends(&entry.what, id)).map(|entry| entry.time));
                let last = entries.last().map(|entry| entry.time);
                let is_over = ended.zip(last).is_some_and(|(ended, last)| last.since(ended) > AFTER_END);
                if is_vouched_for || is_over {
                    break 'gateway;
                }
            }
            if !full {
                break;
            }
        }
    }
    Ok(found)
}

fn speaks_of(what: &JournalEvent, id: RecordingId) -> bool {
    match what {
        JournalEvent::SessionOpened { session, .. }
        | JournalEvent::SessionEnded { session, .. }
        | JournalEvent::SessionStored { session, .. }
        | JournalEvent::Terminated { session, .. }
        | JournalEvent::Copied { session, .. }
        | JournalEvent::Forwarded { session, .. }
        | JournalEvent::Viewed { session, .. }
        | JournalEvent::Imported { session, .. } => *session == id,
        _ => false,
    }
}

fn stores(what: &JournalEvent, id: RecordingId) -> bool {
    matches!(what, JournalEvent::SessionStored { session, .. } if *session == id)
}

fn ends(what: &JournalEvent, id: RecordingId) -> bool {
    matches!(what, JournalEvent::SessionEnded { session, .. } | JournalEvent::Imported { session, .. } if *session == id)
}

/// Writes a new file that only its owner may read.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        make(path.parent().unwrap_or(Path::new(".")))?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn make(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn readme(id: RecordingId) -> String {
    format!(
        "A recording that Kubetape made, {id}, with what is needed to check it.\n\n\
         recordings/   its objects, as they were stored\n\
         journal/      the journal objects that speak of it: when it was opened, by whom, how it ended\n\
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
