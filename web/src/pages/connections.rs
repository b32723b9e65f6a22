use std::collections::BTreeMap;

use recording::cast::{self, Code, PortConnection, PortState, SessionKind, SessionMetadata};
use storage::recordings::Piece;

use crate::{
    http::failure::Failure,
    pages::time_label,
    pages::units::size,
    pages::visible_text::VisibleText,
    state::{AppState, unreadable},
};

/// Connections shown; of more, the first.
const MOST: usize = 500;

/// Chunks that are read for them.
const CHUNKS: usize = 64;

/// A forwarded connection, for a page.
pub(crate) struct Connection {
    pub(crate) position: String,
    pub(crate) port: u16,
    pub(crate) state: &'static str,
    pub(crate) sent: String,
    pub(crate) received: String,
    pub(crate) error: VisibleText,
}

/// The connections of a port-forward by number; none of another session.
pub(crate) async fn of(state: &AppState, session: &SessionMetadata) -> Result<Vec<Connection>, Failure> {
    let mut known = BTreeMap::new();
    if session.kind != SessionKind::PortForward {
        return Ok(Vec::new());
    }
    // Of a session that goes on the store may have nothing yet, or be away: the page is there all the same.
    let live = state.player.is_live(session.id);
    let mut chunks = match state.recordings.chunks(session.id).await {
        Err(_) if live => return Ok(Vec::new()),
        chunks => chunks.map_err(unreadable)?,
    };
    for _ in 0..CHUNKS {
        let piece = match chunks.next().await {
            Err(_) if live => break,
            piece => piece.map_err(unreadable)?,
        };
        let Some(piece) = piece else { break };
        let Piece::Lines { lines, .. } = piece else { continue };
        for event in cast::events(&lines).flatten().filter(|event| event.code == Code::Port) {
            if let Ok(port) = serde_json::from_str::<PortConnection>(&event.data)
                && (known.len() < MOST || known.contains_key(&port.connection))
            {
                // Opened at the first event, as it was at the last.
                let (_, latest) = known.entry(port.connection).or_insert_with(|| (event.micros, port.clone()));
                *latest = port;
            }
        }
    }
    Ok(known.into_values().map(|(micros, latest)| Connection::new(micros, &latest)).collect())
}

impl Connection {
    fn new(opened: u64, latest: &PortConnection) -> Self {
        Self {
            position: time_label::position(opened),
            port: latest.port,
            state: match latest.state {
                PortState::Opened => "open",
                PortState::Closed => "closed",
                PortState::Failed => "failed",
            },
            sent: size(latest.sent),
            received: size(latest.received),
            error: VisibleText::clipped(&latest.error, 400),
        }
    }
}
