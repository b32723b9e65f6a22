//! Port-forward without SPDY: for port number i of `?ports=`, channel 2i carries data and 2i + 1 error text. The server
//! begins each channel with the port, 16 bits little endian.

use super::message::{ChannelItem, ChannelMessages};
use super::remote_command::{EMPTY, other};
use crate::termination;
use crate::websocket::{self, MessageItem, MessageReader, ReadingRules, TextPolicy};
use crate::{Anomaly, Event, Side, Stream};

/// A channel is one byte.
const MAX_CHANNELS: usize = 256;
const PREFIX_BYTES: usize = 2;

pub(crate) struct ChannelPortForward {
    client: MessageReader,
    server: MessageReader,
    input: ChannelMessages,
    output: ForwardedOutput,
    base64: bool,
}

struct ForwardedOutput {
    messages: ChannelMessages,
    channels: Vec<Channel>,
}

/// One channel of the server's direction.
struct Channel {
    port: u16,
    prefix: [u8; PREFIX_BYTES],
    held: usize,
    offset: u64,
}

impl ChannelPortForward {
    pub(crate) fn new(ports: &[u16], base64: bool) -> Self {
        let text = if base64 { TextPolicy::Data } else { TextPolicy::Odd };
        let channel = |port: &u16| Channel { port: *port, prefix: [0; PREFIX_BYTES], held: 0, offset: 0 };
        let channels = ports.iter().flat_map(|port| [channel(port), channel(port)]).take(MAX_CHANNELS).collect();
        ChannelPortForward {
            client: MessageReader::new(ReadingRules::per_frame()),
            server: MessageReader::new(ReadingRules::client(text)),
            input: ChannelMessages::new(base64, false),
            output: ForwardedOutput { messages: ChannelMessages::new(base64, false), channels },
            base64,
        }
    }

    pub(crate) fn open(&self, sink: &mut dyn FnMut(Event<'_>)) {
        for (id, channel) in (0u32..).zip(&self.output.channels) {
            let stream = stream(id as u8);
            sink(Event::Opened { id, stream, port: Some(channel.port), connection: Some(id / 2) });
        }
    }

    pub(crate) fn feed(&mut self, from: Side, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        match from {
            Side::Client => {
                let (input, channels) = (&mut self.input, self.output.channels.len());
                self.client.feed(bytes, &mut |item| read_client(input, channels, item, sink));
            }
            Side::Server => {
                let output = &mut self.output;
                self.server.feed(bytes, &mut |item| output.item(item, sink));
            }
        }
    }

    pub(crate) fn bytes_to_frame_boundary(&self, from: Side) -> Option<u64> {
        match from {
            Side::Client => self.client.bytes_to_frame_boundary(),
            Side::Server => self.server.bytes_to_frame_boundary(),
        }
    }

    /// The message on every error channel, with the prefix where the server has not sent it, and CLOSE 1000.
    pub(crate) fn termination(&self, message: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for (id, channel) in (0u32..).zip(&self.output.channels).skip(1).step_by(2) {
            let mut text = channel.port.to_le_bytes()[channel.held..].to_vec();
            text.extend_from_slice(message.as_bytes());
            termination::channel_message(&mut out, self.base64, id as u8, &text);
        }
        websocket::close(&mut out);
        out
    }
}

fn stream(channel: u8) -> Stream {
    if channel.is_multiple_of(2) { Stream::PortData } else { Stream::PortError }
}

/// The server reads the data channels only.
fn read_client(
    messages: &mut ChannelMessages,
    channels: usize,
    item: MessageItem<'_>,
    sink: &mut dyn FnMut(Event<'_>),
) {
    messages.item(item, &mut |part| match part {
        ChannelItem::Bytes(channel, data) if usize::from(channel) < channels && stream(channel) == Stream::PortData => {
            sink(Event::Data { id: channel.into(), stream: Stream::PortData, data });
        }
        part => rest(part, sink),
    });
}

impl ForwardedOutput {
    fn item(&mut self, item: MessageItem<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let ForwardedOutput { messages, channels } = self;
        messages.item(item, &mut |part| match part {
            ChannelItem::To(id, offset) => match channels.get_mut(usize::from(id)) {
                Some(channel) => channel.offset = offset,
                None => {
                    let what = "a message on a channel that no client reads";
                    sink(Event::Anomaly(Anomaly::Wire { offset, what }));
                }
            },
            ChannelItem::Bytes(id, data) => {
                if let Some(channel) = channels.get_mut(usize::from(id)) {
                    channel.bytes(id, data, sink);
                }
            }
            ChannelItem::Empty(offset) => sink(Event::Anomaly(Anomaly::Wire { offset, what: EMPTY })),
            part => rest(part, sink),
        });
    }
}

impl Channel {
    fn bytes(&mut self, id: u8, data: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        let (prefix, data) = data.split_at(data.len().min(PREFIX_BYTES - self.held));
        if !prefix.is_empty() {
            self.take_prefix(prefix, sink);
        }
        if !data.is_empty() {
            sink(Event::Data { id: id.into(), stream: stream(id), data });
        }
    }

    fn take_prefix(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        self.prefix[self.held..][..bytes.len()].copy_from_slice(bytes);
        self.held += bytes.len();
        if self.held == PREFIX_BYTES && u16::from_le_bytes(self.prefix) != self.port {
            let (offset, what) = (self.offset, "a channel that does not begin with its port");
            sink(Event::Anomaly(Anomaly::Wire { offset, what }));
        }
    }
}

fn rest(part: ChannelItem<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    match part {
        ChannelItem::Fatal(offset, what) | ChannelItem::Malformed(offset, what) => {
            sink(Event::Anomaly(Anomaly::Wire { offset, what }));
        }
        ChannelItem::Other(item) => other(item, sink),
        ChannelItem::To(..) | ChannelItem::Bytes(..) | ChannelItem::Over(..) | ChannelItem::Empty(_) => {}
    }
}
