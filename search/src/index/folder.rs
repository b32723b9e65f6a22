//! The folder of an index: made, recognised, and emptied only where it is ours.

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
};

use tantivy::{
    Index,
    directory::{Directory, INDEX_WRITER_LOCK, MmapDirectory, error::LockError},
};

use crate::{
    Result, SearchError,
    schema::{Fields, VERSION, register},
};

/// The file that says that the folder is an index, and of which version.
const MARKER: &str = "kubetape-index";

/// What a folder holds.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    Nothing,
    ThisVersion,
    OtherVersion,
    SomethingElse,
}

/// Opens or makes an index of this version.
pub(super) fn open_for_writing(dir: &Path, masks: u64) -> Result<(Index, Fields)> {
    make(dir).map_err(|source| failed(dir, source))?;
    match content(dir, Some(masks)).map_err(|source| failed(dir, source))? {
        Content::Nothing => {}
        Content::ThisVersion => match open(dir) {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(dir = %dir.display(), error, "the index cannot be read: it is made anew from storage");
                empty(dir)?;
            }
        },
        Content::OtherVersion => {
            tracing::info!(dir = %dir.display(), "the index has another version: it is made anew from storage");
            empty(dir)?;
        }
        Content::SomethingElse => {
            let source = io::Error::other("it holds files that are not an index's");
            return Err(failed(dir, source));
        }
    }
    fs::write(dir.join(MARKER), format!("{VERSION} {masks:x}\n")).map_err(|source| failed(dir, source))?;
    let (schema, fields) = Fields::schema();
    let directory = MmapDirectory::open(dir).map_err(tantivy::TantivyError::from)?;
    let index = Index::open_or_create(directory, schema)?;
    register(&index);
    Ok((index, fields))
}

/// Opens an index of this version that exists.
pub(super) fn open_for_reading(dir: &Path) -> Result<(Index, Fields)> {
    match content(dir, None) {
        Ok(Content::ThisVersion) => open(dir),
        Ok(Content::OtherVersion) => Err(SearchError::Version(dir.to_owned())),
        Ok(Content::Nothing | Content::SomethingElse) => Err(SearchError::Missing(dir.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(SearchError::Missing(dir.to_owned())),
        Err(source) => Err(failed(dir, source)),
    }
}

/// Fails while another process writes to the index in `dir`. The lock is held as long as the value lives; none
/// where there is no index.
pub(crate) fn lock(dir: &Path) -> Result<Option<tantivy::directory::DirectoryLock>> {
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
pub(crate) fn failed(dir: &Path, source: io::Error) -> SearchError {
    SearchError::Folder { path: dir.to_owned(), source }
}

fn open(dir: &Path) -> Result<(Index, Fields)> {
    let (schema, fields) = Fields::schema();
    let directory = MmapDirectory::open(dir).map_err(tantivy::TantivyError::from)?;
    let index = Index::open_or_create(directory, schema)?;
    register(&index);
    Ok((index, fields))
}

/// Makes the folder, for its owner only: commands are in it.
fn make(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(dir)
}

fn content(dir: &Path, masks: Option<u64>) -> io::Result<Content> {
    match fs::read_to_string(dir.join(MARKER)) {
        Ok(marker) => {
            let (version, of) = marker.trim().split_once(' ').unwrap_or_default();
            let same = version == VERSION.to_string() && masks.is_none_or(|masks| of == format!("{masks:x}"));
            Ok(if same { Content::ThisVersion } else { Content::OtherVersion })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(if fs::read_dir(dir)?.next().is_none() { Content::Nothing } else { Content::SomethingElse })
        }
        Err(error) => Err(error),
    }
}

/// Removes the files of an index that nobody writes to.
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
