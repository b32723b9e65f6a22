//! Completing the sessions of a gateway that never came back, from what is listed.

use std::{collections::HashMap, fmt, time::SystemTime};

use recording::{Chunk, Key, Manifest, Outcome, RecordingId, cast::SessionMetadata};
use spool::Segment;
use storage::{
    Objects, RecordingError, RecordingReader, Store, StoreError,
    chunk::{self, LARGEST_OBJECT, MAX_UNCOMPRESSED},
    lease,
    signing::Signer,
};

use crate::{recover::summary::RecoveredSummary, session::open_request::unix_micros};

/// Seconds by which clocks of two machines may differ.
const SKEW: i64 = 300;

/// Why a session without a manifest is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// Its gateway is alive, or was so a moment ago.
    Alive,
    /// Its gateway never had a lease: nothing says that it is gone.
    NoLease,
    /// The journal of the gateway that its header names does not say that it opened it, for that person: somebody else may have
    /// put it there.
    Unvouched,
    /// This chunk is larger than any.
    TooLarge(u32),
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alive => f.write_str("its gateway is alive"),
            Self::NoLease => f.write_str("its gateway never had a lease"),
            Self::Unvouched => f.write_str("the journal of the gateway that it names does not have it"),
            Self::TooLarge(number) => write!(f, "its chunk {number} is larger than any"),
        }
    }
}

/// What became of a session without a manifest.
#[derive(Clone, Debug)]
pub enum FinalizeOutcome {
    /// It has one now.
    Completed(Box<Manifest>),
    /// Nothing was done.
    LeftAlone(SkipReason),
    /// Somebody else completed it meanwhile.
    Taken,
}

/// What stands beside recordings and can be believed.
pub trait JournalLookup {
    /// The person for whom a gateway opened a session, as that gateway's own journal says, signed; none where it does not.
    fn opened(
        &mut self,
        gateway: &str,
        id: RecordingId,
    ) -> impl Future<Output = Result<Option<String>, StoreError>> + Send;

    /// Is told of the end of a session before its manifest is stored: whoever is killed in between is followed by one that
    /// tells it again, and never by nobody.
    fn ended(&mut self, manifest: &Manifest) -> impl Future<Output = ()> + Send;
}

/// Completes sessions whose gateways' leases have run out. Everything that it reads may be forged but what a [`JournalLookup`] vouches
/// for: it signs for no session that no gateway says it opened.
pub struct OrphanFinalizer<'a, W> {
    store: std::sync::Arc<dyn Store>,
    signer: &'a Signer,
    /// Who completes, for a reader.
    by: String,
    witness: W,
    alive: HashMap<String, Option<i64>>,
}

impl<'a, W: JournalLookup> OrphanFinalizer<'a, W> {
    /// `by`: the name of the gateway or person that completes.
    pub fn new(store: std::sync::Arc<dyn Store>, signer: &'a Signer, by: &str, witness: W) -> Self {
        Self { store, signer, by: by.to_owned(), witness, alive: HashMap::new() }
    }

    /// Completes a session if it has no manifest and its gateway is gone; none where it has one.
    ///
    /// # Errors
    /// The store's, or a header that cannot be read.
    pub async fn complete(
        &mut self,
        id: RecordingId,
        now: SystemTime,
    ) -> Result<Option<FinalizeOutcome>, RecordingError> {
        let recordings = RecordingReader::new(self.store.clone());
        let objects = recordings.objects(id).await?;
        if objects.manifest.is_some() {
            return Ok(None);
        }
        let now = unix_micros(now);
        let session = match self.abandoned(&recordings, id, &objects, now).await? {
            Ok(session) => session,
            Err(why) => return Ok(Some(FinalizeOutcome::LeftAlone(why))),
        };
        let chunks = self.listed(id, &objects).await?;
        let gist = RecoveredSummary::of(&recordings, id, &chunks).await?;
        let outcome = gist.outcome().unwrap_or(Outcome::Interrupted);
        let mut manifest = gist.manifest(session, outcome, String::new());
        manifest.chunks = chunks;
        manifest.anomalies.push(format!(
            "completed by {} from what was stored: the lease of the gateway {} had run out",
            self.by, manifest.session.gateway
        ));
        self.witness.ended(&manifest).await;
        match self.store.put_new(&Key::manifest(id), self.signer.seal_manifest(&manifest, now)).await {
            Ok(()) => Ok(Some(FinalizeOutcome::Completed(Box::new(manifest)))),
            Err(StoreError::Exists(_)) => Ok(Some(FinalizeOutcome::Taken)),
            Err(error) => Err(error.into()),
        }
    }

    /// The header's session, if its gateway had opened it and is gone.
    async fn abandoned(
        &mut self,
        recordings: &RecordingReader,
        id: RecordingId,
        objects: &Objects,
        now: i64,
    ) -> Result<Result<SessionMetadata, SkipReason>, RecordingError> {
        if let Some((number, _)) = objects.chunks.iter().find(|(_, size)| *size > LARGEST_OBJECT) {
            return Ok(Err(SkipReason::TooLarge(*number)));
        }
        let session = recordings.header(id).await?.kubetape;
        // It becomes a part of other objects' names.
        if session.id != id || Key::new(session.gateway.as_str()).is_err() || session.gateway.contains('/') {
            return Ok(Err(SkipReason::Unvouched));
        }
        match self.alive_until(&session.gateway).await? {
            None => return Ok(Err(SkipReason::NoLease)),
            Some(until) if until.saturating_add(SKEW) > now / 1_000_000 => return Ok(Err(SkipReason::Alive)),
            Some(_) => {}
        }
        let user = self.witness.opened(&session.gateway, id).await?;
        let vouched = user.is_some_and(|user| user == session.principal.name);
        Ok(if vouched { Ok(session) } else { Err(SkipReason::Unvouched) })
    }

    async fn alive_until(&mut self, gateway: &str) -> Result<Option<i64>, StoreError> {
        if let Some(known) = self.alive.get(gateway) {
            return Ok(*known);
        }
        let until = lease::alive_until(&*self.store, gateway).await?;
        self.alive.insert(gateway.to_owned(), until);
        Ok(until)
    }

    /// The chunks as they are in the store.
    async fn listed(&self, id: RecordingId, objects: &Objects) -> Result<Vec<Chunk>, RecordingError> {
        let (mut chunks, mut digest) = (Vec::new(), [0; 32]);
        for (number, _) in objects.chunks.iter().copied() {
            let object = self.store.read(&Key::chunk(id, number)).await?;
            let lines = chunk::decompress(&object, MAX_UNCOMPRESSED).unwrap_or_default();
            digest = chunk::chain(digest, &object);
            let segment = Segment { lines, ..Segment::default() };
            chunks.push(Chunk {
                number,
                size: object.len() as u64,
                uncompressed: segment.lines.len() as u64,
                digest: recording::hex(digest),
                first_micros: segment.first_micros().unwrap_or(0),
                last_micros: segment.last_micros().unwrap_or(0),
            });
        }
        Ok(chunks)
    }
}
