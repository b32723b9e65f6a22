//! Refusals, and how many of them people without a good credential can write into the journal: some a second, and of the
//! rest how many there were.

use std::time::{Duration, Instant};

use http::StatusCode;
use journal::Journal;
use listener::Sampler;
use recording::journal::{ApiRequest, JournalEvent};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::request::status::Status;

/// Refusals of unauthenticated senders that get an entry of their own, in a second.
const ENTRIES_PER_SECOND: u32 = 50;
/// How often the other ones are summed up.
const SUM_INTERVAL: Duration = Duration::from_secs(1);

/// The step of [`super::authorize`] in which a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nobody knows who sent it.
    Authentication {
        /// Whether its sender showed a certificate or an `Authorization` header.
        showed_credential: bool,
    },
    /// It cannot be said what it is about.
    Classification,
    /// Policy refuses it, or it is malformed.
    Decision,
    /// Policy permits it, and the gateway cannot serve it.
    Service,
}

/// A request that was refused, with what was known of it at the step that it had reached.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) step: Step,
    /// Empty if the sender is not known.
    pub(crate) user: String,
    pub(crate) request: ApiRequest,
    pub(crate) status: Status,
}

impl Refusal {
    /// Writes code and reason into the request.
    pub(crate) fn new(step: Step, user: String, request: ApiRequest, status: Status) -> Box<Self> {
        let request = ApiRequest { code: status.code.as_u16(), reason: status.message.clone(), ..request };
        Box::new(Self { step, user, request, status })
    }
}

/// Journals refusals.
pub(crate) struct RefusalJournal {
    journal: Journal,
    /// Of senders who are not known.
    unauthenticated: Sampler,
}

impl RefusalJournal {
    pub(crate) fn new(journal: Journal) -> Self {
        Self { journal, unauthenticated: Sampler::new(ENTRIES_PER_SECOND) }
    }

    /// Journals a refusal, and returns what the client is told. A credential that was shown and refused is for the journal;
    /// an unauthenticated request without one is not.
    pub(crate) async fn note(&self, refusal: Box<Refusal>) -> Status {
        let Refusal { step, user, request, status } = *refusal;
        let journalled = match step {
            Step::Authentication { showed_credential } if user.is_empty() => {
                showed_credential && self.unauthenticated.allow(Instant::now())
            }
            Step::Authentication { .. } | Step::Classification | Step::Decision | Step::Service => true,
        };
        if journalled {
            self.journal.note(&user, JournalEvent::Refused(request)).await;
        }
        status
    }

    /// Journals every second, until the gateway stops, how many refusals got no entry of their own. This is a task of its own: a
    /// journal that waits for its store must not keep connections from being accepted.
    pub(crate) async fn sum_up(&self, stopping: CancellationToken) {
        let mut ticks = interval(SUM_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                () = stopping.cancelled() => true,
                _ = ticks.tick() => false,
            };
            if let Some(more) = self.unauthenticated.take() {
                self.journal.note("", sum(more)).await;
            }
            if last {
                return;
            }
        }
    }
}

/// One entry for all refusals since the last sum that got none of their own.
fn sum(more: u64) -> JournalEvent {
    JournalEvent::Refused(ApiRequest {
        code: StatusCode::UNAUTHORIZED.as_u16(),
        reason: format!("{more} more without a good credential, beyond {ENTRIES_PER_SECOND} in a second"),
        ..ApiRequest::default()
    })
}
