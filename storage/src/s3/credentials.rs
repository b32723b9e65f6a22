use std::{
    error::Error as _,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws_config::{
    BehaviorVersion, Region, ecs::EcsCredentialsProvider, environment::EnvironmentVariableCredentialsProvider,
    identity::IdentityCache, imds::credentials::ImdsCredentialsProvider, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, web_identity_token::WebIdentityTokenCredentialsProvider,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError as ProviderError, future},
};
use aws_sdk_s3::config::SharedIdentityCache;
use recording::ErrorChain;
use serde::Deserialize;
use thiserror::Error;

/// Temporary credentials are renewed so long before they expire: two clocks differ, and an upload that was signed just
/// before takes up to 30 s.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// Longest wait for credentials: a program of `credential_process` that asks another server, or the attempts at an
/// instance metadata service that is not there.
const RESOLVED_WITHIN: Duration = Duration::from_secs(25);

/// The key that signs requests, if the configuration has one. The secret is in no `Debug` output.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Credentials {
    /// The access key's id. `None`: the sources of every AWS tool are asked, in this order: environment, profile
    /// (`credential_process` included), web identity, container, instance metadata.
    #[serde(default)]
    pub access_key: Option<String>,
    /// The access key's secret.
    #[serde(default)]
    pub secret_key: Option<String>,
    /// The token of temporary credentials.
    #[serde(default)]
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials")
            .field("access_key", &self.access_key)
            .field("secret_key", &self.secret_key.as_ref().map(|_| "hidden"))
            .field("session_token", &self.session_token.as_ref().map(|_| "hidden"))
            .finish()
    }
}

/// Why there are no credentials.
#[derive(Debug, Error)]
pub(super) enum CredentialsError {
    /// No source has any.
    #[error("no credentials: set `access_key` and `secret_key`, or one of these, which were tried: {0}")]
    None(String),
    /// The configuration has one half of a pair.
    #[error("credentials with one half missing: both the access key and its secret are needed")]
    Half,
    /// A source is configured and fails.
    #[error("the credentials of the {name} cannot be had")]
    Source {
        /// The source.
        name: &'static str,
        /// What it said.
        source: ProviderError,
    },
}

/// The server did not accept a request that these credentials signed.
#[derive(Debug, Error)]
#[error("the server refused the access key {access_key} of the {name}")]
pub(super) struct Refused {
    access_key: String,
    name: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// Where credentials come from: the first source that has some.
pub(super) struct CredentialSources {
    sources: Vec<(&'static str, SharedCredentialsProvider)>,
    /// Access key and source of the credentials that were given out last.
    last: Mutex<Option<(String, &'static str)>>,
}

impl CredentialSources {
    /// The configured key alone, if there is one; the sources of every AWS tool otherwise. `region` is where a token is
    /// exchanged for credentials.
    ///
    /// # Errors
    /// [`CredentialsError::Half`]
    pub(super) fn new(configured: S3Credentials, region: Region) -> Result<Self, CredentialsError> {
        let sources = match (configured.access_key, configured.secret_key) {
            (Some(id), Some(secret)) => {
                let credentials = Credentials::new(id, secret, configured.session_token, None, "kubetape");
                vec![("configuration", SharedCredentialsProvider::new(credentials))]
            }
            (None, None) => every_tools_sources(region),
            _ => return Err(CredentialsError::Half),
        };
        Ok(Self { sources, last: Mutex::default() })
    }

    /// Credentials of the first source that has some.
    ///
    /// # Errors
    /// [`CredentialsError`], with all sources that were asked.
    pub(super) async fn resolve(&self) -> Result<Credentials, CredentialsError> {
        let mut tried = Vec::new();
        for (name, source) in &self.sources {
            match source.provide_credentials().await {
                Ok(credentials) => {
                    let last = (credentials.access_key_id().to_owned(), *name);
                    *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(last);
                    return Ok(credentials);
                }
                Err(error @ ProviderError::CredentialsNotLoaded(_)) => {
                    let why = error.source().map_or_else(String::new, |why| format!(": {}", ErrorChain(why)));
                    tried.push(format!("{name}{why}"));
                }
                Err(source) => return Err(CredentialsError::Source { name, source }),
            }
        }
        Err(CredentialsError::None(tried.join("; ")))
    }

    /// An answer's error with the credentials that it is about.
    pub(super) fn refused(
        &self,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> Box<dyn std::error::Error + Send + Sync> {
        match self.last.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some((access_key, name)) => Refused { access_key, name, source }.into(),
            None => source,
        }
    }
}

/// The order is that of the SDK's own chain.
fn every_tools_sources(region: Region) -> Vec<(&'static str, SharedCredentialsProvider)> {
    let config = ProviderConfig::without_region()
        .with_region(Some(region))
        .with_behavior_version(Some(BehaviorVersion::latest()));
    let profile = ProfileFileCredentialsProvider::builder().configure(&config).build();
    let web_identity = WebIdentityTokenCredentialsProvider::builder().configure(&config).build();
    let container = EcsCredentialsProvider::builder().configure(&config).build();
    let instance = ImdsCredentialsProvider::builder().configure(&config).build();
    vec![
        (
            "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)",
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
        ),
        ("profile (AWS_PROFILE, ~/.aws/credentials, ~/.aws/config)", SharedCredentialsProvider::new(profile)),
        ("web identity (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN)", SharedCredentialsProvider::new(web_identity)),
        (
            "container (AWS_CONTAINER_CREDENTIALS_FULL_URI, AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)",
            SharedCredentialsProvider::new(container),
        ),
        ("instance metadata (IMDSv2)", SharedCredentialsProvider::new(instance)),
    ]
}

/// Holds credentials until shortly before they expire.
pub(super) fn cache() -> SharedIdentityCache {
    IdentityCache::lazy().buffer_time(RENEWED_BEFORE).load_timeout(RESOLVED_WITHIN).build()
}

impl ProvideCredentials for CredentialSources {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.resolve().await.map_err(ProviderError::provider_error) })
    }
}

impl fmt::Debug for CredentialSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources.iter().map(|(name, _)| name)).finish()
    }
}
