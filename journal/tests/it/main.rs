//! The journal against a store that can be held up and made to fail.

mod flaky_store;

use std::{sync::Arc, time::Duration};

use flaky_store::{Fault, FlakyStore};
use futures_util::{FutureExt, future::join_all};
use journal::{Journal, JournalError, JournalSettings};
use recording::{
    Key,
    journal::{JournalEntry, JournalEvent},
};
use storage::{Disk, Store, journal::JournalReader};

/// Nothing is written for its age, and a durable note does not wait long for a store that fails.
fn settings() -> JournalSettings {
    JournalSettings {
        object_age: Duration::from_secs(3600),
        patience: Duration::from_millis(200),
        ..JournalSettings::default()
    }
}

async fn open(store: &Arc<FlakyStore>, settings: JournalSettings) -> Journal {
    Journal::open(store.clone(), "gw-1", settings).await.unwrap()
}

fn numbered(n: usize) -> JournalEvent {
    JournalEvent::Login {
        ok: true,
        method: n.to_string(),
        client: String::new(),
        agent: String::new(),
        claimed: String::new(),
    }
}

fn number(entry: &JournalEntry) -> usize {
    let JournalEvent::Login { method, .. } = &entry.what else { panic!("{entry:?}") };
    method.parse().unwrap()
}

/// The entries of each object, in order.
async fn objects(store: &Arc<FlakyStore>) -> Vec<Vec<JournalEntry>> {
    let reader = JournalReader::new(store.clone());
    let mut objects = Vec::new();
    for object in reader.list("gw-1", None, 1000).await.unwrap() {
        objects.push(reader.read(&object).await.unwrap());
    }
    objects
}

async fn numbers(store: &Arc<FlakyStore>) -> Vec<Vec<usize>> {
    objects(store).await.iter().map(|entries| entries.iter().map(number).collect()).collect()
}

#[tokio::test]
async fn entries_are_stored_in_order_in_one_object() {
    let store = FlakyStore::new();
    let journal = open(&store, settings()).await;
    for n in 0..1000 {
        journal.note("ada", numbered(n)).await;
    }
    journal.close().await.unwrap();
    assert_eq!(numbers(&store).await, [(0..1000).collect::<Vec<_>>()]);
    let entries = objects(&store).await.remove(0);
    assert!(entries.iter().all(|entry| entry.user == "ada" && entry.gateway == "gw-1"));
    assert!(entries.is_sorted_by_key(|entry| entry.time));
}

#[tokio::test]
async fn size_closes_an_object() {
    let store = FlakyStore::new();
    let journal = open(&store, JournalSettings { object_bytes: 300, ..settings() }).await;
    for n in 0..20 {
        journal.note("ada", numbered(n)).await;
    }
    journal.close().await.unwrap();
    let numbers = numbers(&store).await;
    assert!((5..=7).contains(&numbers.len()), "{numbers:?}");
    assert_eq!(numbers.concat(), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn age_closes_an_object() {
    let store = FlakyStore::new();
    let journal = open(&store, JournalSettings { object_age: Duration::from_millis(20), ..settings() }).await;
    journal.note("ada", numbered(7)).await;
    store.wait_for_puts(1).await;
    assert_eq!(numbers(&store).await, [[7]]);
    journal.close().await.unwrap();
}

#[tokio::test]
async fn durable_notes_that_come_together_share_an_object() {
    let store = FlakyStore::new();
    let journal = open(&store, JournalSettings { patience: Duration::from_secs(60), ..settings() }).await;
    store.hold();
    let first = journal.note_durably("ada", numbered(0));
    let rest = async {
        // The first one's object is on its way when the others come.
        store.wait_for_puts(1).await;
        let all = join_all((1..50).map(|n| journal.note_durably("ada", numbered(n))));
        let release = async { store.release() };
        tokio::join!(all, release).0
    };
    let (first, rest) = tokio::join!(first, rest);
    first.unwrap();
    assert!(rest.iter().all(Result::is_ok));
    assert_eq!(numbers(&store).await, [vec![0], (1..50).collect()]);
}

#[tokio::test]
async fn a_durable_note_takes_earlier_ones_with_it() {
    let store = FlakyStore::new();
    let journal = open(&store, settings()).await;
    journal.note("ada", numbered(0)).await;
    journal.note_durably("ada", numbered(1)).await.unwrap();
    assert_eq!(numbers(&store).await, [[0, 1]]);
}

#[tokio::test]
async fn a_restarted_journal_goes_on_where_it_ended() {
    let store = FlakyStore::new();
    for n in 0..3 {
        let journal = open(&store, settings()).await;
        journal.note("ada", numbered(n)).await;
        journal.close().await.unwrap();
    }
    assert_eq!(numbers(&store).await, [[0], [1], [2]]);
    let names = store.list("journal/gw-1/", None, 10).await.unwrap();
    let names: Vec<&str> = names.iter().map(|entry| entry.key.file_name()).collect();
    assert_eq!(names, ["000000000000.jsonl.zst", "000000000001.jsonl.zst", "000000000002.jsonl.zst"]);
}

#[tokio::test]
async fn names_sort_as_written_when_the_clock_is_set_back() {
    let store = FlakyStore::new();
    let ahead = Key::new("journal/gw-1/2999/12/31/000000000041.jsonl.zst").unwrap();
    store.put_new(&ahead, storage::journal::encode(&[]).unwrap().into()).await.unwrap();
    let journal = open(&store, settings()).await;
    journal.note_durably("ada", numbered(0)).await.unwrap();
    let last = store.list("journal/gw-1/", None, 10).await.unwrap().pop().unwrap();
    assert_eq!(last.key.as_str(), "journal/gw-1/2999/12/31/000000000042.jsonl.zst");
}

#[tokio::test]
async fn two_writers_of_one_name_overwrite_nothing() {
    let store = FlakyStore::new();
    let (one, other) = (open(&store, settings()).await, open(&store, settings()).await);
    one.note_durably("ada", numbered(0)).await.unwrap();
    other.note_durably("bob", numbered(1)).await.unwrap();
    one.note_durably("ada", numbered(2)).await.unwrap();
    assert_eq!(numbers(&store).await, [[0], [1], [2]]);
}

#[tokio::test]
async fn an_object_whose_answer_was_lost_is_stored_once() {
    let store = FlakyStore::new();
    let journal = open(&store, JournalSettings { patience: Duration::from_secs(60), ..settings() }).await;
    store.set_fault(Fault::AnswersLost(1));
    journal.note_durably("ada", numbered(0)).await.unwrap();
    assert_eq!(numbers(&store).await, [[0]]);
    assert_eq!(store.puts(), 2);
}

#[tokio::test]
async fn a_store_that_fails_is_told_to_durable_notes_and_tried_again() {
    let store = FlakyStore::new();
    let journal = open(&store, settings()).await;
    store.set_fault(Fault::Fails);
    let error = journal.note_durably("ada", numbered(0)).await.unwrap_err();
    assert_eq!(error.to_string(), "the journal could not be stored within 0.2 s");
    let JournalError::NotStored { source: Some(source), .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().starts_with("cannot write journal/gw-1/"));
    store.set_fault(Fault::None);
    journal.close().await.unwrap();
    assert_eq!(numbers(&store).await, [[0]]);
}

#[tokio::test]
async fn notes_wait_while_the_queue_is_full() {
    let store = FlakyStore::new();
    let journal = open(&store, JournalSettings { queue_entries: 3, object_bytes: 1, ..settings() }).await;
    store.hold();
    for n in 0..3 {
        journal.note("ada", numbered(n)).await;
    }
    let mut fourth = Box::pin(journal.note("ada", numbered(3)));
    assert!((&mut fourth).now_or_never().is_none());
    store.wait_for_puts(1).await;
    assert!((&mut fourth).now_or_never().is_none(), "an object on its way still counts");
    store.release();
    fourth.await;
    journal.close().await.unwrap();
    assert_eq!(numbers(&store).await.concat(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn closing_gives_up_on_a_store_that_keeps_failing() {
    let store = FlakyStore::new();
    let journal = open(&store, settings()).await;
    journal.note("ada", numbered(0)).await;
    store.set_fault(Fault::Fails);
    assert!(matches!(journal.close().await, Err(JournalError::NotStored { .. })));
    assert!(matches!(journal.note_durably("ada", numbered(1)).await, Err(JournalError::Closed)));
}

#[tokio::test]
async fn a_name_that_would_leave_its_folder_is_refused() {
    for name in ["", "a/b", "..", ".hidden", "a b", "ä"] {
        let opened = Journal::open(FlakyStore::new(), name, settings()).await;
        assert!(matches!(opened, Err(JournalError::Name(_))), "{name:?}");
    }
}

#[tokio::test]
async fn a_journal_whose_end_was_removed_goes_on_behind_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = JournalSettings { head_file: Some(folder.path().join("head.json")), ..settings() };
    let store = FlakyStore::new();
    for n in 0..3 {
        let journal = open(&store, settings.clone()).await;
        journal.note("ada", numbered(n)).await;
        journal.close().await.unwrap();
    }
    // The last two objects are gone.
    let cut = FlakyStore::new();
    let first = store.list("journal/gw-1/", None, 1).await.unwrap().remove(0).key;
    cut.put_new(&first, store.read(&first, u64::MAX).await.unwrap()).await.unwrap();
    let journal = open(&cut, settings).await;
    journal.note("ada", numbered(3)).await;
    journal.close().await.unwrap();
    let names = cut.list("journal/gw-1/", None, 10).await.unwrap();
    let seqs: Vec<_> = names.iter().filter_map(|entry| entry.key.journal_seq()).collect();
    assert_eq!(seqs, [0, 3]);
}

/// 30 GiB of somebody else's, under the name that comes next: nothing reads them, and the journal goes on behind them.
#[tokio::test]
async fn a_journal_goes_on_behind_an_object_that_no_process_can_hold() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Disk::open(folder.path()).await.unwrap());
    let signer = Arc::clone(&settings().signer);
    let settings = JournalSettings { signer: Arc::clone(&signer), ..settings() };
    let journal = Journal::open(Arc::clone(&store), "gw-1", settings.clone()).await.unwrap();
    journal.note_durably("ada", numbered(0)).await.unwrap();
    let first = store.list("journal/gw-1/", None, 1).await.unwrap().remove(0).key;
    let taken = first.as_str().replace("000000000000", "000000000001");
    std::fs::File::create(folder.path().join(taken)).unwrap().set_len(30 << 30).unwrap();
    journal.note_durably("ada", numbered(1)).await.unwrap();
    journal.close().await.unwrap();
    assert_eq!(signer.journal_head().unwrap().seq, 2);

    let newest = first.as_str().replace("000000000000", "000000000003");
    std::fs::File::create(folder.path().join(newest)).unwrap().set_len(30 << 30).unwrap();
    let journal = Journal::open(Arc::clone(&store), "gw-1", settings).await.unwrap();
    journal.note_durably("ada", numbered(2)).await.unwrap();
    journal.close().await.unwrap();
    let names = store.list("journal/gw-1/", None, 10).await.unwrap();
    let seqs: Vec<_> = names.iter().filter_map(|entry| entry.key.journal_seq()).collect();
    assert_eq!(seqs, [0, 1, 2, 3, 4]);
}

/// A journal with a spool, in that folder.
fn spooled(folder: &tempfile::TempDir) -> JournalSettings {
    JournalSettings { spool: Some(folder.path().to_owned()), ..settings() }
}

#[tokio::test]
async fn with_a_spool_a_durable_note_does_not_need_the_store_and_kill_9_loses_none() {
    let (store, folder) = (FlakyStore::new(), tempfile::tempdir().unwrap());
    let killed = tempfile::tempdir().unwrap();
    {
        let journal = open(&store, spooled(&folder)).await;
        store.set_fault(Fault::Fails);
        for n in 0..5 {
            journal.note_durably("ada", numbered(n)).await.unwrap();
            journal.note("ada", numbered(n + 100)).await;
        }
        // What `kill -9` leaves, half a line at the end included.
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            let mut bytes = std::fs::read(file.path()).unwrap();
            bytes.extend_from_slice(b"{\"micros\":1,\"gate");
            std::fs::write(killed.path().join(file.file_name()), bytes).unwrap();
        }
        // The same process ends in good order while the store is away: nothing is lost either.
        journal.close().await.unwrap();
    }
    store.set_fault(Fault::None);
    let journal = open(&store, spooled(&killed)).await;
    journal.note("ada", numbered(7)).await;
    journal.close().await.unwrap();
    assert_eq!(numbers(&store).await.concat(), [0, 100, 1, 101, 2, 102, 3, 103, 4, 104, 7]);
    assert_eq!(std::fs::read_dir(killed.path()).unwrap().count(), 0, "what is stored is let go of");
    // The other copy of the same entries is in the store already, behind something else: as if it were put twice.
    let again = open(&store, spooled(&killed)).await;
    again.close().await.unwrap();
    assert_eq!(numbers(&store).await.concat().len(), 11);
}

#[tokio::test]
async fn entries_whose_object_was_stored_before_kill_9_are_not_stored_twice() {
    let (store, folder) = (FlakyStore::new(), tempfile::tempdir().unwrap());
    let journal = open(&store, spooled(&folder)).await;
    journal.note_durably("ada", numbered(1)).await.unwrap();
    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
    let (path, bytes) = (file.path(), std::fs::read(file.path()).unwrap());
    journal.close().await.unwrap();
    std::fs::write(&path, bytes).unwrap();
    open(&store, spooled(&folder)).await.close().await.unwrap();
    assert_eq!(numbers(&store).await, [[1]]);
    assert!(!path.exists());
}
