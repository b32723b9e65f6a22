//! What the journal hears of the spool: sessions that had no end, bounds that are reached and left, a store that is away.

use std::time::Duration;

use audit::Journal;
use recorder::{Recorder, Weather};
use storage::{Manifest, journal::What, spool::Bound, spool::SpoolError};

/// How often the bounds are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Runs as long as the process.
pub async fn watch(recorder: Recorder, journal: Journal) {
    let mut completed = recorder.completed();
    let mut seen = Seen::default();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let found = async {
            match &mut completed {
                Some(completed) => completed.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            manifest = found => match manifest {
                Some(manifest) => note_end(&journal, manifest).await,
                None => completed = None,
            },
            _ = look.tick() => seen.look(&recorder, &journal).await,
        }
    }
}

/// The entry that the process which recorded the session could not write any more.
pub async fn note_end(journal: &Journal, manifest: Manifest) {
    let what = What::SessionEnded { session: manifest.session.id, outcome: manifest.outcome };
    journal.note(&manifest.session.principal.name, what).await;
}

/// What was true at the last look, so that a change is one entry.
#[derive(Default)]
struct Seen {
    store: bool,
    total: bool,
    disk: bool,
}

impl Seen {
    async fn look(&mut self, recorder: &Recorder, journal: &Journal) {
        let away = *recorder.weather().borrow() != Weather::Fair;
        let full = recorder.spool().check().err();
        let is = |bound: Bound| matches!(&full, Some(SpoolError::Full(full)) if *full == bound);
        let now = Self { store: away, total: is(Bound::Total), disk: is(Bound::Disk) };
        for (name, before, now) in
            [("store", self.store, now.store), ("total", self.total, now.total), ("disk", self.disk, now.disk)]
        {
            if before != now {
                note_bound(recorder, journal, name, now).await;
            }
        }
        *self = now;
    }
}

async fn note_bound(recorder: &Recorder, journal: &Journal, bound: &str, reached: bool) {
    let gauge = recorder.spool().gauge();
    tracing::warn!(bound, reached, bytes = gauge.bytes, sessions = gauge.sessions, free = gauge.free, "spool");
    let (bytes, sessions) = (gauge.bytes, gauge.sessions as u64);
    journal.note("", What::Spool { bound: bound.to_owned(), reached, bytes, sessions }).await;
}
