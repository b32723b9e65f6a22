//! The end of a recording: manifest, journal, and only then is the spool told that it may forget it.

use std::sync::Arc;

use recorder::{Ending, OpenRecording, Recording};
use recording::{
    Manifest, Outcome, RecordingId,
    cast::SessionKind,
    journal::{JournalEvent, RequestContext},
};

use super::{
    fallback::{AttemptKey, ParkedRecording},
    sessions::Sessions,
};

/// Ends a recording whose session never began. If the client may try again by another protocol, it is kept for that.
pub(super) async fn fail(
    sessions: &Arc<Sessions>,
    user: String,
    key: Option<AttemptKey>,
    opened: OpenRecording,
    message: String,
) {
    let Some(key) = key else { return conclude(sessions, &user, opened, &message).await };
    let id = opened.id();
    if let Err(refused) = sessions.fallback.park(key.clone(), Box::new(ParkedRecording { opened, message })) {
        return conclude(sessions, &user, refused.opened, &refused.message).await;
    }
    let task = Arc::clone(sessions);
    sessions.tasks.spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(task.limits.fallback) => {}
            () = task.stopping.cancelled() => {}
        }
        if let Some(parked) = task.fallback.expire(&key, id) {
            conclude(&task, &user, parked.opened, &parked.message).await;
        }
    });
}

/// Writes the manifest of a recording whose session never began.
pub(super) async fn conclude(sessions: &Sessions, user: &str, opened: OpenRecording, message: &str) {
    let session = opened.id();
    let outcome = match opened.refused(message).await {
        Ok(manifest) => manifest.outcome,
        Err(error) => {
            tracing::error!(%session, error = &error as &dyn std::error::Error, "manifest cannot be stored");
            Outcome::FailedToStart { message: message.to_owned() }
        }
    };
    acknowledge(sessions, user, session, outcome).await;
}

/// Writes the manifest of a session that is over.
pub(super) async fn finish(sessions: &Sessions, user: &str, recording: Arc<Recording>, how: Ending) {
    let session = recording.id();
    let outcome = match recording.finish(how.clone()).await {
        Ok(manifest) => {
            journal_contents(sessions, user, &manifest).await;
            manifest.outcome
        }
        Err(error) => {
            tracing::error!(%session, error = &error as &dyn std::error::Error, "recording cannot be finished");
            match how {
                Ending::ByGateway { reason, by } => Outcome::EndedByGateway { reason, by },
                Ending::Interrupted => Outcome::Interrupted,
                Ending::Closed(_) => Outcome::EndedByGateway { reason: error.to_string(), by: String::new() },
            }
        }
    };
    // Its kind only: the rest may quote the session, as a Status does that names the command it did not find.
    tracing::info!(%session, user, outcome = outcome.name(), "session ended");
    acknowledge(sessions, user, session, outcome).await;
}

/// Journals a session's end, and only then lets the spool forget it.
async fn acknowledge(sessions: &Sessions, user: &str, session: RecordingId, outcome: Outcome) {
    sessions.journal.note(user, JournalEvent::SessionEnded { session, outcome: outcome.clone() }).await;
    sessions.recorder.acknowledge(session, &outcome);
}

/// Journals what a session carried: files, forwarded connections.
async fn journal_contents(sessions: &Sessions, user: &str, manifest: &Manifest) {
    let session = &manifest.session;
    let of = || RequestContext {
        target: session.target.clone(),
        kubectl_command: session.kubectl_command.clone(),
        kubectl_session: session.kubectl_session.clone(),
    };
    if let Some(copied) = &manifest.contents.copied {
        let event = JournalEvent::Copied { session: session.id, of: of(), copied: copied.clone() };
        sessions.journal.note(user, event).await;
    }
    if session.kind == SessionKind::PortForward {
        let event = JournalEvent::Forwarded { session: session.id, of: of(), ports: manifest.contents.ports.clone() };
        sessions.journal.note(user, event).await;
    }
}
