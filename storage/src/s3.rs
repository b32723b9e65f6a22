mod credentials;
mod retry;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
    primitives::ByteStream,
};
use bytes::{Bytes, BytesMut};
use credentials::CredentialSources;
pub use credentials::S3Credentials;
use retry::{Attempt, AttemptError};
use serde::Deserialize;

use crate::{Capabilities, ObjectMeta, Store, StoreError, store};
use recording::Key;

/// Where a bucket is and how to reach it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// The bucket's name. It must exist.
    pub bucket: String,
    /// Put before every key, such as `kubetape/`; may be empty.
    #[serde(default)]
    pub prefix: String,
    /// `https://host:port` of a server that is not AWS.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// `us-east-1` if the server does not care.
    #[serde(default = "default_region")]
    pub region: String,
    /// The bucket in the path instead of in the host name. Most servers that are not AWS want it.
    #[serde(default)]
    pub path_style: bool,
    /// The key that signs the requests.
    #[serde(default)]
    pub credentials: S3Credentials,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// To connect, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// For one attempt at one request: 64 MiB at 2 MiB/s.
const ATTEMPT: Duration = Duration::from_secs(30);

/// A bucket as a store.
#[derive(Debug)]
pub struct S3 {
    client: Client,
    credentials: Arc<CredentialSources>,
    bucket: String,
    prefix: String,
}

impl S3 {
    /// Makes a client and looks whether the bucket can be listed.
    ///
    /// # Errors
    /// [`StoreError::Failed`]: no credentials, with the sources that were asked; or a bucket that cannot be reached, or
    /// not be listed with the credentials, which are named.
    pub async fn connect(settings: S3Settings) -> Result<Self, StoreError> {
        let shown = format!("s3://{}/{}", settings.bucket, settings.prefix);
        let failed = |error| StoreError::failed("sign in to", &shown, error);
        let region = Region::new(settings.region);
        let credentials = Arc::new(CredentialSources::new(settings.credentials, region.clone()).map_err(failed)?);
        // Asked once before the first request, for an error that names the sources.
        credentials.resolve().await.map_err(failed)?;
        let provider: Arc<dyn ProvideCredentials> = credentials.clone();
        // The environment and the profile say the rest, as they do for every AWS tool: which checksums a server
        // understands (AWS_REQUEST_CHECKSUM_CALCULATION, AWS_RESPONSE_CHECKSUM_VALIDATION), or another endpoint.
        let loaded = aws_config::defaults(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(SharedCredentialsProvider::from(provider))
            .identity_cache(credentials::cache())
            // Retries are made here: after an attempt of unknown end, "exists already" may mean our own object.
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder().connect_timeout(CONNECT).operation_attempt_timeout(ATTEMPT).build(),
            )
            .load()
            .await;
        let mut config = aws_sdk_s3::config::Builder::from(&loaded).force_path_style(settings.path_style);
        if let Some(endpoint) = settings.endpoint {
            config.set_endpoint_url(Some(endpoint));
        }
        let client = Client::from_conf(config.build());
        let s3 = Self { client, credentials, bucket: settings.bucket, prefix: settings.prefix };
        s3.list("", None, 1).await?;
        Ok(s3)
    }

    fn name(&self, key: &Key) -> String {
        format!("{}{key}", self.prefix)
    }

    /// A key or prefix, for an error's reader.
    fn shown(&self, name: &str) -> String {
        format!("s3://{}/{}{name}", self.bucket, self.prefix)
    }

    fn attempt_error<E>(&self, error: SdkError<E>) -> AttemptError
    where
        E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
    {
        match retry::attempt_error(error) {
            AttemptError::Refused(cause) => AttemptError::Refused(self.credentials.refused(cause)),
            other => other,
        }
    }

    async fn try_put(&self, key: &Key, bytes: &Bytes) -> Attempt<()> {
        let put = self.client.put_object().bucket(&self.bucket).key(self.name(key)).if_none_match("*");
        put.body(ByteStream::from(bytes.clone())).send().await.map(drop).map_err(|error| self.attempt_error(error))
    }

    /// The object; `None` if it has more than `max` bytes. The announced length is looked at first, and not believed:
    /// a body that is longer is not read further.
    async fn try_read(&self, key: &Key, max: u64) -> Attempt<Option<Bytes>> {
        let object = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.name(key))
            .send()
            .await
            .map_err(|error| self.attempt_error(error))?;
        let announced = object.content_length().and_then(|length| u64::try_from(length).ok());
        if announced.is_some_and(|length| length > max) {
            return Ok(None);
        }
        let mut body = object.body;
        let mut bytes = BytesMut::with_capacity(announced.and_then(|length| usize::try_from(length).ok()).unwrap_or(0));
        while let Some(part) = body.try_next().await.map_err(|error| AttemptError::Retry(error.into()))? {
            if (bytes.len() + part.len()) as u64 > max {
                return Ok(None);
            }
            bytes.extend_from_slice(&part);
        }
        Ok(Some(bytes.freeze()))
    }

    /// A page of the list: its objects, and the name to go on after if there are more.
    async fn try_list(
        &self,
        prefix: &str,
        after: Option<String>,
        limit: usize,
    ) -> Attempt<(Vec<ObjectMeta>, Option<String>)> {
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(format!("{}{prefix}", self.prefix));
        let limit = i32::try_from(limit.min(1000)).unwrap_or(1000);
        let page =
            request.set_start_after(after).max_keys(limit).send().await.map_err(|error| self.attempt_error(error))?;
        let entry = |object: &aws_sdk_s3::types::Object| {
            let key = Key::new(object.key()?.strip_prefix(&self.prefix)?).ok()?;
            Some(ObjectMeta { key, size: u64::try_from(object.size()?).ok()? })
        };
        // The last name may be one that is not ours: a bucket can have other users.
        let last = page.contents().last().and_then(|object| object.key()).map(str::to_owned);
        let next = last.filter(|_| page.is_truncated() == Some(true));
        Ok((page.contents().iter().filter_map(entry).collect(), next))
    }

    async fn try_children(&self, prefix: &str, token: Option<String>) -> Attempt<(Vec<String>, Option<String>)> {
        let full = format!("{}{prefix}", self.prefix);
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(&full).delimiter("/");
        let page = request.set_continuation_token(token).send().await.map_err(|error| self.attempt_error(error))?;
        let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
        let files = page.contents().iter().filter_map(|object| object.key());
        let names = folders.chain(files).filter_map(|name| name.strip_prefix(full.as_str()));
        let names = names.map(|name| name.trim_end_matches('/').to_owned()).filter(|name| Key::new(name).is_ok());
        Ok((names.collect(), page.next_continuation_token().map(str::to_owned)))
    }

    /// Whether the object that is there is the one that an earlier attempt of ours may have written.
    async fn is_ours(&self, key: &Key, bytes: &Bytes) -> Result<bool, StoreError> {
        match self.read(key, bytes.len() as u64).await {
            Ok(there) => Ok(there == *bytes),
            Err(StoreError::TooLarge { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Store for S3 {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        let mut retries = retry::Retries::new();
        loop {
            match self.try_put(key, &bytes).await {
                Ok(()) => return Ok(()),
                Err(AttemptError::Exists) if retries.may_have_written() && self.is_ours(key, &bytes).await? => {
                    return Ok(());
                }
                Err(AttemptError::Exists) => return Err(StoreError::Exists(key.clone())),
                Err(error) => retries.after(error, "write", &self.shown(key.as_str()), key).await?,
            }
        }
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        let mut retries = retry::Retries::new();
        loop {
            match self.try_read(key, max).await {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => return Err(StoreError::TooLarge { key: key.clone(), max }),
                Err(error) => retries.after(error, "read", &self.shown(key.as_str()), key).await?,
            }
        }
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        let mut retries = retry::Retries::new();
        let mut listed: Vec<ObjectMeta> = Vec::new();
        let mut after = after.map(|key| self.name(key));
        while listed.len() < limit && Key::may_start_with(prefix) {
            match self.try_list(prefix, after.clone(), limit - listed.len()).await {
                Ok((page, next)) => {
                    listed.extend(page);
                    if next.is_none() {
                        break;
                    }
                    after = next;
                }
                Err(error) => retries.after_listing(error, &self.shown(prefix)).await?,
            }
        }
        Ok(listed)
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let mut retries = retry::Retries::new();
        let (mut names, mut token) = (Vec::new(), None);
        if !Key::may_start_with(prefix) {
            return Ok(names);
        }
        loop {
            match self.try_children(prefix, token.clone()).await {
                Ok((page, next)) => {
                    names.extend(page);
                    token = next;
                    if token.is_none() {
                        names.sort_unstable();
                        names.dedup();
                        return Ok(names);
                    }
                }
                Err(error) => retries.after_listing(error, &self.shown(prefix)).await?,
            }
        }
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        store::probe_by_creating_twice(self).await
    }
}
