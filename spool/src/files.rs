//! The files and folders of a spool: where they are, and how they are made. Everything is for the gateway's user alone.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// The file of a segment in a session's folder. Number 0 is the file of header and records.
pub(crate) fn numbered(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:06}"))
}

/// Creates a file to append to, of mode 0600.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

/// Creates a folder of mode 0700.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes a folder of mode 0700 and those above it, if they are missing.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}
