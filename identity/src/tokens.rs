//! Bearer tokens: who may log in with which. The file has digests only.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use access::{Credential, Principal};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::{name::NameError, private_file};

/// Why the tokens cannot be read or changed.
#[derive(Debug, Error)]
pub enum TokensError {
    /// The file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read`, `write`, `lock`.
        action: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what `kubetape token create` writes.
    #[error("{} is not a list of tokens", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A name cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// No such token.
    #[error("there is no token {0:?}")]
    Unknown(String),
}

/// Why a token was not accepted. Says nothing about which tokens exist.
#[derive(Debug, Error)]
pub enum TokenRefusal {
    /// Unknown, malformed or revoked.
    #[error("the bearer token is not known: it was never issued, or was revoked")]
    Unknown,
    /// The secret was right; its time is over.
    #[error("the bearer token has expired: get a new one")]
    Expired,
    /// The gateway cannot read its tokens.
    #[error("the gateway cannot check bearer tokens now")]
    Unreadable(#[source] TokensError),
}

/// A token, as it is listed. Its secret is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Names it in lists and journals.
    pub id: String,
    /// The person.
    pub name: String,
    /// The person's groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// SHA-256 of the secret, hex.
    sha256: String,
}

/// The tokens of one file. The file is read again when it has changed, so that `kubetape token revoke` needs
/// no restart.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    loaded: Mutex<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    stamp: Option<Stamp>,
    tokens: Vec<Token>,
}

/// What changes when a file is replaced or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Tokens {
    /// Reads the file; one that does not exist has no tokens.
    ///
    /// # Errors
    /// [`TokensError`] names the file.
    pub fn open(path: &Path) -> Result<Self, TokensError> {
        let tokens = Self { path: path.to_owned(), loaded: Mutex::default() };
        tokens.with(|_| ())?;
        Ok(tokens)
    }

    /// Makes a token for `name` and returns its secret: the only time it is seen.
    ///
    /// # Errors
    /// [`TokensError::Name`] for a name that could be taken for one of Kubernetes' own.
    pub fn create(&self, name: &str, groups: &[String], expires: Option<Timestamp>) -> Result<String, TokensError> {
        crate::name::check(name)?;
        groups.iter().try_for_each(|group| crate::name::check(group))?;
        let id = format!("{:010x}", rand::random::<u64>() >> 24);
        let secret = format!("kt_{id}_{}", BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        let token = Token {
            id,
            name: name.to_owned(),
            groups: groups.to_vec(),
            created: Timestamp::now(),
            expires,
            sha256: digest(&secret),
        };
        self.change(|tokens| {
            tokens.push(token);
            Ok(())
        })?;
        Ok(secret)
    }

    /// Removes a token. It is refused from the next request on.
    ///
    /// # Errors
    /// [`TokensError::Unknown`] where there is none of that id.
    pub fn revoke(&self, id: &str) -> Result<(), TokensError> {
        self.change(|tokens| {
            let before = tokens.len();
            tokens.retain(|token| token.id != id);
            if tokens.len() < before { Ok(()) } else { Err(TokensError::Unknown(id.to_owned())) }
        })
    }

    /// All tokens, the oldest first.
    ///
    /// # Errors
    /// [`TokensError`], when the file changed and cannot be read.
    pub fn list(&self) -> Result<Vec<Token>, TokensError> {
        self.with(<[Token]>::to_vec)
    }

    /// Who shows this secret. Digests are compared in constant time.
    ///
    /// # Errors
    /// [`TokenRefusal`], in words for the person.
    pub fn verify(&self, secret: &str) -> Result<Principal, TokenRefusal> {
        let id = secret.strip_prefix("kt_").and_then(|rest| rest.split_once('_')).map_or("", |(id, _)| id);
        let shown = digest(secret);
        let found = self
            .with(|tokens| {
                let same = |token: &&Token| token.sha256.as_bytes().ct_eq(shown.as_bytes()).into();
                tokens.iter().filter(|token| token.id == id).find(same).cloned()
            })
            .map_err(TokenRefusal::Unreadable)?;
        let token = found.ok_or(TokenRefusal::Unknown)?;
        if token.expires.is_some_and(|expires| expires <= Timestamp::now()) {
            return Err(TokenRefusal::Expired);
        }
        Ok(Principal { name: token.name, groups: token.groups, credential: Credential::Token, credential_id: token.id })
    }

    /// Shows the tokens, read again where the file has changed.
    fn with<T>(&self, look: impl FnOnce(&[Token]) -> T) -> Result<T, TokensError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.stamp()?;
        if stamp != loaded.stamp {
            *loaded = Loaded { stamp, tokens: self.read()? };
        }
        Ok(look(&loaded.tokens))
    }

    /// Changes the file: one process at a time, replaced whole.
    fn change(&self, change: impl FnOnce(&mut Vec<Token>) -> Result<(), TokensError>) -> Result<(), TokensError> {
        let _lock = self.lock()?;
        let mut tokens = self.read()?;
        change(&mut tokens)?;
        let json = serde_json::to_vec_pretty(&tokens)
            .map_err(|source| TokensError::Damaged { path: self.path.clone(), source })?;
        private_file::replace(&self.path, &json).map_err(self.failed("write"))
    }

    fn lock(&self) -> Result<File, TokensError> {
        let path = self.path.with_extension("lock");
        let open = || {
            if let Some(folder) = path.parent() {
                private_file::create_folder(folder)?;
            }
            let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(self.failed("lock"))
    }

    fn read(&self) -> Result<Vec<Token>, TokensError> {
        match std::fs::read(&self.path) {
            Ok(json) => {
                serde_json::from_slice(&json).map_err(|source| TokensError::Damaged { path: self.path.clone(), source })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(self.failed("read")(e)),
        }
    }

    fn stamp(&self) -> Result<Option<Stamp>, TokensError> {
        match std::fs::metadata(&self.path) {
            Ok(m) => Ok(Some(Stamp { inode: m.ino(), size: m.size(), modified: (m.mtime(), m.mtime_nsec()) })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed("read")(e)),
        }
    }

    fn failed(&self, action: &'static str) -> impl Fn(io::Error) -> TokensError {
        let path = self.path.clone();
        move |source| TokensError::File { action, path: path.clone(), source }
    }
}

fn digest(secret: &str) -> String {
    use std::fmt::Write;
    Sha256::digest(secret).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(folder: &tempfile::TempDir) -> Tokens {
        Tokens::open(&folder.path().join("tokens.json")).unwrap()
    }

    #[test]
    fn a_secret_names_its_person_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, other_process) = (open(&folder), open(&folder));
        let secret = tokens.create("jane", &["dev".to_owned()], None).unwrap();
        let jane = other_process.verify(&secret).unwrap();
        assert_eq!((jane.name.as_str(), jane.groups.as_slice()), ("jane", &["dev".to_owned()][..]));
        tokens.revoke(&jane.credential_id).unwrap();
        assert!(matches!(other_process.verify(&secret), Err(TokenRefusal::Unknown)));
    }

    #[test]
    fn no_other_secret_does() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = open(&folder);
        let secret = tokens.create("jane", &[], None).unwrap();
        let id = tokens.list().unwrap()[0].id.clone();
        for wrong in ["", "kt_", "kt__", &format!("kt_{id}_"), &secret[..secret.len() - 1], &format!("{secret}x")] {
            assert!(matches!(tokens.verify(wrong), Err(TokenRefusal::Unknown)), "{wrong:?}");
        }
    }

    #[test]
    fn its_time_ends() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = open(&folder);
        let secret = tokens.create("jane", &[], Some(Timestamp::UNIX_EPOCH)).unwrap();
        assert!(matches!(tokens.verify(&secret), Err(TokenRefusal::Expired)));
    }

    #[test]
    fn the_file_is_private_and_has_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let secret = open(&folder).create("jane", &[], None).unwrap();
        let path = folder.path().join("tokens.json");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains(secret.rsplit('_').next().unwrap()));
        assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn names_of_kubernetes_itself_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = open(&folder);
        assert!(matches!(tokens.create("system:admin", &[], None), Err(TokensError::Name(_))));
        let masters = ["system:masters".to_owned()];
        assert!(matches!(tokens.create("jane", &masters, None), Err(TokensError::Name(_))));
        assert!(matches!(tokens.create("jane\nx", &[], None), Err(TokensError::Name(_))));
    }
}
