//! Watching a session while it goes on.
//!
//! ```text
//!   spool (this gateway) ────┐                                  ┌─ viewer: a keyframe, then each event
//!                            ├─ LiveFeed ─▶ LiveSession ─ring─▶ ├─ viewer
//!   store (another gateway) ─┘              (terminal)          └─ a slow viewer: skips to a new keyframe
//! ```
//!
//! Each session that is watched has one [`LiveSession`], however many watch: it draws what comes and sends it to a ring.
//! Nothing waits for a viewer: the recorded session does not know of them, and a viewer that falls out of the ring gets
//! the present screen.

mod feed;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use avt::Terminal;
use recording::{Micros, RecordingId};
use spool::SpoolReader;
use storage::RecordingReader;
use tokio::sync::{broadcast, watch};

use crate::{
    PlayerError,
    blocking::blocking,
    projector::ProjectedEvent,
    screen::{SegmentSnapshot, draw, without_bidi_controls},
    timeline::SegmentStart,
};
use feed::LiveFeed;

/// Events in a session's ring. The recorder's events have at most 10 KiB, so that a ring holds 5 MiB at most.
const RING_EVENTS: usize = 512;

/// How many pieces of what was printed before are drawn before the first viewer enters. A session that prints without
/// end would never be caught up with.
const MAX_CATCH_UP: usize = 64;

/// What a viewer is to show next.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveFrame {
    /// The whole screen: the first frame, and the one after frames that were skipped.
    Keyframe {
        /// When the screen was so.
        time: Micros,
        /// Columns
        cols: u16,
        /// Rows
        rows: u16,
        /// Draws the screen on a new terminal of that size.
        init: String,
    },
    /// Print this, at this time.
    Output(Micros, String),
    /// The terminal has this size from here on: time, columns, rows.
    Resize(Micros, u16, u16),
    /// A command was entered: time and label.
    Marker(Micros, String),
    /// The session is over.
    Over,
}

/// The sessions that are watched.
#[derive(Debug, Default)]
pub(crate) struct LiveHub {
    by_id: Mutex<HashMap<RecordingId, Weak<LiveSession>>>,
}

/// A session that is watched. Its last viewer drops it.
struct LiveSession {
    state: Mutex<LiveState>,
    /// The feed's task ends when this is dropped.
    _dropped: watch::Sender<()>,
}

struct LiveState {
    terminal: Terminal,
    /// Time of the newest event.
    time: Micros,
    over: bool,
    ring: broadcast::Sender<LiveFrame>,
}

/// Shows a session while it goes on.
pub struct Viewer {
    session: Arc<LiveSession>,
    frames: broadcast::Receiver<LiveFrame>,
    first: Option<LiveFrame>,
    over: bool,
}

impl LiveHub {
    /// A viewer of a session that is watched already; `None` if nobody watches it.
    pub(crate) fn join(&self, id: RecordingId) -> Option<Viewer> {
        self.lock().get(&id).and_then(Weak::upgrade).map(Viewer::new)
    }

    /// A viewer of a session that is drawn from `start` on. Two callers at the same time may open it twice: both are
    /// right, and later viewers join one of them.
    ///
    /// # Errors
    /// [`PlayerError`] if the store or the spool fails before the first frame.
    pub(crate) async fn open(
        &self,
        recordings: RecordingReader,
        spool: Option<&SpoolReader>,
        id: RecordingId,
        start: &SegmentStart,
    ) -> Result<Viewer, PlayerError> {
        let terminal = start.snapshot.to_terminal().ok_or(PlayerError::Stopped)?;
        let mut feed = LiveFeed::open(recordings, spool, id, start);
        let ring = broadcast::channel(RING_EVENTS).0;
        let state = LiveState { terminal, time: start.time, over: false, ring };
        let (sender, dropped) = watch::channel(());
        let session = Arc::new(LiveSession { state: Mutex::new(state), _dropped: sender });
        // Draws what is there already: else the first viewer would see it race past.
        for _ in 0..MAX_CATCH_UP {
            let Some(events) = feed.ready().await? else { break };
            session.play(events).await?;
        }
        let weak = Arc::downgrade(&session);
        self.insert(id, Weak::clone(&weak));
        tokio::spawn(play_feed(feed, weak, dropped, id));
        Ok(Viewer::new(session))
    }

    fn insert(&self, id: RecordingId, session: Weak<LiveSession>) {
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.strong_count() > 0);
        sessions.insert(id, session);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RecordingId, Weak<LiveSession>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Plays the feed to the session's viewers, until either is gone.
async fn play_feed(mut feed: LiveFeed, session: Weak<LiveSession>, mut dropped: watch::Receiver<()>, id: RecordingId) {
    loop {
        let next = tokio::select! {
            next = feed.next() => next,
            Err(_) = dropped.changed() => return,
        };
        let Some(session) = session.upgrade() else { return };
        let played = match next {
            Ok(Some(events)) => session.play(events).await,
            Ok(None) => return session.end(),
            Err(error) => Err(error),
        };
        if let Err(error) = played {
            tracing::warn!(session = %id, error = &error as &dyn std::error::Error, "a live view ended early");
            return session.end();
        }
    }
}

impl LiveSession {
    fn state(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws and sends event by event: a viewer that enters between two gets the screen after the first.
    async fn play(self: &Arc<Self>, events: Vec<(Micros, ProjectedEvent)>) -> Result<(), PlayerError> {
        let session = Arc::clone(self);
        blocking(move || {
            for (time, event) in events {
                let mut state = session.state();
                draw(&mut state.terminal, &event);
                state.time = time;
                // Fails if nobody watches, which is no error.
                let _ = state.ring.send(frame(time, event));
            }
        })
        .await
    }

    fn end(&self) {
        let mut state = self.state();
        state.over = true;
        let _ = state.ring.send(LiveFrame::Over);
    }

    /// The present screen, and a receiver of what follows it.
    fn enter(&self) -> (broadcast::Receiver<LiveFrame>, LiveFrame) {
        let state = self.state();
        let (frames, snapshot) = (state.ring.subscribe(), SegmentSnapshot::of(&state.terminal));
        let init = without_bidi_controls(snapshot.init);
        let keyframe = LiveFrame::Keyframe { time: state.time, cols: snapshot.cols, rows: snapshot.rows, init };
        (frames, keyframe)
    }
}

impl Viewer {
    fn new(session: Arc<LiveSession>) -> Self {
        let (frames, first) = session.enter();
        Self { session, frames, first: Some(first), over: false }
    }

    /// Waits for what to show next. `None` after [`LiveFrame::Over`].
    ///
    /// # Cancel safety
    /// Cancel safe: a dropped future loses no frame.
    pub async fn next(&mut self) -> Option<LiveFrame> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.over {
            return None;
        }
        // If the session was over before this viewer entered, no `Over` is in its ring.
        if self.frames.is_empty() && self.session.state().over {
            self.over = true;
            return Some(LiveFrame::Over);
        }
        match self.frames.recv().await {
            Ok(frame) => {
                self.over = frame == LiveFrame::Over;
                Some(frame)
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {
                let (frames, keyframe) = self.session.enter();
                self.frames = frames;
                Some(keyframe)
            }
            Err(broadcast::error::RecvError::Closed) => {
                self.over = true;
                Some(LiveFrame::Over)
            }
        }
    }
}

fn frame(time: Micros, event: ProjectedEvent) -> LiveFrame {
    match event {
        ProjectedEvent::Output(text) => LiveFrame::Output(time, without_bidi_controls(text)),
        ProjectedEvent::Resize(size) => LiveFrame::Resize(time, size.cols, size.rows),
        ProjectedEvent::Marker(label) => LiveFrame::Marker(time, label),
    }
}
