//! Long recordings are gone through when they end, so that whoever opens them does not wait.

use std::{collections::HashSet, time::Duration};

use gateway::Gateway;
use player::Player;
use storage::{RecordingId, Recordings};
use tokio_util::sync::CancellationToken;

/// Between two looks which sessions have ended.
const LOOK: Duration = Duration::from_secs(1);

/// Looks for a manifest after a session's end; then whoever opens it waits.
const LOOKS: u32 = 120;

/// Lines of which a recording is long.
const LONG: u64 = 4 << 20;

/// Runs until `shutdown`. One recording at a time: it is work for whoever comes later.
pub async fn run(gateway: Gateway, recordings: Recordings, player: Player, shutdown: CancellationToken) {
    let mut live = HashSet::new();
    let mut ended: Vec<(RecordingId, u32)> = Vec::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let now: HashSet<_> = gateway.live().into_iter().collect();
        ended.extend(live.difference(&now).map(|id| (*id, LOOKS)));
        live = now;
        let mut waiting = Vec::new();
        for (id, looks) in ended {
            match recordings.manifest(id).await {
                Ok(Some(manifest)) => {
                    let lines: u64 = manifest.chunks.iter().map(|chunk| chunk.uncompressed).sum();
                    // What fails here fails again, and is told, when somebody opens it.
                    if lines >= LONG {
                        let _ = player.index(id).await;
                    }
                }
                _ if looks > 0 => waiting.push((id, looks - 1)),
                _ => {}
            }
        }
        ended = waiting;
    }
}
