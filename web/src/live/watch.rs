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
use http::{HeaderMap, StatusCode};
use player::{LiveFrame, Viewer};
use serde_json::json;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Interval, interval},
};

use crate::{
    auth::guard,
    http::failure::{ApiFailure, Failure},
    state::{Shared, recording, unplayable},
};
use identity::web_sessions::WebSession;

/// Between two looks whether the login still stands.
const LOOK: Duration = Duration::from_secs(10);

/// A comment so often, so that nobody between here and the browser takes the silence for the end.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Somebody who watches.
struct Watching {
    shared: Shared,
    headers: HeaderMap,
    viewer: Viewer,
    look: Interval,
    markers: usize,
    _turn: OwnedSemaphorePermit,
}

pub(crate) async fn watch(
    State(shared): State<Shared>,
    Extension(login): Extension<WebSession>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiFailure> {
    let id = recording(&id)?;
    let turn = Arc::clone(&shared.watching).try_acquire_owned().map_err(|_| busy())?;
    let viewer = shared.player.watch(id).await.map_err(unplayable)?;
    shared.watches(&login, id).await?;
    let watching = Watching { shared, headers, viewer, look: interval(LOOK), markers: 0, _turn: turn };
    let events = stream::unfold(watching, |mut watching| async {
        let event = watching.next().await?;
        Some((Ok::<_, Infallible>(event), watching))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn busy() -> Failure {
    let message = "Too many people watch live sessions. Try again in a moment.";
    Failure::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not possible right now", message)
}

impl Watching {
    /// The next event; none at the end of the session, of the login or of the process.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let shutdown = self.shared.shutdown.clone();
            tokio::select! {
                () = shutdown.cancelled() => return None,
                _ = self.look.tick() => if !guard::still(&self.shared, &self.headers) { return None },
                frame = self.viewer.next() => return Some(self.event(frame?)),
            }
        }
    }

    fn event(&mut self, frame: LiveFrame) -> Event {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let data = match frame {
            LiveFrame::Keyframe { micros, cols, rows, init } => {
                json!({ "time": seconds(micros), "cols": cols, "rows": rows, "init": init })
            }
            LiveFrame::Output(micros, text) => json!([seconds(micros), "o", text]),
            LiveFrame::Resize(micros, cols, rows) => json!([seconds(micros), "r", { "cols": cols, "rows": rows }]),
            LiveFrame::Marker(micros, label) => {
                self.markers += 1;
                let marker = json!({ "index": self.markers - 1, "time": seconds(micros), "label": label });
                json!([seconds(micros), "m", marker])
            }
            LiveFrame::Over => return Event::default().event("done").data("over"),
        };
        Event::default().data(data.to_string())
    }
}
