//! Where the socket is, also below a path that is longer than a socket's may be.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// `sun_path` has 108 bytes on Linux and 104 elsewhere, the closing zero included.
const LONGEST: usize = 103;

/// A path to bind or connect to.
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// What the path goes through.
    _folder: Option<File>,
}

impl Place {
    /// Of the socket `file`, whose folder exists.
    pub(super) fn of(file: &Path) -> io::Result<Self> {
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
