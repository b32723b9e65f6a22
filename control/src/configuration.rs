//! What changed in the configuration since the last start, for the journal: names of keys, and no values.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use recording::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use storage::private_file;

/// In `state.dir`: SHA-256 of each key's value as it was at the last start.
const NAME: &str = "config.json";
/// Keys whose values are in no digest that leaves this machine.
const SECRETS: [&str; 2] = ["storage.s3.access_key", "storage.s3.secret_key"];
/// Most changed keys that are named.
const NAMED: usize = 200;

/// Digest of a value, by its key.
type Digests = BTreeMap<String, String>;

/// The configuration of this start, compared with that of the last.
#[derive(Debug)]
pub struct ConfigurationChanges {
    /// SHA-256 of the whole, lower-case hexadecimal.
    pub digest: String,
    /// Keys with other values than at the last start, or `None` if this is the first.
    pub changed: Option<Vec<String>>,
    now: Digests,
    file: PathBuf,
}

impl ConfigurationChanges {
    /// Compares `configuration`, as it was written, with what the last process remembered in the folder `state`.
    ///
    /// # Errors
    /// The file in `state` is there and cannot be read; the error names it.
    pub fn since_last_start(state: &Path, configuration: &Value) -> io::Result<Self> {
        let mut now = Digests::new();
        digests("", configuration, &mut now);
        let file = state.join(NAME);
        let before = read(&file).map_err(|error| about("read", &file, &error))?;
        let changed = before.map(|before| changed(&before, &now));
        Ok(Self { digest: whole(&now), changed, now, file })
    }

    /// Remembers this configuration for the next start. Called once the journal has the changes, so that a process that
    /// dies in between journals them again.
    ///
    /// # Errors
    /// The file in the state folder cannot be written; the error names it.
    pub fn remember(&self) -> io::Result<()> {
        let written = serde_json::to_vec_pretty(&self.now).map_err(io::Error::from);
        let written = written.and_then(|json| private_file::replace(&self.file, &json));
        written.map_err(|error| about("write", &self.file, &error))
    }
}

fn about(what: &str, file: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what} {} (state.dir): {error}", file.display()))
}

/// Returns `None` if there is no file, or one that is damaged: then every key counts as new.
fn read(file: &Path) -> io::Result<Option<Digests>> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn digests(path: &str, value: &Value, into: &mut Digests) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(members) => members.iter().for_each(|(name, value)| digests(&below(name), value, into)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(place, item)| digests(&below(&place.to_string()), item, into));
        }
        value => {
            // The key is hashed too, so that equal values of two keys have different digests.
            let digest = Sha256::digest(format!("{path}={value}"));
            into.insert(path.to_owned(), hex(digest.into()));
        }
    }
}

fn whole(now: &Digests) -> String {
    let mut whole = Sha256::new();
    for (key, digest) in now.iter().filter(|(key, _)| !SECRETS.contains(&key.as_str())) {
        whole.update(format!("{key} {digest}\n"));
    }
    hex(whole.finalize().into())
}

fn changed(before: &Digests, now: &Digests) -> Vec<String> {
    let keys: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let changed = keys.into_iter().filter(|key| before.get(*key) != now.get(*key));
    changed.take(NAMED).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests_of(json: Value) -> Digests {
        let mut found = Digests::new();
        digests("", &json, &mut found);
        found
    }

    #[test]
    fn keys_that_changed_came_or_went_are_named() {
        use serde_json::json;
        let before =
            digests_of(json!({ "a": { "b": 1, "gone": true }, "rules": [{ "users": ["x", "y"] }], "null": null }));
        let now = digests_of(json!({ "a": { "b": 2 }, "rules": [{ "users": ["x"] }, { "users": [] }] }));
        assert_eq!(changed(&before, &now), ["a.b", "a.gone", "rules.0.users", "rules.1.users"]);
        assert!(changed(&now, &now).is_empty());
    }

    #[test]
    fn a_secret_is_named_when_it_changes_and_is_in_no_digest_that_is_journalled() {
        let with = |secret: &str| {
            digests_of(serde_json::json!({ "storage": { "s3": { "secret_key": secret, "bucket": "b" } } }))
        };
        assert_eq!(changed(&with("1"), &with("2")), ["storage.s3.secret_key"]);
        assert_eq!(whole(&with("1")), whole(&with("2")));
    }

    #[test]
    fn a_start_is_compared_with_the_one_before() {
        let state = tempfile::tempdir().unwrap();
        let start = |value: u8| {
            let changes =
                ConfigurationChanges::since_last_start(state.path(), &serde_json::json!({ "a": value })).unwrap();
            changes.remember().unwrap();
            changes.changed
        };
        assert_eq!([start(1), start(1), start(2)], [None, Some(vec![]), Some(vec!["a".to_owned()])]);
        std::fs::write(state.path().join(NAME), "{").unwrap();
        assert_eq!(start(2), None);
    }
}
