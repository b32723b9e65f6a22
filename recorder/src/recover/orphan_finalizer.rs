//! Finalizing the sessions of a gateway that never came back, from what the store has.

use std::{collections::HashMap, fmt, sync::Arc, time::SystemTime};

use recording::{Key, LARGEST_MANIFEST, Manifest, Outcome, RecordingId, UnixMicros, cast::SessionMetadata};
use storage::{
    Objects, PutOutcome, RecordingError, RecordingReader, RecordingWriter, Store, StoreError, StoredManifest,
    chunk::LARGEST_OBJECT, lease, signing::Signer,
};

use crate::{
    clock::unix_time,
    recover::{chunk_list::ChunkList, summary::RecoveredSummary},
};

/// Seconds by which the clocks of two machines may differ.
const SKEW: i64 = 300;

/// Fewest bytes of a chunk in a manifest. More chunks than fit in [`LARGEST_MANIFEST`] are not even read.
const LEAST_LISTED: u64 = 200;

/// Bytes of a manifest that are kept free for its signature, which says how far the journal has come.
const SIGNATURE: u64 = 4 << 10;

/// Why a session without a manifest is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Its gateway is alive, or was so a moment ago.
    Alive,
    /// Its gateway never had a lease: nothing says that it is gone.
    NoLease,
    /// The journal of the gateway that its header names does not say that it opened it, for that person: somebody else may have
    /// put it there.
    Unvouched,
    /// This chunk is larger than any that a gateway writes.
    TooLarge(u32),
    /// Its manifest would be larger than any that a reader reads, as where somebody put chunks beside those of the gateway.
    ManifestTooLarge,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alive => f.write_str("its gateway is alive"),
            Self::NoLease => f.write_str("its gateway never had a lease"),
            Self::Unvouched => f.write_str("the journal of the gateway that it names does not have it"),
            Self::TooLarge(number) => write!(f, "its chunk {number} is larger than any"),
            Self::ManifestTooLarge => f.write_str("its manifest would be larger than any"),
        }
    }
}

/// What became of a session without a manifest.
#[derive(Clone, Debug)]
pub enum FinalizeOutcome {
    /// It has one now.
    Finalized(Box<Manifest>),
    /// Nothing was done.
    Skipped(SkipReason),
    /// Another process finalized it meanwhile.
    Taken,
}

/// What stands beside recordings and can be believed.
pub trait JournalLookup {
    /// The person for whom a gateway opened a session, as that gateway's own journal says, signed; `None` if it does not.
    fn opened(
        &mut self,
        gateway: &str,
        id: RecordingId,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;

    /// Journals the end of a session, before its manifest is stored. A process that is killed in between is followed by one that
    /// journals the end again: there is one entry at least.
    fn ended(&mut self, manifest: &Manifest) -> impl Future<Output = ()> + Send;

    /// Journals the digest of a manifest that is stored. A process that is killed before leaves a recording that no journal vouches
    /// for, and `verify` says so.
    fn stored(&mut self, stored: &StoredManifest) -> impl Future<Output = ()> + Send;
}

/// Finalizes sessions whose gateways' leases have run out.
///
/// Everything that it reads may be forged, but what a [`JournalLookup`] vouches for: it signs no session that no gateway says it
/// opened. What it keeps of forged lines is bounded in bytes.
pub struct OrphanFinalizer<L> {
    store: Arc<dyn Store>,
    reader: RecordingReader,
    writer: RecordingWriter,
    /// Who finalizes, for a reader.
    by: String,
    journals: L,
    /// Until when gateways are alive, as their leases said.
    alive: HashMap<String, Option<i64>>,
}

impl<L: JournalLookup> OrphanFinalizer<L> {
    /// `by` is the name of the gateway or person that finalizes. Manifests are signed by `signer`.
    pub fn new(store: Arc<dyn Store>, signer: Arc<Signer>, by: &str, journals: L) -> Self {
        let (reader, writer) = (RecordingReader::new(store.clone()), RecordingWriter::new(store.clone(), signer));
        Self { store, reader, writer, by: by.to_owned(), journals, alive: HashMap::new() }
    }

    /// Finalizes a session if it has no manifest and its gateway is gone. Returns `None` if it has a manifest.
    ///
    /// # Errors
    /// The store's, or a header that cannot be read.
    ///
    /// # Cancel safety
    /// Where the future is dropped, the end may be journalled without a manifest: the next call journals it again.
    pub async fn finalize(
        &mut self,
        id: RecordingId,
        now: SystemTime,
    ) -> Result<Option<FinalizeOutcome>, RecordingError> {
        let objects = self.reader.objects(id).await?;
        if objects.manifest.is_some() {
            return Ok(None);
        }
        let now = unix_time(now);
        Ok(Some(match self.abandoned(id, &objects, now).await? {
            Ok(session) => self.finalize_abandoned(session, &objects, now).await?,
            Err(reason) => FinalizeOutcome::Skipped(reason),
        }))
    }

    async fn finalize_abandoned(
        &mut self,
        session: SessionMetadata,
        objects: &Objects,
        now: UnixMicros,
    ) -> Result<FinalizeOutcome, RecordingError> {
        let manifest = self.manifest(session, objects).await?;
        // Of what the store has nothing is cut: a manifest that readers refuse is no manifest.
        if size(&manifest) + SIGNATURE > LARGEST_MANIFEST {
            return Ok(FinalizeOutcome::Skipped(SkipReason::ManifestTooLarge));
        }
        self.journals.ended(&manifest).await;
        Ok(match self.writer.put_manifest(&manifest, now).await? {
            PutOutcome::Stored(stored) => {
                self.journals.stored(&stored).await;
                FinalizeOutcome::Finalized(Box::new(manifest))
            }
            PutOutcome::AlreadyOurs(_) | PutOutcome::Conflict(_) => FinalizeOutcome::Taken,
        })
    }

    /// The header's session, if its gateway had opened it and is gone.
    async fn abandoned(
        &mut self,
        id: RecordingId,
        objects: &Objects,
        now: UnixMicros,
    ) -> Result<Result<SessionMetadata, SkipReason>, RecordingError> {
        if let Some((number, _)) = objects.chunks.iter().find(|(_, size)| *size > LARGEST_OBJECT) {
            return Ok(Err(SkipReason::TooLarge(*number)));
        }
        if objects.chunks.len() as u64 * LEAST_LISTED > LARGEST_MANIFEST {
            return Ok(Err(SkipReason::ManifestTooLarge));
        }
        let session = self.reader.header(id).await?.kubetape;
        // The gateway's name becomes a part of other objects' names.
        if session.id != id || Key::new(session.gateway.as_str()).is_err() || session.gateway.contains('/') {
            return Ok(Err(SkipReason::Unvouched));
        }
        match self.alive_until(&session.gateway).await? {
            None => return Ok(Err(SkipReason::NoLease)),
            Some(until) if until.saturating_add(SKEW) > now.as_secs() => return Ok(Err(SkipReason::Alive)),
            Some(_) => {}
        }
        let user = self.journals.opened(&session.gateway, id).await?;
        let is_vouched = user.is_some_and(|user| user == session.principal.name);
        Ok(if is_vouched { Ok(session) } else { Err(SkipReason::Unvouched) })
    }

    async fn alive_until(&mut self, gateway: &str) -> Result<Option<i64>, StoreError> {
        if let Some(known) = self.alive.get(gateway) {
            return Ok(*known);
        }
        let until = lease::alive_until(&*self.store, gateway).await?;
        self.alive.insert(gateway.to_owned(), until);
        Ok(until)
    }

    /// The manifest of what the store has, each chunk read once.
    async fn manifest(&self, session: SessionMetadata, objects: &Objects) -> Result<Manifest, RecordingError> {
        let (mut chunks, mut summary) = (ChunkList::default(), RecoveredSummary::default());
        for (number, _) in objects.chunks.iter().copied() {
            let object = self.reader.chunk_object(session.id, number).await?;
            match chunks.learn(object).await {
                Some(lines) if number > 0 => summary = summary.with_lines(lines).await,
                Some(_) => {}
                None => summary.annotate(&format!("chunk {number} of recording {} cannot be read", session.id)),
            }
        }
        let outcome = summary.outcome().unwrap_or(Outcome::Interrupted);
        let mut manifest = summary.manifest(session, outcome, String::new());
        manifest.chunks = chunks.chunks().to_vec();
        // Stored manifests say "completed by": verifiers look for it.
        manifest.anomalies.push(format!(
            "completed by {} from what was stored: the lease of the gateway {} had run out",
            self.by, manifest.session.gateway
        ));
        Ok(manifest)
    }
}

/// Bytes of the manifest's object without its signature, counted as they are written.
fn size(manifest: &Manifest) -> u64 {
    struct Count(u64);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Strings, numbers and lists have no way to fail.
    let _ = serde_json::to_writer_pretty(&mut count, manifest);
    count.0
}
