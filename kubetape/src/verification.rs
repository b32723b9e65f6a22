//! `serve` goes through the whole store by itself, slowly, and says what is wrong: in the journal, the metrics, the log and at the foot of
//! the pages.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Result;
use async_trait::async_trait;
use jiff::Timestamp;
use journal::Journal;
use recording::{Key, UnixMicros, journal::JournalEvent};
use storage::{Capabilities, ObjectMeta, Store, StoreError, private_file};
use tokio::{sync::watch, time::sleep};
use tokio_util::bytes::Bytes;
use verify::{Question, Verdict, VerificationResult};

use crate::{config::Config, wiring};

/// What is younger may not be stored and journalled as a whole.
const GRACE: Duration = Duration::from_secs(300);
/// After a start, so that a process that is started again and again does other things first; and after a store that failed.
const PAUSE: Duration = Duration::from_secs(60);
/// In `state.dir`: the last result.
const LAST_RESULT: &str = "verification.json";

/// Verifies the store again and again.
pub struct Verification {
    config: VerificationSettings,
    store: Arc<dyn Store>,
    journal: Journal,
    result: watch::Sender<Option<VerificationResult>>,
}

struct VerificationSettings {
    trusted: Vec<verify::Trust>,
    every: Duration,
    file: PathBuf,
    head_file: PathBuf,
}

impl Verification {
    /// Reads from `store` at the configured rate. What the last process found is known at once.
    ///
    /// # Errors
    /// The keys cannot be read.
    pub fn new(config: &Config, store: Arc<dyn Store>, journal: Journal) -> Result<Self> {
        let file = config.state_file(LAST_RESULT);
        // One that cannot be read is as good as none: it is made anew.
        let last = std::fs::read(&file).ok().and_then(|json| serde_json::from_slice(&json).ok());
        let settings = VerificationSettings {
            trusted: wiring::trusted_keys(config)?,
            every: config.verification.every,
            file,
            head_file: wiring::journal_head_file(config),
        };
        let store = Arc::new(ThrottledStore { inner: store, bytes_per_second: config.verification.rate });
        Ok(Self { config: settings, store, journal, result: watch::Sender::new(last) })
    }

    /// The last result; `None` before the first.
    pub fn result(&self) -> watch::Receiver<Option<VerificationResult>> {
        self.result.subscribe()
    }

    /// Runs until it is dropped. Does nothing if it is switched off.
    ///
    /// # Cancel safety
    /// Dropping the future ends a run under way; the next process begins anew.
    pub async fn run(self) {
        if self.config.every.is_zero() {
            return std::future::pending().await;
        }
        sleep(self.due().max(PAUSE.min(self.config.every))).await;
        loop {
            match self.once().await {
                Ok(()) => sleep(self.config.every).await,
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "the store cannot be verified now");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// How long until the next run is due.
    fn due(&self) -> Duration {
        let last = self.result.borrow().as_ref().map(|result| UnixMicros::from(result.at));
        let now = UnixMicros::from(Timestamp::now());
        last.map_or(Duration::ZERO, |last| self.config.every.saturating_sub(now.since(last)))
    }

    async fn once(&self) -> Result<(), StoreError> {
        // Read before the store is: the journal may grow meanwhile.
        let head = std::fs::read(&self.config.head_file).ok().and_then(|json| serde_json::from_slice(&json).ok());
        let question = Question {
            trusted: self.config.trusted.clone(),
            heads: head.into_iter().collect(),
            settled: UnixMicros::from(Timestamp::now()) - GRACE,
            ..Question::default()
        };
        let store: Arc<dyn Store> = self.store.clone();
        let report = verify::verify(&store, &question, &mut |_| {}).await?;
        let result = VerificationResult::new(&report, Timestamp::now());
        if report.verdict() == Verdict::Wrong {
            tracing::error!(findings = result.findings, first = result.first, "what is stored is not what was written");
        } else {
            tracing::info!(recordings = result.recordings, "the store was verified");
        }
        self.journal
            .note(
                "",
                JournalEvent::Verified {
                    verdict: result.verdict.name().to_owned(),
                    recordings: result.recordings,
                    journal_objects: report.journal_objects,
                    findings: result.findings,
                    first: result.first.clone(),
                },
            )
            .await;
        self.remember(&result);
        self.result.send_replace(Some(result));
        Ok(())
    }

    fn remember(&self, result: &VerificationResult) {
        let json = serde_json::to_vec(result).unwrap_or_default();
        if let Err(error) = private_file::replace(&self.config.file, &json) {
            tracing::warn!(%error, "cannot remember when the store was verified (state.dir)");
        }
    }
}

/// A store whose reads take their time: verifying does not slow down what people do.
#[derive(Debug)]
struct ThrottledStore {
    inner: Arc<dyn Store>,
    bytes_per_second: u64,
}

impl ThrottledStore {
    async fn pause(&self, bytes: usize) {
        if self.bytes_per_second > 0 {
            sleep(Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64)).await;
        }
    }
}

#[async_trait]
impl Store for ThrottledStore {
    async fn put_new(&self, key: &Key, bytes: Bytes) -> Result<(), StoreError> {
        self.inner.put_new(key, bytes).await
    }

    async fn read(&self, key: &Key, max: u64) -> Result<Bytes, StoreError> {
        let bytes = self.inner.read(key, max).await?;
        self.pause(bytes.len()).await;
        Ok(bytes)
    }

    async fn list(&self, prefix: &str, after: Option<&Key>, limit: usize) -> Result<Vec<ObjectMeta>, StoreError> {
        self.inner.list(prefix, after, limit).await
    }

    async fn children(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        self.inner.children(prefix).await
    }

    async fn probe(&self) -> Result<Capabilities, StoreError> {
        self.inner.probe().await
    }
}

#[cfg(test)]
mod tests {
    use storage::Memory;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn reads_take_as_long_as_the_rate_says_and_no_rate_is_none() {
        let memory: Arc<dyn Store> = Arc::new(Memory::new());
        let key = Key::new("keys/a.json").unwrap();
        memory.put_new(&key, vec![0; 3 << 20].into()).await.unwrap();
        for (rate, seconds) in [(1 << 20, 3), (3 << 20, 1), (0, 0)] {
            let store = ThrottledStore { inner: memory.clone(), bytes_per_second: rate };
            let begun = Instant::now();
            store.read(&key, u64::MAX).await.unwrap();
            assert_eq!(begun.elapsed().as_secs(), seconds);
        }
    }
}
