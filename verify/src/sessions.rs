//! What the journals say of sessions, and what that makes of a recording.

use std::{collections::HashMap, sync::Arc};

use recording::{
    Key, Outcome, RecordingId, UnixMicros,
    journal::{JournalEvent, import_journal},
};
use storage::signing::Signature;

use crate::{
    keyring::{Keyring, Rejection},
    question::Question,
    report::{Problem, Report},
};

/// What the header of a recording that was imported has as its gateway.
const IMPORT: &str = "import";
/// From this format of entries on a journal has the digest of every manifest.
const DIGESTS: u32 = 2;

/// Where an entry stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct EntryPlace<'a> {
    pub(super) journal: &'a Arc<str>,
    /// The object's number.
    pub(super) seq: u64,
    /// The format of the journal's entries there.
    pub(super) format: u32,
    pub(super) time: UnixMicros,
}

/// That a journal has a session's opening or end.
#[derive(Clone, Debug)]
struct Mention {
    journal: Arc<str>,
    /// Where the end is; before that, where the opening is.
    seq: u64,
    format: u32,
    ended: bool,
}

/// What the journals say of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct JournalledSession {
    /// Whether it ended, or was finalized later; by whichever gateway.
    pub(super) ended: bool,
    /// Time of the last entry on it.
    pub(super) time: UnixMicros,
    mentions: Vec<Mention>,
    /// The digest of its manifest, as the first entry of each journal that has one says.
    stored: Vec<(Arc<str>, String)>,
    /// A recording of it was seen.
    recorded: bool,
}

/// What a manifest says of where it comes from.
pub(super) struct ManifestClaim {
    /// The gateway that recorded the session, as the header has it.
    pub(super) gateway: String,
    pub(super) outcome: Outcome,
    /// SHA-256 of the manifest's bytes, in hexadecimal.
    pub(super) sha256: String,
    /// `None` if it is not right, which is a finding of its own.
    pub(super) signature: Option<Signature>,
}

/// What a journal's word on a manifest is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vouching {
    /// The journal has its digest.
    Digest,
    /// The journal was written before it had digests.
    Session,
}

impl JournalledSession {
    /// Whether it may be a recording of `gateway`, as its header says. That gateway's own journal must have the opening, or
    /// the end: one that was killed between header and opening tells only the end, at its next start. Another one that
    /// finalizes a recording vouches for what it found in the store, which is not that somebody recorded it.
    pub(super) fn is_of(&self, gateway: &str) -> bool {
        self.mentions.iter().any(|mention| match gateway {
            IMPORT => mention.ended && mention.journal.ends_with("-import"),
            _ => *mention.journal == *gateway,
        })
    }

    /// Whether the journals have had the time to say all that there is to say.
    pub(super) fn is_settled(&self, question: &Question) -> bool {
        self.time <= question.settled
    }

    /// What the journals make of a manifest.
    ///
    /// # Errors
    /// Why it is not what a gateway stored.
    pub(super) fn judge(&self, claim: &ManifestClaim, keyring: &Keyring) -> Result<Vouching, Rejection> {
        if !self.is_of(&claim.gateway) {
            let gateway = &claim.gateway;
            let detail = format!("only others know of it, and not the journal of {gateway}, which it says recorded it");
            return Err((Problem::Foreign, detail));
        }
        // Without a signature, or a statement of its key, there is a finding already.
        let Some(signature) = &claim.signature else { return Ok(Vouching::Session) };
        let Some(signer) = keyring.gateway_of(&signature.key) else { return Ok(Vouching::Session) };
        let journal = if claim.gateway == IMPORT { import_journal(signer) } else { signer.to_owned() };
        if claim.gateway != IMPORT && claim.gateway != signer {
            self.finalized_by(signer, claim)?;
        }
        self.digest(&journal, claim, signature, keyring)
    }

    /// Whether another gateway may have written the manifest: where it finalized the session, of which it can know no more than
    /// what the store has.
    fn finalized_by(&self, gateway: &str, claim: &ManifestClaim) -> Result<(), Rejection> {
        let foreign = |why: &str| Err((Problem::Foreign, format!("it is signed by the gateway {gateway}, {why}")));
        if !self.mentions.iter().any(|mention| mention.ended && *mention.journal == *gateway) {
            return foreign("whose journal does not say that it finalized the session");
        }
        if !matches!(claim.outcome, Outcome::Interrupted | Outcome::Exited { .. }) {
            return foreign("which finalized the session and cannot know that it ended so");
        }
        if self.stored.iter().any(|(journal, _)| **journal == *claim.gateway) {
            return foreign("and the one that recorded the session has stored a manifest of its own");
        }
        Ok(())
    }

    fn digest(
        &self,
        journal: &str,
        claim: &ManifestClaim,
        signature: &Signature,
        keyring: &Keyring,
    ) -> Result<Vouching, Rejection> {
        if let Some((other, _)) = self.stored.iter().find(|(_, digest)| *digest != claim.sha256) {
            return Err((Problem::Altered, format!("its bytes are not those that the journal of {other} vouches for")));
        }
        if self.stored.iter().any(|(name, _)| **name == *journal) {
            return Ok(Vouching::Digest);
        }
        match self.mentions.iter().find(|mention| *mention.journal == *journal) {
            Some(mention) if mention.format < DIGESTS => {
                // A later key could sign it anew: it must be the one that was in use when the session ended.
                keyring.in_use(signature, journal, Some(mention.seq))?;
                Ok(Vouching::Session)
            }
            _ => Err((Problem::Missing, format!("the journal of {journal} does not have the digest of its manifest"))),
        }
    }

    /// In an excerpt the entry may be left out; one that is there must be right.
    pub(super) fn contradicts(&self, claim: &ManifestClaim) -> Option<Rejection> {
        let (other, _) = self.stored.iter().find(|(_, digest)| *digest != claim.sha256)?;
        Some((Problem::Altered, format!("its bytes are not those that the journal of {other} vouches for")))
    }
}

/// What the journals say of sessions: some 300 bytes for each.
#[derive(Debug, Default)]
pub(super) struct JournalledSessions(HashMap<RecordingId, JournalledSession>);

impl JournalledSessions {
    /// Notes that there is a recording of it, and returns what the journals have said so far.
    pub(super) fn seen(&mut self, id: RecordingId) -> Option<JournalledSession> {
        let session = self.0.entry(id).or_default();
        session.recorded = true;
        (!session.mentions.is_empty()).then(|| session.clone())
    }

    /// Finds sessions of which nothing is recorded.
    pub(super) fn without_recording(&self, question: &Question, report: &mut Report) {
        let mut missing: Vec<_> = self.0.iter().filter(|(_, session)| !session.recorded).collect();
        missing.sort_unstable_by_key(|(id, _)| **id);
        for (id, session) in missing {
            let folder = Key::recording_prefix(*id);
            if question.excerpt || !folder.starts_with(&question.within) {
                continue;
            }
            if session.is_settled(question) {
                report.found(folder, Problem::Missing, "the journal knows of this recording");
            } else {
                report.note(format!("{folder}: the journal knows of it, and it is not stored yet"));
            }
        }
    }

    /// Whether a journal has the digest of its manifest.
    pub(super) fn has_digest(&self, id: RecordingId) -> bool {
        self.0.get(&id).is_some_and(|session| !session.stored.is_empty())
    }

    /// Takes in an entry.
    pub(super) fn learn(&mut self, place: EntryPlace<'_>, what: &JournalEvent) {
        let (id, ended) = match what {
            JournalEvent::SessionOpened { session, .. } => (*session, false),
            JournalEvent::SessionEnded { session, .. } | JournalEvent::Imported { session, .. } => (*session, true),
            JournalEvent::SessionStored { session, manifest_sha256, .. } => {
                let session = self.0.entry(*session).or_default();
                // The first counts: a later key can write no other before it.
                if !session.stored.iter().any(|(journal, digest)| journal == place.journal && digest == manifest_sha256)
                {
                    session.stored.push((Arc::clone(place.journal), manifest_sha256.clone()));
                }
                session.time = session.time.max(place.time);
                return;
            }
            _ => return,
        };
        let session = self.0.entry(id).or_default();
        session.ended |= ended;
        session.time = session.time.max(place.time);
        match session.mentions.iter_mut().find(|mention| mention.journal == *place.journal) {
            Some(mention) if ended && !mention.ended => {
                (mention.seq, mention.format, mention.ended) = (place.seq, place.format, true);
            }
            Some(_) => {}
            None => {
                let (journal, EntryPlace { seq, format, .. }) = (Arc::clone(place.journal), place);
                session.mentions.push(Mention { journal, seq, format, ended });
            }
        }
    }
}
