//! What the journal hears of the spool: sessions that had no end, bounds that are reached and left, a store that is away.

use std::time::Duration;

use journal::Journal;
use recorder::{Recorder, StoreHealth};
use recording::{Outcome, RecordingId, journal::JournalEvent};
use spool::{LimitKind, SpoolError};

/// How often the bounds are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Runs as long as the process.
pub async fn watch(recorder: Recorder, journal: Journal) {
    let mut untold = recorder.unjournalled_ends();
    let mut seen = Seen::default();
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let found = async {
            match &mut untold {
                Some(untold) => untold.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            end = found => match end {
                // One that the journal does not take is told again.
                Some(end) => if note_end(&journal, end.session, &end.user, &end.outcome).await {
                    end.ack();
                },
                None => untold = None,
            },
            _ = look.tick() => seen.look(&recorder, &journal).await,
        }
    }
}

/// The entry that the process which recorded the session could not write any more. Whether it is written.
pub async fn note_end(journal: &Journal, session: RecordingId, user: &str, outcome: &Outcome) -> bool {
    let noted = journal.note_durably(user, JournalEvent::SessionEnded { session, outcome: outcome.clone() }).await;
    if let Err(error) = &noted {
        tracing::warn!(%session, error = error as &dyn std::error::Error, "cannot journal a session's end");
    }
    noted.is_ok()
}

/// What was true at the last look, so that a change is one entry.
#[derive(Default)]
struct Seen {
    store: bool,
    total: bool,
    sessions: bool,
    disk: bool,
}

impl Seen {
    async fn look(&mut self, recorder: &Recorder, journal: &Journal) {
        let away = *recorder.store_health().borrow() != StoreHealth::Healthy;
        let full = recorder.spool().gauges().check().err();
        let is = |bound: LimitKind| matches!(&full, Some(SpoolError::Full(full)) if *full == bound);
        let (total, sessions, disk) = (is(LimitKind::Total), is(LimitKind::Sessions), is(LimitKind::Disk));
        let now = Self { store: away, total, sessions, disk };
        for (name, before, now) in [
            ("store", self.store, now.store),
            ("total", self.total, now.total),
            ("sessions", self.sessions, now.sessions),
            ("disk", self.disk, now.disk),
        ] {
            if before != now {
                note_bound(recorder, journal, name, now).await;
            }
        }
        *self = now;
    }
}

async fn note_bound(recorder: &Recorder, journal: &Journal, bound: &str, reached: bool) {
    let gauge = recorder.spool().gauges().usage();
    tracing::warn!(bound, reached, bytes = gauge.bytes, sessions = gauge.sessions, free = gauge.free, "spool");
    let (bytes, sessions) = (gauge.bytes, gauge.sessions as u64);
    journal.note("", JournalEvent::Spool { bound: bound.to_owned(), reached, bytes, sessions }).await;
}
