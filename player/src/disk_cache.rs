use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use recording::RecordingId;

use crate::timeline::Timeline;

/// Part of the files' names. Changes with the form of [`Timeline`] or its meaning, so that no file is read wrongly.
const VERSION: u32 = 2;

/// Most bytes of a timeline once decompressed. The segmenter keeps snapshots far below it.
const MAX_JSON_BYTES: usize = 256 << 20;

/// A recording whose newest chunk has a lower number is not stored: reading it again is quick.
const MIN_CHUNK: u32 = 4;

/// A folder of the timelines of recordings that are over, so that a long one is read once and not after every start.
/// The files are derived data: one that is missing or damaged is made again. They hold what was on screens, so only
/// their owner may read them.
#[derive(Clone, Debug)]
pub(crate) struct DiskCache {
    folder: PathBuf,
    /// Most bytes of the folder; beyond it the files that were used longest ago are removed.
    limit: u64,
}

/// As of recordings: a higher level makes JSON little smaller.
const LEVEL: i32 = 1;

impl DiskCache {
    pub(crate) fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit }
    }

    /// The recording's timeline, or `None` if there is none that can be read.
    pub(crate) fn load(&self, id: RecordingId) -> Option<Timeline> {
        let path = self.path(id);
        let bytes = fs::read(&path).ok()?;
        let json = zstd::bulk::decompress(&bytes, MAX_JSON_BYTES).ok()?;
        let timeline = serde_json::from_slice(&json).ok()?;
        // `make_room` tells by it which files were used long ago.
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(timeline)
    }

    /// Stores a timeline that will not change; ignores one that may. A failure is logged and loses nothing: the timeline
    /// is made again when it is needed.
    pub(crate) fn store(&self, id: RecordingId, timeline: &Timeline) {
        if !timeline.complete || timeline.chunk < MIN_CHUNK {
            return;
        }
        if let Err(error) = self.write(id, timeline) {
            tracing::warn!(session = %id, %error, folder = %self.folder.display(), "a timeline cannot be cached on disk");
        }
    }

    fn write(&self, id: RecordingId, timeline: &Timeline) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut compressor = zstd::bulk::Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        let object = compressor.compress(&serde_json::to_vec(timeline)?)?;
        let part = self.folder.join(format!("{id}.{:08x}.part", std::process::id()));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        io::Write::write_all(&mut file, &object)?;
        fs::rename(&part, self.path(id))?;
        self.make_room()
    }

    fn make_room(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            files.push((about.modified()?, about.len(), entry.path()));
        }
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= self.limit {
                break;
            }
            remove(&path)?;
            total -= size;
        }
        Ok(())
    }

    fn path(&self, id: RecordingId) -> PathBuf {
        self.folder.join(format!("{id}.{VERSION}.json.zst"))
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
