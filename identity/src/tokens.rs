//! Bearer tokens for kubectl. The file has digests only.

use std::path::Path;

use access::{Credential, NameError, Principal, name};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use recording::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::state_file::{FileError, StateFile};

/// Why the tokens cannot be read or changed.
#[derive(Debug, Error)]
pub enum TokensError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A person's or group's name cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no such token.
    #[error("there is no token {0:?}")]
    Unknown(String),
}

/// Why a token was not accepted. Says nothing about which tokens exist.
#[derive(Debug, Error)]
pub enum TokenRefusal {
    /// The token is unknown, malformed or revoked.
    #[error("the bearer token is not known: it was never issued, or was revoked")]
    Unknown,
    /// The secret is right; the token has expired.
    #[error("the bearer token has expired: get a new one")]
    Expired,
    /// The secret is right; it was made for a name that nobody may have, by another program or an older one.
    #[error("the bearer token cannot be used: {0}")]
    Name(NameError),
    /// The file of tokens cannot be read.
    #[error("the gateway cannot check bearer tokens now")]
    Unreadable(#[source] FileError),
}

/// A token without its secret, which is stored nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The token's name in lists and in the journal.
    pub id: String,
    /// The person.
    pub name: String,
    /// The person's groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// When it was created.
    pub created: Timestamp,
    /// When it expires; `None` if it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// SHA-256 of the secret, in hexadecimal.
    sha256: String,
}

/// Bearer tokens in a private file. What another process changes there is seen by the next call.
#[derive(Debug)]
pub struct Tokens {
    file: StateFile<Vec<Token>>,
}

impl Tokens {
    /// Opens the file. A file that does not exist has no tokens.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Ok(Self { file: StateFile::open(path)? })
    }

    /// Makes a token for `name` and returns its secret, which is not stored and cannot be had again.
    ///
    /// # Errors
    /// [`TokensError::Name`] for a name that could be taken for one of Kubernetes' own.
    pub fn create(&self, name: &str, groups: &[String], expires: Option<Timestamp>) -> Result<String, TokensError> {
        name::check(name)?;
        groups.iter().try_for_each(|group| name::check(group))?;
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
        self.file.change(|tokens| {
            tokens.push(token);
            Some(())
        })?;
        Ok(secret)
    }

    /// The id of the token with this secret; empty if it is none.
    pub fn id_of(secret: &str) -> &str {
        secret.strip_prefix("kt_").and_then(|rest| rest.split_once('_')).map_or("", |(id, _)| id)
    }

    /// Removes a token. Gateways refuse it from the next request on.
    ///
    /// # Errors
    /// [`TokensError::Unknown`] if there is no token of that id.
    pub fn revoke(&self, id: &str) -> Result<(), TokensError> {
        let removed = self.file.change(|tokens| {
            let before = tokens.len();
            tokens.retain(|token| token.id != id);
            (tokens.len() < before).then_some(())
        })?;
        removed.ok_or_else(|| TokensError::Unknown(id.to_owned()))
    }

    /// All tokens, the oldest first.
    ///
    /// # Errors
    /// The file has changed and cannot be read.
    pub fn list(&self) -> Result<Vec<Token>, FileError> {
        Ok(self.file.read()?.to_vec())
    }

    /// The person to whom this secret was given. Digests are compared in constant time.
    ///
    /// # Errors
    /// [`TokenRefusal`], in words for the person.
    pub fn verify(&self, secret: &str, now: Timestamp) -> Result<Principal, TokenRefusal> {
        let id = Self::id_of(secret);
        let shown = digest(secret);
        let tokens = self.file.read().map_err(TokenRefusal::Unreadable)?;
        let mut of_that_id = tokens.iter().filter(|token| token.id == id);
        let token = of_that_id.find(|token| token.sha256.as_bytes().ct_eq(shown.as_bytes()).into());
        let token = token.ok_or(TokenRefusal::Unknown)?;
        if token.expires.is_some_and(|expires| expires <= now) {
            return Err(TokenRefusal::Expired);
        }
        name::check(&token.name).map_err(TokenRefusal::Name)?;
        token.groups.iter().try_for_each(|group| name::check(group)).map_err(TokenRefusal::Name)?;
        Ok(Principal {
            name: token.name.clone(),
            groups: token.groups.clone(),
            credential: Credential::Token,
            credential_id: token.id.clone(),
        })
    }
}

fn digest(secret: &str) -> String {
    hex(Sha256::digest(secret).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn open(folder: &tempfile::TempDir) -> Tokens {
        Tokens::open(&folder.path().join("tokens.json")).unwrap()
    }

    #[test]
    fn a_secret_names_its_person_until_it_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, other_process) = (open(&folder), open(&folder));
        let secret = tokens.create("jane", &["dev".to_owned()], None).unwrap();
        let jane = other_process.verify(&secret, Timestamp::now()).unwrap();
        assert_eq!((jane.name.as_str(), jane.groups.as_slice()), ("jane", &["dev".to_owned()][..]));
        tokens.revoke(&jane.credential_id).unwrap();
        assert!(matches!(other_process.verify(&secret, Timestamp::now()), Err(TokenRefusal::Unknown)));
    }

    #[test]
    fn no_other_secret_does() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = open(&folder);
        let secret = tokens.create("jane", &[], None).unwrap();
        let id = tokens.list().unwrap()[0].id.clone();
        for wrong in ["", "kt_", "kt__", &format!("kt_{id}_"), &secret[..secret.len() - 1], &format!("{secret}x")] {
            assert!(matches!(tokens.verify(wrong, Timestamp::now()), Err(TokenRefusal::Unknown)), "{wrong:?}");
        }
    }

    #[test]
    fn its_time_ends() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = open(&folder);
        let secret = tokens.create("jane", &[], Some(Timestamp::UNIX_EPOCH)).unwrap();
        assert!(matches!(tokens.verify(&secret, Timestamp::now()), Err(TokenRefusal::Expired)));
    }

    #[test]
    fn the_file_is_private_and_has_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let secret = open(&folder).create("jane", &[], None).unwrap();
        let path = folder.path().join("tokens.json");
        let text = std::fs::read_to_string(&path).unwrap();
        // The third part. It may have a `_` of its own: that is a digit of base64url.
        let random = secret.splitn(3, '_').nth(2).unwrap();
        assert_eq!(random.len(), 43, "32 bytes");
        assert!(!text.contains(random));
        assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn names_of_kubernetes_itself_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = open(&folder);
        assert!(matches!(tokens.create("system:admin", &[], None), Err(TokensError::Name(_))));
        let masters = ["system:masters".to_owned()];
        assert!(matches!(tokens.create("jane", &masters, None), Err(TokensError::Name(_))));
        for name in ["jane\nx", "ja\u{202e}ne", "local:root", "import"] {
            assert!(matches!(tokens.create(name, &[], None), Err(TokensError::Name(_))), "{name:?}");
            assert!(matches!(tokens.create("jane", &[name.to_owned()], None), Err(TokensError::Name(_))), "{name:?}");
        }
    }

    #[test]
    fn a_token_that_somebody_else_wrote_for_such_a_name_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, path) = (open(&folder), folder.path().join("tokens.json"));
        let secret = tokens.create("jane", &["dev".to_owned()], None).unwrap();
        let file = std::fs::read_to_string(&path).unwrap();
        for (from, to) in [("\"jane\"", "\"system:admin\""), ("\"dev\"", "\"system:masters\"")] {
            std::fs::write(&path, file.replace(from, to)).unwrap();
            let refused = open(&folder).verify(&secret, Timestamp::now());
            assert!(matches!(refused, Err(TokenRefusal::Name(_))), "{to}: {refused:?}");
        }
    }
}
