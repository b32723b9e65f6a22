//! What the recorder and its spool have to say, on its way into the journal.

use std::sync::Arc;

use control::{SpoolCondition, journal_end, journal_stored};
use futures_util::StreamExt;
use journal::Journal;
use recorder::{Recorder, StoreHealth};
use spool::{LimitKind, SpoolError};

/// Manifests whose digests are journalled at once.
const JOURNALLED_AT_ONCE: usize = 64;

/// What the spool's limits are at.
pub(super) fn spool_condition(recorder: &Recorder) -> SpoolCondition {
    let (full, usage) = (recorder.spool().gauges().check().err(), recorder.spool().gauges().usage());
    let is_full = |limit: LimitKind| matches!(&full, Some(SpoolError::Full(full)) if *full == limit);
    SpoolCondition {
        store_unavailable: *recorder.store_health().borrow() != StoreHealth::Healthy,
        total_full: is_full(LimitKind::Total),
        sessions_full: is_full(LimitKind::Sessions),
        disk_full: is_full(LimitKind::Disk),
        bytes: usage.bytes,
        sessions: usage.sessions,
        free: usage.free,
    }
}

/// Journals ends that the process which recorded the session could not journal any more. One that the journal does not take
/// is told again.
pub(super) async fn journal_ends(recorder: Arc<Recorder>, journal: Journal) {
    let Some(mut ends) = recorder.unjournalled_ends() else { return };
    while let Some(end) = ends.recv().await {
        if journal_end(&journal, end.session, &end.user, &end.outcome).await {
            end.ack();
        }
    }
}

/// Has the journal vouch for every manifest that was stored, many at once: what waits for the journal's disk waits together. One
/// that the journal does not take is told again.
pub(super) async fn journal_manifests(recorder: Arc<Recorder>, journal: Journal) {
    let Some(mut stored) = recorder.stored_recordings() else { return };
    let recordings = futures_util::stream::poll_fn(move |cx| stored.poll_recv(cx));
    recordings
        .for_each_concurrent(JOURNALLED_AT_ONCE, async |recording| {
            if journal_stored(&journal, &recording.stored).await {
                recording.ack();
            }
        })
        .await;
}
