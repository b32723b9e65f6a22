use std::{fs::File, io, io::Read, path::Path, sync::Arc};

use jiff::Timestamp;
use recording::{
    Chunk, Command, CommandSource, Key, Manifest, Outcome, RecordingId,
    cast::{Header, IMPORTED, Imported, SessionMetadata},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storage::{RecordingReader, RecordingWriter, Store, StoreError, StoredChunk, signing::Signer};

use crate::{
    DeclaredIdentity, ImportError, Limits,
    chunk_builder::{ChunkBuilder, Page},
    event_reader::Script,
    scan::ScanSummary,
};

/// Bytes read at once for the digest.
const BUFFER: usize = 1 << 20;

/// Puts files into a store.
#[derive(Clone, Debug)]
pub struct Importer {
    store: Arc<dyn Store>,
    reader: RecordingReader,
    writer: RecordingWriter,
    limits: Limits,
}

/// A file that is in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The recording.
    pub id: RecordingId,
    /// The file's SHA-256, in hexadecimal.
    pub sha256: String,
    /// It was there before; nothing was written.
    pub already: bool,
    /// Events of the file.
    pub events: u64,
    /// Length in microseconds.
    pub duration_micros: u64,
    /// Input events that were left out.
    pub dropped_inputs: u64,
    /// What was not as it should be.
    pub annotations: Vec<String>,
}

/// Largest mark in bytes that is read: they have less than 100.
const LARGEST_MARK: u64 = 4 << 10;

/// Under which recording a file is: `imports/<sha256>.json`.
#[derive(Serialize, Deserialize)]
struct Mark {
    session: RecordingId,
}

impl Importer {
    /// Puts into `store`; the manifests are signed by `signer`.
    pub fn new(store: Arc<dyn Store>, signer: Arc<Signer>, limits: Limits) -> Self {
        let (reader, writer) =
            (RecordingReader::new(Arc::clone(&store)), RecordingWriter::new(Arc::clone(&store), signer));
        Self { store, reader, writer, limits }
    }

    /// Imports a file, unless it is there already. `tick` hears of every piece that was read, in bytes: three times the
    /// file's size in all.
    ///
    /// # Errors
    /// [`ImportError`]; see [`ImportError::is_of_file`].
    pub async fn import(
        &self,
        path: &Path,
        claims: &DeclaredIdentity,
        tick: impl Fn(u64) + Clone + Send + 'static,
    ) -> Result<Done, ImportError> {
        let read = |source| ImportError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let about = file.metadata().map_err(read)?;
        if !about.is_file() {
            return Err(read(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")));
        }
        let again = || file.try_clone().map_err(read);
        let (sum, ticks) = (again()?, tick.clone());
        let sha256 = off(move || digest(sum, &ticks)).await?.map_err(read)?;
        let (limits, of, ticks) = (self.limits, again()?, tick.clone());
        let survey = off(move || ScanSummary::new(Script::open(of, limits, ticks)?)).await??;
        let source = Source { path, sha256, size: about.len(), modified: about.modified().ok(), claims };
        let done = |id, already| source.done(&survey, id, already);
        if let Some(id) = self.known(&source.sha256).await? {
            return Ok(done(id, true));
        }
        let session = source.session(&survey)?;
        if self.reader.manifest(session.id).await?.is_some() {
            self.mark(&source.sha256, session.id).await?;
            return Ok(done(session.id, true));
        }
        self.write(session.clone(), &survey, again()?, claims.keep_input, tick).await?;
        self.mark(&source.sha256, session.id).await?;
        Ok(done(session.id, false))
    }

    async fn known(&self, sha256: &str) -> Result<Option<RecordingId>, ImportError> {
        match self.store.read(&mark_key(sha256)?, LARGEST_MARK).await {
            // A mark that cannot be read is none: then the recording itself is found, or there is a conflict.
            Ok(bytes) => Ok(serde_json::from_slice::<Mark>(&bytes).ok().map(|mark| mark.session)),
            Err(StoreError::NotFound(_) | StoreError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn mark(&self, sha256: &str, session: RecordingId) -> Result<(), ImportError> {
        let json = serde_json::to_vec(&Mark { session }).unwrap_or_default();
        match self.store.put_new(&mark_key(sha256)?, json.into()).await {
            Ok(()) | Err(StoreError::Exists(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The chunks, and then the manifest. What an import that was cut off has put already is kept.
    async fn write(
        &self,
        session: SessionMetadata,
        survey: &ScanSummary,
        file: File,
        keep_input: bool,
        tick: impl Fn(u64) + Send + 'static,
    ) -> Result<(), ImportError> {
        let (header, first) = self.begin(header(session, &survey.header.title)).await?;
        let id = header.kubetape.id;
        let (mut chunks, mut digest) = (vec![first.listed(0, 0)], first.digest);
        let mut sheet = ChunkBuilder::new(keep_input);
        if let Some((columns, rows)) = survey.header.size.filter(|_| header.kubetape.tty) {
            sheet.size(0, columns, rows);
        }
        let limits = self.limits;
        let mut press = ChunkWriter { script: off(move || Script::open(file, limits, tick)).await??, sheet, events: 0 };
        loop {
            let page;
            (press, page) = off(move || press.next()).await??;
            let Some(page) = page else { break };
            let put = self.writer.put_chunk(id, chunks.len() as u32, page.lines, digest).await?;
            let stored = put.stored().map_err(ImportError::Conflict)?;
            chunks.push(stored.listed(page.first_micros, page.last_micros));
            digest = stored.digest;
        }
        if press.events != survey.events {
            return Err(ImportError::Changed);
        }
        let manifest = manifest(header.kubetape, survey, chunks);
        let put = self.writer.put_manifest(&manifest, Timestamp::now().as_microsecond()).await?;
        put.stored().map(drop).map_err(ImportError::Conflict)
    }

    /// Puts the header, or finds the one that an earlier import has put: that one says when it was imported, and by whom.
    async fn begin(&self, header: Header) -> Result<(Header, StoredChunk), ImportError> {
        let id = header.kubetape.id;
        let put = self.writer.put_chunk(id, 0, header.to_line(), [0; 32]).await?;
        if let Ok(stored) = put.stored() {
            return Ok((header, stored));
        }
        let header = self.reader.header(id).await?;
        let put = self.writer.put_chunk(id, 0, header.to_line(), [0; 32]).await?;
        Ok((header, put.stored().map_err(ImportError::Conflict)?))
    }
}

/// The file's events on their way into chunks.
struct ChunkWriter {
    script: Script,
    sheet: ChunkBuilder,
    events: u64,
}

impl ChunkWriter {
    fn next(mut self) -> Result<(Self, Option<Page>), ImportError> {
        loop {
            if let Some(page) = self.sheet.page() {
                return Ok((self, Some(page)));
            }
            match self.script.next()? {
                Some(event) => {
                    self.events += 1;
                    self.sheet.event(&event);
                }
                None => {
                    self.sheet.end();
                    let page = self.sheet.page();
                    return Ok((self, page));
                }
            }
        }
    }
}

/// A file and what is known of it without looking into it.
struct Source<'a> {
    path: &'a Path,
    sha256: String,
    size: u64,
    modified: Option<std::time::SystemTime>,
    claims: &'a DeclaredIdentity,
}

impl Source<'_> {
    fn done(&self, survey: &ScanSummary, id: RecordingId, already: bool) -> Done {
        Done {
            id,
            sha256: self.sha256.clone(),
            already,
            events: survey.events,
            duration_micros: survey.duration,
            dropped_inputs: if self.claims.keep_input { 0 } else { survey.inputs },
            annotations: annotations(survey),
        }
    }

    /// When it started: who imports knows it best, then the file, then the file system.
    fn started(&self, survey: &ScanSummary) -> Result<i64, ImportError> {
        let header = &survey.header;
        let said = self.claims.started.map(Timestamp::as_microsecond);
        let ours = || header.kubetape.as_ref().map(|session| session.started_micros);
        let theirs = || header.timestamp.map(|seconds| (seconds * 1e6) as i64);
        let modified = || self.modified.and_then(|at| Timestamp::try_from(at).ok()).map(Timestamp::as_microsecond);
        let micros = said.or_else(ours).or_else(theirs).or_else(modified).unwrap_or_default();
        match Timestamp::from_microsecond(micros) {
            Ok(_) if micros >= 0 => Ok(micros),
            _ => Err(ImportError::Start(format!("{} s", micros / 1_000_000))),
        }
    }

    fn session(&self, survey: &ScanSummary) -> Result<SessionMetadata, ImportError> {
        let started_micros = self.started(survey)?;
        let (claims, header) = (self.claims, &survey.header);
        let (ours, tailscale) = (header.kubetape.as_ref(), &header.tailscale);
        let kind = claims.kind.or(ours.map(|session| session.kind)).or(tailscale.kind);
        let said = |claim: &Option<String>, ours: Option<&String>, theirs: &str| {
            claim.clone().or_else(|| ours.cloned()).unwrap_or_else(|| theirs.to_owned())
        };
        let target = ours.map(|session| &session.target);
        let pod = said(&claims.pod, target.map(|t| &t.name), &tailscale.pod);
        let kind = kind.unwrap_or(recording::cast::SessionKind::Exec);
        Ok(SessionMetadata {
            id: id(started_micros, &self.sha256),
            kind,
            started_micros,
            gateway: IMPORTED.to_owned(),
            principal: access::Principal {
                name: said(&claims.user, ours.map(|session| &session.principal.name), &tailscale.user),
                groups: if claims.groups.is_empty() {
                    ours.map(|session| session.principal.groups.clone()).unwrap_or_default()
                } else {
                    claims.groups.clone()
                },
                credential: access::Credential::Claimed,
                credential_id: String::new(),
            },
            target: access::Target {
                cluster: said(&claims.cluster, target.map(|t| &t.cluster), ""),
                namespace: said(&claims.namespace, target.map(|t| &t.namespace), &tailscale.namespace),
                resource: if pod.is_empty() { String::new() } else { "pods".to_owned() },
                name: pod,
                subresource: if kind == recording::cast::SessionKind::Attach { "attach" } else { "exec" }.to_owned(),
                container: said(&claims.container, target.map(|t| &t.container), &tailscale.container),
            },
            impersonation: access::Impersonation { user: String::new(), groups: Vec::new() },
            rule: String::new(),
            input: if claims.keep_input { access::InputRecording::Always } else { access::InputRecording::Never },
            argv: argv(survey),
            tty: header.tty(),
            stdin: survey.inputs > 0 || header.tty(),
            client: tailscale.node.clone(),
            user_agent: String::new(),
            kubectl_command: String::new(),
            kubectl_session: String::new(),
            imported: Some(Box::new(Imported {
                file: self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                sha256: self.sha256.clone(),
                size: self.size,
                format: format!("asciicast v{}", header.version),
                at_micros: Timestamp::now().as_microsecond(),
                by: claims.by.clone(),
                header: header.whole.clone(),
            })),
        })
    }
}

/// The words of the command that the header names; where a shell could not split it, it is one word.
fn argv(survey: &ScanSummary) -> Vec<String> {
    let header = &survey.header;
    if let Some(session) = &header.kubetape {
        return session.argv.clone();
    }
    let command = if header.command.is_empty() { &header.tailscale.command } else { &header.command };
    if command.is_empty() { Vec::new() } else { shlex::split(command).unwrap_or_else(|| vec![command.clone()]) }
}

/// `theirs` is the title that the file has: it stands where there is no place to name.
fn header(session: SessionMetadata, theirs: &str) -> Header {
    let target = &session.target;
    let place = [&target.namespace, &target.name, &target.container];
    let place = place.into_iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("/");
    let title = if place.is_empty() {
        theirs.to_owned()
    } else {
        format!("{}@{} {place}", session.principal.name, target.cluster)
    };
    Header {
        version: 2,
        width: 80,
        height: 24,
        timestamp: session.started_micros.div_euclid(1_000_000),
        command: shlex::try_join(session.argv.iter().map(String::as_str)).unwrap_or_default(),
        title,
        kubetape: session,
    }
}

fn manifest(session: SessionMetadata, survey: &ScanSummary, chunks: Vec<Chunk>) -> Manifest {
    let (width, height) = survey.size.unwrap_or((80, 24));
    let argv = shlex::try_join(session.argv.iter().map(String::as_str)).unwrap_or_default();
    let first =
        (!argv.is_empty()).then_some(Command { micros: 0, source: CommandSource::Argv, text: argv, typed: None });
    Manifest {
        format: 1,
        ended_micros: session.started_micros.saturating_add_unsigned(survey.duration),
        duration_micros: survey.duration,
        outcome: survey.exit.map_or(Outcome::Unknown, |exit_code| Outcome::Exited { exit_code }),
        width,
        height,
        totals: survey.totals,
        contents: recording::Contents::default(),
        chunks,
        commands: first.into_iter().chain(survey.typed.iter().cloned()).collect(),
        anomalies: annotations(survey),
        transport: String::new(),
        image: String::new(),
        session,
    }
}

fn annotations(survey: &ScanSummary) -> Vec<String> {
    let mut annotations = Vec::new();
    let (backwards, unknown) = (survey.oddities.backwards, survey.oddities.unknown);
    if backwards > 0 {
        annotations.push(format!("{backwards} events had a time before the one before them, and were given its time"));
    }
    if unknown > 0 {
        annotations.push(format!("{unknown} events of unknown codes were left out"));
    }
    let header = &survey.header;
    if header.timestamp.is_none() && header.kubetape.is_none() {
        annotations.push("the file does not say when it started".to_owned());
    }
    annotations
}

/// UUID v7 (RFC 9562, section 5.7) of the start; its random bits are the digest's, so the same file has the same id.
fn id(started_micros: i64, sha256: &str) -> RecordingId {
    let digits = u128::from_str_radix(&sha256[..32], 16).unwrap_or_default().to_be_bytes();
    let mut random = [0; 10];
    random.copy_from_slice(&digits[..10]);
    let millis = started_micros.unsigned_abs() / 1000;
    RecordingId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

fn mark_key(sha256: &str) -> Result<Key, StoreError> {
    // Hexadecimal digits are legal in a name.
    Key::new(format!("imports/{sha256}.json")).map_err(|error| StoreError::Failed {
        action: "create",
        key: error.0.clone(),
        source: error.into(),
    })
}

fn digest(mut file: File, tick: &impl Fn(u64)) -> io::Result<String> {
    let mut sum = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(recording::hex(sum.finalize().into())),
            Ok(read) => {
                sum.update(&buffer[..read]);
                tick(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

async fn off<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ImportError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ImportError::Stopped)
}
