//! Local people: names and Argon2 hashes of passwords in a private file.

use std::path::Path;

use access::{NameError, name};
use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::state_file::{FileError, StateFile};

/// Bytes of a password at most: a longer one is refused before it is hashed.
pub const MAX_PASSWORD: usize = 1024;

pub use access::name::MAX_NAME;

/// Why a password was not set.
#[derive(Debug, Error)]
pub enum UserError {
    /// The name cannot be a person's.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The password is too short or too long.
    #[error("a password has 8 to {MAX_PASSWORD} bytes")]
    Password,
    /// Hashing failed.
    #[error("cannot hash the password: {0}")]
    Hash(argon2::password_hash::Error),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct UserList {
    users: Vec<User>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct User {
    name: String,
    /// argon2id, PHC string.
    password: String,
}

/// People who may log in to the pages with a password. What another process changes is seen by the next call.
#[derive(Debug)]
pub struct Users {
    file: StateFile<UserList>,
    /// A hash that is verified for a name that does not exist, so that such a name takes as long as one that does.
    dummy: String,
}

impl Users {
    /// Opens the file. A file that does not exist has no users.
    ///
    /// # Errors
    /// [`UserError::File`] if the file cannot be read, or is damaged.
    pub fn open(file: &Path) -> Result<Self, UserError> {
        Ok(Self { file: StateFile::open(file)?, dummy: hash("the password of nobody")? })
    }

    /// Adds a user, or replaces the password of one.
    ///
    /// # Errors
    /// The name or the password is out of bounds, or the file cannot be written.
    pub fn set_password(&self, name: &str, password: &str) -> Result<(), UserError> {
        name::check(name)?;
        if password.len() < 8 || password.len() > MAX_PASSWORD {
            return Err(UserError::Password);
        }
        let user = User { name: name.to_owned(), password: hash(password)? };
        self.file.change(|listed| {
            listed.users.retain(|known| known.name != user.name);
            listed.users.push(user);
            Some(())
        })?;
        Ok(())
    }

    /// Removes a user. Returns `false` if there is no user of that name. Their web sessions end with their next request.
    ///
    /// # Errors
    /// [`UserError::File`] if the file cannot be read or written.
    pub fn remove(&self, name: &str) -> Result<bool, UserError> {
        let removed = self.file.change(|listed| {
            let before = listed.users.len();
            listed.users.retain(|known| known.name != name);
            (listed.users.len() < before).then_some(())
        })?;
        Ok(removed.is_some())
    }

    /// The names, in the file's order.
    ///
    /// # Errors
    /// [`UserError::File`] if the file cannot be read.
    pub fn names(&self) -> Result<Vec<String>, UserError> {
        Ok(self.file.read()?.users.iter().map(|user| user.name.clone()).collect())
    }

    /// Verifies a password. Returns the fingerprint of the stored hash (see [`Users::fingerprint`]), or `None` if the user or
    /// the password is wrong.
    ///
    /// Blocks for tens of milliseconds of CPU and takes 19 MiB, whether the user exists or not.
    ///
    /// # Errors
    /// The file cannot be read, or has a hash that is not a PHC string.
    pub fn verify(&self, name: &str, password: &str) -> Result<Option<Fingerprint>, UserError> {
        let listed = self.file.read()?;
        let known = listed.users.iter().find(|user| user.name == name);
        let stored = known.map_or(self.dummy.as_str(), |user| user.password.as_str());
        let parsed = PasswordHash::new(stored).map_err(UserError::Hash)?;
        let right =
            password.len() <= MAX_PASSWORD && Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok();
        Ok(known.filter(|_| right).map(User::fingerprint))
    }

    /// Identifies the user's present password, or `None` if there is no such user. A web session that began with a password
    /// ends when this changes.
    ///
    /// # Errors
    /// [`UserError::File`] if the file cannot be read.
    pub fn fingerprint(&self, name: &str) -> Result<Option<Fingerprint>, UserError> {
        Ok(self.file.read()?.users.iter().find(|user| user.name == name).map(User::fingerprint))
    }
}

/// SHA-256 of a stored password hash.
pub type Fingerprint = [u8; 32];

impl User {
    fn fingerprint(&self) -> Fingerprint {
        Sha256::digest(self.password.as_bytes()).into()
    }
}

/// argon2id with the crate's parameters, which are OWASP's minimum (19 MiB, 2 passes, 1 lane).
fn hash(password: &str) -> Result<String, UserError> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(UserError::Hash)?;
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt).map_err(UserError::Hash)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_verified_and_stored_as_a_hash_that_only_the_owner_reads() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.json");
        let users = Users::open(&file).unwrap();
        users.set_password("ada", "correct horse").unwrap();

        assert!(users.verify("ada", "correct horse").unwrap().is_some());
        assert!(users.verify("ada", "correct house").unwrap().is_none());
        assert!(users.verify("bob", "correct horse").unwrap().is_none());
        assert!(users.verify("bob", "the password of nobody").unwrap().is_none());

        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("$argon2id$") && !text.contains("correct horse"));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_another_process_changes_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.json");
        let (web, cli) = (Users::open(&file).unwrap(), Users::open(&file).unwrap());
        assert!(web.verify("ada", "correct horse").unwrap().is_none());

        cli.set_password("ada", "correct horse").unwrap();
        let first = web.verify("ada", "correct horse").unwrap();
        assert!(first.is_some());

        cli.set_password("ada", "another horse").unwrap();
        assert_ne!(web.fingerprint("ada").unwrap(), first);

        assert!(cli.remove("ada").unwrap());
        assert_eq!(web.fingerprint("ada").unwrap(), None);
    }

    #[test]
    fn short_passwords_and_odd_names_are_refused_and_a_broken_file_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("users.json");
        let users = Users::open(&file).unwrap();
        assert!(matches!(users.set_password("ada", "short"), Err(UserError::Password)));
        for name in ["a\nb", "", "a\u{202e}b", "local:root", "import", "system:admin"] {
            assert!(matches!(users.set_password(name, "long enough"), Err(UserError::Name(_))), "{name:?}");
        }

        std::fs::write(&file, "{\n  \"users\": [ nonsense ]\n}").unwrap();
        assert!(Users::open(&file).unwrap_err().to_string().contains("line 2"));
    }
}
