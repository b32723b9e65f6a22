//! `kubetape export --format bundle`: a folder with a recording and all that is needed to verify it.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use verify::Bundle;

/// What the program calls itself in what it writes.
pub const WRITTEN_BY: &str = concat!("kubetape ", env!("CARGO_PKG_VERSION"));

/// Makes the folder, which must be new or empty.
///
/// # Errors
/// The folder is in use, or cannot be made.
pub fn prepare(folder: &Path) -> Result<()> {
    let failed = || format!("cannot write {}", folder.display());
    make(folder).with_context(failed)?;
    let empty = std::fs::read_dir(folder).with_context(failed)?.next().is_none();
    ensure!(empty, "{} is there and not empty: name a new folder (--output)", folder.display());
    Ok(())
}

/// Writes the folder.
///
/// # Errors
/// An object cannot be read, or a file not be written.
pub async fn write(bundle: &Bundle, folder: &Path) -> Result<()> {
    for file in bundle.files() {
        let contents = bundle.read(file).await.with_context(|| format!("cannot read {}", file.path))?;
        put(&folder.join(&file.path), &contents)?;
    }
    let (files, entries) = (bundle.files().len(), bundle.journal_entries());
    eprintln!("{}: {files} files, {entries} of them of the journal", folder.display());
    Ok(())
}

/// Writes a new file that only its owner may read.
fn put(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || {
        make(path.parent().unwrap_or(Path::new(".")))?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(bytes)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn make(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
