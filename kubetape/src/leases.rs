//! That this gateway is alive, said in the store; and the sessions of gateways that are not, completed.

mod openings;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};
use journal::Journal;
use recorder::{FinalizeOutcome, JournalLookup, OrphanFinalizer, SkipReason};
use recording::{Manifest, RecordingId};
use storage::{
    RecordingReader, Store, StoreError,
    lease::{self, Lease},
    signing::Signer,
};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::openings::Openings;
use crate::spool_watch;

/// How long a lease runs. A gateway that was away for less goes on with its sessions itself.
const LEASE: Duration = Duration::from_secs(30 * 60);
/// A new lease is taken so long after the one before: the store may be away for two thirds of a lease.
const RENEW: Duration = Duration::from_secs(10 * 60);
/// Where a lease could not be taken, it is tried again after this.
const AGAIN: Duration = Duration::from_secs(15);
/// Between two looks for sessions of gateways that are gone.
const LOOK: Duration = Duration::from_secs(10 * 60);
/// How many of the newest days with recordings a look goes through: a session longer than the days before them is found by a
/// gateway's start only.
const DAYS: usize = 3;
/// Most sessions that are remembered as told of, or as left alone: one more is told of again.
const REMEMBERED: usize = 10_000;

/// This process, as others see it in the store.
pub struct Leases {
    store: Arc<dyn Store>,
    gateway: String,
    instance: Uuid,
    /// Sessions whose end this process told the journal.
    ended: HashSet<RecordingId>,
    /// Sessions that it said it leaves alone.
    left: HashSet<RecordingId>,
}

/// The journals of all gateways, and this one's.
struct Journals<'a> {
    openings: Openings,
    own: &'a Journal,
    ended: &'a mut HashSet<RecordingId>,
}

impl JournalLookup for Journals<'_> {
    async fn opened(&mut self, gateway: &str, id: RecordingId) -> Result<Option<String>, StoreError> {
        self.openings.user(gateway, id).await
    }

    /// Once, however often a store that fails makes it try again.
    async fn ended(&mut self, manifest: &Manifest) {
        let (session, user) = (&manifest.session, &manifest.session.principal.name);
        if !self.ended.contains(&session.id)
            && spool_watch::note_end(self.own, session.id, user, &manifest.outcome).await
        {
            remember(self.ended, session.id);
        }
    }
}

/// Whether it is new.
fn remember(sessions: &mut HashSet<RecordingId>, id: RecordingId) -> bool {
    if sessions.len() >= REMEMBERED {
        sessions.clear();
    }
    sessions.insert(id)
}

impl Leases {
    /// Takes the first lease: before the first session, so that none is without.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn take(store: Arc<dyn Store>, gateway: &str) -> Result<Self> {
        let (ended, left) = (HashSet::new(), HashSet::new());
        let leases = Self { store, gateway: gateway.to_owned(), instance: Uuid::now_v7(), ended, left };
        leases.renew().await.context("cannot write this gateway's lease (leases/ in the storage)")?;
        Ok(leases)
    }

    async fn renew(&self) -> Result<(), StoreError> {
        let end = (SystemTime::now() + LEASE).duration_since(UNIX_EPOCH).unwrap_or_default();
        let until = i64::try_from(end.as_secs()).unwrap_or(i64::MAX);
        lease::take(&*self.store, &Lease { gateway: self.gateway.clone(), instance: self.instance, until }).await
    }

    /// Renews the lease, and completes what gateways left whose leases have run out. Runs until `shutdown`.
    pub async fn keep(mut self, signer: Arc<Signer>, journal: Journal, shutdown: CancellationToken) {
        let mut renew = Instant::now() + RENEW;
        let (mut look, mut days) = (Instant::now(), usize::MAX);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep_until(renew) => {
                    let renewed = self.renew().await;
                    if let Err(error) = &renewed {
                        tracing::warn!(error = error as &dyn std::error::Error, "cannot renew the lease; trying again");
                    }
                    renew = Instant::now() + if renewed.is_ok() { RENEW } else { AGAIN };
                }
                () = sleep_until(look) => {
                    tokio::select! {
                        () = shutdown.cancelled() => return,
                        looked = self.look(&signer, &journal, days) => if let Err(error) = looked {
                            let error = &*error as &dyn std::error::Error;
                            tracing::warn!(error, "cannot look for sessions of gateways that are gone; trying again");
                        } else {
                            days = DAYS;
                        }
                    }
                    look = Instant::now() + LOOK;
                }
            }
        }
    }

    async fn look(&mut self, signer: &Arc<Signer>, journal: &Journal, days: usize) -> Result<()> {
        let recordings = RecordingReader::new(self.store.clone());
        let openings = Openings::new(self.store.clone()).await?;
        let witness = Journals { openings, own: journal, ended: &mut self.ended };
        let mut finalizer = OrphanFinalizer::new(self.store.clone(), signer.clone(), &self.gateway, witness);
        for day in recordings.days().await?.into_iter().take(days) {
            for id in unfinished(&*self.store, &recordings, &day).await? {
                match finalizer.finalize(id, SystemTime::now()).await {
                    Ok(Some(FinalizeOutcome::Finalized(manifest))) => {
                        tracing::info!(session = %id, gateway = manifest.session.gateway, "finalized: its gateway is gone");
                    }
                    Ok(Some(FinalizeOutcome::Skipped(
                        why @ (SkipReason::Unvouched | SkipReason::TooLarge(_) | SkipReason::ManifestTooLarge),
                    ))) => {
                        if remember(&mut self.left, id) {
                            tracing::warn!(session = %id, %why, "a recording without an end is skipped");
                        }
                    }
                    Ok(Some(FinalizeOutcome::Skipped(_) | FinalizeOutcome::Taken) | None) => {}
                    // One that cannot be read keeps nobody from the others.
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(session = %id, error, "cannot finalize a session whose gateway is gone");
                    }
                }
            }
        }
        Ok(())
    }
}

/// A day's recordings without a manifest, told from the names alone.
async fn unfinished(store: &dyn Store, recordings: &RecordingReader, day: &str) -> Result<Vec<RecordingId>> {
    const PAGE: usize = 1000;
    let prefix = format!("recordings/{day}/");
    let mut finished = std::collections::HashSet::new();
    let mut after = None;
    loop {
        let entries = store.list(&prefix, after.as_ref(), PAGE).await?;
        let full = entries.len() == PAGE;
        let names =
            entries.iter().filter_map(|entry| entry.key.as_str().strip_prefix(&prefix)?.strip_suffix("/manifest.json"));
        finished.extend(names.filter_map(|id| id.parse::<RecordingId>().ok()));
        if !full {
            break;
        }
        after = entries.into_iter().next_back().map(|entry| entry.key);
    }
    let ids = recordings.ids(day).await?;
    Ok(ids.into_iter().filter(|id| !finished.contains(id)).collect())
}
