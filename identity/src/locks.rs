//! People who are shut out.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state_file::{FileError, StateFile};

/// Why a person is shut out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Who did it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Why, as they wrote it.
    pub reason: String,
}

/// Locks by the person's name, in a private file. None of a locked person's credentials is good, of whatever kind: what
/// another process changes is seen by the next request.
#[derive(Debug)]
pub struct Locks {
    file: StateFile<BTreeMap<String, Lock>>,
}

impl Locks {
    /// Opens the file. A file that does not exist has no locks.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        Ok(Self { file: StateFile::open(path)? })
    }

    /// Shuts a person out. If they are shut out already, the first lock stands: returns `false`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn lock(&self, person: &str, lock: Lock) -> Result<bool, FileError> {
        let added = self.file.change(|locks| {
            (!locks.contains_key(person)).then(|| {
                locks.insert(person.to_owned(), lock);
            })
        })?;
        Ok(added.is_some())
    }

    /// Lets a person in again. Returns `false` if they were not shut out.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn unlock(&self, person: &str) -> Result<bool, FileError> {
        Ok(self.file.change(|locks| locks.remove(person))?.is_some())
    }

    /// Why a person is shut out; `None` if they are not.
    ///
    /// # Errors
    /// The file cannot be read: then nobody may be let in.
    pub fn of(&self, person: &str) -> Result<Option<Lock>, FileError> {
        Ok(self.file.read()?.get(person).cloned())
    }

    /// All locks, by the person's name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn all(&self) -> Result<BTreeMap<String, Lock>, FileError> {
        Ok(self.file.read()?.as_ref().clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(reason: &str) -> Lock {
        Lock { by: "ann".to_owned(), since: Timestamp::UNIX_EPOCH, reason: reason.to_owned() }
    }

    #[test]
    fn a_lock_is_seen_by_other_processes_and_the_first_reason_stands() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("locks.json");
        let (gateway, program) = (Locks::open(&file).unwrap(), Locks::open(&file).unwrap());
        assert_eq!(gateway.of("bob").unwrap(), None);
        assert!(program.lock("bob", lock("left the company")).unwrap());
        assert!(!program.lock("bob", lock("another")).unwrap());
        assert_eq!(gateway.of("bob").unwrap(), Some(lock("left the company")));
        assert_eq!(gateway.of("bo").unwrap(), None);
        assert_eq!(gateway.all().unwrap().len(), 1);
        assert!(program.unlock("bob").unwrap() && !program.unlock("bob").unwrap());
        assert_eq!(gateway.of("bob").unwrap(), None);
    }

    #[test]
    fn a_damaged_file_is_no_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("locks.json");
        let locks = Locks::open(&file).unwrap();
        std::fs::write(&file, "{").unwrap();
        assert!(locks.of("bob").is_err());
    }
}
