//! exec and attach: stdin, stdout, stderr, error and resize on channels 0 to 4.

use super::message::{ChannelItem, ChannelMessages};
use crate::resize::ResizeDecoder;
use crate::status::ErrorStream;
use crate::termination;
use crate::websocket::{self, MessageItem, MessageReader, ReadingRules, TextPolicy};
use crate::{Anomaly, Event, Request, Side, Stream};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
/// kubectl ends the session at one: it has no channel (`readDemuxLoop` in `k8s.io/client-go/tools/remotecommand/websocket.go`).
pub(super) const EMPTY: &str = "an empty message of the server";

pub(crate) struct RemoteCommand {
    client: MessageReader,
    server: MessageReader,
    input: ClientInput,
    output: ServerOutput,
    base64: bool,
    json_status: bool,
}

/// The client's direction.
struct ClientInput {
    messages: ChannelMessages,
    /// Requested, and not closed by a close signal of v5.
    stdin: bool,
    resizes: bool,
    resize: ResizeDecoder,
    /// Where the last message for it began.
    resize_offset: u64,
    /// The server has ended the session over something that the client sent.
    lost: bool,
}

/// The server's direction.
struct ServerOutput {
    messages: ChannelMessages,
    error: ErrorStream,
}

impl RemoteCommand {
    pub(crate) fn new(request: &Request, base64: bool, close_signal: bool, json_status: bool) -> Self {
        let text = if base64 { TextPolicy::Data } else { TextPolicy::Odd };
        RemoteCommand {
            client: MessageReader::new(ReadingRules::per_frame()),
            server: MessageReader::new(ReadingRules::client(text)),
            input: ClientInput {
                messages: ChannelMessages::new(base64, close_signal),
                stdin: request.stdin,
                resizes: true,
                resize: ResizeDecoder::new(),
                resize_offset: 0,
                lost: false,
            },
            output: ServerOutput {
                messages: ChannelMessages::new(base64, false),
                error: ErrorStream::new(json_status),
            },
            base64,
            json_status,
        }
    }

    /// Reports the streams, which are fixed by the request.
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

    pub(crate) fn bytes_to_frame_boundary(&self, from: Side) -> Option<u64> {
        match from {
            Side::Client if self.input.lost => None,
            Side::Client => self.client.bytes_to_frame_boundary(),
            Side::Server => self.server.bytes_to_frame_boundary(),
        }
    }

    /// A Failure, unless the server has begun a Status of its own, and CLOSE 1000.
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

impl ClientInput {
    #[inline]
    fn item(&mut self, item: MessageItem<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        if self.lost {
            return;
        }
        let ClientInput { messages, stdin, resizes, resize, resize_offset, lost } = self;
        messages.item(item, &mut |part| match part {
            ChannelItem::Bytes(STDIN, data) if *stdin => {
                sink(Event::Data { id: STDIN.into(), stream: Stream::Stdin, data });
            }
            ChannelItem::To(RESIZE, offset) => *resize_offset = offset,
            ChannelItem::Bytes(RESIZE, data) if *resizes => {
                resize.events(RESIZE.into(), *resize_offset, data, sink);
            }
            // The server ignores channels that it only writes or does not have, and passes over empty messages.
            ChannelItem::Bytes(..) | ChannelItem::To(..) | ChannelItem::Empty(_) => {}
            ChannelItem::Over(STDIN, _) => half_close(stdin, STDIN, Stream::Stdin, sink),
            ChannelItem::Over(RESIZE, _) => half_close(resizes, RESIZE, Stream::Resize, sink),
            ChannelItem::Over(STDOUT..=ERROR, _) => {}
            ChannelItem::Over(_, offset) => {
                *lost = true;
                let what = "a close signal for a channel that there is not";
                sink(Event::Anomaly(Anomaly::Lost { offset, what }));
            }
            ChannelItem::Fatal(offset, what) => {
                *lost = true;
                sink(Event::Anomaly(Anomaly::Lost { offset, what }));
            }
            ChannelItem::Malformed(offset, what) => sink(Event::Anomaly(Anomaly::Wire { offset, what })),
            ChannelItem::Other(item) => other(item, sink),
        });
    }
}

fn half_close(open: &mut bool, channel: u8, stream: Stream, sink: &mut dyn FnMut(Event<'_>)) {
    if std::mem::take(open) {
        sink(Event::HalfClosed { id: channel.into(), stream });
    }
}

impl ServerOutput {
    #[inline]
    fn item(&mut self, item: MessageItem<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let ServerOutput { messages, error } = self;
        messages.item(item, &mut |part| match part {
            ChannelItem::Bytes(STDOUT, data) => sink(Event::Data { id: STDOUT.into(), stream: Stream::Stdout, data }),
            ChannelItem::Bytes(STDERR, data) => sink(Event::Data { id: STDERR.into(), stream: Stream::Stderr, data }),
            ChannelItem::Bytes(ERROR, data) => {
                error.push(data);
                sink(Event::Data { id: ERROR.into(), stream: Stream::Error, data });
            }
            ChannelItem::To(STDOUT..=ERROR, _) | ChannelItem::Bytes(..) | ChannelItem::Over(..) => {}
            ChannelItem::To(_, offset) => {
                let what = "a message on a channel that no client reads";
                sink(Event::Anomaly(Anomaly::Wire { offset, what }));
            }
            ChannelItem::Empty(offset) => {
                sink(Event::Anomaly(Anomaly::Wire { offset, what: EMPTY }));
            }
            ChannelItem::Fatal(offset, what) | ChannelItem::Malformed(offset, what) => {
                sink(Event::Anomaly(Anomaly::Wire { offset, what }));
            }
            ChannelItem::Other(MessageItem::Close { code, reason }) => {
                if let Some(status) = error.connection_over(true) {
                    sink(Event::Status(status));
                }
                sink(Event::Close { code, reason });
            }
            ChannelItem::Other(item) => other(item, sink),
        });
    }
}

/// Reports items that mean the same in both directions and in every protocol.
pub(crate) fn other(item: MessageItem<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    match item {
        MessageItem::Ping => sink(Event::Ping),
        MessageItem::Pong => sink(Event::Pong),
        MessageItem::Close { code, reason } => sink(Event::Close { code, reason }),
        MessageItem::Anomaly(anomaly) => sink(Event::Anomaly(anomaly)),
        MessageItem::Begin(_) | MessageItem::Bytes(_) | MessageItem::End => {}
    }
}
