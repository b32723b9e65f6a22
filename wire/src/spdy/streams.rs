//! The connection's streams, by id.

use std::collections::VecDeque;

use crate::{Side, Stream};

/// The most streams that are remembered, 24 bytes each. At the bound the oldest one that is over is forgotten;
/// where none is over, the decoder gives the direction up. A port-forward uses two per forwarded connection.
const REMEMBERED: usize = 4096;

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) id: u32,
    /// None: the server acknowledges the stream and ignores it.
    pub(super) stream: Option<Stream>,
    /// FIN or RST_STREAM of the client.
    client_over: bool,
    /// FIN or RST_STREAM of the server.
    server_over: bool,
    reset: bool,
}

impl Entry {
    pub(super) fn new(id: u32, stream: Option<Stream>) -> Self {
        Entry { id, stream, client_over: false, server_over: false, reset: false }
    }

    pub(super) fn is_over(&self, side: Side) -> bool {
        match side {
            Side::Client => self.client_over,
            Side::Server => self.server_over,
        }
    }

    /// Whether this was news.
    pub(super) fn finish(&mut self, side: Side) -> bool {
        let over = match side {
            Side::Client => &mut self.client_over,
            Side::Server => &mut self.server_over,
        };
        !std::mem::replace(over, true)
    }

    pub(super) fn reset(&mut self, by: Side) {
        self.finish(by);
        self.reset = true;
    }

    /// Nothing more can come: neither side would take it.
    fn is_done(&self) -> bool {
        self.reset || self.client_over && self.server_over
    }
}

/// Sorted by id, since ids grow.
#[derive(Default)]
pub(super) struct Streams {
    entries: VecDeque<Entry>,
    /// spdystream's `receivedStreamId`: a lower id is answered with RST_STREAM.
    next: u32,
}

impl Streams {
    /// Whether the server accepts the id; it then expects higher ones.
    pub(super) fn accepts(&mut self, id: u32) -> bool {
        let accepted = id <= 0x7fff_ffff && id >= self.next.max(1);
        if accepted {
            self.next = id + 2;
        }
        accepted
    }

    /// # Errors
    ///
    /// When there are too many that are not over.
    pub(super) fn add(&mut self, entry: Entry) -> Result<(), &'static str> {
        if self.entries.len() >= REMEMBERED {
            let done = self.entries.iter().position(Entry::is_done).ok_or("too many open streams")?;
            self.entries.remove(done);
        }
        self.entries.push_back(entry);
        Ok(())
    }

    #[inline]
    pub(super) fn find(&mut self, id: u32) -> Option<&mut Entry> {
        let at = self.entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        self.entries.get_mut(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// The highest id that was accepted; 0 before the first.
    pub(super) fn last(&self) -> u32 {
        self.entries.back().map_or(0, |entry| entry.id)
    }

    /// Streams of which that side can still send more.
    pub(super) fn unfinished(&self, side: Side) -> impl Iterator<Item = &Entry> {
        self.iter().filter(move |entry| !entry.reset && !entry.is_over(side))
    }
}
