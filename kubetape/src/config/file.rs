use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{Config, environment, raw};

/// Where the file is looked for if none is named.
const DEFAULTS: [&str; 2] = ["kubetape.toml", "/etc/kubetape/kubetape.toml"];

/// Reads the file that `--config` or the environment names, or one of the default ones, and the environment's overrides.
///
/// # Errors
/// The error names file, line and key (or the variable), and says what to change.
pub fn load(named: Option<&Path>, environment: &raw::Environment) -> Result<Config> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => default_file()?,
    };
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    let path = std::path::absolute(&path)?;
    let raw = parse(&path, &text, environment)?;
    Config::new(&path, &text, raw)
}

fn default_file() -> Result<PathBuf> {
    if let Some(found) = DEFAULTS.iter().map(Path::new).find(|path| path.exists()) {
        return Ok(found.to_owned());
    }
    bail!(
        "there is no configuration file: looked for ./{} and {}. Name one with --config FILE (before the subcommand) \
         or KUBETAPE_CONFIG; write a first one with `kubetape config sample > kubetape.toml`; or try \
         `kubetape demo`, which needs none",
        DEFAULTS[0],
        DEFAULTS[1]
    );
}

fn parse(path: &Path, text: &str, environment: &raw::Environment) -> Result<raw::File> {
    let mut file: raw::File = toml::from_str(text).map_err(|error| in_file(path, text, &error))?;
    let (overrides, unknown) = environment::overrides(environment)?;
    for name in unknown {
        tracing::warn!(
            variable = name,
            "this environment variable sets nothing: keys are KUBETAPE_<SECTION>__<KEY>, with two underscores"
        );
    }
    let mut table: toml::Table = toml::from_str(text)?;
    for each in &overrides {
        each.apply(&mut table)?;
        // One after the other, so that an error names its variable. The message alone is shown: toml's whole error has the
        // value in it.
        file = table
            .clone()
            .try_into()
            .map_err(|error: toml::de::Error| anyhow::anyhow!("{}", error.message()))
            .with_context(|| format!("environment variable {}", each.variable))?;
    }
    Ok(file)
}

/// Reads the rules of a policy file.
///
/// # Errors
/// The error names file and line, and shows the line.
pub fn policy_rules(path: &Path, text: &str) -> Result<Vec<access::Rule>> {
    let file: raw::PolicyFile = toml::from_str(text).map_err(|error| in_file(path, text, &error))?;
    Ok(file.rules)
}

/// `FILE, line N: message`, and the line itself unless it may hold a secret.
fn in_file(path: &Path, text: &str, error: &toml::de::Error) -> anyhow::Error {
    let Some(span) = error.span() else {
        return anyhow::anyhow!("{}: {}", path.display(), error.message());
    };
    let start = span.start.min(text.len());
    let number = text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default().trim();
    let secret = line.contains("secret_key") || line.contains("access_key");
    let shown = if secret || line.is_empty() { String::new() } else { format!("\n    {line}") };
    anyhow::anyhow!("{}, line {number}: {}{shown}", path.display(), error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str, variables: &[(&str, &str)]) -> String {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let raw = parse(Path::new("/etc/k.toml"), text, &environment);
        let config = raw.and_then(|raw| Config::new(Path::new("/etc/k.toml"), text, raw));
        format!("{:#}", config.unwrap_err())
    }

    #[test]
    fn what_is_wrong_is_said_with_file_line_and_key() {
        for (text, says) in [
            (
                "\n[gateway]\nlistn = \"x\"",
                "/etc/k.toml, line 3: unknown field `listn`, expected one of `name`, `listen`",
            ),
            ("[gateway]\nlisten = \"8443\"", "/etc/k.toml, line 2: invalid socket address"),
            ("[gateway\n", "/etc/k.toml, line 1: "),
            ("[recorder]\nchunk_age = 5", "/etc/k.toml, line 2: invalid type: integer `5`, expected a string"),
            ("[recorder]\nchunk_age = \"5\"", "write a number and a unit, such as \"5s\""),
            ("[recorder]\nchunk_bytes = \"1 MiBit\"", "write a number and a unit, such as \"1MiB\""),
            ("[storage]\nkind = \"tape\"", "unknown variant `tape`, expected `disk` or `s3`"),
            ("[storage]\nkind = \"s3\"", "/etc/k.toml, line 1: storage.s3.bucket: "),
            ("[gateway]\nkey = \"k\"", "/etc/k.toml, line 2: gateway.certificate: "),
            ("[gateway]\nname = \"a b\"", "/etc/k.toml, line 2: gateway.name: "),
            ("[gateway]\npublic_url = \"http://x\"", "/etc/k.toml, line 2: gateway.public_url: "),
            ("[[clusters]]\n", "/etc/k.toml, line 1: clusters.0: "),
            ("[[clusters]]\nserver = \"https://x\"", "/etc/k.toml, line 1: clusters.0.name: "),
            ("[[clusters]]\nname=\"a\"\nserver = \"http://x\"", "/etc/k.toml, line 3: clusters.0.server: "),
            ("[[clusters]]\nname=\"a/b\"\nin_cluster = true", "/etc/k.toml, line 2: clusters.0.name: "),
            (
                "[[policy.rules]]\nname=\"a\"\nclusters=[\"*\"]",
                "/etc/k.toml, line 1: policy.rules.0: rule \"a\" matches nobody",
            ),
        ] {
            let error = wrong(text, &[]);
            assert!(error.contains(says), "{text:?}\n  gives {error:?}\n  not   {says:?}");
        }
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let error = wrong("", &[("KUBETAPE_RECORDER__CHUNK_AGE", "5")]);
        assert!(error.starts_with("environment variable KUBETAPE_RECORDER__CHUNK_AGE: "), "{error}");
    }

    #[test]
    fn a_line_with_a_secret_is_not_shown() {
        let error = wrong("[storage.s3]\nsecret_key = \"hunter2\" oops", &[]);
        assert!(error.contains("k.toml, line 2") && !error.contains("hunter2"), "{error}");
    }
}
