//! `GET /api/v1/sessions/{id}/live`: a session as it goes on, as server-sent events.
//!
//! They are those of asciinema-player's `eventsource` driver: an object is a screen to start with, an array an event, and
//! `done` the end. A browser that reads slowly is not waited for: it gets a new screen when it comes round again.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{Path, State},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::stream;
use http::HeaderMap;
use identity::WebSession;
use player::{LiveFrame, Viewer};
use serde_json::json;
use tokio::time::{Interval, interval};

use super::Live;
use crate::{
    auth::Auth,
    context::{
        access_journal::AccessJournal,
        evidence::{Evidence, parse_id, unplayable},
        turns::Turn,
    },
    http::failure::ApiFailure,
};

/// Between two looks whether the login is still valid: who is locked out sees no more than this. A look is a `stat` of two files.
const LOGIN_CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Between two comments, so that no proxy between here and the browser takes the silence for the end.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The events of one live view.
struct LiveStream {
    auth: Arc<Auth>,
    live: Arc<Live>,
    /// The headers of the request that opened the stream; its cookie names the login.
    headers: HeaderMap,
    viewer: Viewer,
    login_check: Interval,
    markers: usize,
    _turn: Turn,
}

pub(crate) async fn watch(
    State(evidence): State<Arc<Evidence>>,
    State(journal): State<Arc<AccessJournal>>,
    State(auth): State<Arc<Auth>>,
    State(live): State<Arc<Live>>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiFailure> {
    let id = parse_id(&id)?;
    let turn = live.view_turn(&login.user)?;
    let viewer = evidence.player.watch(id).await.map_err(unplayable)?;
    journal.watched(&login, id).await?;
    let login_check = interval(LOGIN_CHECK_INTERVAL);
    let stream = LiveStream { auth, live, headers, viewer, login_check, markers: 0, _turn: turn };
    let events = stream::unfold(stream, |mut stream| async {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

impl LiveStream {
    /// The next event; `None` at the end of the session, of the login or of the process.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                () = self.live.shutdown.cancelled() => return None,
                _ = self.login_check.tick() => if !self.auth.is_valid(&self.headers).await { return None },
                frame = self.viewer.next() => return Some(self.event(frame?)),
            }
        }
    }

    fn event(&mut self, frame: LiveFrame) -> Event {
        let data = match frame {
            LiveFrame::Keyframe { time, cols, rows, init } => {
                json!({ "time": time.as_secs_f64(), "cols": cols, "rows": rows, "init": init })
            }
            LiveFrame::Output(time, text) => json!([time.as_secs_f64(), "o", text]),
            LiveFrame::Resize(time, cols, rows) => json!([time.as_secs_f64(), "r", { "cols": cols, "rows": rows }]),
            LiveFrame::Marker(time, label) => {
                self.markers += 1;
                let marker = json!({ "index": self.markers - 1, "time": time.as_secs_f64(), "label": label });
                json!([time.as_secs_f64(), "m", marker])
            }
            LiveFrame::Over => return Event::default().event("done").data("over"),
        };
        Event::default().data(data.to_string())
    }
}
