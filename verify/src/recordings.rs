use std::{collections::VecDeque, sync::Arc, time::Duration};

use recording::{
    Chunk, Key, Manifest, RecordingId, UnixMicros,
    cast::{Header, SessionMetadata},
};
use sha2::{Digest, Sha256};
use storage::{
    ChunkObject, ObjectMeta, Store, StoreError,
    signing::{DocumentKind, Signature},
};

use crate::{
    context::{CheckContext, Fetched},
    keyring::Rejection,
    known_heads::KnownHeads,
    question::Question,
    report::{Finding, Problem, Report},
    sessions::{JournalledSession, JournalledSessions, ManifestClaim, Vouching},
};

/// Objects asked of the store at once.
const PAGE: usize = 1000;
/// Chunks that are wrong and are compared with each other's places.
const COMPARED: usize = 64;

/// A recording's objects, as they are listed.
pub(super) struct ListedRecording {
    pub(super) id: RecordingId,
    /// Numbers of its chunks, in order.
    chunks: Vec<u32>,
    /// Whether it has a manifest.
    finished: bool,
}

impl ListedRecording {
    /// Whether it has a manifest.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }
}

/// Which chunks are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkDepth {
    All,
    /// The first one. The others have to be there.
    Header,
}

/// Goes through all recordings in the order of their names.
pub(super) struct Scan {
    store: Arc<dyn Store>,
    prefix: String,
    page: VecDeque<ObjectMeta>,
    after: Option<Key>,
    over: bool,
    open: Option<ListedRecording>,
    bytes: u64,
}

impl Scan {
    /// Goes through those whose objects' names begin with `within`.
    pub(super) fn new(store: Arc<dyn Store>, within: &str) -> Self {
        let all = "recordings/";
        let prefix = if within.starts_with(all) { within } else { all }.to_owned();
        Self { store, prefix, page: VecDeque::new(), after: None, over: false, open: None, bytes: 0 }
    }

    /// The next recording; `None` at the end. The report gets what belongs to none.
    pub(super) async fn next(&mut self, report: &mut Report) -> Result<Option<ListedRecording>, StoreError> {
        loop {
            if self.page.is_empty() && !self.over {
                self.next_page().await?;
            }
            let Some(entry) = self.page.pop_front() else { return Ok(self.open.take()) };
            let Some((id, number)) = place(&entry.key) else {
                report.found(entry.key, Problem::Foreign, "nothing of this name belongs to a recording");
                continue;
            };
            let other = self.open.as_ref().is_some_and(|open| open.id != id);
            let done = if other { self.open.take() } else { None };
            let open = self.open.get_or_insert(ListedRecording { id, chunks: Vec::new(), finished: false });
            match number {
                Some(number) => open.chunks.push(number),
                None => open.finished = true,
            }
            if done.is_some() {
                return Ok(done);
            }
        }
    }

    /// Bytes of the objects that were listed so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    async fn next_page(&mut self) -> Result<(), StoreError> {
        let page = self.store.list(&self.prefix, self.after.as_ref(), PAGE).await?;
        self.over = page.len() < PAGE;
        self.after = page.last().map(|entry| entry.key.clone());
        self.bytes += page.iter().map(|entry| entry.size).sum::<u64>();
        self.page = page.into();
        Ok(())
    }
}

/// The recording that an object's name belongs to, and the chunk's number; `None` for the manifest's number.
fn place(key: &Key) -> Option<(RecordingId, Option<u32>)> {
    let id = key.recording_id()?;
    match key.chunk_number() {
        Some(number) => Some((id, Some(number))),
        None => (*key == Key::manifest(id)).then_some((id, None)),
    }
}

/// What the check of a recording found.
pub(super) struct RecordingCheck {
    id: RecordingId,
    finished: bool,
    pub(super) bytes: u64,
    findings: Vec<Finding>,
    notes: Vec<String>,
    signature: Option<Signature>,
    suspect: Option<Suspect>,
    /// Whether no journal has the digest of its manifest, for the journal is older than that.
    undigested: bool,
}

/// A recording on which journals have to speak, and what they have said so far does not suffice: they may have grown.
pub(super) struct Suspect {
    id: RecordingId,
    claim: Claim,
}

/// What a recording says of where it comes from.
enum Claim {
    Manifest(ManifestClaim),
    /// Of a recording without a manifest: the gateway that its header names, empty if it has none.
    Header(String),
}

impl Suspect {
    /// Judges it by all that journals say.
    pub(super) fn judge(self, context: &CheckContext<'_>, sessions: &mut JournalledSessions, report: &mut Report) {
        let session = sessions.seen(self.id);
        match self.problem(context, session.as_ref()) {
            Ok(Some(Vouching::Session)) => report.undigested += 1,
            Ok(_) => {}
            Err((_, detail)) if session.is_none() && self.is_on_its_way(context) => {
                report.note(format!("{}: {detail} yet", Key::recording_prefix(self.id)));
            }
            // The entries may be on their way.
            Err((Problem::Missing, detail)) if session.is_some_and(|session| !session.is_settled(context.question)) => {
                report.note(format!("{}: {detail} yet", Key::recording_prefix(self.id)));
            }
            Err((problem, detail)) => report.found(Key::recording_prefix(self.id), problem, detail),
        }
    }

    /// Whether it is of a session that began and ended just now, signed by its own gateway: manifest and journal are stored apart
    /// from each other, and either may be first.
    fn is_on_its_way(&self, context: &CheckContext<'_>) -> bool {
        let Claim::Manifest(claim) = &self.claim else { return false };
        let signer = claim.signature.as_ref().and_then(|signature| context.keyring.gateway_of(&signature.key));
        signer == Some(claim.gateway.as_str()) && is_new(self.id, context.question)
    }

    fn problem(
        &self,
        context: &CheckContext<'_>,
        session: Option<&JournalledSession>,
    ) -> Result<Option<Vouching>, Rejection> {
        let unknown = || (Problem::Foreign, "no journal knows of this recording".to_owned());
        match (&self.claim, session) {
            (Claim::Manifest(claim), session) if context.question.excerpt => {
                session.and_then(|session| session.contradicts(claim)).map_or(Ok(None), Err)
            }
            (_, None) if context.question.excerpt => Ok(None),
            (_, None) => Err(unknown()),
            (Claim::Manifest(claim), Some(session)) => session.judge(claim, &context.keyring).map(Some),
            (Claim::Header(_), Some(_)) if context.question.excerpt => Ok(None),
            (Claim::Header(gateway), Some(session)) if !session.is_of(gateway) => {
                let detail = format!("the journal of {gateway} does not know of it, which it says recorded it");
                Err((Problem::Foreign, detail))
            }
            (Claim::Header(_), Some(_)) => Ok(None),
        }
    }
}

impl RecordingCheck {
    /// Adds what was found to the report. Returns the recording if journals have yet to speak on it.
    pub(super) fn into_report(self, report: &mut Report, known_heads: &mut KnownHeads) -> Option<Suspect> {
        *(if self.finished { &mut report.recordings } else { &mut report.unfinished }) += 1;
        report.undigested += u64::from(self.undigested);
        self.findings.into_iter().for_each(|finding| report.add(finding));
        self.notes.into_iter().for_each(|note| report.note(note));
        if let Some(signature) = self.signature {
            known_heads.signature(&signature, Key::manifest(self.id).as_str());
        }
        self.suspect
    }

    /// Leaves the judgement to what the journals say in the end, if what they have said does not settle it.
    fn doubt(&mut self, context: &CheckContext<'_>, session: Option<&JournalledSession>, claim: Claim) {
        let suspect = Suspect { id: self.id, claim };
        match suspect.problem(context, session) {
            Ok(None | Some(Vouching::Digest)) => {}
            Ok(Some(Vouching::Session)) => self.undigested = true,
            Err(_) => self.suspect = Some(suspect),
        }
    }

    fn found(&mut self, object: impl ToString, problem: Problem, detail: impl Into<String>) {
        self.findings.push(Finding { object: object.to_string(), problem, detail: detail.into() });
    }
}

/// Checks one recording. `session` is what the journals say of it.
pub(super) async fn check(
    context: &CheckContext<'_>,
    listed: ListedRecording,
    session: Option<JournalledSession>,
    depth: ChunkDepth,
) -> Result<RecordingCheck, StoreError> {
    let mut checked = RecordingCheck {
        id: listed.id,
        finished: listed.finished,
        bytes: 0,
        findings: Vec::new(),
        notes: Vec::new(),
        signature: None,
        suspect: None,
        undigested: false,
    };
    if !listed.finished {
        unfinished(context, &listed, session, depth, &mut checked).await?;
    } else if let Some((manifest, sha256)) = manifest(context, &listed, &mut checked).await? {
        chunks(context, &listed, &manifest, depth, &mut checked).await?;
        let signature = checked.signature.clone();
        let Manifest { session: SessionMetadata { gateway, .. }, outcome, .. } = manifest;
        let claim = Claim::Manifest(ManifestClaim { gateway, outcome, sha256, signature });
        checked.doubt(context, session.as_ref(), claim);
    }
    Ok(checked)
}

/// Reads the manifest, if it can be read at all, and its digest; the report gets what its signature is worth.
async fn manifest(
    context: &CheckContext<'_>,
    listed: &ListedRecording,
    checked: &mut RecordingCheck,
) -> Result<Option<(Manifest, String)>, StoreError> {
    let key = Key::manifest(listed.id);
    let document = match Fetched::of(context.recordings.manifest_document(listed.id).await)? {
        Fetched::Object(document) => document,
        Fetched::TooLarge => {
            checked.found(key, Problem::Altered, "it is larger than any manifest");
            return Ok(None);
        }
        Fetched::Gone => {
            checked.found(key, Problem::Missing, "it is gone since it was listed");
            return Ok(None);
        }
    };
    checked.bytes += document.len() as u64;
    let signed = context.keyring.check(DocumentKind::Manifest, &document);
    match signed.and_then(|signature| context.keyring.in_time(&signature).map(|()| signature)) {
        Ok(signature) => checked.signature = Some(signature),
        Err((problem, detail)) => checked.found(&key, problem, detail),
    }
    match serde_json::from_slice::<Manifest>(&document) {
        Ok(manifest) if manifest.session.id == listed.id => {
            Ok(Some((manifest, recording::hex(Sha256::digest(&document).into()))))
        }
        Ok(manifest) => {
            checked.found(key, Problem::Foreign, format!("it is the manifest of {}", manifest.session.id));
            Ok(None)
        }
        // That its bytes are not those that were signed is told already.
        Err(_) if checked.signature.is_none() => Ok(None),
        Err(error) => {
            checked.found(key, Problem::Altered, format!("it is no manifest: {error}"));
            Ok(None)
        }
    }
}

/// The chunks against the manifest's list.
async fn chunks(
    context: &CheckContext<'_>,
    listed: &ListedRecording,
    manifest: &Manifest,
    depth: ChunkDepth,
    checked: &mut RecordingCheck,
) -> Result<(), StoreError> {
    let mut wrong: Vec<(usize, ChunkObject)> = Vec::new();
    let mut previous = [0; 32];
    for (place, chunk) in manifest.chunks.iter().enumerate() {
        let key = Key::chunk(listed.id, chunk.number);
        let said = recording::unhex(&chunk.digest);
        if chunk.number as usize != place || said.is_none() {
            checked.found(
                Key::manifest(listed.id),
                Problem::Altered,
                format!("its list of chunks is wrong at {place}"),
            );
            return Ok(());
        }
        if depth == ChunkDepth::Header && chunk.number > 0 {
            if listed.chunks.binary_search(&chunk.number).is_err() {
                checked.found(key, Problem::Missing, "the manifest lists it");
            }
            continue;
        }
        match object(context, listed, chunk.number, checked).await? {
            None => {}
            Some(object) if Some(object.digest(previous)) == said => header(listed, chunk, &object, manifest, checked),
            Some(object) if object.size() < chunk.size && wrong.len() >= COMPARED => {
                checked.found(key, Problem::Cut, format!("{} of {} bytes are there", object.size(), chunk.size));
            }
            Some(object) if wrong.len() < COMPARED => wrong.push((place, object)),
            Some(_) => checked.found(key, Problem::Altered, "its bytes are not those of the manifest's digest"),
        }
        // Of the manifest, so that one chunk that is wrong does not make those after it wrong.
        previous = said.unwrap_or_default();
    }
    name_wrong(listed, manifest, &wrong, checked);
    for number in &listed.chunks {
        if *number as usize >= manifest.chunks.len() {
            checked.found(Key::chunk(listed.id, *number), Problem::Foreign, "the manifest does not know it");
        }
    }
    Ok(())
}

/// A chunk's object, if it is there and small enough to be read; the report is told if not.
async fn object(
    context: &CheckContext<'_>,
    listed: &ListedRecording,
    number: u32,
    checked: &mut RecordingCheck,
) -> Result<Option<ChunkObject>, StoreError> {
    let key = Key::chunk(listed.id, number);
    let fetched = match listed.chunks.binary_search(&number) {
        Ok(_) => Fetched::of(context.recordings.chunk_object(listed.id, number).await)?,
        Err(_) => Fetched::Gone,
    };
    match fetched {
        Fetched::Object(object) => {
            checked.bytes += object.size();
            return Ok(Some(object));
        }
        Fetched::TooLarge => checked.found(key, Problem::Altered, "it is larger than any chunk"),
        Fetched::Gone => checked.found(key, Problem::Missing, "the manifest lists it"),
    }
    Ok(None)
}

/// Says of chunks with wrong digests what happened to them: whether they are in each other's places, cut, or altered.
fn name_wrong(
    listed: &ListedRecording,
    manifest: &Manifest,
    wrong: &[(usize, ChunkObject)],
    checked: &mut RecordingCheck,
) {
    let before = |place: usize| {
        let digest = place.checked_sub(1).and_then(|before| recording::unhex(&manifest.chunks[before].digest));
        digest.unwrap_or_default()
    };
    for (place, object) in wrong {
        let key = Key::chunk(listed.id, manifest.chunks[*place].number);
        let belongs = |other: &Chunk| {
            other.size == object.size()
                && recording::unhex(&other.digest) == Some(object.digest(before(other.number as usize)))
        };
        let size = manifest.chunks[*place].size;
        if let Some(other) = manifest.chunks.iter().find(|other| belongs(other)) {
            checked.found(key, Problem::Reordered, format!("it is chunk {}", other.number));
        } else if object.size() < size {
            checked.found(key, Problem::Cut, format!("{} of {size} bytes are there", object.size()));
        } else if let Some(other) = foreign(listed.id, object) {
            checked.found(key, Problem::Foreign, format!("it is the header of recording {other}"));
        } else {
            checked.found(key, Problem::Altered, "its bytes are not those of the manifest's digest");
        }
    }
}

/// The recording whose header it is, if it is another's.
fn foreign(id: RecordingId, object: &ChunkObject) -> Option<RecordingId> {
    first_header(&object.lines().ok()?).map(|header| header.kubetape.id).filter(|other| *other != id)
}

/// The header in the first of these lines.
fn first_header(lines: &[u8]) -> Option<Header> {
    Header::parse(lines.split(|&byte| byte == b'\n').next()?).ok()
}

/// The header says what the manifest says.
fn header(
    listed: &ListedRecording,
    chunk: &Chunk,
    object: &ChunkObject,
    manifest: &Manifest,
    checked: &mut RecordingCheck,
) {
    if chunk.number != 0 {
        return;
    }
    let lines = object.lines().unwrap_or_default();
    if !first_header(&lines).is_some_and(|header| header.kubetape == manifest.session) {
        let detail = "its header is not what the manifest says of the session";
        checked.found(Key::chunk(listed.id, 0), Problem::Foreign, detail);
    }
}

/// A recording without a manifest: live, or one whose gateway died. Its chunks can be read; nothing vouches for them.
async fn unfinished(
    context: &CheckContext<'_>,
    listed: &ListedRecording,
    session: Option<JournalledSession>,
    depth: ChunkDepth,
    checked: &mut RecordingCheck,
) -> Result<(), StoreError> {
    let folder = Key::recording_prefix(listed.id);
    // The first chunks may be stored before the journal's entry is.
    let is_new = session.is_none() && is_new(listed.id, context.question);
    match &session {
        Some(session) if session.ended && session.is_settled(context.question) => {
            checked.found(Key::manifest(listed.id), Problem::Missing, "the journal says that the session ended");
        }
        Some(_) => checked.notes.push(format!(
            "{folder} has no manifest: the session is live, or its gateway died; nothing vouches for its {} chunks",
            listed.chunks.len()
        )),
        None if is_new => checked.notes.push(format!("{folder} is new, and no journal knows of it yet")),
        None => {}
    }
    let mut gateway = String::new();
    for (place, number) in listed.chunks.iter().enumerate() {
        if *number as usize != place {
            checked.found(Key::chunk(listed.id, place as u32), Problem::Missing, "later chunks are there");
            break;
        }
        if depth == ChunkDepth::Header && *number > 0 {
            continue;
        }
        let Some(lines) = unlisted_lines(context, listed, *number, checked).await? else { continue };
        if *number == 0 {
            gateway = sole_header(listed.id, &lines, checked).map(|header| header.gateway).unwrap_or_default();
        }
    }
    if !is_new {
        checked.doubt(context, session.as_ref(), Claim::Header(gateway));
    }
    Ok(())
}

/// Whether a recording's id says that it began just now. Somebody who invents one in the future is found a day later.
fn is_new(id: RecordingId, question: &Question) -> bool {
    let (seconds, nanos) = id.0.get_timestamp().map_or((0, 0), |at| at.to_unix());
    let micros = seconds.saturating_mul(1_000_000).saturating_add(u64::from(nanos) / 1_000);
    let start = UnixMicros::new(i64::try_from(micros).unwrap_or(i64::MAX));
    start > question.settled && start <= question.settled + Duration::from_secs(86_400)
}

/// The lines of a chunk that no manifest lists, if they can be read; the report is told if not.
async fn unlisted_lines(
    context: &CheckContext<'_>,
    listed: &ListedRecording,
    number: u32,
    checked: &mut RecordingCheck,
) -> Result<Option<Vec<u8>>, StoreError> {
    let key = Key::chunk(listed.id, number);
    let object = match Fetched::of(context.recordings.chunk_object(listed.id, number).await)? {
        Fetched::Object(object) => object,
        Fetched::Gone => return Ok(None),
        Fetched::TooLarge => {
            checked.found(key, Problem::Altered, "it is larger than any chunk");
            return Ok(None);
        }
    };
    checked.bytes += object.size();
    match object.lines() {
        Ok(lines) => Ok(Some(lines)),
        Err(error) => {
            checked.found(key, Problem::Altered, error.to_string());
            Ok(None)
        }
    }
}

/// The header of a recording without a manifest: it is alone in its chunk. Lines behind it nobody has signed, and the journal
/// knows of the header alone.
fn sole_header(id: RecordingId, lines: &[u8], checked: &mut RecordingCheck) -> Option<SessionMetadata> {
    let key = Key::chunk(id, 0);
    if lines.iter().filter(|&&byte| byte == b'\n').count() != 1 || !lines.ends_with(b"\n") {
        checked.found(&key, Problem::Altered, "more than the header is in it");
    }
    let Some(header) = first_header(lines).map(|header| header.kubetape) else {
        checked.found(key, Problem::Altered, "it is no header");
        return None;
    };
    if header.id != id {
        checked.found(key, Problem::Foreign, format!("it is the header of recording {}", header.id));
    }
    Some(header)
}
