//! Whether lines have all that passed.

use recording::{
    Annotation, Omission, StreamTotals,
    cast::{Code, Event, SessionKind, SessionMetadata, events, write_event},
    seconds,
};

use crate::{
    recover::recovered_tail::bytes_of,
    session::encoder::{STREAMS, stores_input},
    streams::output_limiter::name,
};

/// Most annotations that are kept.
const ANNOTATIONS: usize = 100;

/// What lines have of each stream, and what they say that they lack.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamAccounting {
    /// Of stdout, stderr and stdin.
    streams: [Stream; 3],
    /// What the lines say is missing.
    missing: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Stream {
    /// Bytes in the lines, or named by an annotation as omitted or missing.
    told: u64,
    /// An annotation says that its end is missing, however long that was.
    open: bool,
}

impl StreamAccounting {
    /// Takes a chunk's lines.
    pub(crate) fn lines(&mut self, lines: &[u8]) {
        events(lines).flatten().for_each(|event| self.event(&event));
    }

    fn event(&mut self, event: &Event) {
        if let Some((code, bytes)) = event.bytes() {
            self.of(code).told += bytes.len() as u64;
        }
        if event.code == Code::Gap {
            self.annotation(&event.data);
        }
    }

    fn annotation(&mut self, text: &str) {
        match Annotation::parse(text) {
            Annotation::Omitted(code) => {
                self.of(code).told += Omission::parse(text).map_or(0, |omission| omission.bytes)
            }
            Annotation::Missing(of) => {
                if self.missing.len() < ANNOTATIONS {
                    self.missing.push(text.to_owned());
                }
                let Some(code) = of else { return };
                match text.split(' ').nth(1).and_then(|count| count.parse::<u64>().ok()) {
                    Some(bytes) => self.of(code).told = self.of(code).told.saturating_add(bytes),
                    None => self.of(code).open = true,
                }
            }
            Annotation::Omitting(_) | Annotation::OmittedNothing(_) | Annotation::Other => {}
        }
    }

    fn of(&mut self, code: Code) -> &mut Stream {
        let place = STREAMS.iter().position(|stream| *stream == code).unwrap_or_default();
        &mut self.streams[place]
    }

    /// A `g` line, at `micros`, for each stream of the session of which the lines do not have, nor name, all of `totals`.
    pub(crate) fn lacking(&self, session: &SessionMetadata, totals: &StreamTotals, micros: u64) -> Vec<u8> {
        let mut lines = Vec::new();
        for (code, stream) in STREAMS.into_iter().zip(self.streams) {
            let lacks = bytes_of(code, totals).saturating_sub(stream.told);
            if lacks > 0 && !stream.open && is_stored(session, code) {
                let (name, until) = (name(code), seconds(micros));
                let text = format!(
                    "missing: {lacks} bytes of {name}, which passed before {until} s, were lost on the gateway's disk"
                );
                write_event(&mut lines, micros, Code::Gap, &text);
            }
        }
        lines
    }

    /// The annotations about what is missing.
    pub(crate) fn into_missing(self) -> Vec<String> {
        self.missing
    }
}

fn is_stored(session: &SessionMetadata, code: Code) -> bool {
    session.kind != SessionKind::PortForward && (code != Code::Input || stores_input(session))
}
