//! Port-forward without SPDY: for the i-th of `?ports=`, channel 2i carries data and 2i + 1 error text. The
//! server begins each channel with the port, 16 bits little endian.

use super::message::{Messages, Part};
use super::remote_command::other;
use crate::termination;
use crate::websocket::{self, Inbound, Item, Rules, Text};
use crate::{Anomaly, Event, Side, Stream};

/// A channel is one byte.
const CHANNELS: usize = 256;
const PREFIX: usize = 2;

pub(crate) struct Forward {
    client: Inbound,
    server: Inbound,
    input: Messages,
    output: Output,
    base64: bool,
}

struct Output {
    messages: Messages,
    channels: Vec<Channel>,
}

/// One channel of the server's direction.
struct Channel {
    port: u16,
    prefix: [u8; PREFIX],
    held: usize,
    offset: u64,
}

impl Forward {
    pub(crate) fn new(ports: &[u16], base64: bool) -> Self {
        let text = if base64 { Text::Data } else { Text::Odd };
        let channel = |port: &u16| Channel { port: *port, prefix: [0; PREFIX], held: 0, offset: 0 };
        let channels = ports.iter().flat_map(|port| [channel(port), channel(port)]).take(CHANNELS).collect();
        Forward {
            client: Inbound::new(Rules::per_frame()),
            server: Inbound::new(Rules::client(text)),
            input: Messages::new(base64, false),
            output: Output { messages: Messages::new(base64, false), channels },
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

    pub(crate) fn to_border(&self, from: Side) -> Option<u64> {
        match from {
            Side::Client => self.client.to_border(),
            Side::Server => self.server.to_border(),
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
fn read_client(messages: &mut Messages, channels: usize, item: Item<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    messages.item(item, &mut |part| match part {
        Part::Bytes(channel, data) if usize::from(channel) < channels && stream(channel) == Stream::PortData => {
            sink(Event::Data { id: channel.into(), stream: Stream::PortData, data });
        }
        part => rest(part, sink),
    });
}

impl Output {
    fn item(&mut self, item: Item<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let Output { messages, channels } = self;
        messages.item(item, &mut |part| match part {
            Part::To(id, offset) => match channels.get_mut(usize::from(id)) {
                Some(channel) => channel.offset = offset,
                None => {
                    let what = "a message on a channel that no client reads";
                    sink(Event::Anomaly(Anomaly::Wire { offset, what }));
                }
            },
            Part::Bytes(id, data) => {
                if let Some(channel) = channels.get_mut(usize::from(id)) {
                    channel.bytes(id, data, sink);
                }
            }
            part => rest(part, sink),
        });
    }
}

impl Channel {
    fn bytes(&mut self, id: u8, data: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        let (prefix, data) = data.split_at(data.len().min(PREFIX - self.held));
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
        if self.held == PREFIX && u16::from_le_bytes(self.prefix) != self.port {
            let (offset, what) = (self.offset, "a channel that does not begin with its port");
            sink(Event::Anomaly(Anomaly::Wire { offset, what }));
        }
    }
}

fn rest(part: Part<'_>, sink: &mut dyn FnMut(Event<'_>)) {
    match part {
        Part::Fatal(offset, what) | Part::Malformed(offset, what) => {
            sink(Event::Anomaly(Anomaly::Wire { offset, what }));
        }
        Part::Other(item) => other(item, sink),
        Part::To(..) | Part::Bytes(..) | Part::Over(..) => {}
    }
}
