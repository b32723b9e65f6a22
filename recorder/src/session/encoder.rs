//! A recording without IO: bytes and times in, asciicast lines out.

use access::InputRecording;
use recording::{
    Command, Contents, Direction, Omission, Outcome, StreamTotals,
    cast::{Code, PortConnection, SessionKind, SessionMetadata},
};
use sha2::Digest;
use spool::{Checkpoint, TailWrite};
use wire::{Anomaly, Decoder, Event, Negotiated, Request, Side, Status, Stream, Transport};

use crate::{
    Ending, RecordError,
    session::commands::Commands,
    session::ending::Evidence,
    session::open_recording::argv_command,
    streams::digests::{DigestCache, Digests},
    streams::output_limiter::{KeepLimits, OutputLimiter},
    streams::ports::Ports,
    streams::resize_filter::{ResizeFilter, Size},
    streams::tar::Tar,
    streams::timeline::Timeline,
};

/// The streams that have lines.
pub(crate) const STREAMS: [Code; 3] = [Code::Output, Code::Stderr, Code::Input];

/// Most annotations that are made while a session goes on. What is said at its end has room behind them.
const ANOMALIES: usize = 98;

const UNLISTED: &str =
    "more was typed than the list of commands has room for: later commands are in the recording only";

/// What a session's two directions meant, so far.
pub(crate) struct SessionEncoder {
    decoder: Decoder,
    script: EncoderState,
    /// Whether the client's and the server's bytes are over.
    over: [bool; 2],
    /// How far the server's bytes were from a frame border before those that are not forwarded yet.
    border: Option<Option<u64>>,
}

/// What the tape leaves behind for the manifest.
pub(crate) struct Summary {
    pub(crate) outcome: Outcome,
    pub(crate) size: Size,
    pub(crate) totals: StreamTotals,
    pub(crate) contents: Contents,
    pub(crate) commands: Vec<Command>,
    pub(crate) anomalies: Vec<String>,
    pub(crate) transport: String,
}

/// Everything behind the decoder.
struct EncoderState {
    kind: SessionKind,
    store_input: bool,
    transport: String,
    timeline: Timeline,
    commands: Commands,
    sizes: ResizeFilter,
    ports: Ports,
    totals: StreamTotals,
    digests: Digests,
    known: DigestCache,
    /// Of stdout, stderr and stdin.
    floods: [OutputLimiter; 3],
    omitted: Vec<Omission>,
    /// Of stdin and stdout, as long as they may be archives.
    uploaded: Option<Tar>,
    downloaded: Option<Tar>,
    status: Option<Status>,
    /// Whether the client had gone, or said that it goes, when the Status came.
    late: bool,
    client_over: bool,
    /// What the status means for the end is in the spool.
    told: bool,
    closing: Option<Side>,
    anomalies: Vec<String>,
    last_micros: u64,
}

impl SessionEncoder {
    pub(crate) fn new(session: &SessionMetadata, negotiated: &Negotiated, request: &Request, keep: KeepLimits) -> Self {
        let keep = (!(session.tty && keep.terminals)).then_some(keep);
        let copies = session.kind == SessionKind::Exec && !session.tty;
        let script = EncoderState {
            kind: session.kind,
            store_input: stores_input(session),
            transport: transport_name(negotiated),
            timeline: Timeline::new(),
            commands: Commands::new(argv_command(session), session.tty && session.stdin),
            sizes: ResizeFilter::new(session.kind == SessionKind::Attach),
            ports: Ports::default(),
            totals: StreamTotals::default(),
            digests: Digests::default(),
            known: DigestCache::default(),
            floods: STREAMS.map(|code| OutputLimiter::new(code, keep)),
            omitted: Vec::new(),
            uploaded: copies.then(|| Tar::new(Direction::ToPod)),
            downloaded: copies.then(|| Tar::new(Direction::FromPod)),
            status: None,
            late: false,
            client_over: false,
            told: false,
            closing: None,
            anomalies: Vec::new(),
            last_micros: 0,
        };
        Self { decoder: Decoder::new(negotiated, request), script, over: [false; 2], border: None }
    }

    /// Writes what a side sent. `strict`: any anomaly is an error; one that the decoder cannot go on behind always is. The
    /// bytes are on the tape either way.
    pub(crate) fn accept(&mut self, micros: u64, from: Side, bytes: &[u8], strict: bool) -> Result<(), RecordError> {
        if from == Side::Server {
            self.border = Some(self.decoder.to_border(Side::Server));
        }
        let Self { decoder, script, .. } = self;
        let mut odd = None;
        decoder.feed(from, bytes, &mut |event| {
            if let Event::Anomaly(anomaly) = &event
                && (strict || matches!(anomaly, Anomaly::Lost { .. }))
            {
                odd.get_or_insert_with(|| said(from, anomaly));
            }
            script.event(micros, from, &event);
        });
        script.passed(micros);
        odd.map_or(Ok(()), |odd| Err(RecordError::Anomaly(odd)))
    }

    /// That side will send nothing more. The second time does nothing.
    pub(crate) fn ended(&mut self, micros: u64, from: Side) {
        let Self { decoder, script, over, .. } = self;
        let side = match from {
            Side::Client => 0,
            Side::Server => 1,
        };
        if std::mem::replace(&mut over[side], true) {
            return;
        }
        script.client_over |= from == Side::Client;
        decoder.end(from, &mut |event| script.event(micros, from, &event));
    }

    /// The session is over: last events, and the summary.
    pub(crate) fn finish(&mut self, micros: u64, how: Ending) -> Summary {
        self.script.finish(micros, how)
    }

    /// Whether something may happen by time alone.
    pub(crate) fn restless(&self) -> bool {
        self.script.timeline.is_waiting() || self.script.commands.awake() || self.script.sizes.waiting()
    }

    /// The whole lines since [`Self::written`], and what is known beside them.
    pub(crate) fn pending(&mut self, micros: u64) -> (Checkpoint, &[u8]) {
        let script = &mut self.script;
        script.timeline.lines();
        let mark = Checkpoint {
            micros,
            totals: script.totals,
            tails: script.timeline.tails(),
            held: script.floods.each_ref().map(OutputLimiter::holds),
            digests: script.digests_of_unstored(),
        };
        (mark, script.timeline.lines())
    }

    /// What is held back of stdout, stderr and stdin, and must be kept before [`Self::pending`] is.
    pub(crate) fn holdings(&mut self) -> impl Iterator<Item = &mut TailWrite> {
        self.script.floods.iter_mut().map(OutputLimiter::holding)
    }

    /// The lines so far are kept elsewhere.
    pub(crate) fn written(&mut self) {
        self.script.timeline.taken();
    }

    /// What a Status said about the end, until [`Self::noted`].
    pub(crate) fn said(&self) -> Option<Outcome> {
        let script = &self.script;
        let news = script.status.is_some() && !script.told;
        news.then(|| script.evidence().outcome(Ending::Interrupted).0)
    }

    /// What the Status said is kept elsewhere.
    pub(crate) fn noted(&mut self) {
        self.script.told = true;
    }

    /// The transport's name.
    pub(crate) fn transport(&self) -> &str {
        &self.script.transport
    }

    /// What is to be done by time alone, when the session may be idle.
    pub(crate) fn settle(&mut self, micros: u64) {
        const QUIET_MICROS: u64 = 1_000_000;
        self.script.passed(micros);
        self.script.timeline.passed(micros);
        if micros.saturating_sub(self.script.last_micros) >= QUIET_MICROS {
            self.script.sleep(micros);
        }
    }

    /// Of what was forwarded: where accepting failed, the decoder is ahead of the client.
    pub(crate) fn to_border(&self) -> Option<u64> {
        self.border.unwrap_or_else(|| self.decoder.to_border(Side::Server))
    }

    /// What was accepted of the server's is forwarded.
    pub(crate) fn forwarded(&mut self) {
        self.border = None;
    }

    pub(crate) fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        self.decoder.termination(message, reason, code)
    }
}

impl EncoderState {
    fn event(&mut self, micros: u64, from: Side, event: &Event<'_>) {
        self.last_micros = micros;
        if self.kind == SessionKind::PortForward {
            let timeline = &mut self.timeline;
            self.ports.event(from, event, &mut |connection| port_event(timeline, micros, &connection));
        }
        match event {
            Event::Data { stream, data, .. } => self.data(micros, from, *stream, data),
            Event::Resize(size) => {
                let Self { sizes, timeline, commands, .. } = self;
                sizes.announced(micros, (size.width, size.height), &mut |size| {
                    real_size(timeline, commands, micros, size);
                });
            }
            Event::HalfClosed { stream, .. } | Event::Reset { stream, .. } => {
                self.stream_ended(micros, from, *stream);
            }
            Event::Status(status) => {
                if self.status.is_none() {
                    (self.status, self.late) =
                        (Some(status.clone()), self.client_over || self.closing == Some(Side::Client));
                }
            }
            // A server's CLOSE to a client that is gone already is not who closes.
            Event::Close { .. } if !self.client_over => {
                self.closing.get_or_insert(from);
            }
            Event::Anomaly(anomaly) => self.note(micros, format!("anomaly: {}", said(from, anomaly))),
            Event::Close { .. } | Event::Opened { .. } | Event::Ping | Event::Pong => {}
        }
    }

    fn data(&mut self, micros: u64, from: Side, stream: Stream, data: &[u8]) {
        let length = data.len() as u64;
        match (stream, from) {
            (Stream::Stdin, Side::Client) => {
                self.totals.stdin += length;
                self.digests.stdin.update(data);
                let archive = follow(&mut self.uploaded, data);
                if self.store_input {
                    self.floods[2].data(&mut self.timeline, micros, data, archive);
                }
                self.commands.typed(micros, data);
            }
            (Stream::Stdout, Side::Server) => {
                self.totals.stdout += length;
                self.digests.stdout.update(data);
                let archive = follow(&mut self.downloaded, data);
                self.floods[0].data(&mut self.timeline, micros, data, archive);
                let timeline = &mut self.timeline;
                self.commands.printed(micros, data, &mut |text| timeline.event(micros, Code::Marker, text));
            }
            (Stream::Stderr, Side::Server) => {
                self.totals.stderr += length;
                self.digests.stderr.update(data);
                self.floods[1].data(&mut self.timeline, micros, data, false);
            }
            (Stream::PortData, Side::Client) => {
                self.totals.stdin += length;
                self.digests.stdin.update(data);
            }
            (Stream::PortData, Side::Server) => {
                self.totals.stdout += length;
                self.digests.stdout.update(data);
            }
            // The wrong way round, or streams whose meaning comes as events of their own.
            (Stream::Stdin | Stream::Stdout | Stream::Stderr, _)
            | (Stream::Error | Stream::Resize | Stream::PortError, _) => {}
        }
    }

    fn stream_ended(&mut self, micros: u64, from: Side, stream: Stream) {
        match (stream, from) {
            (Stream::Stdout, Side::Server) => self.end_stream(micros, 0),
            (Stream::Stderr, Side::Server) => self.end_stream(micros, 1),
            _ => {}
        }
    }

    /// By its place in [`STREAMS`].
    fn end_stream(&mut self, micros: u64, place: usize) {
        let omitted = self.floods[place].end(&mut self.timeline, micros);
        self.omitted.extend(omitted);
        self.timeline.end_stream(STREAMS[place]);
    }

    fn passed(&mut self, micros: u64) {
        let Self { sizes, timeline, commands, .. } = self;
        sizes.passed(micros, &mut |size| real_size(timeline, commands, micros, size));
    }

    fn sleep(&mut self, micros: u64) {
        let Self { timeline, commands, .. } = self;
        commands.sleep(&mut |text| timeline.event(micros, Code::Marker, text));
    }

    /// An annotation, for a reader of the lines and of the manifest.
    fn note(&mut self, micros: u64, text: String) {
        if self.anomalies.len() < ANOMALIES {
            self.note_last(micros, text);
        }
    }

    /// The same for one that is made once, at the end.
    fn note_last(&mut self, micros: u64, text: String) {
        self.timeline.event(micros, Code::Gap, &text);
        self.anomalies.push(text);
    }

    fn finish(&mut self, micros: u64, how: Ending) -> Summary {
        self.sizes_end(micros);
        (0..STREAMS.len()).for_each(|place| self.end_stream(micros, place));
        let timeline = &mut self.timeline;
        let commands = self.commands.finish(&mut |text| timeline.event(micros, Code::Marker, text));
        self.ports.end(&mut |connection| port_event(timeline, micros, &connection));
        let (outcome, annotation) = self.evidence().outcome(how);
        if let Some(annotation) = annotation {
            self.note_last(micros, annotation);
        }
        if commands.unlisted {
            self.note_last(micros, UNLISTED.to_owned());
        }
        if let Outcome::Exited { exit_code } = outcome {
            self.timeline.event(micros, Code::Exit, &exit_code.to_string());
        }
        Summary {
            outcome,
            size: self.sizes.first.unwrap_or((80, 24)),
            totals: self.totals,
            contents: self.contents(),
            commands: commands.listed,
            anomalies: std::mem::take(&mut self.anomalies),
            transport: std::mem::take(&mut self.transport),
        }
    }

    /// SHA-256 so far of stdout, stderr and stdin: of those that are not, or not wholly, in the lines.
    fn digests_of_unstored(&mut self) -> [Option<[u8; 32]>; 3] {
        let Self { kind, store_input, totals, digests, known, floods, .. } = self;
        let forwarded = *kind == SessionKind::PortForward;
        let [stdout, stderr, stdin] = floods.each_ref().map(|flood| forwarded || flood.is_incomplete());
        [
            stdout.then(|| known.of(0, totals.stdout, &digests.stdout)).flatten(),
            stderr.then(|| known.of(1, totals.stderr, &digests.stderr)).flatten(),
            (stdin || !*store_input).then(|| known.of(2, totals.stdin, &digests.stdin)).flatten(),
        ]
    }

    fn contents(&mut self) -> Contents {
        let copied = |tar: &mut Option<Tar>| tar.take().and_then(Tar::finish);
        Contents {
            digests: Some(self.digests.so_far()),
            copied: copied(&mut self.uploaded).or_else(|| copied(&mut self.downloaded)),
            ports: self.ports.sums(),
            omitted: std::mem::take(&mut self.omitted),
        }
    }

    fn sizes_end(&mut self, micros: u64) {
        let Self { sizes, timeline, commands, .. } = self;
        sizes.passed(u64::MAX, &mut |size| real_size(timeline, commands, micros, size));
    }

    fn evidence(&self) -> Evidence<'_> {
        Evidence {
            kind: self.kind,
            status: self.status.as_ref(),
            late: self.late,
            output: self.totals.stdout + self.totals.stderr > 0,
            closing: self.closing,
        }
    }
}

/// Whether stdin has lines.
pub(crate) fn stores_input(session: &SessionMetadata) -> bool {
    match session.input {
        InputRecording::Never => false,
        InputRecording::Piped => !session.tty,
        InputRecording::Always => true,
    }
}

/// Shows an archive's follower what passes. Whether the stream is an archive, as far as is known; what is none is let go.
fn follow(tar: &mut Option<Tar>, data: &[u8]) -> bool {
    let Some(following) = tar else { return false };
    following.feed(data);
    let archive = following.recognised();
    if following.over() && !archive {
        *tar = None;
    }
    archive
}

/// An `r` event. A size of 0 is in the recording, but as a note: no terminal has it, and players fail on it.
fn real_size(timeline: &mut Timeline, commands: &mut Commands, micros: u64, (width, height): Size) {
    if width == 0 || height == 0 {
        timeline.event(micros, Code::Gap, &format!("the client announced a terminal of {width}x{height}"));
        return;
    }
    timeline.event(micros, Code::Resize, &format!("{width}x{height}"));
    commands.resized(micros, width, height);
}

fn port_event(timeline: &mut Timeline, micros: u64, connection: &PortConnection) {
    // Numbers and a string: serialising them to memory has no way to fail.
    let text = serde_json::to_string(connection).unwrap_or_default();
    timeline.event(micros, Code::Port, &text);
}

fn said(from: Side, anomaly: &Anomaly) -> String {
    match from {
        Side::Client => format!("the client sent {anomaly}"),
        Side::Server => format!("the server sent {anomaly}"),
    }
}

fn transport_name(negotiated: &Negotiated) -> String {
    let shape = match negotiated.transport {
        Transport::Spdy => "spdy",
        Transport::Channels { .. } => "websocket",
        Transport::Tunnel => "websocket tunnel",
    };
    format!("{shape} {}", negotiated.protocol).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_at_the_end_has_room_behind_all_other_annotations() {
        let request = Request::parse(wire::Subresource::Exec, "command=sh&stdout=true").expect("a request");
        let negotiated = Negotiated::from_response(&request, "websocket", Some("v5.channel.k8s.io")).expect("known");
        let session = crate::session::open_request::tests::session();
        let mut tape = SessionEncoder::new(&session, &negotiated, &request, KeepLimits::default());
        (0..1_000).for_each(|micros| tape.script.note(micros, format!("annotation {micros}")));
        let failure = Status::Failure { message: "no space".to_owned(), code: Some(500) };
        (tape.script.status, tape.script.totals.stdout) = (Some(failure), 1);
        let anomalies = tape.finish(1_000, Ending::Closed(Side::Server)).anomalies;
        assert_eq!(anomalies.len(), ANOMALIES + 1);
        assert_eq!(anomalies.last().map(String::as_str), Some("the server's last word was: no space"));
    }
}
