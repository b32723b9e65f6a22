use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::SystemTime,
};

use recording::RecordingId;
use storage::chunk;

use crate::timeline::Timeline;

/// Changes whenever what is kept would be read in another way.
const VERSION: u32 = 1;

/// Bytes of one timeline once decompressed. Snapshots are held far below it.
const LARGEST: usize = 256 << 20;

/// Recordings of fewer chunks are gone through again: that is quicker than it is worth keeping.
const CHUNKS: u32 = 4;

/// A folder of timelines of recordings that are over, so that a long one is gone through once and not at every start.
/// It is derived: what is missing or damaged is made again. It holds what was on screens: it is for its owner only.
#[derive(Clone, Debug)]
pub(crate) struct DiskCache {
    folder: PathBuf,
    /// Bytes at most; the ones used longest ago are removed beyond it.
    limit: u64,
}

impl DiskCache {
    pub(crate) fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit }
    }

    pub(crate) fn load(&self, id: RecordingId) -> Option<Timeline> {
        let path = self.path(id);
        let bytes = fs::read(&path).ok()?;
        let json = chunk::decompress(&bytes, LARGEST).ok()?;
        let timeline = serde_json::from_slice(&json).ok()?;
        // By this one knows which were used long ago.
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(timeline)
    }

    /// Keeps a timeline that will not change. What fails is no loss: it is logged, and made again when it is needed.
    pub(crate) fn store(&self, id: RecordingId, timeline: &Timeline) {
        if !timeline.complete || timeline.chunk < CHUNKS {
            return;
        }
        if let Err(error) = self.write(id, timeline) {
            tracing::warn!(session = %id, %error, folder = %self.folder.display(), "a timeline cannot be kept");
        }
    }

    fn write(&self, id: RecordingId, timeline: &Timeline) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let object = chunk::compress(&serde_json::to_vec(timeline)?)?;
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
