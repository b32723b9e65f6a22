use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use recording::RecordingId;

use crate::{session::writer::SessionWriter, supervisor::Supervisor};

/// How often time alone may close a chunk or give up half a character; more often if chunks are closed sooner.
const TICK: Duration = Duration::from_secs(1);
const SHORTEST_TICK: Duration = Duration::from_millis(10);

type Writers = Mutex<HashMap<RecordingId, Weak<SessionWriter>>>;

/// The sessions under way. One task does for all of them what time alone does.
#[derive(Default)]
pub(crate) struct ActiveRecordings {
    writers: Arc<Writers>,
}

impl ActiveRecordings {
    pub(crate) fn add(&self, id: RecordingId, writer: &Arc<SessionWriter>) {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner).insert(id, Arc::downgrade(writer));
    }
}

/// Starts the task that ticks all sessions. It ends with `active`.
pub(crate) fn tick_all(tasks: &Supervisor, active: &ActiveRecordings, chunk_age: Duration) {
    let (writers, every) = (Arc::downgrade(&active.writers), chunk_age.clamp(SHORTEST_TICK, TICK));
    tasks.spawn("ticker", "all sessions", move |_| ticking(writers.clone(), every));
}

async fn ticking(writers: Weak<Writers>, every: Duration) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(writers) = writers.upgrade() else { return };
        present(&writers).iter().for_each(|writer| writer.tick());
    }
}

/// The writers that are still there; forgets the others.
fn present(writers: &Writers) -> Vec<Arc<SessionWriter>> {
    let mut present = Vec::new();
    writers.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, weak| {
        let writer = weak.upgrade();
        let is_there = writer.is_some();
        present.extend(writer);
        is_there
    });
    present
}
