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

/// What to make of a failed attempt.
pub(super) enum Verdict {
    /// 412: the condition "does not exist yet" did not hold.
    Exists,
    /// 404 of an object.
    Absent,
    /// 409: another writer of the same name was at work. Worth another attempt; nothing was written.
    Conflict(Cause),
    /// Worth another attempt: no answer, 5xx, throttling. Whether anything was written is not known.
    Again(Cause),
    /// 401, 403, or a token that is not taken: the credentials are wrong, or may not do this.
    Refused(Cause),
    /// Any other answer that will not change.
    Final(Cause),
}

pub(super) type Attempt<T> = Result<T, Verdict>;

/// Reads the answer's status, and its code where the status alone does not tell.
pub(super) fn verdict<E>(error: SdkError<E>) -> Verdict
where
    E: ProvideErrorMetadata + RequestId + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default().to_owned();
    match status {
        Some(412) => Verdict::Exists,
        Some(404) if code != "NoSuchBucket" => Verdict::Absent,
        Some(409) => Verdict::Conflict(error.into()),
        None | Some(408 | 429 | 500..=599) => Verdict::Again(error.into()),
        Some(_) if code == "RequestTimeout" => Verdict::Again(error.into()),
        Some(401 | 403) => Verdict::Refused(error.into()),
        Some(_) if matches!(code.as_str(), "ExpiredToken" | "InvalidToken") => Verdict::Refused(error.into()),
        Some(_) => Verdict::Final(error.into()),
    }
}

/// Counts one request's attempts and waits between them.
pub(super) struct Retries {
    made: u32,
    backoff: Backoff,
    unclear: bool,
}

impl Retries {
    pub(super) fn new() -> Self {
        Self { made: 0, backoff: PAUSES, unclear: false }
    }

    /// Whether an attempt was made before that may have done its work.
    pub(super) fn may_have_written(&self) -> bool {
        self.unclear
    }

    /// Waits for the next attempt, or says why there is none.
    pub(super) async fn after(
        &mut self,
        verdict: Verdict,
        action: &'static str,
        shown: &str,
        key: &Key,
    ) -> Result<(), StoreError> {
        match verdict {
            Verdict::Exists => Err(StoreError::Exists(key.clone())),
            Verdict::Absent => Err(StoreError::NotFound(key.clone())),
            Verdict::Refused(cause) | Verdict::Final(cause) => Err(StoreError::failed(action, shown, cause)),
            Verdict::Conflict(cause) => self.pause(action, shown, cause).await,
            Verdict::Again(cause) => {
                self.unclear = true;
                self.pause(action, shown, cause).await
            }
        }
    }

    /// Like [`Self::after`] for a request that names no object.
    pub(super) async fn after_listing(&mut self, verdict: Verdict, prefix: &str) -> Result<(), StoreError> {
        match verdict {
            Verdict::Exists | Verdict::Absent => Err(StoreError::failed("list", prefix, "the bucket does not exist")),
            Verdict::Refused(cause) | Verdict::Final(cause) => Err(StoreError::failed("list", prefix, cause)),
            Verdict::Conflict(cause) | Verdict::Again(cause) => self.pause("list", prefix, cause).await,
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
