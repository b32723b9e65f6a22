use std::{fs::File, io, io::Read, path::Path, sync::Arc};

use jiff::Timestamp;
use recording::{
    Key, Micros, RecordingId,
    cast::{Header, SessionMetadata},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use storage::{RecordingReader, RecordingWriter, Store, StoreError, StoredChunk, StoredManifest, signing::Signer};

use crate::{
    DeclaredIdentity, ImportError, ImportLimits,
    chunk_builder::{ChunkBuilder, FullChunk},
    event_reader::EventReader,
    scan::ScanSummary,
    source_file::{self, ImportedFile, SourceFile},
};

/// Bytes read at once for the digest.
const BUFFER: usize = 1 << 20;

/// Puts files into a store.
#[derive(Clone, Debug)]
pub struct Importer {
    store: Arc<dyn Store>,
    reader: RecordingReader,
    writer: RecordingWriter,
    limits: ImportLimits,
}

/// Largest mark in bytes that is read: they have less than 100.
const LARGEST_MARK: u64 = 4 << 10;

/// Under which recording a file is: `imports/<sha256>.json`.
#[derive(Serialize, Deserialize)]
struct ImportMark {
    session: RecordingId,
}

impl Importer {
    /// Imports into `store`; manifests are signed by `signer`.
    pub fn new(store: Arc<dyn Store>, signer: Arc<Signer>, limits: ImportLimits) -> Self {
        let (reader, writer) =
            (RecordingReader::new(Arc::clone(&store)), RecordingWriter::new(Arc::clone(&store), signer));
        Self { store, reader, writer, limits }
    }

    /// Imports a file, unless it is there already. `tick` is called with the bytes of every piece that was read: three
    /// times the file's size in all.
    ///
    /// # Errors
    /// [`ImportError`]; see [`ImportError::is_of_file`].
    ///
    /// # Cancel safety
    /// If the future is dropped some chunks may be stored: the same import goes on behind them.
    pub async fn import(
        &self,
        path: &Path,
        declared: &DeclaredIdentity,
        tick: impl Fn(u64) + Clone + Send + 'static,
    ) -> Result<ImportedFile, ImportError> {
        let read = |source| ImportError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read)?;
        let about = file.metadata().map_err(read)?;
        if !about.is_file() {
            return Err(read(io::Error::new(io::ErrorKind::InvalidInput, "it is no file")));
        }
        let again = || file.try_clone().map_err(read);
        let (sum, ticks) = (again()?, tick.clone());
        let sha256 = blocking(move || digest(sum, &ticks)).await?.map_err(read)?;
        let (limits, of, ticks) = (self.limits, again()?, tick.clone());
        let summary = blocking(move || ScanSummary::new(EventReader::open(of, limits, ticks)?)).await??;
        let source = SourceFile { path, sha256, size: about.len(), modified: about.modified().ok(), declared };
        let done = |id, stored| source.done(&summary, id, stored);
        if let Some(id) = self.imported_before(&source.sha256).await? {
            return Ok(done(id, None));
        }
        let session = source.session(&summary)?;
        if self.reader.manifest(session.id).await?.is_some() {
            self.put_mark(&source.sha256, session.id).await?;
            return Ok(done(session.id, None));
        }
        let stored = self.write(session.clone(), &summary, again()?, declared.keep_input, tick).await?;
        self.put_mark(&source.sha256, session.id).await?;
        Ok(done(session.id, Some(stored)))
    }

    async fn imported_before(&self, sha256: &str) -> Result<Option<RecordingId>, ImportError> {
        match self.store.read(&import_mark_key(sha256)?, LARGEST_MARK).await {
            // If the mark cannot be read, the recording itself is found, or there is a conflict.
            Ok(bytes) => Ok(serde_json::from_slice::<ImportMark>(&bytes).ok().map(|mark| mark.session)),
            Err(StoreError::NotFound(_) | StoreError::TooLarge { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn put_mark(&self, sha256: &str, session: RecordingId) -> Result<(), ImportError> {
        let json = serde_json::to_vec(&ImportMark { session }).unwrap_or_default();
        match self.store.put_new(&import_mark_key(sha256)?, json.into()).await {
            Ok(()) | Err(StoreError::Exists(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the chunks, and then the manifest. What an import that was cut off has put already is kept.
    async fn write(
        &self,
        session: SessionMetadata,
        summary: &ScanSummary,
        file: File,
        keep_input: bool,
        tick: impl Fn(u64) + Send + 'static,
    ) -> Result<StoredManifest, ImportError> {
        let (header, first) = self.begin(source_file::header(session, &summary.header.title)).await?;
        let id = header.kubetape.id;
        let (mut chunks, mut digest) = (vec![first.listed(Micros::ZERO, Micros::ZERO)], first.digest);
        let mut builder = ChunkBuilder::new(keep_input);
        if let Some((columns, rows)) = summary.header.size.filter(|_| header.kubetape.tty) {
            builder.size(Micros::ZERO, columns, rows);
        }
        let limits = self.limits;
        let mut chunk_writer =
            ChunkWriter { reader: blocking(move || EventReader::open(file, limits, tick)).await??, builder, events: 0 };
        loop {
            let full;
            (chunk_writer, full) = blocking(move || chunk_writer.next()).await??;
            let Some(full) = full else { break };
            let put = self.writer.put_chunk(id, chunks.len() as u32, full.lines, digest).await?;
            let stored = put.stored().map_err(ImportError::Conflict)?;
            chunks.push(stored.listed(full.first, full.last));
            digest = stored.digest;
        }
        if chunk_writer.events != summary.events {
            return Err(ImportError::Changed);
        }
        let manifest = source_file::manifest(header.kubetape, summary, chunks);
        let put = self.writer.put_manifest(&manifest, Timestamp::now().into()).await?;
        put.stored().map_err(ImportError::Conflict)
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

/// Fills chunks with the file's events.
struct ChunkWriter {
    reader: EventReader,
    builder: ChunkBuilder,
    events: u64,
}

impl ChunkWriter {
    fn next(mut self) -> Result<(Self, Option<FullChunk>), ImportError> {
        loop {
            if let Some(full) = self.builder.next_full() {
                return Ok((self, Some(full)));
            }
            match self.reader.next()? {
                Some(event) => {
                    self.events += 1;
                    self.builder.event(&event);
                }
                None => {
                    self.builder.end();
                    let full = self.builder.next_full();
                    return Ok((self, full));
                }
            }
        }
    }
}

fn import_mark_key(sha256: &str) -> Result<Key, StoreError> {
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

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ImportError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ImportError::Stopped)
}
