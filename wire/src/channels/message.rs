//! A message's channel and payload, of either encoding.

use crate::streaming_base64::StreamingBase64;
use crate::websocket::MessageItem;

/// Most bytes that are decoded from base64 at a time.
const DECODE_BYTES: usize = 16 << 10;
/// v5: the channel byte that announces the end of another channel.
const CLOSE_SIGNAL: u8 = 255;

/// What the messages of a direction say.
pub(super) enum ChannelItem<'a> {
    /// A message for this channel begins, at this offset.
    To(u8, u64),
    /// Bytes of the message.
    Bytes(u8, &'a [u8]),
    /// v5: the sender has no more for this channel. With the offset of the message.
    Over(u8, u64),
    /// A message without a channel. With its offset.
    Empty(u64),
    /// Odd: the server drops this message. With its offset.
    Malformed(u64, &'static str),
    /// The server ends the session over this message. With its offset.
    Fatal(u64, &'static str),
    /// Not part of a message.
    Other(MessageItem<'a>),
}

#[derive(Clone, Copy)]
enum MessagePosition {
    /// The channel byte comes next.
    Channel,
    /// Bytes for the channel.
    Bytes(u8),
    /// Behind `FF`: the channel, once it came, and whether more bytes followed.
    Signal(Option<u8>, bool),
    Skip,
}

/// Splits WebSocket messages into channel and payload.
pub(super) struct ChannelMessages {
    base64: bool,
    close_signal: bool,
    position: MessagePosition,
    offset: u64,
    decoder: StreamingBase64,
    scratch: Vec<u8>,
}

impl ChannelMessages {
    pub(super) fn new(base64: bool, close_signal: bool) -> Self {
        ChannelMessages {
            base64,
            close_signal,
            position: MessagePosition::Channel,
            offset: 0,
            decoder: StreamingBase64::default(),
            scratch: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn item(&mut self, item: MessageItem<'_>, on: &mut impl FnMut(ChannelItem<'_>)) {
        match item {
            MessageItem::Begin(offset) => {
                self.offset = offset;
                self.position = MessagePosition::Channel;
            }
            MessageItem::Bytes(bytes) => self.bytes(bytes, on),
            MessageItem::End => self.end(on),
            other => on(ChannelItem::Other(other)),
        }
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8], on: &mut impl FnMut(ChannelItem<'_>)) {
        let rest = match (self.position, bytes.split_first()) {
            (MessagePosition::Channel, Some((&channel, rest))) => {
                self.channel(channel, on);
                rest
            }
            _ => bytes,
        };
        if rest.is_empty() {
            return;
        }
        match self.position {
            MessagePosition::Bytes(channel) if self.base64 => self.base64(channel, rest, on),
            MessagePosition::Bytes(channel) => on(ChannelItem::Bytes(channel, rest)),
            MessagePosition::Signal(None, _) => self.position = MessagePosition::Signal(Some(rest[0]), rest.len() > 1),
            MessagePosition::Signal(Some(channel), _) => self.position = MessagePosition::Signal(Some(channel), true),
            MessagePosition::Channel | MessagePosition::Skip => {}
        }
    }

    #[inline]
    fn channel(&mut self, byte: u8, on: &mut impl FnMut(ChannelItem<'_>)) {
        if self.close_signal && byte == CLOSE_SIGNAL {
            self.position = MessagePosition::Signal(None, false);
            return;
        }
        // wsstream subtracts '0' without a check (`conn.go` in `k8s.io/apimachinery/pkg/util/httpstream/wsstream`): a
        // smaller byte becomes a channel that does not exist.
        let channel = if self.base64 { byte.wrapping_sub(b'0') } else { byte };
        self.decoder = StreamingBase64::default();
        self.position = MessagePosition::Bytes(channel);
        on(ChannelItem::To(channel, self.offset));
    }

    fn base64(&mut self, channel: u8, text: &[u8], on: &mut impl FnMut(ChannelItem<'_>)) {
        for text in text.chunks(DECODE_BYTES) {
            let decoded = self.decoder.decode(text, &mut self.scratch);
            if !self.scratch.is_empty() {
                on(ChannelItem::Bytes(channel, &self.scratch));
            }
            if decoded.is_err() {
                self.position = MessagePosition::Skip;
                return on(ChannelItem::Malformed(self.offset, "a message that is no base64"));
            }
        }
    }

    #[inline]
    fn end(&mut self, on: &mut impl FnMut(ChannelItem<'_>)) {
        match self.position {
            MessagePosition::Bytes(_) if self.base64 && self.decoder.finish().is_err() => {
                on(ChannelItem::Malformed(self.offset, "a message whose base64 is cut off"));
            }
            MessagePosition::Signal(Some(channel), false) => on(ChannelItem::Over(channel, self.offset)),
            MessagePosition::Signal(..) => {
                on(ChannelItem::Fatal(self.offset, "a close signal that is not exactly FF and a channel"));
            }
            MessagePosition::Channel => on(ChannelItem::Empty(self.offset)),
            MessagePosition::Bytes(_) | MessagePosition::Skip => {}
        }
    }
}
