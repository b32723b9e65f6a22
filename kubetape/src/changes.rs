//! What changed in the configuration since this process's last start: for the journal, names of keys and no values.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use recording::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::{Config, Written};

/// In `state.dir`: SHA-256 of each key's value as it was at the last start.
const NAME: &str = "config.json";
/// Keys whose values are in no digest that leaves this machine.
const SECRETS: [&str; 2] = ["storage.s3.access_key", "storage.s3.secret_key"];
/// Most changed keys that are named.
const NAMED: usize = 200;

/// Digest of a value, by its key.
type Digests = BTreeMap<String, String>;

/// The configuration that the process runs with, for [`Changes::of_policy`].
pub struct Running {
    written: Written,
    file: PathBuf,
}

impl Running {
    /// Takes what is needed of it.
    pub fn new(config: &Config) -> Self {
        Self { written: config.written.clone(), file: config.state_file(NAME) }
    }
}

/// The configuration of this start, against that of the last.
pub struct Changes {
    /// SHA-256 of the whole, lower-case hexadecimal.
    pub digest: String,
    /// Keys that are others; none at a first start.
    pub changed: Option<Vec<String>>,
    now: Digests,
    file: PathBuf,
}

impl Changes {
    /// Compares. The policy's rules count as written in the configuration, wherever they are.
    ///
    /// # Errors
    /// `state.dir` cannot be read.
    pub fn since_last_start(config: &Config, policy: &access::Policy) -> Result<Self> {
        Self::of(&config.written, config.state_file(NAME), policy)
    }

    /// Compares what was written, with these rules, against the digests in `file`.
    fn of(written: &Written, file: PathBuf, policy: &access::Policy) -> Result<Self> {
        let mut written = written.0.clone();
        written["policy"]["rules"] = serde_json::to_value(&policy.rules)?;
        let mut now = Digests::new();
        digests("", &written, &mut now);
        let before = read(&file)?;
        let changed = before.map(|before| changed(&before, &now));
        Ok(Self { digest: whole(&now), changed, now, file })
    }

    /// The running configuration with other rules, against what was remembered last.
    ///
    /// # Errors
    /// `state.dir` cannot be read.
    pub fn of_policy(running: &Running, policy: &access::Policy) -> Result<Self> {
        Self::of(&running.written, running.file.clone(), policy)
    }

    /// Remembers this configuration for the next start, once the journal has it.
    ///
    /// # Errors
    /// `state.dir` cannot be written.
    pub fn keep(&self) -> Result<()> {
        let keep = || -> Result<()> {
            let folder = self.file.parent().context("it has no folder")?;
            // Of mode 0600.
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec_pretty(&self.now)?)?;
            file.persist(&self.file)?;
            Ok(())
        };
        keep().with_context(|| format!("cannot write {} (state.dir)", self.file.display()))
    }
}

/// None where there is none, or one that is damaged: then everything is new.
fn read(file: &Path) -> Result<Option<Digests>> {
    match std::fs::read(file) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {} (state.dir)", file.display())),
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
            // The key is in it: equal values of two keys do not look equal.
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

    fn of(json: Value) -> Digests {
        let mut found = Digests::new();
        digests("", &json, &mut found);
        found
    }

    #[test]
    fn keys_that_changed_came_or_went_are_named() {
        use serde_json::json;
        let before = of(json!({ "a": { "b": 1, "gone": true }, "rules": [{ "users": ["x", "y"] }], "null": null }));
        let now = of(json!({ "a": { "b": 2 }, "rules": [{ "users": ["x"] }, { "users": [] }] }));
        assert_eq!(changed(&before, &now), ["a.b", "a.gone", "rules.0.users", "rules.1.users"]);
        assert!(changed(&now, &now).is_empty());
    }

    #[test]
    fn a_secret_is_named_when_it_changes_and_is_in_no_digest_that_is_journalled() {
        let with =
            |secret: &str| of(serde_json::json!({ "storage": { "s3": { "secret_key": secret, "bucket": "b" } } }));
        assert_eq!(changed(&with("1"), &with("2")), ["storage.s3.secret_key"]);
        assert_eq!(whole(&with("1")), whole(&with("2")));
    }
}
