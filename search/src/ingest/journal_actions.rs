//! What the journal's entries mean for the index.

use std::collections::{HashMap, hash_map::Entry as Slot};

use recording::{
    Key, RecordingId,
    journal::{ApiRequest, JournalEntry, JournalEvent},
};

use crate::{
    documents, documents::kubectl_run::is_of_interest, documents::mask::Masks, documents::request_line::RequestLine,
};

/// What to do about an entry.
#[derive(Debug, PartialEq)]
pub(crate) enum Task {
    /// Join a request to its run.
    Join(Box<Part>),
    /// Add a request that belongs to no run.
    Add(Box<documents::Request>),
    /// Look at a recording now.
    Look(RecordingId),
}

/// A request that is a part of a run.
#[derive(Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) user: String,
    pub(crate) request: ApiRequest,
    /// Microseconds since 1970.
    pub(crate) micros: i64,
    /// The recording that it opened.
    pub(crate) session: Option<RecordingId>,
}

/// The tasks of one object's entries, in order. Requests of no run that are alike in all but their time (a client
/// that polls) are one document, which says how often.
pub(crate) fn tasks(key: &Key, entries: Vec<JournalEntry>, masks: &Masks) -> Vec<Task> {
    let mut tasks = Vec::new();
    let mut singles: HashMap<(String, String, String, String), documents::Request> = HashMap::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let (request, session) = match entry.what {
            JournalEvent::Request(request) | JournalEvent::Refused(request) => (request, None),
            JournalEvent::SessionOpened { session, request } => {
                tasks.push(Task::Look(session));
                (request, Some(session))
            }
            JournalEvent::SessionEnded { session, .. } | JournalEvent::Imported { session, .. } => {
                tasks.push(Task::Look(session));
                continue;
            }
            _ => continue,
        };
        let (user, micros) = (entry.user, entry.micros);
        if !request.kubectl_session.is_empty() {
            tasks.push(Task::Join(Box::new(Part { user, request, micros, session })));
        } else if is_of_interest(&request) {
            let request = single(format!("request:{key}:{at}"), user, &request, micros, session, masks);
            let alike =
                (request.user.clone(), request.cluster.clone(), request.line.with_code(), request.agent.clone());
            match singles.entry(alike) {
                Slot::Occupied(known) if session.is_none() => known.into_mut().times += 1,
                Slot::Occupied(_) => tasks.push(Task::Add(Box::new(request))),
                Slot::Vacant(free) => _ = free.insert(request),
            }
        }
    }
    let mut singles: Vec<_> = singles.into_values().collect();
    singles.sort_unstable_by(|a, b| (a.micros, &a.key).cmp(&(b.micros, &b.key)));
    tasks.extend(singles.into_iter().map(|request| Task::Add(Box::new(request))));
    tasks
}

fn single(
    key: String,
    user: String,
    request: &ApiRequest,
    micros: i64,
    session: Option<RecordingId>,
    masks: &Masks,
) -> documents::Request {
    let (cluster, agent) = (request.target.cluster.clone(), masks.masked(&request.user_agent));
    documents::Request {
        key,
        session,
        micros,
        user,
        cluster,
        line: RequestLine::new(request, micros, masks),
        agent,
        times: 1,
    }
}
