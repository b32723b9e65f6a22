//! Watching a session while it goes on.
//!
//! ```text
//!   spool (this gateway) ─┐                       ┌─ viewer: keyframe, then each event
//!                         ├─ Feed ─▶ Stage ─ring─▶├─ viewer
//!   store (another one) ──┘        (terminal)     └─ one that is slow: skips to a new keyframe
//! ```
//!
//! Each session that is watched has one stage, whoever many watch: it draws what comes and puts it into a ring. Nothing
//! waits for a viewer: the session does not know of them, and who falls out of the ring is shown the screen as it is then.

mod feed;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use avt::Terminal;
use recording::RecordingId;
use tokio::sync::{broadcast, watch};

use crate::{
    Player, PlayerError, off,
    projector::ProjectedEvent,
    segments::unturned,
    timeline::{self, draw, snapshot},
};
use feed::Feed;

/// Events in a session's ring. The recorder's events have at most 10 KiB, so it holds 5 MiB at most.
const RING: usize = 512;

/// Pieces of what was there before that are drawn first; a flood never ends.
const CATCHING_UP: usize = 64;

/// What somebody who watches is to be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveFrame {
    /// The whole screen, at the beginning and after frames were skipped.
    Keyframe {
        /// Microseconds since the session's start.
        micros: u64,
        /// Columns
        cols: u16,
        /// Rows
        rows: u16,
        /// Draws the screen on a new terminal of that size.
        init: String,
    },
    /// Print this.
    Output(u64, String),
    /// The terminal has this size from here on: columns and rows.
    Resize(u64, u16, u16),
    /// A command was entered.
    Marker(u64, String),
    /// The session is over.
    Over,
}

/// The stages of the sessions that are watched.
#[derive(Debug, Default)]
pub(crate) struct LiveHub {
    by_id: Mutex<HashMap<RecordingId, Weak<LiveEntry>>>,
}

/// A session that is watched. It is gone with its last viewer.
struct LiveEntry {
    scene: Mutex<LiveSnapshot>,
    /// The feed's task ends when this is dropped.
    _here: watch::Sender<()>,
}

struct LiveSnapshot {
    terminal: Terminal,
    micros: u64,
    over: bool,
    ring: broadcast::Sender<LiveFrame>,
}

/// Somebody who watches a session.
pub struct Viewer {
    stage: Arc<LiveEntry>,
    frames: broadcast::Receiver<LiveFrame>,
    opening: Option<LiveFrame>,
    over: bool,
}

impl Player {
    /// Watches a session, from its screen of this moment on. For one that is over there is the screen at its end.
    ///
    /// # Errors
    /// [`PlayerError`]; see [`PlayerError::is_not_found`].
    pub async fn watch(&self, id: RecordingId) -> Result<Viewer, PlayerError> {
        let known = self.stages.lock().get(&id).and_then(Weak::upgrade);
        let stage = match known {
            Some(stage) => stage,
            None => self.stage(id).await?,
        };
        let (frames, opening) = stage.enter();
        Ok(Viewer { stage, frames, opening: Some(opening), over: false })
    }

    /// A new stage. Two who come at the same time may make two: both are right, and one is found by later viewers.
    async fn stage(&self, id: RecordingId) -> Result<Arc<LiveEntry>, PlayerError> {
        let mark = self.opening(id).await?;
        let terminal = timeline::terminal(&mark.snapshot).ok_or(PlayerError::Stopped)?;
        let mut feed = Feed::open(self.recordings.clone(), self.spool.as_ref(), id, &mark);
        let scene = LiveSnapshot { terminal, micros: mark.start, over: false, ring: broadcast::channel(RING).0 };
        let (here, mut gone) = watch::channel(());
        let stage = Arc::new(LiveEntry { scene: Mutex::new(scene), _here: here });
        // What is there already is drawn before anybody enters: else the first would see it race past.
        for _ in 0..CATCHING_UP {
            let Some(frames) = feed.ready().await? else { break };
            stage.play(frames).await?;
        }
        let weak = Arc::downgrade(&stage);
        let mut stages = self.stages.lock();
        stages.retain(|_, stage| stage.strong_count() > 0);
        stages.insert(id, Weak::clone(&weak));
        drop(stages);
        tokio::spawn(async move {
            loop {
                let news = tokio::select! {
                    news = feed.next() => news,
                    Err(_) = gone.changed() => return,
                };
                let Some(stage) = weak.upgrade() else { return };
                let played = match news {
                    Ok(Some(frames)) => stage.play(frames).await,
                    Ok(None) => return stage.end(),
                    Err(error) => Err(error),
                };
                if let Err(error) = played {
                    tracing::warn!(session = %id, error = &error as &dyn std::error::Error, "a live view ended early");
                    return stage.end();
                }
            }
        });
        Ok(stage)
    }
}

impl LiveHub {
    fn lock(&self) -> MutexGuard<'_, HashMap<RecordingId, Weak<LiveEntry>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveEntry {
    fn scene(&self) -> MutexGuard<'_, LiveSnapshot> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws, and tells who watches, event by event: whoever enters between two gets the screen after the first.
    async fn play(self: &Arc<Self>, frames: Vec<(u64, ProjectedEvent)>) -> Result<(), PlayerError> {
        let stage = Arc::clone(self);
        off(move || {
            for (micros, shown) in frames {
                let mut scene = stage.scene();
                draw(&mut scene.terminal, &shown);
                scene.micros = micros;
                // Nobody watching is no error.
                let _ = scene.ring.send(frame(micros, shown));
            }
        })
        .await
    }

    fn end(&self) {
        let mut scene = self.scene();
        scene.over = true;
        let _ = scene.ring.send(LiveFrame::Over);
    }

    /// The screen, and what comes after it.
    fn enter(&self) -> (broadcast::Receiver<LiveFrame>, LiveFrame) {
        let scene = self.scene();
        let (frames, snapshot) = (scene.ring.subscribe(), snapshot(&scene.terminal));
        let init = unturned(snapshot.init);
        let keyframe = LiveFrame::Keyframe { micros: scene.micros, cols: snapshot.cols, rows: snapshot.rows, init };
        (frames, keyframe)
    }
}

impl Viewer {
    /// What to show next; waits for it. None after [`LiveFrame::Over`]. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<LiveFrame> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        if self.over {
            return None;
        }
        // The end that came before this one entered is in no ring.
        if self.frames.is_empty() && self.stage.scene().over {
            self.over = true;
            return Some(LiveFrame::Over);
        }
        match self.frames.recv().await {
            Ok(frame) => {
                self.over = frame == LiveFrame::Over;
                Some(frame)
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {
                let (frames, keyframe) = self.stage.enter();
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

fn frame(micros: u64, shown: ProjectedEvent) -> LiveFrame {
    match shown {
        ProjectedEvent::Output(text) => LiveFrame::Output(micros, unturned(text)),
        ProjectedEvent::Resize(size) => LiveFrame::Resize(micros, size.cols, size.rows),
        ProjectedEvent::Marker(label) => LiveFrame::Marker(micros, label),
    }
}
