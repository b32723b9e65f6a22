//! What the entries of a journal object mean for the index.

use std::collections::{HashMap, hash_map::Entry};

use recording::{
    Key, RecordingId, UnixMicros,
    journal::{ApiRequest, JournalEntry, JournalEvent},
};

use crate::documents::{RequestDocument, kubectl_run::is_worth_indexing, mask::Masks, request_line::RequestLine};

/// What to do about an entry.
#[derive(Debug, PartialEq)]
pub(super) enum JournalAction {
    /// Add a request to its kubectl run.
    JoinRun(Box<RunRequest>),
    /// Add a request that belongs to no run.
    AddRequest(Box<RequestDocument>),
    /// Look at a recording in this turn.
    LookAt(RecordingId),
}

/// A request of a kubectl run.
#[derive(Debug, PartialEq)]
pub(super) struct RunRequest {
    pub(super) user: String,
    pub(super) request: ApiRequest,
    /// When it came.
    pub(super) time: UnixMicros,
    /// The recording that the request opened.
    pub(super) session: Option<RecordingId>,
}

/// The actions for the entries of one object, in order. Requests of no run that differ only in their time, as those of a
/// client that polls do, become one document with their number.
pub(super) fn actions(object: &Key, entries: Vec<JournalEntry>, masks: &Masks) -> Vec<JournalAction> {
    let mut actions = Vec::new();
    let mut singles: HashMap<(String, String, String, String), RequestDocument> = HashMap::new();
    for (number, entry) in entries.into_iter().enumerate() {
        let (request, session) = match entry.what {
            JournalEvent::Request(request) | JournalEvent::Refused(request) => (request, None),
            JournalEvent::SessionOpened { session, request, .. } => {
                actions.push(JournalAction::LookAt(session));
                (request, Some(session))
            }
            JournalEvent::SessionEnded { session, .. } | JournalEvent::Imported { session, .. } => {
                actions.push(JournalAction::LookAt(session));
                continue;
            }
            _ => continue,
        };
        let (user, time) = (entry.user, entry.time);
        if !request.kubectl_session.is_empty() {
            actions.push(JournalAction::JoinRun(Box::new(RunRequest { user, request, time, session })));
        } else if is_worth_indexing(&request) {
            let request = single(format!("request:{object}:{number}"), user, &request, time, session, masks);
            let alike =
                (request.user.clone(), request.cluster.clone(), request.line.with_code(), request.agent.clone());
            match singles.entry(alike) {
                Entry::Occupied(known) if session.is_none() => known.into_mut().times += 1,
                Entry::Occupied(_) => actions.push(JournalAction::AddRequest(Box::new(request))),
                Entry::Vacant(free) => _ = free.insert(request),
            }
        }
    }
    let mut singles: Vec<_> = singles.into_values().collect();
    singles.sort_unstable_by(|a, b| (a.time, &a.key).cmp(&(b.time, &b.key)));
    actions.extend(singles.into_iter().map(|request| JournalAction::AddRequest(Box::new(request))));
    actions
}

fn single(
    key: String,
    user: String,
    request: &ApiRequest,
    time: UnixMicros,
    session: Option<RecordingId>,
    masks: &Masks,
) -> RequestDocument {
    RequestDocument {
        key,
        session,
        time,
        user,
        cluster: request.target.cluster.clone(),
        line: RequestLine::new(request, time, masks),
        agent: masks.masked(&request.user_agent),
        times: 1,
    }
}
