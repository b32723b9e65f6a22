//! The secret key's file: made on the first start in the gateway's state folder, or given.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use recording::{JournalHead, KeyId, UnixMicros};
use thiserror::Error;

use super::{KeyError, KeyStatement, Predecessor, PublicKey, Signer, StatementError, publish};
use crate::{Store, StoreError, private_file};

/// The key in use, in the folder.
const KEY: &str = "key.pem";
/// A key that waits for the next start, in the folder.
const NEXT: &str = "next.pem";

/// Where the key is that signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// Files of the gateway's own in this folder, which are made as needed.
    Own(PathBuf),
    /// PEM files that were given.
    Given {
        /// The key.
        key: PathBuf,
        /// The key before it, which vouches for it.
        previous: Option<PathBuf>,
    },
}

/// Why a key file cannot be used or made. Never says what the key is.
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot use the signing key {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// The file has no key.
    #[error("cannot use the signing key {}", .0.display())]
    NoKey(PathBuf, #[source] KeyError),
    /// The file cannot be written.
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The system has no random numbers.
    #[error("cannot make a signing key")]
    Make(#[source] KeyError),
    /// The store does not take the statement of the public key.
    #[error("cannot store the public key beside the recordings")]
    Publish(#[source] StatementError),
    /// The store does not say how far the gateway's journals have come.
    #[error("cannot read how far the journals have come that the key before has signed")]
    Journals(#[source] StoreError),
    /// There is no key to be replaced.
    #[error("there is no key yet in {}: the first `kubetape serve` makes one", .0.display())]
    NothingToReplace(PathBuf),
    /// The key was replaced already, and the gateway has not started since.
    #[error("the key {0} waits already for the next start of the gateway")]
    AlreadyReplaced(KeyId),
    /// A key that was given is not replaced here.
    #[error("the key is given, and is replaced where it comes from")]
    NotOwn,
}

impl KeySource {
    /// Opens the key at a gateway's start. The statement of its public half is in the store when this returns. A key that
    /// waited for this start is taken into use, and the one before it vouches for it, from behind `journals` on: how far the
    /// gateway's journals have come, which nobody may write meanwhile. It is asked for only then.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub async fn start(
        &self,
        store: &Arc<dyn Store>,
        gateway: &str,
        now: UnixMicros,
        journals: impl AsyncFnOnce() -> Result<Vec<JournalHead>, StoreError>,
    ) -> Result<(Signer, KeyStatement), KeyFileError> {
        let (signer, before) = match self {
            Self::Own(folder) => own(folder)?,
            Self::Given { key, previous } => (read(key)?, previous.as_deref().map(read).transpose()?),
        };
        let predecessor = match &before {
            Some(signer) => Some(Predecessor { signer, journals: journals().await.map_err(KeyFileError::Journals)? }),
            None => None,
        };
        let statement = publish(store, gateway, &signer, predecessor, now).await;
        let statement = statement.map_err(KeyFileError::Publish)?;
        if let (Self::Own(folder), Some(_)) = (self, &before) {
            let path = folder.join(KEY);
            std::fs::rename(folder.join(NEXT), &path).map_err(|error| KeyFileError::Write(path, error))?;
        }
        let predecessor = before.map(|before| before.public());
        Ok((predecessor.into_iter().fold(signer, Signer::after), statement))
    }

    /// Opens the key beside a gateway that may be running: one that waits for the gateway's next start goes on waiting.
    ///
    /// # Errors
    /// [`KeyFileError`]
    pub async fn beside_gateway(
        &self,
        store: &Arc<dyn Store>,
        gateway: &str,
        now: UnixMicros,
    ) -> Result<Signer, KeyFileError> {
        let signer = match self {
            Self::Own(folder) => in_use(folder)?,
            Self::Given { key, .. } => read(key)?,
        };
        publish(store, gateway, &signer, None, now).await.map_err(KeyFileError::Publish)?;
        Ok(signer)
    }

    /// The public half of the key in use, or `None` if there is no key yet. Makes nothing.
    ///
    /// # Errors
    /// The file is there and cannot be read, or has no key.
    pub fn public_key(&self) -> Result<Option<PublicKey>, KeyFileError> {
        let path = match self {
            Self::Own(folder) => folder.join(KEY),
            Self::Given { key, .. } => key.clone(),
        };
        if !path.try_exists().unwrap_or(false) {
            return Ok(None);
        }
        Ok(Some(read(&path)?.public()))
    }

    /// Makes a key for the gateway's next start, and returns its public half.
    ///
    /// # Errors
    /// [`KeyFileError::NotOwn`] for a key that was given; [`KeyFileError::NothingToReplace`] before the first start;
    /// [`KeyFileError::AlreadyReplaced`] for the second time since a start.
    pub fn rotate(&self) -> Result<PublicKey, KeyFileError> {
        let Self::Own(folder) = self else { return Err(KeyFileError::NotOwn) };
        let path = folder.join(KEY);
        if !path.exists() {
            return Err(KeyFileError::NothingToReplace(path));
        }
        let next = Signer::generate().map_err(KeyFileError::Make)?;
        let path = folder.join(NEXT);
        if !create(&path, &next)? {
            return Err(KeyFileError::AlreadyReplaced(read(&path)?.public().id()));
        }
        Ok(next.public())
    }
}

/// The folder's key, made if there is none, and with one that waited the key that it replaces.
fn own(folder: &Path) -> Result<(Signer, Option<Signer>), KeyFileError> {
    let next = folder.join(NEXT);
    if next.exists() {
        return Ok((read(&next)?, Some(in_use(folder)?)));
    }
    Ok((in_use(folder)?, None))
}

fn in_use(folder: &Path) -> Result<Signer, KeyFileError> {
    let path = folder.join(KEY);
    if !path.exists() {
        create(&path, &Signer::generate().map_err(KeyFileError::Make)?)?;
    }
    read(&path)
}

fn read(path: &Path) -> Result<Signer, KeyFileError> {
    let text = std::fs::read_to_string(path).map_err(|error| KeyFileError::Read(path.to_owned(), error))?;
    if std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0) {
        tracing::warn!(key = %path.display(), "others than its owner may read the signing key");
    }
    Signer::from_pem(&text).map_err(|error| KeyFileError::NoKey(path.to_owned(), error))
}

/// Writes a key so that only its owner can read it. Returns false if there is a file already.
fn create(path: &Path, signer: &Signer) -> Result<bool, KeyFileError> {
    let pem = signer.to_pem().map_err(KeyFileError::Make)?;
    let written = private_file::create_folder(path.parent().unwrap_or(Path::new(".")))
        .and_then(|()| private_file::create(path, pem.as_bytes()));
    written.map_err(|error| KeyFileError::Write(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use recording::Key;

    use super::*;
    use crate::Memory;

    async fn start(source: &KeySource, store: &Arc<dyn Store>) -> PublicKey {
        source.start(store, "gw", UnixMicros::new(1), async || Ok(Vec::new())).await.unwrap().0.public()
    }

    async fn statement(store: &Arc<dyn Store>, key: PublicKey) -> KeyStatement {
        KeyStatement::parse(&store.read(&Key::signing_key(&key.id()), u64::MAX).await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn a_key_is_made_once_and_only_its_owner_may_read_it() {
        let (state, store): (_, Arc<dyn Store>) = (tempfile::tempdir().unwrap(), Arc::new(Memory::new()));
        let folder = state.path().join("signing");
        let source = KeySource::Own(folder.clone());
        assert_eq!(source.public_key().unwrap(), None);
        assert!(source.rotate().unwrap_err().to_string().contains("no key yet"));
        let first = start(&source, &store).await;
        assert_eq!(start(&source, &store).await, first);
        assert_eq!(source.public_key().unwrap(), Some(first));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&folder.join(KEY))), (0o700, 0o600));
    }

    #[tokio::test]
    async fn a_rotated_key_is_used_from_the_next_start_on_and_vouched_for() {
        let (state, store): (_, Arc<dyn Store>) = (tempfile::tempdir().unwrap(), Arc::new(Memory::new()));
        let source = KeySource::Own(state.path().to_owned());
        let first = start(&source, &store).await;
        let next = source.rotate().unwrap();
        assert!(source.rotate().unwrap_err().to_string().contains(&format!("the key {} waits", next.id())));
        assert_eq!(source.public_key().unwrap(), Some(first), "not before the next start");
        assert_eq!(source.beside_gateway(&store, "gw", UnixMicros::new(1)).await.unwrap().public(), first);
        assert_eq!(start(&source, &store).await, next);
        assert!(statement(&store, next).await.is_introduced_by(&first));
        assert_eq!(start(&source, &store).await, next);
    }

    #[tokio::test]
    async fn a_given_key_is_used_where_it_is() {
        let (state, store): (_, Arc<dyn Store>) = (tempfile::tempdir().unwrap(), Arc::new(Memory::new()));
        let (old, new) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let [key, previous] = ["new.pem", "old.pem"].map(|name| state.path().join(name));
        std::fs::write(&key, new.to_pem().unwrap()).unwrap();
        std::fs::write(&previous, old.to_pem().unwrap()).unwrap();
        let source = KeySource::Given { key, previous: Some(previous) };
        assert_eq!(start(&source, &store).await, new.public());
        assert!(statement(&store, new.public()).await.is_introduced_by(&old.public()));
        assert!(matches!(source.rotate(), Err(KeyFileError::NotOwn)));
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 2);
    }
}
