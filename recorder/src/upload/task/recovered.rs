//! What a task does for a session that an earlier process left, or that has no end.

use std::{io, sync::Arc};

use recording::{
    Key, Manifest, Micros, Outcome,
    cast::{Header, SessionMetadata, pieces},
};
use spool::{Checkpoint, SessionRecord, StdStream, boot_id};

use super::{ForeignManifest, Origin, UploadTask};
use crate::{blocking::blocking, recover::recovered_tail::RecoveredTail, upload::store::UploadError};

/// Most bytes of lines in a chunk of what is known beyond the segments: up to twice `keep_last` of each stream, six times as
/// long as JSON.
const LARGEST_BEYOND: usize = 16 << 20;

impl UploadTask {
    /// The manifest of a session without an end. Its outcome is the journal's, or else that of the Status that was seen, or else
    /// what its lines say.
    pub(super) async fn interrupted(&mut self, journalled: Option<Outcome>) -> Result<Manifest, UploadError> {
        let checkpoint = self.context.recovery.checkpoint(self.id, self.checkpoint).await?;
        let header = Header::parse(&self.records.header).map_err(io::Error::other)?;
        self.put_tail(&header.kubetape, checkpoint.unwrap_or_default()).await?;
        let summary = self.context.store.summary(self.id, self.chunks.chunks()).await?;
        let known = journalled.or_else(|| self.records.status_outcome.clone());
        let outcome = known.or_else(|| summary.outcome()).unwrap_or(Outcome::Interrupted);
        tracing::warn!(session = %self.id, outcome = outcome.name(), "finalized a session that had no end");
        let digests = checkpoint.and_then(|checkpoint| summary.digests(&checkpoint));
        let mut manifest = summary.manifest(header.kubetape, outcome, self.records.transport.clone());
        if let Some(checkpoint) = checkpoint {
            manifest.duration = manifest.duration.max(checkpoint.time);
            manifest.totals = checkpoint.totals;
        }
        manifest.ended = manifest.session.started + manifest.duration;
        manifest.contents.digests = digests;
        manifest.image.clone_from(&self.records.image);
        Ok(manifest)
    }

    /// The manifest of a session with an end. If an earlier process wrote it, the disk may lack lines before that end: a chunk of
    /// its own tells of them.
    pub(super) async fn checked(&mut self, mut manifest: Manifest) -> Result<Manifest, UploadError> {
        let Origin::Recovered(accounting) = &self.origin else { return Ok(manifest) };
        let mut accounting = accounting.clone();
        let (first, last) = self.first_beyond();
        let lacking = accounting.lacking(&manifest.session, &manifest.totals, last.max(manifest.duration));
        accounting.take(&lacking);
        self.put_beyond(first, lacking).await?;
        let known = manifest.anomalies.clone();
        manifest.anomalies.extend(accounting.into_missing().into_iter().filter(|text| !known.contains(text)));
        Ok(manifest)
    }

    /// Stores what is known beyond the segments of a session without an end, and what is known to be missing.
    async fn put_tail(&mut self, session: &SessionMetadata, checkpoint: Checkpoint) -> Result<(), UploadError> {
        let (first, last) = self.first_beyond();
        let tail = self.recovered_tail(checkpoint, last).await?;
        let mut lines = blocking(move || tail.lines()).await;
        if let Origin::Recovered(accounting) = &self.origin {
            let mut accounting = accounting.clone();
            accounting.take(&lines);
            let last = spool::last_time(&lines).unwrap_or(last).max(checkpoint.time);
            lines.extend(accounting.lacking(session, &checkpoint.totals, last));
        }
        self.put_beyond(first, lines).await
    }

    async fn recovered_tail(&self, checkpoint: Checkpoint, last: Micros) -> Result<RecoveredTail, UploadError> {
        let mut held = Vec::new();
        for stream in StdStream::ALL.into_iter().filter(|stream| checkpoint.held[stream.index()]) {
            let total = stream.total(&checkpoint.totals);
            held.push((stream, self.context.recovery.held_tail(self.id, stream, total).await?));
        }
        Ok(RecoveredTail { checkpoint, last, held, is_machine_lost: self.records.boot != boot_id() })
    }

    /// Number of the first chunk beyond the segments, and the time of the last line before it.
    fn first_beyond(&self) -> (u32, Micros) {
        let first = self.records.recovered_tail.unwrap_or_else(|| self.chunks.last_number() + 1);
        let before = self.chunks.chunks().iter().rfind(|chunk| chunk.number < first);
        (first, before.map_or(Micros::ZERO, |chunk| chunk.last))
    }

    /// Stores lines in chunks of their own. The first one's number is noted before: the next process makes the same lines of the
    /// same files, and must not store them twice.
    async fn put_beyond(&mut self, first: u32, lines: Vec<u8>) -> Result<(), UploadError> {
        let context = Arc::clone(&self.context);
        if !lines.is_empty() && self.records.recovered_tail.is_none() {
            context.queue.note(self.id, SessionRecord::RecoveredTail { chunk: first }).await?;
            self.records.recovered_tail = Some(first);
        }
        let _place = context.store.place().await;
        for (number, lines) in (first..).zip(pieces(&lines, LARGEST_BEYOND)) {
            if number > self.chunks.last_number() {
                self.put_one_beyond(number, lines.to_vec()).await?;
            }
        }
        Ok(())
    }

    async fn put_one_beyond(&mut self, number: u32, lines: Vec<u8>) -> Result<(), UploadError> {
        self.refuse_finalized().await?;
        if self.foreign_manifest == ForeignManifest::Present {
            return Err(UploadError::Conflict(Key::manifest(self.id)));
        }
        self.put(number, lines).await
    }

    /// Journals the end of an earlier process's session that cannot be stored. If the conflict is about the manifest, the gateway
    /// that put it there has journalled the end.
    pub(super) async fn journal_conflict(&self, key: &Key) {
        let Ok(Some(records)) = self.context.queue.records(self.id).await else { return };
        let is_recovered = matches!(self.origin, Origin::Recovered(_));
        if !is_recovered || records.journalled.is_some() || *key == Key::manifest(self.id) {
            return;
        }
        let ended = records.ended.map(|manifest| manifest.outcome);
        let outcome = ended.or(records.status_outcome).unwrap_or(Outcome::Interrupted);
        let user =
            Header::parse(&records.header).map_or_else(|_| String::new(), |header| header.kubetape.principal.name);
        // If the journal does not take it, the log has it: the session is quarantined either way.
        let _ = self.context.ends.journal(self.id, &user, &outcome).await;
    }
}
