//! One-time links that log somebody in to the pages.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use access::{NameError, name};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::state_file::{FileError, StateFile};

/// Unused links that are kept. One more removes the oldest.
const MAX_LINKS: usize = 1000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct LinkList {
    links: Vec<Link>,
    /// How often each user's links were revoked. Users whose links never were are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    revocations: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Link {
    user: String,
    /// SHA-256 of the secret, URL-safe base64.
    sha256: String,
    /// Seconds since 1970 UTC.
    expires: u64,
}

/// Why a link was not made.
#[derive(Debug, Error)]
pub enum LinksError {
    /// The name cannot be a person's.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// A link that was used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedLink {
    /// The person whom the link logs in.
    pub user: String,
    /// [`Links::revocations`] of the user at that moment. The login is valid while the number stays the same.
    pub revocations: u64,
}

/// Unused links, by the SHA-256 of their secret.
///
/// A `GET` of a link does not use it up, because chat programs fetch what people paste; its button does.
#[derive(Debug)]
pub struct Links {
    file: StateFile<LinkList>,
}

impl Links {
    /// Opens the file. A file that does not exist has no links.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn open(file: &Path) -> Result<Self, FileError> {
        Ok(Self { file: StateFile::open(file)? })
    }

    /// Makes a link that logs `user` in once, within `validity`. Returns its path, `/login/link/<secret>`. The secret is
    /// stored nowhere.
    ///
    /// # Errors
    /// The name cannot be a person's, or the file cannot be written.
    pub fn create(&self, user: &str, validity: Duration) -> Result<String, LinksError> {
        name::check(user)?;
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let now = unix_now();
        let link =
            Link { user: user.to_owned(), sha256: digest(&secret), expires: now.saturating_add(validity.as_secs()) };
        self.file.change(|listed| {
            listed.links.retain(|known| known.expires > now);
            let surplus = (listed.links.len() + 1).saturating_sub(MAX_LINKS);
            listed.links.drain(..surplus);
            listed.links.push(link);
            Some(())
        })?;
        Ok(format!("/login/link/{secret}"))
    }

    /// The user whom the link would log in, or `None` if it was used, has expired, never was, or is for a name that nobody
    /// may have.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn user(&self, secret: &str) -> Result<Option<String>, FileError> {
        let (digest, now) = (digest(secret), unix_now());
        let listed = self.file.read()?;
        let link = listed.links.iter().find(|link| link.is(&digest, now) && name::check(&link.user).is_ok());
        Ok(link.map(|link| link.user.clone()))
    }

    /// Uses the link up and returns whom it logs in. Of two processes that try at once, one gets the user and the other
    /// `None`.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn take(&self, secret: &str) -> Result<Option<UsedLink>, FileError> {
        // Without the lock, so that guesses cost no more than a look.
        if self.user(secret)?.is_none() {
            return Ok(None);
        }
        let (digest, now) = (digest(secret), unix_now());
        self.file.change(|listed| {
            let at = listed.links.iter().position(|link| link.is(&digest, now))?;
            let user = listed.links.remove(at).user;
            let revocations = listed.revocations.get(&user).copied().unwrap_or(0);
            Some(UsedLink { user, revocations })
        })
    }

    /// Removes all links of a user, and ends the web sessions, in any process, that came of links that were used. Returns
    /// how many links there were.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn revoke(&self, user: &str) -> Result<usize, FileError> {
        let removed = self.file.change(|listed| {
            let before = listed.links.len();
            listed.links.retain(|link| link.user != user);
            *listed.revocations.entry(user.to_owned()).or_default() += 1;
            Some(before - listed.links.len())
        })?;
        Ok(removed.unwrap_or(0))
    }

    /// How often the links of a user were revoked.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn revocations(&self, user: &str) -> Result<u64, FileError> {
        Ok(self.file.read()?.revocations.get(user).copied().unwrap_or(0))
    }
}

impl Link {
    fn is(&self, digest: &str, now: u64) -> bool {
        bool::from(self.sha256.as_bytes().ct_eq(digest.as_bytes())) && self.expires > now
    }
}

fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(path: &str) -> &str {
        path.strip_prefix("/login/link/").unwrap()
    }

    #[test]
    fn a_link_is_good_for_one_login_and_looking_does_not_use_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("links.json");
        let links = Links::open(&file).unwrap();
        let path = links.create("ada", Duration::from_secs(600)).unwrap();

        assert!(!std::fs::read_to_string(&file).unwrap().contains(secret(&path)));
        let web = Links::open(&file).unwrap();
        assert_eq!(web.user(secret(&path)).unwrap().as_deref(), Some("ada"));
        assert_eq!(web.user(secret(&path)).unwrap().as_deref(), Some("ada"));
        let used = UsedLink { user: "ada".to_owned(), revocations: 0 };
        assert_eq!(web.take(secret(&path)).unwrap(), Some(used));
        assert_eq!(web.take(secret(&path)).unwrap(), None);
        assert_eq!(links.user(secret(&path)).unwrap(), None);
    }

    #[test]
    fn a_users_links_can_be_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let links = Links::open(&folder.path().join("links.json")).unwrap();
        let (ada, bob) = (links.create("ada", Duration::from_secs(600)), links.create("bob", Duration::from_secs(600)));
        assert_eq!((links.revoke("ada").unwrap(), links.revoke("ada").unwrap()), (1, 0));
        assert_eq!(links.take(secret(&ada.unwrap())).unwrap(), None);
        assert_eq!(links.take(secret(&bob.unwrap())).unwrap().unwrap().user, "bob");
    }

    #[test]
    fn a_link_is_for_a_name_that_somebody_can_have() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("links.json");
        let links = Links::open(&file).unwrap();
        for name in ["local:root", "import", "system:admin", "a\u{202e}b", ""] {
            assert!(matches!(links.create(name, Duration::from_secs(600)), Err(LinksError::Name(_))), "{name:?}");
        }
        let path = links.create("ada", Duration::from_secs(600)).unwrap();
        let text = std::fs::read_to_string(&file).unwrap().replace("\"ada\"", "\"local:root\"");
        std::fs::write(&file, text).unwrap();
        assert_eq!(Links::open(&file).unwrap().take(secret(&path)).unwrap(), None);
    }

    #[test]
    fn an_expired_link_is_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let links = Links::open(&folder.path().join("links.json")).unwrap();
        let path = links.create("ada", Duration::ZERO).unwrap();
        assert_eq!(links.user(secret(&path)).unwrap(), None);
        assert_eq!(links.take(secret(&path)).unwrap(), None);
    }
}
