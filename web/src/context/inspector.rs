use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use recording::{Key, RecordingId, UnixMicros};
use storage::{Store, StoreError};
use tokio::{sync::Semaphore, task::JoinSet};
use verify::{Finding, Inspection, Question, Standing, Trust};

/// Chunks of so many bytes are read to be checked. Of a larger recording header, manifest and journal are.
const LARGEST: u64 = 64 << 20;
/// What is younger may not be stored and journalled as a whole.
const GRACE: Duration = Duration::from_secs(300);
/// How long what was found of a recording counts. Who alters one that was just looked at is found that much later.
const CACHED: Duration = Duration::from_secs(600);
/// How long it counts while that may change by itself: the session goes on, or the store's listing does.
const CACHED_LIVE: Duration = Duration::from_secs(5);
/// Recordings whose standing is remembered, at some 200 bytes each.
const REMEMBERED: usize = 20_000;
/// Recordings that are checked at once, for all people.
const AT_ONCE: usize = 4;
/// Recordings of lists that wait to be checked, for all people. Beyond that they are not checked: the list says so.
const WAITING: usize = 256;

/// How long a list of hits waits for its recordings to be checked.
pub(crate) const INSPECTED_WITHIN: Duration = Duration::from_millis(500);

/// Judges recordings before a page or the API shows them.
pub(crate) struct Inspector {
    store: Arc<dyn Store>,
    trusted: Vec<Trust>,
    known: Mutex<HashMap<RecordingId, (Instant, Arc<Inspection>)>>,
    places: Semaphore,
    waiting: Arc<Semaphore>,
}

impl Inspector {
    pub(crate) fn new(store: Arc<dyn Store>, trusted: Vec<Trust>) -> Self {
        Self {
            store,
            trusted,
            known: Mutex::default(),
            places: Semaphore::new(AT_ONCE),
            waiting: Arc::new(Semaphore::new(WAITING)),
        }
    }

    /// What a recording is worth.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn inspect(&self, id: RecordingId) -> Result<Arc<Inspection>, StoreError> {
        if let Some(known) = self.remembered(id) {
            return Ok(known);
        }
        let _place = self.places.acquire().await;
        if let Some(known) = self.remembered(id) {
            return Ok(known);
        }
        let inspection = Arc::new(verify::inspect(&self.store, &self.question(), id, LARGEST).await?);
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(id, (Instant::now(), Arc::clone(&inspection)));
        Ok(inspection)
    }

    /// What recordings are worth, as far as that is known within `wait`. What takes longer goes on, and is known the next time;
    /// it is missing here.
    pub(crate) async fn standings(
        self: &Arc<Self>,
        ids: impl IntoIterator<Item = RecordingId>,
        wait: Duration,
    ) -> BTreeMap<RecordingId, Standing> {
        let (mut checks, mut standings) = (JoinSet::new(), BTreeMap::new());
        for id in ids {
            if let Some(known) = self.remembered(id) {
                standings.insert(id, known.standing);
                continue;
            }
            let Ok(waiting) = Arc::clone(&self.waiting).try_acquire_owned() else { continue };
            let inspector = Arc::clone(self);
            checks.spawn(async move {
                let inspected = inspector.inspect(id).await;
                drop(waiting);
                inspected.map(|inspection| (id, inspection.standing))
            });
        }
        let all = async {
            while let Some(checked) = checks.join_next().await {
                standings.extend(checked.ok().and_then(Result::ok));
            }
        };
        let _ = tokio::time::timeout(wait, all).await;
        checks.detach_all();
        standings
    }

    /// What is wrong with objects of a journal.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn journal(&self, gateway: &str, objects: &[Key]) -> Result<Vec<Finding>, StoreError> {
        verify::inspect_journal(&self.store, &self.question(), gateway, objects).await
    }

    fn question(&self) -> Question {
        let settled = UnixMicros::from(Timestamp::now()) - GRACE;
        Question { trusted: self.trusted.clone(), settled, ..Question::default() }
    }

    fn remembered(&self, id: RecordingId) -> Option<Arc<Inspection>> {
        let (at, inspection) = self.known().get(&id).cloned()?;
        let lasts = if inspection.standing == Standing::Proven { CACHED } else { CACHED_LIVE };
        (at.elapsed() < lasts).then_some(inspection)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<RecordingId, (Instant, Arc<Inspection>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
