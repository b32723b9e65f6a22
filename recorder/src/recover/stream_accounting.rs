//! Whether lines have all that passed.

use recording::{
    Annotation, Micros, Omission, StreamTotals,
    cast::{Code, Event, SessionKind, SessionMetadata, events, write_event},
    seconds,
};
use spool::StdStream;

use crate::manifest_limits::ANNOTATIONS;

/// What the lines have of each stream, and what they say that they lack.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamAccounting {
    /// By stream.
    accounts: [Account; 3],
    /// What the lines say is missing.
    missing: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// Bytes in the lines, or named by an annotation as omitted or missing.
    accounted: u64,
    /// An annotation says that the stream's end is missing, however long that was.
    is_end_missing: bool,
}

impl StreamAccounting {
    /// Takes a chunk's lines.
    pub(crate) fn take(&mut self, lines: &[u8]) {
        events(lines).flatten().for_each(|event| self.event(&event));
    }

    fn event(&mut self, event: &Event) {
        if let Some((code, bytes)) = event.bytes() {
            self.add(code, bytes.len() as u64);
        }
        if event.code == Code::Gap {
            self.annotation(&event.data);
        }
    }

    fn annotation(&mut self, text: &str) {
        match Annotation::parse(text) {
            Annotation::Omitted(code) => self.add(code, Omission::parse(text).map_or(0, |omission| omission.bytes)),
            Annotation::Missing(of) => self.missing(text, of),
            Annotation::Omitting(_) | Annotation::OmittedNothing(_) | Annotation::Other => {}
        }
    }

    fn missing(&mut self, text: &str, of: Option<Code>) {
        if self.missing.len() < ANNOTATIONS {
            self.missing.push(text.to_owned());
        }
        let Some(code) = of else { return };
        match text.split(' ').nth(1).and_then(|count| count.parse::<u64>().ok()) {
            Some(bytes) => self.add(code, bytes),
            None => self.account(code).into_iter().for_each(|account| account.is_end_missing = true),
        }
    }

    fn add(&mut self, code: Code, bytes: u64) {
        if let Some(account) = self.account(code) {
            account.accounted = account.accounted.saturating_add(bytes);
        }
    }

    fn account(&mut self, code: Code) -> Option<&mut Account> {
        StdStream::from_code(code).map(|stream| &mut self.accounts[stream.index()])
    }

    /// A `g` line, at `time`, for each stream of the session of which the lines neither have nor name all of `totals`.
    pub(crate) fn lacking(&self, session: &SessionMetadata, totals: &StreamTotals, time: Micros) -> Vec<u8> {
        let mut lines = Vec::new();
        for (stream, account) in StdStream::ALL.into_iter().zip(self.accounts) {
            let lacks = stream.total(totals).saturating_sub(account.accounted);
            if lacks > 0 && !account.is_end_missing && is_stored(session, stream) {
                let (name, until) = (stream.name(), seconds(time));
                let text = format!(
                    "missing: {lacks} bytes of {name}, which passed before {until} s, were lost on the gateway's disk"
                );
                write_event(&mut lines, time, Code::Gap, &text);
            }
        }
        lines
    }

    /// The annotations about what is missing.
    pub(crate) fn into_missing(self) -> Vec<String> {
        self.missing
    }
}

fn is_stored(session: &SessionMetadata, stream: StdStream) -> bool {
    session.kind != SessionKind::PortForward && (stream != StdStream::Stdin || session.stores_input())
}
