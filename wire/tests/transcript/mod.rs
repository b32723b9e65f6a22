//! The events of given bytes as lines of text, checked at every split.

#![allow(dead_code)] // each test file uses its own part

pub mod frames;
pub mod spdy;

use wire::{Anomaly, Decoder, Event, Negotiated, Request, Side, Status, Stream, Subresource};

/// The bytes to feed, in order.
pub type Script = Vec<(Side, Vec<u8>)>;

/// A connection before its first byte.
#[derive(Clone, Debug)]
pub struct Upgraded {
    pub request: Request,
    pub negotiated: Negotiated,
}

impl Upgraded {
    pub fn new(subresource: Subresource, query: &str, upgrade: &str, protocol: &str) -> Self {
        let request = Request::parse(subresource, query).unwrap();
        let negotiated = Negotiated::from_response(&request, upgrade, Some(protocol)).unwrap();
        Upgraded { request, negotiated }
    }

    /// `exec -it` over WebSocket.
    pub fn websocket(protocol: &str) -> Self {
        Self::new(Subresource::Exec, "command=sh&stdin=true&stdout=true&tty=true", "websocket", protocol)
    }

    /// `exec` over SPDY.
    pub fn spdy(protocol: &str) -> Self {
        Self::new(Subresource::Exec, "command=sh&stdin=true&stdout=true&stderr=true", "SPDY/3.1", protocol)
    }

    pub fn decoder(&self) -> Decoder {
        Decoder::new(&self.negotiated, &self.request)
    }

    /// The decoder's events, without the `opened` of channels. They are equal for every cut of every piece, and byte by
    /// byte. Both directions end last.
    pub fn says(&self, script: &[(Side, Vec<u8>)]) -> Vec<String> {
        let whole = self.listen(script.iter().map(|(side, bytes)| (*side, &bytes[..])));
        let bytes = script.iter().flat_map(|(side, bytes)| bytes.chunks(1).map(|byte| (*side, byte)));
        assert_eq!(self.listen(bytes), whole, "byte by byte");
        for cut in 0..script.iter().map(|(_, bytes)| bytes.len()).max().unwrap_or(0) {
            let halves = script.iter().flat_map(|(side, bytes)| {
                let (a, b) = bytes.split_at(cut.min(bytes.len()));
                [(*side, a), (*side, b)]
            });
            assert_eq!(self.listen(halves), whole, "cut at {cut}");
        }
        whole
    }

    pub fn listen<'a>(&self, script: impl Iterator<Item = (Side, &'a [u8])>) -> Vec<String> {
        let (mut decoder, mut lines) = (self.decoder(), Lines::default());
        for (side, bytes) in script {
            decoder.feed(side, bytes, &mut |event| lines.hear(event));
        }
        for side in [Side::Client, Side::Server] {
            decoder.end(side, &mut |event| lines.hear(event));
        }
        let channels = !matches!(self.negotiated.transport, wire::Transport::Spdy | wire::Transport::Tunnel);
        let lines = lines.finish();
        if channels { lines.into_iter().filter(|line| !line.starts_with("opened")).collect() } else { lines }
    }
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    data: Option<(u32, Stream, Vec<u8>)>,
}

impl Lines {
    fn hear(&mut self, event: Event<'_>) {
        match (&mut self.data, event) {
            (Some((of, _, bytes)), Event::Data { id, data, .. }) if *of == id => bytes.extend_from_slice(data),
            (_, Event::Data { id, stream, data }) => {
                self.flush();
                self.data = Some((id, stream, data.to_vec()));
            }
            (_, event) => {
                self.flush();
                self.lines.push(line(&event));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((id, stream, bytes)) = self.data.take() {
            self.lines.push(format!("{} {id}: {}", name(stream), bytes.escape_ascii()));
        }
    }

    fn finish(mut self) -> Vec<String> {
        self.flush();
        self.lines
    }
}

fn line(event: &Event<'_>) -> String {
    match event {
        Event::Opened { id, stream, port: None, .. } => format!("opened {} {id}", name(*stream)),
        Event::Opened { id, stream, port: Some(port), connection } => {
            format!("opened {} {id}, port {port}, connection {}", name(*stream), connection.unwrap())
        }
        Event::Data { .. } => unreachable!("data is joined"),
        Event::Resize(size) => format!("size {}x{}", size.width, size.height),
        Event::HalfClosed { id, stream } => format!("half-closed {} {id}", name(*stream)),
        Event::Reset { id, stream, code } => format!("reset {} {id}, code {code}", name(*stream)),
        Event::Status(Status::Success) => "success".to_owned(),
        Event::Status(Status::ExitCode(code)) => format!("exit code {code}"),
        Event::Status(Status::Failure { message, code: None }) => format!("failure: {message}"),
        Event::Status(Status::Failure { message, code: Some(code) }) => format!("failure {code}: {message}"),
        Event::Ping => "ping".to_owned(),
        Event::Pong => "pong".to_owned(),
        Event::Close { code: None, .. } => "close".to_owned(),
        Event::Close { code: Some(code), reason } => format!("close {code} {reason}").trim_end().to_owned(),
        Event::Anomaly(Anomaly::Wire { offset, what }) => format!("odd @{offset}: {what}"),
        Event::Anomaly(Anomaly::Lost { offset, what }) => format!("lost @{offset}: {what}"),
    }
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdin => "stdin",
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::Error => "error",
        Stream::Resize => "resize",
        Stream::PortData => "port-data",
        Stream::PortError => "port-error",
    }
}
