//! Documents as hits.

use jiff::Timestamp;
use recording::CommandSource;

use crate::{
    Hit, HitKind, SessionRow, Snippet,
    documents::kubectl_run::{KubectlRun, RequestLine},
    documents::origin::Origin,
    documents::session::time,
    documents::snippet::{place, snippet},
    documents::{Command, Output, Request, Stored, session_text},
    query::Needle,
};

impl Stored {
    /// As a hit of a search for `needles`.
    pub(crate) fn into_hit(self, needles: &[&Needle]) -> Hit {
        let mut hit = match self {
            Self::Session { row } => session(&row.into()),
            Self::Command(command) => self::command(command),
            Self::Output(output) => self::output(&output, needles),
            Self::Run(run) => self::run(&run),
            Self::Request(request) => self::request(&request),
        };
        hit.snippet = snippet(&hit.text, needles);
        hit
    }
}

fn blank(kind: HitKind, at: Timestamp, text: String) -> Hit {
    Hit {
        kind,
        session: None,
        micros_in_session: None,
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

fn of_session(kind: HitKind, of: Origin, offset: u64, text: String) -> Hit {
    Hit {
        session: Some(of.session),
        micros_in_session: Some(offset),
        user: of.user.clone(),
        cluster: of.cluster.clone(),
        namespace: of.namespace.clone(),
        pod: of.pod.clone(),
        container: of.container.clone(),
        ..blank(kind, time(of.at(offset)), text)
    }
}

fn session(row: &SessionRow) -> Hit {
    of_session(HitKind::Session, Origin::of(row), 0, session_text(row))
}

fn command(command: Command) -> Hit {
    let source = Some(command.source);
    Hit { source, ..of_session(HitKind::Command, command.of, command.offset, command.text) }
}

/// The moment is that of the line that the snippet is about.
fn output(output: &Output, needles: &[&Needle]) -> Hit {
    let text = output.text();
    let line = text[..place(&text, needles)].matches('\n').count();
    let offset = output.lines.get(line).map_or(0, |(offset, _)| *offset);
    of_session(HitKind::Output, output.of.clone(), offset, text)
}

fn run(run: &KubectlRun) -> Hit {
    Hit {
        session: run.session,
        user: run.user.clone(),
        cluster: run.cluster.clone(),
        source: Some(CommandSource::Request),
        requests: run.lines.iter().map(RequestLine::with_code).collect(),
        ..of_lines(blank(HitKind::Command, time(run.micros), run.text()), &run.lines)
    }
}

fn request(request: &Request) -> Hit {
    Hit {
        session: request.session,
        user: request.user.clone(),
        cluster: request.cluster.clone(),
        source: Some(CommandSource::Request),
        requests: vec![request.line.with_code()],
        ..of_lines(blank(HitKind::Request, time(request.micros), request.text()), std::slice::from_ref(&request.line))
    }
}

/// With the first of each that requests name.
fn of_lines(hit: Hit, lines: &[RequestLine]) -> Hit {
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
