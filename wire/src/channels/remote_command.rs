//! exec and attach: stdin, stdout, stderr, error and resize on channels 0 to 4.

use super::message::{Messages, Part};
use crate::resize::Resize;
use crate::status::ErrorStream;
use crate::termination;
use crate::websocket::{self, Inbound, Item, Rules, Text};
use crate::{Anomaly, Event, Request, Side, Stream};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;

pub(crate) struct Session {
    client: Inbound,
    server: Inbound,
    input: Input,
    output: Output,
    base64: bool,
    json_status: bool,
}

/// What the client's direction has said.
struct Input {
    messages: Messages,
    /// Requested, and not closed by a v5 signal.
    stdin: bool,
    resizes: bool,
    resize: Resize,
    /// The server ended the session for what the client sent.
    lost: bool,
}

/// What the server's direction has said.
struct Output {
    messages: Messages,
    error: ErrorStream,
}

impl Session {
    pub(crate) fn new(request: &Request, base64: bool, close_signal: bool, json_status: bool) -> Self {
        let text = if base64 { Text::Data } else { Text::Odd };
        Session {
            client: Inbound::new(Rules::per_frame()),
            server: Inbound::new(Rules::client(text)),
            input: Input {
                messages: Messages::new(base64, close_signal),
                stdin: request.stdin,
                resizes: true,
                resize: Resize::new(),
                lost: false,
            },
            output: Output { messages: Messages::new(base64, false), error: ErrorStream::new(json_status) },
            base64,
            json_status,
        }
    }

    /// The streams there are: fixed by the request.
    pub(crate) fn open(request: &Request, sink: &mut dyn FnMut(Event<'_>)) {
        let streams = [
            (request.stdin, STDIN, Stream::Stdin),
            (request.stdout, STDOUT, Stream::Stdout),
            (request.stderr, STDERR, Stream::Stderr),
            (true, ERROR, Stream::Error),
            (request.tty, RESIZE, Stream::Resize),
        ];
        for (_, id, stream) in streams.into_iter().filter(|(wanted, ..)| *wanted) {
            sink(Event::Opened { id: id.into(), stream, port: None, connection: None });
        }
    }

    pub(crate) fn feed(&mut self, from: Side, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        match from {
            Side::Client => {
                let input = &mut self.input;
                self.client.feed(bytes, &mut |item| input.item(item, sink));
            }
            Side::Server => {
                let output = &mut self.output;
                self.server.feed(bytes, &mut |item| output.item(item, sink));
            }
        }
    }

    pub(crate) fn end(&mut self, from: Side, sink: &mut dyn FnMut(Event<'_>)) {
        if from == Side::Server
            && let Some(status) = self.output.error.connection_over(false)
        {
            sink(Event::Status(status));
        }
    }

    pub(crate) fn to_border(&self, from: Side) -> Option<u64> {
        match from {
            Side::Client if self.input.lost => None,
            Side::Client => self.client.to_border(),
            Side::Server => self.server.to_border(),
        }
    }

    /// The Status, where the server has not begun one of its own, and CLOSE 1000.
    pub(crate) fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        let mut out = Vec::new();
        if self.output.error.is_empty() {
            let text = termination::error_text(self.json_status, message, reason, code);
            termination::channel_message(&mut out, self.base64, ERROR, &text);
        }
        websocket::close(&mut out);
        out
    }
}

impl Input {
    #[inline]
    fn item(&mut self, item: Item<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        if self.lost {
            return;
        }
        let Input { messages, stdin, resizes, resize, lost } = self;
        messages.item(item, &mut |part| match part {
            Part::Bytes(STDIN, data) if *stdin => {
                sink(Event::Data { id: STDIN.into(), stream: Stream::Stdin, data });
            }
            Part::Bytes(RESIZE, data) if *resizes => {
                resize.events(RESIZE.into(), data, sink);
            }
            // Channels that the server only writes or does not have: it ignores them.
            Part::Bytes(..) | Part::To(..) => {}
            Part::Over(STDIN, _) => half_close(stdin, STDIN, Stream::Stdin, sink),
            Part::Over(RESIZE, _) => half_close(resizes, RESIZE, Stream::Resize, sink),
            Part::Over(STDOUT..=ERROR, _) => {}
            Part::Over(_, offset) => {
                *lost = true;
                let what = "a close signal for a channel that there is not";
                sink(Event::Anomaly(Anomaly::Lost { offset, what }));
            }
            Part::Fatal(offset, what) => {
                *lost = true;
                sink(Event::Anomaly(Anomaly::Lost { offset, what }));
            }
            Part::Malformed(offset, what) => sink(Event::Anomaly(Anomaly::Wire { offset, what })),
            Part::Other(item) => other(item, sink),
        });
    }
}

fn half_close(open: &mut bool, channel: u8, stream: Stream, sink: &mut dyn FnMut(Event<'_>)) {
    if std::mem::take(open) {
        sink(Event::HalfClosed { id: channel.into(), stream });
    }
}

impl Output {
    #[inline]
    fn item(&mut self, item: Item<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let Output { messages, error } = self;
        messages.item(item, &mut |part| match part {
            Part::Bytes(STDOUT, data) => sink(Event::Data { id: STDOUT.into(), stream: Stream::Stdout, data }),
            Part::Bytes(STDERR, data) => sink(Event::Data { id: STDERR.into(), stream: Stream::Stderr, data }),
            Part::Bytes(ERROR, data) => {
                error.push(data);
                sink(Event::Data { id: ERROR.into(), stream: Stream::Error, data });
            }
            Part::To(STDOUT..=ERROR, _) | Part::Bytes(..) | Part::Over(..) => {}
            Part::To(_, offset) => {
                let what = "a message on a channel that no client reads";
                sink(Event::Anomaly(Anomaly::Wire { offset, what }));
            }
            Part::Fatal(offset, what) | Part::Malformed(offset, what) => {
                sink(Event::Anomaly(Anomaly::Wire { offset, what }));
            }
            Part::Other(Item::Close { code, reason }) => {
                if let Some(status) = error.connection_over(true) {
                    sink(Event::Status(status));
                }
                sink(Event::Close { code, reason });
            }
            Part::Other(item) => other(item, sink),
        });
    }
}

/// Items that mean the same in both directions and in every form of the protocol.
pub(crate) fn other(item: Item<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    match item {
        Item::Ping => sink(Event::Ping),
        Item::Pong => sink(Event::Pong),
        Item::Close { code, reason } => sink(Event::Close { code, reason }),
        Item::Anomaly(anomaly) => sink(Event::Anomaly(anomaly)),
        Item::Begin(_) | Item::Bytes(_) | Item::End => {}
    }
}
