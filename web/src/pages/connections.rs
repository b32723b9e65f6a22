use std::collections::BTreeMap;

use recording::{
    Micros,
    cast::{self, Code, PortConnection, PortState, SessionKind, SessionMetadata},
};
use storage::recordings::ChunkOrGap;

use super::{
    units::{position, size},
    visible_text::VisibleText,
};
use crate::{
    context::evidence::{Evidence, unreadable},
    http::failure::Failure,
};

/// Connections shown; later ones are left out.
const MAX_CONNECTIONS: usize = 500;

/// Chunks that are read for them at most.
const MAX_CHUNKS: usize = 64;

/// A forwarded connection, for a page.
pub(crate) struct ForwardedConnection {
    pub(crate) position: String,
    pub(crate) port: u16,
    pub(crate) state: &'static str,
    pub(crate) sent: String,
    pub(crate) received: String,
    pub(crate) error: VisibleText,
}

/// The connections of a port-forward by number; empty for other sessions.
pub(crate) async fn load(evidence: &Evidence, session: &SessionMetadata) -> Result<Vec<ForwardedConnection>, Failure> {
    let mut known = BTreeMap::new();
    if session.kind != SessionKind::PortForward {
        return Ok(Vec::new());
    }
    // A live session may have nothing in the store yet, and the store may be unavailable: the page is shown all the same.
    let live = evidence.player.is_live(session.id);
    let mut chunks = match evidence.recordings.chunks(session.id).await {
        Err(_) if live => return Ok(Vec::new()),
        chunks => chunks.map_err(unreadable)?,
    };
    for _ in 0..MAX_CHUNKS {
        let piece = match chunks.next().await {
            Err(_) if live => break,
            piece => piece.map_err(unreadable)?,
        };
        let Some(piece) = piece else { break };
        let ChunkOrGap::Lines { lines, .. } = piece else { continue };
        for event in cast::events(&lines).flatten().filter(|event| event.code == Code::Port) {
            if let Ok(port) = serde_json::from_str::<PortConnection>(&event.data)
                && (known.len() < MAX_CONNECTIONS || known.contains_key(&port.connection))
            {
                // It opened at its first event; the last one says how it is.
                let (_, latest) = known.entry(port.connection).or_insert_with(|| (event.time, port.clone()));
                *latest = port;
            }
        }
    }
    Ok(known.into_values().map(|(opened, latest)| ForwardedConnection::new(opened, &latest)).collect())
}

impl ForwardedConnection {
    fn new(opened: Micros, latest: &PortConnection) -> Self {
        Self {
            position: position(opened),
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
