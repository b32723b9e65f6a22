use std::sync::LazyLock;

/// The documented sample: every key, set or commented out.
pub const SAMPLE: &str = include_str!("../../kubetape.sample.toml");

/// Every key with a value of its kind: the sample with its commented keys uncommented.
static EVERY_KEY: LazyLock<toml::Table> =
    LazyLock::new(|| uncommented().parse().expect("the sample is tested to parse"));

/// The kind of value that a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// A string, as are times, sizes, paths and addresses.
    Text,
    /// `true` or `false`.
    Switch,
    /// A number of things.
    Number,
    /// A list of strings.
    List,
}

/// The kind of the key at `path` (lower case; numbers are indexes into a list of tables), or `None` if there is no such key.
pub fn kind(path: &[&str]) -> Option<KeyKind> {
    let mut at: Option<&toml::Value> = None;
    let mut table = Some(&*EVERY_KEY);
    for name in path {
        let is_index = name.bytes().all(|b| b.is_ascii_digit());
        let next = match (at, table) {
            (Some(toml::Value::Array(tables)), _) if is_index => tables.first()?,
            (_, Some(table)) => table.get(*name)?,
            _ => return None,
        };
        at = Some(next);
        table = next.as_table();
    }
    match at? {
        toml::Value::String(_) => Some(KeyKind::Text),
        toml::Value::Boolean(_) => Some(KeyKind::Switch),
        toml::Value::Integer(_) => Some(KeyKind::Number),
        toml::Value::Array(values) if !values.iter().any(toml::Value::is_table) => Some(KeyKind::List),
        _ => None,
    }
}

/// The sample with its keys uncommented. Prose is `# like this`; a key that is not set is `#like = "this"`.
fn uncommented() -> String {
    let switch_on = |line: &'static str| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase()) => key,
        _ => line,
    };
    SAMPLE.lines().map(|line| switch_on(line).to_owned() + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::raw;

    /// Paths of all keys, and of those without a value.
    fn keys(value: &serde_json::Value, path: &str, all: &mut BTreeSet<String>, unset: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, value) in members {
                    keys(value, &format!("{path}.{name}"), all, unset);
                }
            }
            serde_json::Value::Array(items) if items.iter().any(serde_json::Value::is_object) => {
                items.iter().for_each(|item| keys(item, path, all, unset));
            }
            serde_json::Value::Null => {
                unset.insert(path.to_owned());
            }
            _ => {
                all.insert(path.to_owned());
            }
        }
    }

    #[test]
    fn the_sample_is_a_configuration_as_it_stands() {
        let file: raw::File = toml::from_str(SAMPLE).unwrap();
        assert_eq!(file.gateway.name.as_deref(), Some("kubetape"));
    }

    #[test]
    fn the_sample_contains_every_key() {
        let file: raw::File = toml::from_str(&uncommented()).unwrap();
        let (mut known, mut shown, mut unset) = Default::default();
        keys(&serde_json::to_value(&file).unwrap(), "", &mut known, &mut unset);
        assert_eq!(unset, BTreeSet::new(), "keys that the sample does not show");
        keys(&serde_json::to_value(&*EVERY_KEY).unwrap(), "", &mut shown, &mut unset);
        assert_eq!(known, shown);
    }

    #[test]
    fn a_keys_kind_is_known_by_its_path() {
        assert_eq!(kind(&["storage", "s3", "secret_key"]), Some(KeyKind::Text));
        assert_eq!(kind(&["recorder", "strict"]), Some(KeyKind::Switch));
        assert_eq!(kind(&["limits", "sessions"]), Some(KeyKind::Number));
        assert_eq!(kind(&["clusters", "0", "contexts"]), Some(KeyKind::List));
        assert_eq!(kind(&["policy", "rules", "1", "users"]), Some(KeyKind::List));
        for unknown in [&["storage"][..], &["clusters"], &["clusters", "name"], &["storage", "s4"], &["0"], &[]] {
            assert_eq!(kind(unknown), None, "{unknown:?}");
        }
    }
}
