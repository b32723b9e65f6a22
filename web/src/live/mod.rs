//! Sessions that are under way: watching them, ending them, and shutting people out.

pub(crate) mod end;
pub(crate) mod lock;
pub(crate) mod watch;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use self::{end::EndSession, lock::PeopleLocks};
use crate::{
    context::turns::{Full, Turn, Turns},
    http::failure::Failure,
};

/// Live views at a time: of all people, and of one. More are told to come back.
const CONCURRENT_VIEWS: usize = 256;
const VIEWS_OF_A_PERSON: usize = 32;

/// What live sessions are watched and ended with.
pub(crate) struct Live {
    /// Ends a session of this process's gateway; `None` if the process has no gateway.
    end_session: Option<EndSession>,
    /// Shuts people out of this process's gateway; `None` if the process has no gateway.
    people_locks: Option<Arc<dyn PeopleLocks>>,
    views: Arc<Turns>,
    /// The process ends, and with it the streams, which would not end by themselves.
    shutdown: CancellationToken,
}

impl Live {
    pub(crate) fn new(
        end_session: Option<EndSession>,
        people_locks: Option<Arc<dyn PeopleLocks>>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { end_session, people_locks, views: Turns::new(CONCURRENT_VIEWS, VIEWS_OF_A_PERSON), shutdown }
    }

    fn view_turn(&self, user: &str) -> Result<Turn, Failure> {
        self.views.take(user).map_err(|full| {
            Failure::busy(match full {
                Full::All => "Too many people watch live sessions. Try again in a moment.",
                Full::Person => "You watch 32 live sessions. Close one of them first.",
            })
        })
    }
}
