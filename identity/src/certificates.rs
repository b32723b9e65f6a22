//! The client certificates that were made, and which of them are revoked.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state_file::{FileError, StateFile};

/// A client certificate without its key, which is stored nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// Its serial number, as recordings and the journal have it.
    pub serial: String,
    /// The person.
    pub name: String,
    /// The person's groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// When it expires.
    pub expires: Timestamp,
    /// When it was revoked; `None` if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

/// Client certificates in a private file. What another process changes is seen by the next request.
#[derive(Debug)]
pub struct Certificates {
    file: StateFile<Vec<IssuedCertificate>>,
}

impl Certificates {
    /// Opens the file. A file that does not exist has no certificates.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Ok(Self { file: StateFile::open(path)? })
    }

    /// Remembers one that was made. Those that have expired are forgotten: nothing can be done with them.
    ///
    /// # Errors
    /// The file cannot be written: then the certificate must not be given to anybody.
    pub fn add(&self, certificate: IssuedCertificate) -> Result<(), FileError> {
        self.file.change(|known| {
            known.retain(|known| known.expires > certificate.created);
            known.push(certificate);
            Some(())
        })?;
        Ok(())
    }

    /// Revokes one. Returns it, or `None` if there is none of this serial number that is not revoked already.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn revoke(&self, serial: &str, now: Timestamp) -> Result<Option<IssuedCertificate>, FileError> {
        self.file.change(|known| {
            let found = known.iter_mut().find(|known| known.serial == serial && known.revoked.is_none())?;
            found.revoked = Some(now);
            Some(found.clone())
        })
    }

    /// Whether it was revoked. One that is not known was made before there was this file, or was forgotten, and was not.
    ///
    /// # Errors
    /// The file cannot be read: then no certificate may be accepted.
    pub fn is_revoked(&self, serial: &str) -> Result<bool, FileError> {
        Ok(self.file.read()?.iter().any(|known| known.serial == serial && known.revoked.is_some()))
    }

    /// All that are known, the oldest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self) -> Result<Vec<IssuedCertificate>, FileError> {
        Ok(self.file.read()?.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_revoked_once_and_forgotten_when_it_has_expired() {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::open(&folder.path().join("certificates.json")).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let made = |serial: &str, from, until| IssuedCertificate {
            serial: serial.to_owned(),
            name: "jane".to_owned(),
            groups: Vec::new(),
            created: at(from),
            expires: at(until),
            revoked: None,
        };
        certificates.add(made("1", 0, 10)).unwrap();
        certificates.add(made("2", 5, 20)).unwrap();
        assert!(!certificates.is_revoked("1").unwrap() && !certificates.is_revoked("3").unwrap());
        assert_eq!(certificates.revoke("1", at(6)).unwrap().unwrap().name, "jane");
        assert!(certificates.is_revoked("1").unwrap() && !certificates.is_revoked("2").unwrap());
        assert_eq!(certificates.revoke("1", at(7)).unwrap(), None);
        assert_eq!(certificates.revoke("3", at(7)).unwrap(), None);
        certificates.add(made("4", 15, 30)).unwrap();
        let serials: Vec<String> = certificates.list().unwrap().into_iter().map(|known| known.serial).collect();
        assert_eq!(serials, ["2", "4"]);
    }
}
