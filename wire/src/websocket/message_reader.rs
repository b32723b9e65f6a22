//! One direction of a WebSocket connection, as messages.

use super::frame::{WsFrameHeader, WsFrameItem, WsFrameReader};
use super::mask::Unmasker;
use super::rules::{FrameMeaning, ReadingRules};
use crate::Anomaly;

/// Most bytes that are unmasked at a time, and so the size of the buffer.
const UNMASK_BYTES: usize = 16 << 10;
/// RFC 6455, section 5.5: a CLOSE is a code and at most 123 bytes. More is skipped.
const MAX_CLOSE_BYTES: usize = 125;

/// What one direction's bytes say.
pub(crate) enum MessageItem<'a> {
    /// A message begins, with the frame at this offset.
    Begin(u64),
    /// Bytes of the message, unmasked.
    Bytes(&'a [u8]),
    /// The message is complete.
    End,
    Ping,
    Pong,
    /// CLOSE: the receiver reads no message behind it.
    Close {
        code: Option<u32>,
        reason: String,
    },
    Anomaly(Anomaly),
}

pub(crate) struct MessageReader {
    reader: WsFrameReader,
    rules: ReadingRules,
    /// CLOSE came. PONGs may follow it.
    closed: bool,
    /// This direction is read no further.
    lost: bool,
    meaning: FrameMeaning,
    mask: Option<Unmasker>,
    scratch: Vec<u8>,
    close: Vec<u8>,
}

impl MessageReader {
    pub(crate) fn new(rules: ReadingRules) -> Self {
        MessageReader {
            reader: WsFrameReader::new(),
            rules,
            closed: false,
            lost: false,
            meaning: FrameMeaning::Skip,
            mask: None,
            scratch: Vec::new(),
            close: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn feed(&mut self, mut bytes: &[u8], on: &mut impl FnMut(MessageItem<'_>)) {
        while !self.lost {
            match self.reader.next(&mut bytes) {
                None => return,
                Some(WsFrameItem::Header(header)) => self.begin(&header, on),
                Some(WsFrameItem::Refused(what)) => self.give_up(what, on),
                Some(WsFrameItem::Payload(payload)) => self.payload(payload, on),
                Some(WsFrameItem::End) => self.end(on),
            }
        }
    }

    /// Bytes to the next place where a message may be inserted. `None` if it is not known, or if there is none.
    pub(crate) fn bytes_to_frame_boundary(&self) -> Option<u64> {
        if self.rules.in_message() || self.closed || self.lost { None } else { self.reader.bytes_to_frame_boundary() }
    }

    #[inline]
    fn begin(&mut self, header: &WsFrameHeader, on: &mut impl FnMut(MessageItem<'_>)) {
        let offset = self.reader.offset();
        let (meaning, odd) = match self.rules.classify(header) {
            Ok((FrameMeaning::Data { .. }, _)) if self.closed => {
                (FrameMeaning::Skip, Some("a message behind CLOSE, which nobody reads"))
            }
            Ok(verdict) => verdict,
            Err(what) => return self.give_up(what, on),
        };
        if let Some(what) = odd {
            on(MessageItem::Anomaly(Anomaly::Wire { offset, what }));
        }
        self.meaning = meaning;
        self.mask = header.key.map(Unmasker::new);
        if matches!(meaning, FrameMeaning::Data { begins: true, .. }) {
            on(MessageItem::Begin(offset));
        }
    }

    fn give_up(&mut self, what: &'static str, on: &mut impl FnMut(MessageItem<'_>)) {
        self.lost = true;
        on(MessageItem::Anomaly(Anomaly::Lost { offset: self.reader.offset(), what }));
    }

    #[inline]
    fn payload(&mut self, payload: &[u8], on: &mut impl FnMut(MessageItem<'_>)) {
        match (self.meaning, &mut self.mask) {
            (FrameMeaning::Data { .. }, None) => on(MessageItem::Bytes(payload)),
            (FrameMeaning::Data { .. }, Some(mask)) => {
                for chunk in payload.chunks(UNMASK_BYTES) {
                    mask.apply(chunk, &mut self.scratch);
                    on(MessageItem::Bytes(&self.scratch));
                }
            }
            (FrameMeaning::Close, _) => self.keep_close(payload),
            (FrameMeaning::Ping | FrameMeaning::Pong | FrameMeaning::Skip, _) => {}
        }
    }

    fn keep_close(&mut self, payload: &[u8]) {
        let payload = &payload[..payload.len().min(MAX_CLOSE_BYTES - self.close.len())];
        match &mut self.mask {
            None => self.close.extend_from_slice(payload),
            Some(mask) => {
                mask.apply(payload, &mut self.scratch);
                self.close.extend_from_slice(&self.scratch);
            }
        }
    }

    #[inline]
    fn end(&mut self, on: &mut impl FnMut(MessageItem<'_>)) {
        match self.meaning {
            FrameMeaning::Data { ends: true, .. } => on(MessageItem::End),
            FrameMeaning::Data { ends: false, .. } | FrameMeaning::Skip => {}
            FrameMeaning::Ping => on(MessageItem::Ping),
            FrameMeaning::Pong => on(MessageItem::Pong),
            FrameMeaning::Close => {
                self.closed = true;
                let (code, reason) = close_payload(&self.close);
                self.close.clear();
                on(MessageItem::Close { code, reason });
            }
        }
    }
}

/// Splits a CLOSE's payload. node and kube-rs send no code.
fn close_payload(payload: &[u8]) -> (Option<u32>, String) {
    match payload.split_first_chunk() {
        None => (None, String::new()),
        Some((code, reason)) => (Some(u16::from_be_bytes(*code).into()), String::from_utf8_lossy(reason).into_owned()),
    }
}
