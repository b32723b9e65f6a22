//! What our decoder records of an input, up to where a rule ends the session.

use std::collections::BTreeMap;

use wire::{Anomaly, Event, Side, Size};

use crate::readers::Reader;

/// Added to a resize stream's number: the sizes that were read from it, as lines.
pub(crate) const SIZES: u32 = 1 << 31;

/// Which anomalies end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All, which is the default.
    Strict,
    /// [`Anomaly::Lost`] only.
    Lenient,
}

/// A stream as recorded.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) bytes: Vec<u8>,
    /// So many of them are of whole frames that the receiver reads. It may have got fewer than `bytes`, but no fewer than
    /// these.
    pub(crate) certain: usize,
    /// The server ended the stream: what still comes is recorded, and the client may drop it.
    is_over: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Recording {
    pub(crate) streams: BTreeMap<u32, Recorded>,
    /// How many bytes the gateway may have forwarded: all before the one with which the session was ended.
    pub(crate) forwarded: usize,
    pub(crate) anomalies: Vec<Anomaly>,
    /// The server ended the session.
    is_over: bool,
    /// The stream that the last data was of.
    last: u32,
}

/// Feeds single bytes, so that it is known with which one a rule ended the session.
pub(crate) fn record(reader: Reader, input: &[u8], mode: Mode) -> Recording {
    let (mut decoder, sender) = (reader.decoder(), reader.sender());
    decoder.feed(Side::Client, &reader.preamble(), &mut |_| {});
    let mut recording = Recording::default();
    for byte in input {
        let mut ended = false;
        decoder.feed(sender, std::slice::from_ref(byte), &mut |event| {
            if let Event::Anomaly(anomaly) = &event {
                ended |= mode == Mode::Strict || matches!(anomaly, Anomaly::Lost { .. });
            }
            recording.hear(reader, event);
        });
        if ended {
            break;
        }
        recording.forwarded += 1;
        if decoder.bytes_to_frame_boundary(sender) == Some(0) {
            recording.settle();
        }
    }
    recording
}

impl Recording {
    fn hear(&mut self, reader: Reader, event: Event<'_>) {
        match event {
            Event::Data { id, data, .. } if reader.reads(id) => {
                self.last = id;
                self.streams.entry(id).or_default().bytes.extend_from_slice(data);
            }
            // Of the stream whose data completed it.
            Event::Resize(Size { width, height }) => {
                let sizes = self.streams.entry(self.last + SIZES).or_default();
                sizes.bytes.extend_from_slice(format!("{width} {height}\n").as_bytes());
            }
            Event::HalfClosed { id, .. } | Event::Reset { id, .. }
                if reader.sender() == Side::Server && !self.is_over =>
            {
                self.streams.entry(id).or_default().end();
            }
            Event::Close { .. } if reader.sender() == Side::Server => {
                self.is_over = true;
            }
            Event::Anomaly(anomaly) => self.anomalies.push(anomaly),
            _ => {}
        }
    }

    /// All frames are whole.
    fn settle(&mut self) {
        for recorded in self.streams.values_mut().filter(|_| !self.is_over) {
            recorded.settle();
        }
    }
}

impl Recorded {
    fn settle(&mut self) {
        if !self.is_over {
            self.certain = self.bytes.len();
        }
    }

    fn end(&mut self) {
        self.settle();
        self.is_over = true;
    }
}
