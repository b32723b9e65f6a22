//! A message's channel and bytes, of either encoding.

use crate::streaming_base64::StreamingBase64;
use crate::websocket::Item;

/// Decoded from base64 at a time.
const PART: usize = 16 << 10;
/// v5: the channel byte that announces the end of another channel.
const CLOSE_SIGNAL: u8 = 255;

/// What a direction's messages say.
pub(super) enum Part<'a> {
    /// A message for this channel begins, at this offset.
    To(u8, u64),
    /// Its bytes.
    Bytes(u8, &'a [u8]),
    /// v5: the sender has no more for this channel; said at this offset.
    Over(u8, u64),
    /// Odd; the server drops this message.
    Malformed(u64, &'static str),
    /// The server ends the session for this message.
    Fatal(u64, &'static str),
    /// What is not a message's.
    Other(Item<'a>),
}

#[derive(Clone, Copy)]
enum Place {
    /// The channel byte comes next.
    Channel,
    /// Bytes for the channel.
    Bytes(u8),
    /// Behind `FF`: the channel, once it came, and whether more did.
    Signal(Option<u8>, bool),
    Skip,
}

/// Cuts items into parts.
pub(super) struct Messages {
    base64: bool,
    close_signal: bool,
    place: Place,
    offset: u64,
    radix: StreamingBase64,
    scratch: Vec<u8>,
}

impl Messages {
    pub(super) fn new(base64: bool, close_signal: bool) -> Self {
        Messages {
            base64,
            close_signal,
            place: Place::Channel,
            offset: 0,
            radix: StreamingBase64::default(),
            scratch: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn item(&mut self, item: Item<'_>, on: &mut impl FnMut(Part<'_>)) {
        match item {
            Item::Begin(offset) => {
                self.offset = offset;
                self.place = Place::Channel;
            }
            Item::Bytes(bytes) => self.bytes(bytes, on),
            Item::End => self.end(on),
            other => on(Part::Other(other)),
        }
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8], on: &mut impl FnMut(Part<'_>)) {
        let rest = match (self.place, bytes.split_first()) {
            (Place::Channel, Some((&channel, rest))) => {
                self.channel(channel, on);
                rest
            }
            _ => bytes,
        };
        if rest.is_empty() {
            return;
        }
        match self.place {
            Place::Bytes(channel) if self.base64 => self.base64(channel, rest, on),
            Place::Bytes(channel) => on(Part::Bytes(channel, rest)),
            Place::Signal(None, _) => self.place = Place::Signal(Some(rest[0]), rest.len() > 1),
            Place::Signal(Some(channel), _) => self.place = Place::Signal(Some(channel), true),
            Place::Channel | Place::Skip => {}
        }
    }

    #[inline]
    fn channel(&mut self, byte: u8, on: &mut impl FnMut(Part<'_>)) {
        if self.close_signal && byte == CLOSE_SIGNAL {
            self.place = Place::Signal(None, false);
            return;
        }
        // wsstream subtracts '0' without a look; what was below it becomes a channel that nobody has.
        let channel = if self.base64 { byte.wrapping_sub(b'0') } else { byte };
        self.radix = StreamingBase64::default();
        self.place = Place::Bytes(channel);
        on(Part::To(channel, self.offset));
    }

    fn base64(&mut self, channel: u8, text: &[u8], on: &mut impl FnMut(Part<'_>)) {
        for text in text.chunks(PART) {
            let decoded = self.radix.decode(text, &mut self.scratch);
            if !self.scratch.is_empty() {
                on(Part::Bytes(channel, &self.scratch));
            }
            if decoded.is_err() {
                self.place = Place::Skip;
                return on(Part::Malformed(self.offset, "a message that is no base64"));
            }
        }
    }

    #[inline]
    fn end(&mut self, on: &mut impl FnMut(Part<'_>)) {
        match self.place {
            Place::Bytes(_) if self.base64 && self.radix.finish().is_err() => {
                on(Part::Malformed(self.offset, "a message whose base64 is cut off"));
            }
            Place::Signal(Some(channel), false) => on(Part::Over(channel, self.offset)),
            Place::Signal(..) => {
                on(Part::Fatal(self.offset, "a close signal that is not exactly FF and a channel"));
            }
            Place::Channel | Place::Bytes(_) | Place::Skip => {}
        }
    }
}
