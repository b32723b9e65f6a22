//! Completing the sessions of a gateway that never came back, from what is listed.

use std::{collections::HashMap, time::SystemTime};

use storage::{
    Chunk, Key, Manifest, Outcome, RecordingError, RecordingId, Recordings, Store, StoreError, chunk,
    chunk::MAX_UNCOMPRESSED, lease, signing::Signer, spool::Segment,
};

use crate::{gist::Gist, opening::unix_micros};

/// Seconds by which clocks of two machines may differ.
const SKEW: i64 = 300;

/// Why a session without a manifest is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeftAlone {
    /// Its gateway is alive, or was so a moment ago.
    Alive,
    /// Its gateway never had a lease: nothing says that it is gone.
    NoLease,
}

/// What became of a session without a manifest.
#[derive(Clone, Debug)]
pub enum Completion {
    /// It has one now.
    Completed(Box<Manifest>),
    /// Nothing was done.
    LeftAlone(LeftAlone),
    /// Somebody else completed it meanwhile.
    Taken,
}

/// Completes sessions whose gateways' leases have run out.
pub struct Completer<'a> {
    store: std::sync::Arc<dyn Store>,
    signer: &'a Signer,
    /// Who completes, for a reader.
    by: String,
    alive: HashMap<String, Option<i64>>,
}

impl<'a> Completer<'a> {
    /// `by`: the name of the gateway or person that completes.
    pub fn new(store: std::sync::Arc<dyn Store>, signer: &'a Signer, by: &str) -> Self {
        Self { store, signer, by: by.to_owned(), alive: HashMap::new() }
    }

    /// Completes a session if it has no manifest and its gateway is gone; none where it has one.
    ///
    /// # Errors
    /// The store's, or a header that cannot be read.
    pub async fn complete(&mut self, id: RecordingId, now: SystemTime) -> Result<Option<Completion>, RecordingError> {
        let recordings = Recordings::new(self.store.clone());
        if recordings.manifest(id).await?.is_some() {
            return Ok(None);
        }
        let session = recordings.header(id).await?.kubetape;
        let until = match self.alive_until(&session.gateway).await? {
            None => return Ok(Some(Completion::LeftAlone(LeftAlone::NoLease))),
            Some(until) => until,
        };
        let now = unix_micros(now);
        if until + SKEW > now / 1_000_000 {
            return Ok(Some(Completion::LeftAlone(LeftAlone::Alive)));
        }
        let chunks = self.listed(&recordings, id).await?;
        let gist = Gist::of(&recordings, id, &chunks).await?;
        let outcome = gist.outcome().unwrap_or(Outcome::Interrupted);
        let mut manifest = gist.manifest(session, outcome, String::new());
        manifest.chunks = chunks;
        manifest.anomalies.push(format!(
            "completed by {} from what was stored: the lease of the gateway {} had run out",
            self.by, manifest.session.gateway
        ));
        match self.store.put_new(&Key::manifest(id), manifest.seal(self.signer, now)).await {
            Ok(()) => Ok(Some(Completion::Completed(Box::new(manifest)))),
            Err(StoreError::Exists(_)) => Ok(Some(Completion::Taken)),
            Err(error) => Err(error.into()),
        }
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
    async fn listed(&self, recordings: &Recordings, id: RecordingId) -> Result<Vec<Chunk>, RecordingError> {
        let (mut chunks, mut digest) = (Vec::new(), [0; 32]);
        for number in recordings.chunk_numbers(id).await? {
            let object = self.store.read(&Key::chunk(id, number)).await?;
            let lines = chunk::decompress(&object, MAX_UNCOMPRESSED).unwrap_or_default();
            digest = chunk::chain(digest, &object);
            let segment = Segment { lines, ..Segment::default() };
            chunks.push(Chunk {
                number,
                size: object.len() as u64,
                uncompressed: segment.lines.len() as u64,
                digest: chunk::hex(digest),
                first_micros: segment.first_micros().unwrap_or(0),
                last_micros: segment.last_micros().unwrap_or(0),
            });
        }
        Ok(chunks)
    }
}
