//! One direction of a WebSocket connection, as messages.

use super::frame::{Head, Piece, Reader};
use super::mask::Mask;
use super::rules::{Kind, Rules};
use crate::Anomaly;

/// Unmasked at a time; the scratch space is never larger.
const UNMASK: usize = 16 << 10;
/// RFC 6455, section 5.5: a CLOSE is a code and at most 123 bytes. More is skipped.
const CLOSE: usize = 125;

/// What one direction's bytes say.
pub(crate) enum Item<'a> {
    /// A message begins, with the frame at this offset.
    Begin(u64),
    /// Bytes of the message, unmasked.
    Bytes(&'a [u8]),
    /// The message is whole.
    End,
    Ping,
    Pong,
    /// CLOSE: no message follows that anybody reads.
    Close {
        code: Option<u32>,
        reason: String,
    },
    Anomaly(Anomaly),
}

pub(crate) struct Inbound {
    reader: Reader,
    rules: Rules,
    /// CLOSE was said. PONGs may follow it.
    closed: bool,
    /// Not read any further.
    lost: bool,
    kind: Kind,
    mask: Option<Mask>,
    scratch: Vec<u8>,
    close: Vec<u8>,
}

impl Inbound {
    pub(crate) fn new(rules: Rules) -> Self {
        Inbound {
            reader: Reader::new(),
            rules,
            closed: false,
            lost: false,
            kind: Kind::Skip,
            mask: None,
            scratch: Vec::new(),
            close: Vec::new(),
        }
    }

    #[inline]
    pub(crate) fn feed(&mut self, mut bytes: &[u8], on: &mut impl FnMut(Item<'_>)) {
        while !self.lost {
            match self.reader.next(&mut bytes) {
                None => return,
                Some(Piece::Head(head)) => self.begin(&head, on),
                Some(Piece::Payload(payload)) => self.payload(payload, on),
                Some(Piece::End) => self.end(on),
            }
        }
    }

    /// Bytes to the next place where a message may be put in; none where it is not known, or there is none.
    pub(crate) fn to_border(&self) -> Option<u64> {
        if self.rules.in_message() || self.closed || self.lost { None } else { self.reader.to_border() }
    }

    #[inline]
    fn begin(&mut self, head: &Head, on: &mut impl FnMut(Item<'_>)) {
        let offset = self.reader.offset();
        let (kind, odd) = match self.rules.judge(head) {
            Ok((Kind::Data { .. }, _)) if self.closed => {
                (Kind::Skip, Some("a message behind CLOSE, which nobody reads"))
            }
            Ok(verdict) => verdict,
            Err(what) => {
                self.lost = true;
                return on(Item::Anomaly(Anomaly::Lost { offset, what }));
            }
        };
        if let Some(what) = odd {
            on(Item::Anomaly(Anomaly::Wire { offset, what }));
        }
        self.kind = kind;
        self.mask = head.key.map(Mask::new);
        if matches!(kind, Kind::Data { begins: true, .. }) {
            on(Item::Begin(offset));
        }
    }

    #[inline]
    fn payload(&mut self, payload: &[u8], on: &mut impl FnMut(Item<'_>)) {
        match (self.kind, &mut self.mask) {
            (Kind::Data { .. }, None) => on(Item::Bytes(payload)),
            (Kind::Data { .. }, Some(mask)) => {
                for chunk in payload.chunks(UNMASK) {
                    mask.apply(chunk, &mut self.scratch);
                    on(Item::Bytes(&self.scratch));
                }
            }
            (Kind::Close, _) => self.keep_close(payload),
            (Kind::Ping | Kind::Pong | Kind::Skip, _) => {}
        }
    }

    fn keep_close(&mut self, payload: &[u8]) {
        let payload = &payload[..payload.len().min(CLOSE - self.close.len())];
        match &mut self.mask {
            None => self.close.extend_from_slice(payload),
            Some(mask) => {
                mask.apply(payload, &mut self.scratch);
                self.close.extend_from_slice(&self.scratch);
            }
        }
    }

    #[inline]
    fn end(&mut self, on: &mut impl FnMut(Item<'_>)) {
        match self.kind {
            Kind::Data { ends: true, .. } => on(Item::End),
            Kind::Data { ends: false, .. } | Kind::Skip => {}
            Kind::Ping => on(Item::Ping),
            Kind::Pong => on(Item::Pong),
            Kind::Close => {
                self.closed = true;
                let (code, reason) = close_payload(&self.close);
                self.close.clear();
                on(Item::Close { code, reason });
            }
        }
    }
}

/// The code is missing in node's and kube-rs's CLOSE.
fn close_payload(payload: &[u8]) -> (Option<u32>, String) {
    match payload.split_first_chunk() {
        None => (None, String::new()),
        Some((code, reason)) => (Some(u16::from_be_bytes(*code).into()), String::from_utf8_lossy(reason).into_owned()),
    }
}
