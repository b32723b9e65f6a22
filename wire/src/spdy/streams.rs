//! The connection's streams, by id.

use std::collections::VecDeque;

use crate::{Side, Stream};

/// Most streams that are remembered, 24 bytes each. Beyond it the oldest one that is over is forgotten; if none is
/// over, the direction is read no further. A port-forward uses two per forwarded connection.
const MAX_STREAMS: usize = 4096;

#[derive(Clone, Copy, Debug)]
pub(super) struct StreamEntry {
    pub(super) id: u32,
    /// `None`: the server acknowledges the stream and ignores it.
    pub(super) stream: Option<Stream>,
    /// The client sent FIN or RST_STREAM.
    client_over: bool,
    /// The server sent FIN or RST_STREAM.
    server_over: bool,
    /// The server sent SYN_REPLY or RST_STREAM.
    replied: bool,
    reset: bool,
}

impl StreamEntry {
    pub(super) fn new(id: u32, stream: Option<Stream>) -> Self {
        StreamEntry { id, stream, client_over: false, server_over: false, replied: false, reset: false }
    }

    pub(super) fn is_over(&self, side: Side) -> bool {
        match side {
            Side::Client => self.client_over,
            Side::Server => self.server_over,
        }
    }

    /// Marks the side as over. Returns false if it was already.
    pub(super) fn finish(&mut self, side: Side) -> bool {
        let over = match side {
            Side::Client => &mut self.client_over,
            Side::Server => &mut self.server_over,
        };
        !std::mem::replace(over, true)
    }

    pub(super) fn reply(&mut self) {
        self.replied = true;
    }

    pub(super) fn is_replied(&self) -> bool {
        self.replied
    }

    pub(super) fn reset(&mut self, by: Side) {
        self.finish(by);
        self.replied |= by == Side::Server;
        self.reset = true;
    }

    /// Whether nothing can follow that either side would read.
    fn is_done(&self) -> bool {
        self.reset || self.client_over && self.server_over
    }
}

/// Sorted by id: ids increase.
#[derive(Default)]
pub(super) struct StreamTable {
    entries: VecDeque<StreamEntry>,
    /// `receivedStreamId` in spdystream's `connection.go`: a lower id is answered with RST_STREAM.
    next: u32,
}

impl StreamTable {
    /// Whether the server accepts a new stream with this id. It then expects higher ones.
    pub(super) fn accepts(&mut self, id: u32) -> bool {
        let accepted = id <= 0x7fff_ffff && id >= self.next.max(1);
        if accepted {
            self.next = id + 2;
        }
        accepted
    }

    /// Whether a stream with this id may still be opened.
    pub(super) fn is_to_come(&self, id: u32) -> bool {
        id >= self.next
    }

    /// # Errors
    ///
    /// If too many streams are open.
    pub(super) fn add(&mut self, entry: StreamEntry) -> Result<(), &'static str> {
        if self.entries.len() >= MAX_STREAMS {
            let done = self.entries.iter().position(StreamEntry::is_done).ok_or("too many open streams")?;
            self.entries.remove(done);
        }
        self.entries.push_back(entry);
        Ok(())
    }

    #[inline]
    pub(super) fn find(&mut self, id: u32) -> Option<&mut StreamEntry> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        self.entries.get_mut(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &StreamEntry> {
        self.entries.iter()
    }

    /// The highest id that was accepted; 0 before the first.
    pub(super) fn last(&self) -> u32 {
        self.entries.back().map_or(0, |entry| entry.id)
    }

    /// StreamTable on which that side can still send.
    pub(super) fn unfinished(&self, side: Side) -> impl Iterator<Item = &StreamEntry> {
        self.iter().filter(move |entry| !entry.reset && !entry.is_over(side))
    }
}
