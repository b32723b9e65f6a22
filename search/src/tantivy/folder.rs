//! The folder of an index: created, recognised by its marker file, and emptied only if it has one.

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use tantivy::{
    Index,
    directory::{Directory, INDEX_WRITER_LOCK, MmapDirectory, error::LockError},
};

use super::{
    schema::{Fields, OLDEST_READABLE, VERSION},
    tokenizer::register,
};
use crate::{Result, SearchError};

/// The file that marks the folder as an index. Holds the version and the fingerprint of the masks.
const MARKER: &str = "kubetape-index";

/// What a folder holds.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    Empty,
    Index {
        /// A version that this one can search.
        version: u32,
        /// Fingerprint of the masks of its documents.
        masks: u64,
    },
    OtherVersion,
    SomethingElse,
}

/// Opens an index, or creates one of this version. Also returns whether the index is stale: an earlier version wrote it, or
/// its documents were masked with other rules than those of the fingerprint `masks`.
pub(super) fn open_for_writing(dir: &Path, masks: u64) -> Result<(Index, Fields, bool)> {
    // A process ended between the two renames of `swap`.
    let old = beside(dir, ".old");
    if !dir.exists() && old.exists() {
        fs::rename(&old, dir).map_err(|source| failed(dir, source))?;
    }
    create(dir).map_err(|source| failed(dir, source))?;
    match content(dir).map_err(|source| failed(dir, source))? {
        Content::Empty => {}
        Content::Index { version, masks: with } => match open(dir) {
            Ok((index, fields)) => return Ok((index, fields, (version, with) != (VERSION, masks))),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(dir = %dir.display(), error, "the index cannot be read: it is rebuilt from storage");
                empty(dir)?;
            }
        },
        Content::OtherVersion => {
            tracing::info!(dir = %dir.display(), "the index has a version that cannot be searched: it is rebuilt from storage");
            empty(dir)?;
        }
        Content::SomethingElse => {
            let source = io::Error::other("it holds files that are not an index's");
            return Err(failed(dir, source));
        }
    }
    fs::write(dir.join(MARKER), format!("{VERSION} {masks:x}\n")).map_err(|source| failed(dir, source))?;
    let (schema, fields) = Fields::schema()?;
    let directory = MmapDirectory::open(dir).map_err(tantivy::TantivyError::from)?;
    let index = Index::open_or_create(directory, schema)?;
    register(&index);
    Ok((index, fields, false))
}

/// Opens an existing index.
pub(super) fn open_for_reading(dir: &Path) -> Result<(Index, Fields)> {
    match content(dir) {
        Ok(Content::Index { .. }) => open(dir),
        Ok(Content::OtherVersion) => Err(SearchError::Version(dir.to_owned())),
        Ok(Content::Empty | Content::SomethingElse) => Err(SearchError::Missing(dir.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(SearchError::Missing(dir.to_owned())),
        Err(source) => Err(failed(dir, source)),
    }
}

/// Takes the writer's lock of the index in `dir`, until the value is dropped; `None` if there is no index.
///
/// # Errors
/// [`SearchError::Locked`] while another process writes to it.
pub(super) fn lock(dir: &Path) -> Result<Option<tantivy::directory::DirectoryLock>> {
    if !dir.join(MARKER).exists() {
        return Ok(None);
    }
    let directory = MmapDirectory::open(dir).map_err(tantivy::TantivyError::from)?;
    match directory.acquire_lock(&INDEX_WRITER_LOCK) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::LockBusy) => Err(SearchError::Locked(dir.to_owned())),
        Err(LockError::IoError(error)) => Err(failed(dir, io::Error::other(error))),
    }
}

/// An error about the folder.
pub(super) fn failed(dir: &Path, source: io::Error) -> SearchError {
    SearchError::Folder { path: dir.to_owned(), source }
}

fn open(dir: &Path) -> Result<(Index, Fields)> {
    let index = Index::open_in_dir(dir)?;
    let fields = Fields::of_schema(&index.schema())?;
    register(&index);
    Ok((index, fields))
}

/// Creates the folder, for its owner only: it contains commands.
fn create(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

fn content(dir: &Path) -> io::Result<Content> {
    match fs::read_to_string(dir.join(MARKER)) {
        Ok(marker) => {
            let (version, masks) = marker.trim().split_once(' ').unwrap_or_default();
            let version = version.parse().ok().filter(|version| (OLDEST_READABLE..=VERSION).contains(version));
            let masks = u64::from_str_radix(masks, 16).ok();
            let both = version.zip(masks);
            Ok(both.map_or(Content::OtherVersion, |(version, masks)| Content::Index { version, masks }))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(if fs::read_dir(dir)?.next().is_none() { Content::Empty } else { Content::SomethingElse })
        }
        Err(error) => Err(error),
    }
}

/// Removes the files of an index, unless another process writes to it.
fn empty(dir: &Path) -> Result<()> {
    let _held = lock(dir)?;
    let remove = || {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let keep = entry.file_name() == MARKER || entry.path() == dir.join(&INDEX_WRITER_LOCK.filepath);
            if !keep && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        io::Result::Ok(())
    };
    remove().map_err(|source| failed(dir, source))
}

/// The folder beside `dir` with `suffix` at the end of its name.
pub(super) fn beside(dir: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(dir.file_name().unwrap_or_default());
    name.push(suffix);
    dir.with_file_name(name)
}

/// Puts the index in `dir.new` in the place of the one in `dir`. Between the two renames there is no index, as a process is
/// told that opens it then.
pub(super) fn swap(dir: &Path) -> io::Result<()> {
    let (new, old) = (beside(dir, ".new"), beside(dir, ".old"));
    remove(&old)?;
    if dir.exists() {
        fs::rename(dir, &old)?;
    }
    fs::rename(new, dir)?;
    remove(&old)
}

/// Removes a folder, if it exists.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
