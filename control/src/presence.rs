//! That this gateway is alive, said in the store: a lease that is renewed by a task of its own.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use storage::{
    Store, StoreError,
    lease::{self, Lease},
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

/// How long a lease runs. A gateway that could not renew it for less goes on with its sessions itself.
const LEASE: Duration = Duration::from_secs(30 * 60);
/// Time between two leases: the store may be unavailable for two thirds of one.
const RENEW_INTERVAL: Duration = Duration::from_secs(10 * 60);
/// Pause before a renewal that failed is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(15);
/// Longest wait for one renewal. A store that does not answer must not use up what is left of the lease in one attempt.
const RENEW_TIMEOUT: Duration = Duration::from_secs(2 * 60);

/// The time of day. A test gives one that follows Tokio's paused clock.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::new(SystemTime::now)
    }

    /// Any other.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time now.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// Seconds since 1970 UTC.
    pub(crate) fn unix_seconds(&self) -> i64 {
        let since = self.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// This process, as other gateways see it in the store.
#[derive(Debug)]
pub struct Presence {
    store: Arc<dyn Store>,
    gateway: String,
    /// Tells two processes of one name apart.
    instance: Uuid,
    clock: Clock,
}

impl Presence {
    /// Takes the first lease. Called before the first session is opened, so that no session is without one.
    ///
    /// # Errors
    /// The store does not take the lease.
    pub async fn announce(store: Arc<dyn Store>, gateway: &str, clock: Clock) -> Result<Self, StoreError> {
        let presence = Self { store, gateway: gateway.to_owned(), instance: Uuid::now_v7(), clock };
        presence.renew().await?;
        Ok(presence)
    }

    /// Renews the lease, forever. It must run in a task that does nothing else: what other work delays it by, the lease
    /// is short of, and another gateway then finalizes sessions that are live.
    ///
    /// # Cancel safety
    /// Dropping the future ends the renewals; the last lease runs out by itself.
    pub async fn keep(self) {
        let mut pause = RENEW_INTERVAL;
        loop {
            sleep(pause).await;
            pause = match timeout(RENEW_TIMEOUT, self.renew()).await {
                Ok(Ok(())) => RENEW_INTERVAL,
                Ok(Err(error)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "cannot renew the lease; trying again");
                    RETRY_DELAY
                }
                Err(_) => {
                    tracing::warn!("the store did not answer to the lease's renewal; trying again");
                    RETRY_DELAY
                }
            };
        }
    }

    async fn renew(&self) -> Result<(), StoreError> {
        let until = self.clock.unix_seconds().saturating_add(LEASE.as_secs().cast_signed());
        lease::take(&*self.store, &Lease { gateway: self.gateway.clone(), instance: self.instance, until }).await
    }
}
