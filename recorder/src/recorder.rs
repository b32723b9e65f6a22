use std::{
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant, SystemTime},
};

use recording::{Outcome, RecordingId};
use spool::{SessionRecord, Spool, SpoolError};
use storage::Store;
use tokio::sync::{mpsc, watch};

use crate::{
    OpenRecording, OpenRequest, RecordError, Settings, UnjournalledEnd,
    session::active_recordings::ActiveRecordings,
    session::open_request::header,
    upload::end_acks::EndAcks,
    upload::uploader::{StoreHealth, Uploader},
};

/// How often is looked for chunks of age and characters that do not go on.
const TICK: Duration = Duration::from_secs(1);
/// The same where chunks are closed sooner.
const SHORTEST_TICK: Duration = Duration::from_millis(10);

/// Records sessions into a spool, and stores from there, for as long as it takes, whatever happens to the sessions.
/// Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    parts: Arc<Context>,
    depot: Arc<Uploader>,
    untold: Arc<Mutex<Option<mpsc::UnboundedReceiver<UnjournalledEnd>>>>,
}

/// What recordings need of it.
pub(crate) struct Context {
    pub(crate) spool: Spool,
    pub(crate) settings: Arc<Settings>,
    pub(crate) shelves: ActiveRecordings,
    pub(crate) ends: Arc<EndAcks>,
}

impl Recorder {
    /// Starts to store what an earlier process left in `spool`, and can then record. Must be called inside a Tokio runtime.
    pub fn start(spool: Spool, store: Arc<dyn Store>, settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let (tell, untold) = mpsc::unbounded_channel();
        let ends = Arc::new(EndAcks::new(settings.journalled));
        let depot = Arc::new(Uploader::new(spool.clone(), store, settings.signer.clone(), ends.clone(), tell));
        for id in spool.left() {
            depot.take(id);
        }
        let tick = settings.chunk_age.clamp(SHORTEST_TICK, TICK);
        let parts = Arc::new(Context { spool, settings, shelves: ActiveRecordings::default(), ends });
        tokio::spawn(ticking(Arc::downgrade(&parts), tick));
        Self { parts, depot, untold: Arc::new(Mutex::new(Some(untold))) }
    }

    /// Opens a recording. When this returns `Ok`, its header is on the disk and the upstream may be dialled.
    ///
    /// # Errors
    /// Why the spool did not take the header. Nothing may be dialled then.
    pub async fn open(&self, permit: &access::Permit, opening: OpenRequest) -> Result<OpenRecording, RecordError> {
        self.open_as(RecordingId(uuid::Uuid::now_v7()), permit, opening).await
    }

    /// The same under a name that the caller made, a UUID v7 of this moment: for who has to write it elsewhere at the
    /// same time.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_as(
        &self,
        id: RecordingId,
        permit: &access::Permit,
        opening: OpenRequest,
    ) -> Result<OpenRecording, RecordError> {
        let Context { spool, settings, .. } = &*self.parts;
        let (start, now) = (Instant::now(), SystemTime::now());
        let session = opening.session(id, &settings.gateway, permit, now);
        let begun = tokio::time::timeout(settings.open_patience, spool.begin(id, &header(&session))).await;
        let spooled = begun.map_err(|_| RecordError::Slow)?.map_err(|error| match error {
            SpoolError::Failed { source, .. } if source.kind() == std::io::ErrorKind::AlreadyExists => {
                RecordError::Taken(id)
            }
            other => other.into(),
        })?;
        self.depot.take(id);
        Ok(OpenRecording { recorder: self.parts.clone(), session, start, spooled })
    }

    /// The spool: for who reads live sessions, and for its bounds.
    pub fn spool(&self) -> &Spool {
        &self.parts.spool
    }

    /// The journal has the end of a session that was finished, or refused: the spool may let go of it. Where the end did not
    /// reach the disk the manifest gets this outcome.
    pub fn told(&self, id: RecordingId, outcome: &Outcome) {
        // A disk that fails here has it told again at the next start.
        let _ = self.parts.spool.note(id, &SessionRecord::Told { outcome: outcome.clone() });
        self.parts.ends.told(id, outcome.clone());
    }

    /// The ends that nobody else tells, once their manifests are in the store: for the journal. Only the first caller gets it.
    pub fn untold(&self) -> Option<mpsc::UnboundedReceiver<UnjournalledEnd>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the store takes what it is given.
    pub fn weather(&self) -> watch::Receiver<StoreHealth> {
        self.depot.weather()
    }

    /// Resolves once everything is in the store: there is no session in the spool any more.
    pub async fn drained(&self) {
        let mut changes = self.parts.spool.changes();
        while !self.parts.spool.sessions().is_empty() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

async fn ticking(parts: Weak<Context>, every: Duration) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(parts) = parts.upgrade() else { return };
        parts.shelves.tick();
    }
}
