//! How far a journal has come, beside the gateway: if the store's journal ends earlier, its end was cut off.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use recording::JournalHead;

/// Reads the file; `None` if there is no file, or a damaged one, which is logged.
pub(crate) fn read(path: &Path) -> Option<JournalHead> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "cannot read how far the journal had come");
            return None;
        }
    };
    let head = serde_json::from_slice(&text);
    head.inspect_err(|error| tracing::error!(path = %path.display(), %error, "not how far the journal had come")).ok()
}

/// Replaces the file. It need not survive a power cut: an older head shows less and claims nothing wrong.
pub(crate) fn write(path: &Path, head: &JournalHead) {
    let beside = path.with_extension("new");
    let written = serde_json::to_vec(head)
        .map_err(io::Error::from)
        .and_then(|text| write_private(&beside, &text))
        .and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "cannot keep how far the journal has come");
    }
}

/// Writes a file with mode 0600, whatever one that a crash left had.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)
}
