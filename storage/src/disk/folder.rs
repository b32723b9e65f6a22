use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use rustix::fs::OFlags;
use uuid::Uuid;

use recording::Key;

/// Files being written lie here. `~` is in no legal key, so no object can be named into it.
const INCOMING: &str = "incoming~";

/// A half written file of this age has no writer any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Folders that were seen to be there and not to be links. At the bound all are forgotten and looked at again.
const MAX_CHECKED: usize = 4096;

#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    checked: Mutex<HashSet<PathBuf>>,
}

impl Folder {
    pub(super) fn open(root: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        let folder = Self::existing(root)?;
        let incoming = folder.root.join(INCOMING);
        make_dir(&incoming)?;
        sweep(&incoming)?;
        folder.try_links()?;
        Ok(folder)
    }

    pub(super) fn existing(root: PathBuf) -> io::Result<Self> {
        let root = fs::canonicalize(root)?;
        if !fs::metadata(&root)?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Self { root, checked: Mutex::default() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Creates the object. `AlreadyExists` if the name is taken.
    ///
    /// Seven system calls if the folder was seen before: open, write, sync and close of the file, link, unlink, and the
    /// folder's open, sync and close.
    pub(super) fn create(&self, key: &Key, bytes: &[u8]) -> io::Result<()> {
        let (parent, path) = self.paths(key);
        self.prepare(&parent)?;
        let temporary = self.write_beside(bytes)?;
        let mut linked = fs::hard_link(&temporary, &path);
        if matches!(&linked, Err(error) if error.kind() == ErrorKind::NotFound) {
            // Somebody removed the folder since it was looked at: old recordings are cleared away like that.
            self.checked().clear();
            linked = self.prepare(&parent).and_then(|()| fs::hard_link(&temporary, &path));
        }
        let removed = fs::remove_file(&temporary);
        // Also if the name is taken. This may have failed after an earlier link: the caller then tries again, finds its own
        // object, and takes it for durable.
        sync_dir(&parent)?;
        linked?;
        removed
    }

    /// Reads the object. `FileTooLarge` if it has more than `max` bytes, also if it grows while it is read.
    pub(super) fn read(&self, key: &Key, max: u64) -> io::Result<Vec<u8>> {
        let (parent, path) = self.paths(key);
        self.refuse_links(&parent)?;
        let file = OpenOptions::new().read(true).custom_flags(NOFOLLOW).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(ErrorKind::NotFound.into());
        }
        if metadata.size() > max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.size()).unwrap_or(0));
        file.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > max { Err(ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
    }

    fn paths(&self, key: &Key) -> (PathBuf, PathBuf) {
        let path = self.root.join(key.as_str());
        let parent = path.parent().unwrap_or(&self.root).to_owned();
        (parent, path)
    }

    fn write_beside(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.root.join(INCOMING).join(Uuid::new_v4().simple().to_string());
        let written = match create_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_dir(&self.root.join(INCOMING)).and_then(|()| create_file(&path))
            }
            other => other,
        }
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()));
        match written {
            Ok(()) => Ok(path),
            Err(error) => {
                // A full disk should not be kept full by what could not be written.
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Makes sure that the folder is there, durable, and reached through no link.
    fn prepare(&self, dir: &Path) -> io::Result<()> {
        if self.checked().contains(dir) {
            return Ok(());
        }
        for step in self.folders_down_to(dir) {
            if self.checked().contains(&step) {
                continue;
            }
            make_dir(&step)?;
            if let Some(parent) = step.parent() {
                sync_dir(parent)?;
            }
            let mut checked = self.checked();
            if checked.len() >= MAX_CHECKED {
                checked.clear();
            }
            checked.insert(step);
        }
        Ok(())
    }

    fn refuse_links(&self, dir: &Path) -> io::Result<()> {
        if self.checked().contains(dir) {
            return Ok(());
        }
        self.folders_down_to(dir).into_iter().try_for_each(|step| no_link(&step))
    }

    /// The folders from below the root down to `dir`.
    fn folders_down_to(&self, dir: &Path) -> Vec<PathBuf> {
        let mut steps: Vec<_> = dir.ancestors().take_while(|step| *step != self.root).map(Path::to_owned).collect();
        steps.reverse();
        steps
    }

    fn try_links(&self) -> io::Result<()> {
        let temporary = self.write_beside(b"Kubetape tries to write.\n")?;
        let linked = temporary.with_extension("linked~");
        let tried = fs::hard_link(&temporary, &linked);
        let removed = fs::remove_file(&temporary);
        tried?;
        removed?;
        fs::remove_file(linked)
    }

    fn checked(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A link is not opened, which the standard library has no word for. The flag differs between systems and processors.
const NOFOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn make_dir(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => no_link(path),
        other => other,
    }
}

fn no_link(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) }
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn sweep(incoming: &Path) -> io::Result<()> {
    let now = SystemTime::now();
    for file in fs::read_dir(incoming)? {
        let file = file?;
        let written = file.metadata().and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|at| now.duration_since(at).ok());
        if age.is_some_and(|age| age > ABANDONED) {
            // Another process may have swept it first.
            let _ = fs::remove_file(file.path());
        }
    }
    Ok(())
}
