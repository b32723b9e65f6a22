//! A spool on a disk that is full for a while, killed at any moment of it: no entry is there twice.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use storage::{Memory, journal::JournalReader};

use super::*;

/// A gateway's disk: the spool, and a copy of all that was in it at the moments when the gateway may have been killed.
struct Machine {
    disk: tempfile::TempDir,
    store: Arc<Memory>,
}

impl Machine {
    fn new() -> Self {
        Self { disk: tempfile::tempdir().unwrap(), store: Arc::new(Memory::new()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.path().join(name)
    }

    /// A gateway with its spool in that folder.
    async fn start(&self, store: &Arc<Memory>, spool: &str) -> Journal {
        let settings = JournalSettings {
            object_age: Duration::from_secs(3600),
            spool: Some(self.path(spool)),
            ..JournalSettings::default()
        };
        Journal::open(store.clone(), "gw", settings).await.unwrap()
    }

    /// JournalEvent is in the spool now is there after `kill -9`, whatever is stored meanwhile.
    fn killed(&self, spool: &str) {
        let copy = self.path("killed");
        fs::create_dir_all(&copy).unwrap();
        for file in files(&self.path(spool)) {
            fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
    }

    /// No file can be made, and the last one takes no more.
    fn fill(&self, journal: &Journal) {
        journal.open.queue.fill_last_file();
        fs::rename(self.path("spool"), self.path("full")).unwrap();
    }

    fn has_room_again(&self) {
        fs::rename(self.path("full"), self.path("spool")).unwrap();
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
}

fn numbered(number: usize) -> JournalEvent {
    JournalEvent::Login {
        ok: true,
        method: number.to_string(),
        client: String::new(),
        agent: String::new(),
        claimed: String::new(),
    }
}

/// The numbers in each object, in order.
async fn stored(store: &Arc<Memory>) -> Vec<Vec<usize>> {
    let reader = JournalReader::new(store.clone());
    let mut objects = Vec::new();
    for object in reader.list("gw", None, 1000).await.unwrap() {
        let entries = reader.read(&object).await.unwrap();
        let number = |entry: &JournalEntry| match &entry.what {
            JournalEvent::Login { method, .. } => method.parse().unwrap(),
            other => panic!("{other:?}"),
        };
        objects.push(entries.iter().map(number).collect());
    }
    objects
}

/// 0 and 1 reach the disk, which then takes neither 2 nor 3; there is room again for 4.
async fn a_full_disk(machine: &Machine) -> Journal {
    let journal = machine.start(&machine.store, "spool").await;
    journal.note_durably("ada", numbered(0)).await.unwrap();
    journal.note("ada", numbered(1)).await;
    machine.fill(&journal);
    let refused = journal.note_durably("ada", numbered(2)).await.unwrap_err();
    assert!(matches!(refused, JournalError::Spool(_)), "{refused:?}");
    journal.note("ada", numbered(3)).await;
    machine.killed("full");
    machine.has_room_again();
    journal.note_durably("ada", numbered(4)).await.unwrap();
    machine.killed("spool");
    journal
}

#[tokio::test]
async fn a_full_disk_that_has_room_again_takes_durable_notes_again() {
    let machine = Machine::new();
    a_full_disk(&machine).await.close().await.unwrap();
    assert_eq!(stored(&machine.store).await, [vec![0, 1, 2, 3], vec![4]]);
    assert_eq!(files(&machine.path("spool")), [""; 0].map(PathBuf::from), "what is stored is let go of");
    machine.start(&machine.store, "spool").await.close().await.unwrap();
    assert_eq!(stored(&machine.store).await.concat(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn what_was_stored_before_kill_9_is_not_stored_again_after_a_full_disk() {
    let machine = Machine::new();
    a_full_disk(&machine).await.close().await.unwrap();
    assert_eq!(files(&machine.path("killed")).len(), 2);
    // Both files are still there, of which only the second is the newest object's.
    machine.start(&machine.store, "killed").await.close().await.unwrap();
    assert_eq!(stored(&machine.store).await, [vec![0, 1, 2, 3], vec![4]]);
    assert_eq!(files(&machine.path("killed")).len(), 0);
}

#[tokio::test]
async fn kill_9_on_a_full_disk_loses_only_what_the_disk_did_not_take() {
    let machine = Machine::new();
    let journal = a_full_disk(&machine).await;
    let elsewhere = Arc::new(Memory::new());
    for _ in 0..2 {
        machine.start(&elsewhere, "killed").await.close().await.unwrap();
        assert_eq!(stored(&elsewhere).await, [[0, 1].as_slice(), &[4]]);
    }
    journal.close().await.unwrap();
}

#[tokio::test]
async fn a_file_whose_sync_failed_gets_no_more_entries() {
    let machine = Machine::new();
    let journal = machine.start(&machine.store, "spool").await;
    let Ok(Durability::OnDisk(file)) = journal.push("ada".into(), numbered(0), None).await else { panic!() };
    journal.open.queue.distrust(&file);
    let Ok(Durability::OnDisk(other)) = journal.push("ada".into(), numbered(1), None).await else { panic!() };
    assert!(!other.is(&file));
    journal.close().await.unwrap();
    assert_eq!(stored(&machine.store).await, [[0], [1]]);
    assert_eq!(files(&machine.path("spool")).len(), 0);
}

#[test]
fn a_durable_note_does_not_wait_for_the_runtimes_blocking_threads() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let machine = Machine::new();
    runtime.block_on(async {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || released.recv());
        let journal = machine.start(&machine.store, "spool").await;
        journal.note_durably("ada", numbered(0)).await.unwrap();
        drop(release);
        busy.await.unwrap().unwrap_err();
        journal.close().await.unwrap();
    });
    assert_eq!(runtime.block_on(stored(&machine.store)), [[0]]);
}
