use std::time::Duration;

use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

use crate::{Backoff, StoreError};
use recording::{ErrorChain, Key};

/// Attempts at one request, the first included; then the error is returned.
const ATTEMPTS: u32 = 4;

/// Before the first retry, and before the last one at most.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(400));

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why an attempt failed, and so whether another one is made.
pub(super) enum AttemptError {
    /// 412: the condition "does not exist yet" did not hold.
    Exists,
    /// 404 of an object.
    Absent,
    /// 409: another writer of the same name was at work. Worth another attempt; nothing was written.
    Conflict(Cause),
    /// Worth another attempt: no answer, 5xx, throttling. Whether anything was written is not known.
    Retry(Cause),
    /// 401, 403, or a token that is not taken: the credentials are wrong, or may not do this.
    Refused(Cause),
    /// Any other answer that will not change.
    Final(Cause),
}

pub(super) type Attempt<T> = Result<T, AttemptError>;

/// Reads the answer's status, and its code where the status alone does not tell.
pub(super) fn attempt_error<E>(error: SdkError<E>) -> AttemptError
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default().to_owned();
    match status {
        Some(412) => AttemptError::Exists,
        Some(404) if code != "NoSuchBucket" => AttemptError::Absent,
        Some(409) => AttemptError::Conflict(error.into()),
        None | Some(408 | 429 | 500..=599) => AttemptError::Retry(error.into()),
        Some(_) if code == "RequestTimeout" => AttemptError::Retry(error.into()),
        Some(401 | 403) => AttemptError::Refused(error.into()),
        Some(_) if matches!(code.as_str(), "ExpiredToken" | "InvalidToken") => AttemptError::Refused(error.into()),
        Some(_) => AttemptError::Final(error.into()),
    }
}

/// Counts one request's attempts and waits between them.
pub(super) struct Retries {
    made: u32,
    backoff: Backoff,
    may_have_written: bool,
}

impl Retries {
    pub(super) fn new() -> Self {
        Self { made: 0, backoff: PAUSES, may_have_written: false }
    }

    /// Whether an attempt was made before that may have done its work.
    pub(super) fn may_have_written(&self) -> bool {
        self.may_have_written
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    /// Why there is no next attempt.
    pub(super) async fn after(
        &mut self,
        error: AttemptError,
        action: &'static str,
        shown: &str,
        key: &Key,
    ) -> Result<(), StoreError> {
        match error {
            AttemptError::Exists => Err(StoreError::Exists(key.clone())),
            AttemptError::Absent => Err(StoreError::NotFound(key.clone())),
            AttemptError::Refused(cause) | AttemptError::Final(cause) => Err(StoreError::failed(action, shown, cause)),
            AttemptError::Conflict(cause) => self.pause(action, shown, cause).await,
            AttemptError::Retry(cause) => {
                self.may_have_written = true;
                self.pause(action, shown, cause).await
            }
        }
    }

    /// Waits for the next attempt of a request that names no object.
    ///
    /// # Errors
    /// Why there is no next attempt.
    pub(super) async fn after_listing(&mut self, error: AttemptError, prefix: &str) -> Result<(), StoreError> {
        match error {
            AttemptError::Exists | AttemptError::Absent => {
                Err(StoreError::failed("list", prefix, "the bucket does not exist"))
            }
            AttemptError::Refused(cause) | AttemptError::Final(cause) => Err(StoreError::failed("list", prefix, cause)),
            AttemptError::Conflict(cause) | AttemptError::Retry(cause) => self.pause("list", prefix, cause).await,
        }
    }

    async fn pause(&mut self, action: &'static str, shown: &str, cause: Cause) -> Result<(), StoreError> {
        self.made += 1;
        if self.made >= ATTEMPTS {
            return Err(StoreError::failed(action, shown, cause));
        }
        let pause = self.backoff.pause();
        tracing::warn!(action, key = shown, attempt = self.made, ?pause, error = %ErrorChain(&*cause), "store: trying again");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
