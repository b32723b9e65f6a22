mod folder;
mod walk;

use std::{io::ErrorKind, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use folder::Folder;

use crate::{Capabilities, ObjectMeta, Store, StoreError, blocking::blocking, store};
use recording::Key;

/// A folder as a store: the embedded default.
///
/// An object is a file of mode 0600 in folders of mode 0700. It is written beside, synced, and then linked to its name,
/// which fails if the name is taken: so it is there whole or not at all, and is never overwritten. Symbolic links
/// below the root are neither followed nor listed.
#[derive(Clone, Debug)]
pub struct Disk {
    folder: Arc<Folder>,
}

impl Disk {
    /// Opens a folder for reading and writing, creating it if it is missing, and tries a write. Files that a killed
    /// process left half written are removed once they are an hour old.
    ///
    /// # Errors
    /// [`StoreError::Failed`] names the folder: not a folder, not writable, a file system without hard links.
    pub async fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = dir.as_ref().to_owned();
        let shown = root.display().to_string();
        let folder = blocking(move || Folder::open(root)).await;
        Ok(Self { folder: Arc::new(folder.map_err(|e| StoreError::failed("use folder", shown, e))?) })
    }

    /// Opens a folder to read what is there; nothing is created or tried. Writes work if the folder allows them.
    ///
    /// # Errors
    /// [`StoreError::Failed`] if it is not a folder.
    pub async fn open_existing(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        let root = dir.as_ref().to_owned();
        let shown = root.display().to_string();
        let folder = blocking(move || Folder::existing(root)).await;
        Ok(Self { folder: Arc::new(folder.map_err(|e| StoreError::failed("use folder", shown, e))?) })
    }
}

#[async_trait]
impl Store for Disk {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        let (folder, name) = (Arc::clone(&self.folder), key.clone());
        match blocking(move || folder.create(&name, &bytes)).await {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(StoreError::Exists(key.clone())),
            other => other.map_err(|error| StoreError::failed("write", key, error)),
        }
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        let (folder, name) = (Arc::clone(&self.folder), key.clone());
        match blocking(move || folder.read(&name, max)).await {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => {
                Err(StoreError::TooLarge { key: key.clone(), max })
            }
            Err(error) if absent(&error) => Err(StoreError::NotFound(key.clone())),
            Err(error) => Err(StoreError::failed("read", key, error)),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        let (folder, start, after) = (Arc::clone(&self.folder), prefix.to_owned(), after.cloned());
        let listed = blocking(move || walk::list(folder.root(), &start, after.as_ref(), limit)).await;
        listed.map_err(|error| StoreError::failed("list", prefix, error))
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let (folder, start) = (Arc::clone(&self.folder), prefix.to_owned());
        let listed = blocking(move || walk::children(folder.root(), &start)).await;
        listed.map_err(|error| StoreError::failed("list", prefix, error))
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        store::probe_by_creating_twice(self).await
    }
}

fn absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory)
}
