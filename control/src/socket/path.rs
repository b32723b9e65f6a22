//! A path to the socket that is short enough for the kernel.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// `sun_path` has 108 bytes, the closing zero included; five are left free.
const LONGEST: usize = 103;

/// A path to bind or connect to. Where the socket's own path is too long, it goes through an open descriptor of the folder,
/// in `/proc/self/fd`.
pub(super) struct SocketPath {
    pub(super) path: PathBuf,
    /// Kept open while the path is used.
    _folder: Option<File>,
}

impl SocketPath {
    /// The path to the socket `file`. Its folder must exist.
    pub(super) fn to(file: &Path) -> io::Result<Self> {
        if file.as_os_str().len() <= LONGEST {
            return Ok(Self { path: file.to_owned(), _folder: None });
        }
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let folder = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(name);
        Ok(Self { path, _folder: Some(folder) })
    }
}
