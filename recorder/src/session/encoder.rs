//! A recording without IO: bytes and times in, asciicast lines out.

use std::time::Duration;

use recording::{
    Command, Contents, Direction, Micros, Omission, Outcome, StreamTotals,
    cast::{Code, PortConnection, SessionKind, SessionMetadata},
};
use sha2::Digest;
use spool::{Checkpoint, SessionRecord, SpoolError, SpoolWriter, StdStream, TailWrite};
use wire::{Anomaly, Decoder, Event, Negotiated, Request, Side, Status, Stream, Transport};

use crate::{
    Ending, RecordError,
    argv::argv_command,
    manifest_limits::ANNOTATIONS,
    session::{commands::Commands, ending::Evidence},
    streams::{
        digests::{DigestCache, Digests},
        output_limiter::{KeepLimits, OutputLimiter},
        ports::Ports,
        resize_filter::{ResizeFilter, Size},
        tar::Tar,
        timeline::Timeline,
    },
};

/// Most annotations that are made while a session goes on. Two of its end have room behind them.
const ANOMALIES: usize = ANNOTATIONS - 2;

const UNLISTED: &str =
    "more was typed than the list of commands has room for: later commands are in the recording only";

/// Turns the bytes of both directions into lines: decoder, and behind it everything that a recording has.
pub(crate) struct SessionEncoder {
    decoder: Decoder,
    state: EncoderState,
    /// Whether the client's and the server's bytes are over.
    over: [bool; 2],
    /// While accepted bytes of the server are not forwarded: how far those before them were from a frame boundary.
    boundary: Option<Option<u64>>,
}

/// What must be in the spool before the bytes it came from may be forwarded. It forgets what of it is written.
pub(crate) struct Batch {
    /// By stream: what an output limit holds back. It goes first, so that the checkpoint never counts what is not there.
    tails: [TailWrite; 3],
    checkpoint: Checkpoint,
    lines: Vec<u8>,
    /// Whether checkpoint and lines are written.
    is_appended: bool,
    /// What a Status said about the end: once the client knows it, the process that finishes the recording must.
    status: Option<Outcome>,
}

/// What the encoder knows of a session at its end, for the manifest.
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
    digest_cache: DigestCache,
    /// By stream.
    limiters: [OutputLimiter; 3],
    omitted: Vec<Omission>,
    /// Follows stdin, as long as it may be an archive.
    uploaded: Option<Tar>,
    /// Follows stdout, likewise.
    downloaded: Option<Tar>,
    status: Option<Status>,
    /// Whether the client had gone, or said that it goes, when the Status came.
    late: bool,
    client_over: bool,
    /// Whether the spool has what the Status means for the end.
    is_status_noted: bool,
    closing: Option<Side>,
    anomalies: Vec<String>,
    last_event: Micros,
}

impl SessionEncoder {
    pub(crate) fn new(session: &SessionMetadata, negotiated: &Negotiated, request: &Request, keep: KeepLimits) -> Self {
        let keep = (!(session.tty && keep.terminals)).then_some(keep);
        let copies = session.kind == SessionKind::Exec && !session.tty;
        let state = EncoderState {
            kind: session.kind,
            store_input: session.stores_input(),
            transport: transport_name(negotiated),
            timeline: Timeline::new(),
            commands: Commands::new(argv_command(session), session.tty && session.stdin),
            sizes: ResizeFilter::new(session.kind == SessionKind::Attach),
            ports: Ports::default(),
            totals: StreamTotals::default(),
            digests: Digests::default(),
            digest_cache: DigestCache::default(),
            limiters: StdStream::ALL.map(|stream| OutputLimiter::new(stream, keep)),
            omitted: Vec::new(),
            uploaded: copies.then(|| Tar::new(Direction::ToPod)),
            downloaded: copies.then(|| Tar::new(Direction::FromPod)),
            status: None,
            late: false,
            client_over: false,
            is_status_noted: false,
            closing: None,
            anomalies: Vec::new(),
            last_event: Micros::ZERO,
        };
        Self { decoder: Decoder::new(negotiated, request), state, over: [false; 2], boundary: None }
    }

    /// Encodes what a side sent. Any anomaly is an error if `strict`; one that the decoder cannot go on behind always is. The bytes
    /// are recorded either way.
    pub(crate) fn accept(&mut self, time: Micros, from: Side, bytes: &[u8], strict: bool) -> Result<(), RecordError> {
        if from == Side::Server {
            self.boundary = Some(self.decoder.bytes_to_frame_boundary(Side::Server));
        }
        let Self { decoder, state, .. } = self;
        let mut odd = None;
        decoder.feed(from, bytes, &mut |event| {
            if let Event::Anomaly(anomaly) = &event
                && (strict || matches!(anomaly, Anomaly::Lost { .. }))
            {
                odd.get_or_insert_with(|| described(from, anomaly));
            }
            state.event(time, from, &event);
        });
        state.passed(time);
        odd.map_or(Ok(()), |odd| Err(RecordError::Anomaly(odd)))
    }

    /// Notes that a side will send nothing more. A second call does nothing.
    pub(crate) fn ended(&mut self, time: Micros, from: Side) {
        let Self { decoder, state, over, .. } = self;
        let side = match from {
            Side::Client => 0,
            Side::Server => 1,
        };
        if std::mem::replace(&mut over[side], true) {
            return;
        }
        state.client_over |= from == Side::Client;
        decoder.end(from, &mut |event| state.event(time, from, &event));
    }

    /// Encodes the session's end: the last events. Returns the summary.
    pub(crate) fn finish(&mut self, time: Micros, how: Ending) -> Summary {
        self.state.finish(time, how)
    }

    /// Whether something may happen by time alone.
    pub(crate) fn restless(&self) -> bool {
        self.state.timeline.is_waiting() || self.state.commands.is_awake() || self.state.sizes.is_waiting()
    }

    /// Whether there are lines that no batch has taken.
    pub(crate) fn has_lines(&mut self) -> bool {
        self.state.timeline.has_lines()
    }

    /// Takes everything since the last batch. The batch is to be written and given to [`Self::commit`]; the next one goes behind
    /// it.
    pub(crate) fn take_batch(&mut self, now: Micros) -> Batch {
        let state = &mut self.state;
        let lines = state.timeline.take_lines();
        let has_news = state.status.is_some() && !state.is_status_noted;
        let checkpoint = Checkpoint {
            time: now,
            totals: state.totals,
            tails: state.timeline.tails(),
            held: state.limiters.each_ref().map(OutputLimiter::holds),
            digests: state.digests_of_unstored(),
        };
        Batch {
            tails: state.limiters.each_mut().map(OutputLimiter::take_tail),
            checkpoint,
            lines,
            is_appended: false,
            status: has_news.then(|| state.evidence().outcome(Ending::Interrupted).0),
        }
    }

    /// Notes that a batch is in the spool, and takes its memory for the next one.
    pub(crate) fn commit(&mut self, batch: Batch) {
        let state = &mut self.state;
        state.is_status_noted |= batch.status.is_some();
        state.timeline.reuse(batch.lines);
        state.limiters.iter_mut().zip(batch.tails).for_each(|(limiter, tail)| limiter.reuse(tail));
    }

    /// The transport's name, as the manifest has it.
    pub(crate) fn transport(&self) -> &str {
        &self.state.transport
    }

    /// Does what time alone does, when the session may be idle.
    pub(crate) fn settle(&mut self, time: Micros) {
        const QUIET: Duration = Duration::from_secs(1);
        self.state.passed(time);
        self.state.timeline.passed(time);
        if time.since(self.state.last_event) >= QUIET {
            self.state.sleep(time);
        }
    }

    /// How far the bytes that were forwarded are from the next frame boundary. After an accept that failed, the decoder is ahead
    /// of the client.
    pub(crate) fn bytes_to_frame_boundary(&self) -> Option<u64> {
        self.boundary.unwrap_or_else(|| self.decoder.bytes_to_frame_boundary(Side::Server))
    }

    /// Notes that all accepted bytes of the server may be forwarded.
    pub(crate) fn forwarded(&mut self) {
        self.boundary = None;
    }

    pub(crate) fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        self.decoder.termination(message, reason, code)
    }
}

impl Batch {
    /// The lines alone.
    #[cfg(fuzzing)]
    pub(crate) fn into_lines(self) -> Vec<u8> {
        self.lines
    }

    pub(crate) fn has_lines(&self) -> bool {
        !self.lines.is_empty()
    }

    /// Writes what is not written yet.
    ///
    /// # Errors
    /// The spool's. After [`SpoolError::Full`] it may be called again.
    pub(crate) fn write(&mut self, spooled: &mut SpoolWriter) -> Result<(), SpoolError> {
        for (stream, tail) in StdStream::ALL.into_iter().zip(&mut self.tails) {
            if !tail.is_empty() {
                spooled.hold(stream, tail)?;
                tail.clear();
            }
        }
        if !self.is_appended {
            spooled.append(&self.checkpoint, &self.lines)?;
            self.is_appended = true;
        }
        if let Some(outcome) = &self.status {
            spooled.note(&SessionRecord::Status { outcome: outcome.clone() })?;
        }
        Ok(())
    }

    /// Writes a session's last lines. The streams are over: nothing is held, and the end says more than the Status.
    ///
    /// # Errors
    /// The spool's, as of [`SpoolWriter::append_last`].
    pub(crate) fn write_last(&mut self, spooled: &mut SpoolWriter) -> Result<(), SpoolError> {
        spooled.append_last(&self.checkpoint, &self.lines)
    }

    /// The batch with the lines of the one before it, which was not written.
    pub(crate) fn behind(self, earlier: Self) -> Self {
        match earlier.is_appended {
            true => self,
            false => Self { lines: [earlier.lines, self.lines].concat(), ..self },
        }
    }
}

impl EncoderState {
    fn event(&mut self, time: Micros, from: Side, event: &Event<'_>) {
        self.last_event = time;
        if self.kind == SessionKind::PortForward {
            let timeline = &mut self.timeline;
            self.ports.event(from, event, &mut |connection| port_event(timeline, time, &connection));
        }
        match event {
            Event::Data { stream, data, .. } => self.data(time, from, *stream, data),
            Event::Resize(size) => {
                let Self { sizes, timeline, commands, .. } = self;
                sizes.announced(time, (size.width, size.height), &mut |size| {
                    real_size(timeline, commands, time, size);
                });
            }
            Event::HalfClosed { stream, .. } | Event::Reset { stream, .. } => {
                self.stream_ended(time, from, *stream);
            }
            Event::Status(status) => {
                if self.status.is_none() {
                    (self.status, self.late) =
                        (Some(status.clone()), self.client_over || self.closing == Some(Side::Client));
                }
            }
            // The CLOSE of a server whose client is gone already answers that, and closes nothing.
            Event::Close { .. } if !self.client_over => {
                self.closing.get_or_insert(from);
            }
            Event::Anomaly(anomaly) => self.annotate(time, format!("anomaly: {}", described(from, anomaly))),
            Event::Close { .. } | Event::Opened { .. } | Event::Ping | Event::Pong => {}
        }
    }

    fn data(&mut self, time: Micros, from: Side, stream: Stream, data: &[u8]) {
        let length = data.len() as u64;
        match (stream, from) {
            (Stream::Stdin, Side::Client) => {
                self.totals.stdin += length;
                self.digests.stdin.update(data);
                let archive = follow(&mut self.uploaded, data);
                if self.store_input {
                    self.limiters[StdStream::Stdin.index()].data(&mut self.timeline, time, data, archive);
                }
                self.commands.typed(time, data);
            }
            (Stream::Stdout, Side::Server) => {
                self.totals.stdout += length;
                self.digests.stdout.update(data);
                let archive = follow(&mut self.downloaded, data);
                self.limiters[StdStream::Stdout.index()].data(&mut self.timeline, time, data, archive);
                let timeline = &mut self.timeline;
                self.commands.printed(time, data, &mut |text| timeline.event(time, Code::Marker, text));
            }
            (Stream::Stderr, Side::Server) => {
                self.totals.stderr += length;
                self.digests.stderr.update(data);
                self.limiters[StdStream::Stderr.index()].data(&mut self.timeline, time, data, false);
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

    fn stream_ended(&mut self, time: Micros, from: Side, stream: Stream) {
        match (stream, from) {
            (Stream::Stdout, Side::Server) => self.end_stream(time, StdStream::Stdout),
            (Stream::Stderr, Side::Server) => self.end_stream(time, StdStream::Stderr),
            _ => {}
        }
    }

    fn end_stream(&mut self, time: Micros, stream: StdStream) {
        let omitted = self.limiters[stream.index()].end(&mut self.timeline, time);
        self.omitted.extend(omitted);
        self.timeline.end_stream(stream);
    }

    fn passed(&mut self, time: Micros) {
        let Self { sizes, timeline, commands, .. } = self;
        sizes.passed(time, &mut |size| real_size(timeline, commands, time, size));
    }

    fn sleep(&mut self, time: Micros) {
        let Self { timeline, commands, .. } = self;
        commands.sleep(&mut |text| timeline.event(time, Code::Marker, text));
    }

    /// Writes an annotation, for a reader of the lines and of the manifest.
    fn annotate(&mut self, time: Micros, text: String) {
        if self.anomalies.len() < ANOMALIES {
            self.annotate_end(time, text);
        }
    }

    /// Writes an annotation that is made once, at the end.
    fn annotate_end(&mut self, time: Micros, text: String) {
        self.timeline.event(time, Code::Gap, &text);
        self.anomalies.push(text);
    }

    fn finish(&mut self, time: Micros, how: Ending) -> Summary {
        self.sizes_end(time);
        StdStream::ALL.into_iter().for_each(|stream| self.end_stream(time, stream));
        let timeline = &mut self.timeline;
        let commands = self.commands.finish(&mut |text| timeline.event(time, Code::Marker, text));
        self.ports.end(&mut |connection| port_event(timeline, time, &connection));
        let (outcome, annotation) = self.evidence().outcome(how);
        if let Some(annotation) = annotation {
            self.annotate_end(time, annotation);
        }
        if commands.unlisted {
            self.annotate_end(time, UNLISTED.to_owned());
        }
        if let Outcome::Exited { exit_code } = outcome {
            self.timeline.event(time, Code::Exit, &exit_code.to_string());
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

    /// SHA-256 so far of the streams that are not, or not wholly, in the lines.
    fn digests_of_unstored(&mut self) -> [Option<[u8; 32]>; 3] {
        let Self { kind, store_input, totals, digests, digest_cache, limiters, .. } = self;
        StdStream::ALL.map(|stream| {
            let is_unstored = *kind == SessionKind::PortForward
                || limiters[stream.index()].is_incomplete()
                || (stream == StdStream::Stdin && !*store_input);
            is_unstored.then(|| digest_cache.digest(stream, stream.total(totals), digests.of(stream))).flatten()
        })
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

    fn sizes_end(&mut self, time: Micros) {
        let Self { sizes, timeline, commands, .. } = self;
        sizes.passed(Micros::MAX, &mut |size| real_size(timeline, commands, time, size));
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

/// Shows an archive's follower what passes, and lets it go if the stream is none. Returns whether the stream is an archive, as far
/// as is known.
fn follow(tar: &mut Option<Tar>, data: &[u8]) -> bool {
    let Some(following) = tar else { return false };
    following.feed(data);
    let archive = following.recognised();
    if following.over() && !archive {
        *tar = None;
    }
    archive
}

/// Writes an `r` event. A size of 0 becomes an annotation: no terminal has it, and players fail on it.
fn real_size(timeline: &mut Timeline, commands: &mut Commands, time: Micros, (width, height): Size) {
    if width == 0 || height == 0 {
        timeline.event(time, Code::Gap, &format!("the client announced a terminal of {width}x{height}"));
        return;
    }
    timeline.event(time, Code::Resize, &format!("{width}x{height}"));
    commands.resized(time, width, height);
}

fn port_event(timeline: &mut Timeline, time: Micros, connection: &PortConnection) {
    // Numbers and a string: serialising them to memory has no way to fail.
    let text = serde_json::to_string(connection).unwrap_or_default();
    timeline.event(time, Code::Port, &text);
}

/// An anomaly, and who sent it.
fn described(from: Side, anomaly: &Anomaly) -> String {
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
        let mut encoder = SessionEncoder::new(&session, &negotiated, &request, KeepLimits::default());
        (0..1_000).for_each(|number| encoder.state.annotate(Micros::new(number), format!("annotation {number}")));
        let failure = Status::Failure { message: "no space".to_owned(), code: Some(500) };
        (encoder.state.status, encoder.state.totals.stdout) = (Some(failure), 1);
        let anomalies = encoder.finish(Micros::from_millis(1), Ending::Closed(Side::Server)).anomalies;
        assert_eq!(anomalies.len(), ANOMALIES + 1);
        assert_eq!(anomalies.last().map(String::as_str), Some("the server's last word was: no space"));
    }
}
