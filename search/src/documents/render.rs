//! Documents as hits.

use jiff::Timestamp;
use recording::{CommandSource, Micros};

use super::{
    CommandDocument, Document, RequestDocument,
    hit::{Hit, Snippet},
    kubectl_run::KubectlRun,
    passage::OutputPassage,
    request_line::RequestLine,
    session::{SessionContext, SessionRow, session_text, time},
    snippet::{best_match, snippet},
};
use crate::query::{expression::TextClause, filter::HitKind};

impl Document {
    /// The document as a hit, in which matches of `clauses` are marked.
    pub(crate) fn into_hit(self, clauses: &[&TextClause]) -> Hit {
        let mut hit = match self {
            Self::Session { row } => session(&row.into()),
            Self::Command(command) => self::command(command),
            Self::Output(passage) => self::passage(&passage, clauses),
            Self::Run(run) => self::run(&run),
            Self::Request(request) => self::request(&request),
        };
        hit.snippet = snippet(&hit.text, clauses);
        hit
    }
}

fn empty_hit(kind: HitKind, at: Timestamp, text: String) -> Hit {
    Hit {
        kind,
        session: None,
        offset: None,
        at,
        user: String::new(),
        cluster: String::new(),
        namespace: String::new(),
        pod: String::new(),
        container: String::new(),
        source: None,
        text,
        requests: Vec::new(),
        snippet: Snippet::default(),
    }
}

fn in_session(kind: HitKind, session: SessionContext, offset: Micros, text: String) -> Hit {
    Hit {
        session: Some(session.id),
        offset: Some(offset),
        user: session.user.clone(),
        cluster: session.cluster.clone(),
        namespace: session.namespace.clone(),
        pod: session.pod.clone(),
        container: session.container.clone(),
        ..empty_hit(kind, time(session.at(offset)), text)
    }
}

fn session(row: &SessionRow) -> Hit {
    in_session(HitKind::Session, SessionContext::of(row), Micros::ZERO, session_text(row))
}

fn command(command: CommandDocument) -> Hit {
    let source = Some(command.source);
    Hit { source, ..in_session(HitKind::Command, command.session, command.offset, command.text) }
}

/// Its moment is that of the line which the snippet shows.
fn passage(passage: &OutputPassage, clauses: &[&TextClause]) -> Hit {
    let text = passage.text();
    let line = text[..best_match(&text, clauses)].matches('\n').count();
    let offset = passage.lines.get(line).map_or(Micros::ZERO, |(offset, _)| *offset);
    in_session(HitKind::Output, passage.session.clone(), offset, text)
}

fn run(run: &KubectlRun) -> Hit {
    Hit {
        session: run.session,
        user: run.user.clone(),
        cluster: run.cluster.clone(),
        source: Some(CommandSource::Request),
        requests: run.lines.iter().map(RequestLine::with_code).collect(),
        ..with_target(empty_hit(HitKind::Command, time(run.time), run.text()), &run.lines)
    }
}

fn request(request: &RequestDocument) -> Hit {
    Hit {
        session: request.session,
        user: request.user.clone(),
        cluster: request.cluster.clone(),
        source: Some(CommandSource::Request),
        requests: vec![request.line.with_code()],
        ..with_target(
            empty_hit(HitKind::Request, time(request.time), request.text()),
            std::slice::from_ref(&request.line),
        )
    }
}

/// The hit with the first namespace, pod and container that the requests name.
fn with_target(hit: Hit, lines: &[RequestLine]) -> Hit {
    let first = |part: fn(&RequestLine) -> &str| {
        lines.iter().map(part).find(|value| !value.is_empty()).unwrap_or_default().to_owned()
    };
    Hit {
        namespace: first(|line| &line.namespace),
        pod: first(|line| if line.resource == "pods" { &line.name } else { "" }),
        container: first(|line| &line.container),
        ..hit
    }
}
