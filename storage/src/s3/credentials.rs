use std::{env, fmt, fs, io, path::PathBuf};

use aws_sdk_s3::config::Credentials;
use serde::Deserialize;
use thiserror::Error;

/// Where the key that signs requests comes from. The secret is in no `Debug` output.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub struct S3Credentials {
    /// The access key's id. Without it: `file`, then `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` of the
    /// environment, then `~/.aws/credentials`.
    #[serde(default)]
    pub access_key: Option<String>,
    /// The access key's secret.
    #[serde(default)]
    pub secret_key: Option<String>,
    /// The token of temporary credentials.
    #[serde(default)]
    pub session_token: Option<String>,
    /// A file as `aws configure` writes it.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The section of the file; `default` where none is named.
    #[serde(default)]
    pub profile: Option<String>,
}

/// Why there are no credentials.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// Nowhere.
    #[error(
        "no credentials: set `access_key` and `secret_key`, or a `file`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    None,
    /// One half of a pair.
    #[error("credentials with one half missing: both the access key and its secret are needed ({0})")]
    Half(&'static str),
    /// The file cannot be read.
    #[error("cannot read the credentials file {0}")]
    File(PathBuf, #[source] io::Error),
    /// The file has no such section, or the section has no key.
    #[error("the credentials file {0} has no aws_access_key_id and aws_secret_access_key in section [{1}]")]
    Section(PathBuf, String),
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials")
            .field("access_key", &self.access_key)
            .field("secret_key", &self.secret_key.as_ref().map(|_| "hidden"))
            .field("session_token", &self.session_token.as_ref().map(|_| "hidden"))
            .field("file", &self.file)
            .field("profile", &self.profile)
            .finish()
    }
}

impl S3Credentials {
    pub(super) fn resolve(self) -> Result<Credentials, CredentialsError> {
        let profile = self.profile.unwrap_or_else(|| "default".to_owned());
        if let Some(found) = pair(self.access_key, self.secret_key, self.session_token, "settings")? {
            return Ok(found);
        }
        if let Some(file) = self.file {
            return from_file(file, profile);
        }
        let of = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let (id, secret) = (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"));
        if let Some(found) = pair(id, secret, of("AWS_SESSION_TOKEN"), "environment")? {
            return Ok(found);
        }
        let home = env::var_os("HOME").map(|home| PathBuf::from(home).join(".aws/credentials"));
        home.filter(|file| file.exists()).map_or(Err(CredentialsError::None), |file| from_file(file, profile))
    }
}

fn pair(
    id: Option<String>,
    secret: Option<String>,
    token: Option<String>,
    from: &'static str,
) -> Result<Option<Credentials>, CredentialsError> {
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Some(Credentials::new(id, secret, token, None, "kubetape"))),
        (None, None) => Ok(None),
        _ => Err(CredentialsError::Half(from)),
    }
}

/// Reads one section of an INI file: `[section]`, then `name = value` lines.
fn from_file(file: PathBuf, profile: String) -> Result<Credentials, CredentialsError> {
    let text = fs::read_to_string(&file).map_err(|error| CredentialsError::File(file.clone(), error))?;
    let (mut id, mut secret, mut token) = (None, None, None);
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = section.trim() == profile;
        } else if let Some((name, value)) = line.split_once('=').filter(|_| inside) {
            let value = Some(value.trim().to_owned());
            match name.trim() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    pair(id, secret, token, "file")?.ok_or(CredentialsError::Section(file, profile))
}
