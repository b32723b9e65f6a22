//! `[storage]`: where recordings and journal are kept.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{raw, reader::Reader};

const FOLDER: &str = "/var/lib/kubetape/storage";

/// Where recordings are kept.
#[derive(Clone, Debug)]
pub enum Storage {
    /// A folder.
    Disk(PathBuf),
    /// A bucket; `bucket` is set, paths are absolute.
    S3(raw::S3),
}

impl Reader<'_> {
    pub(super) fn storage(&self, raw: raw::Storage) -> Result<Storage> {
        let path = |file: Option<PathBuf>| file.map(|file| self.path(file));
        match raw.kind.unwrap_or(raw::StorageKind::Disk) {
            raw::StorageKind::Disk => Ok(Storage::Disk(self.path(raw.path.unwrap_or(FOLDER.into())))),
            raw::StorageKind::S3 => {
                let s3 = raw.s3;
                ensure!(
                    s3.bucket.as_ref().is_some_and(|bucket| !bucket.is_empty()),
                    "{}: storage of kind \"s3\" needs the bucket's name",
                    self.at("storage.s3.bucket")
                );
                let twice = |a: bool, b: bool| a && b;
                ensure!(
                    !twice(s3.secret_key.is_some(), s3.secret_key_file.is_some()),
                    "{}: set `secret_key` or `secret_key_file`, not both",
                    self.at("storage.s3.secret_key_file")
                );
                ensure!(
                    !twice(s3.access_key.is_some(), s3.access_key_file.is_some()),
                    "{}: set `access_key` or `access_key_file`, not both",
                    self.at("storage.s3.access_key_file")
                );
                let (access_key_file, secret_key_file) = (path(s3.access_key_file), path(s3.secret_key_file));
                Ok(Storage::S3(raw::S3 { access_key_file, secret_key_file, ..s3 }))
            }
        }
    }
}
