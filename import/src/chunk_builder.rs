use std::collections::VecDeque;

use recording::{
    Micros,
    cast::{Code, Event, PortConnection, write_bytes, write_event},
};

/// Bytes of lines after which a chunk is closed, as the recorder has it.
const CHUNK_BYTES: usize = 1 << 20;

/// Most bytes of text in one event; longer texts become several of one time, so that no line of a file can make a chunk
/// that readers refuse.
const PIECE: usize = 64 << 10;

/// Most bytes of a marker or annotation; the rest is cut off.
const LABEL: usize = 8 << 10;

/// The lines of the chunk that is being filled.
pub(crate) struct ChunkBuilder {
    keep_input: bool,
    lines: Vec<u8>,
    first: Micros,
    last: Micros,
    full: VecDeque<FullChunk>,
}

/// A chunk's lines, and the times of the first and last event in it.
pub(crate) struct FullChunk {
    pub(crate) lines: Vec<u8>,
    pub(crate) first: Micros,
    pub(crate) last: Micros,
}

impl ChunkBuilder {
    pub(crate) fn new(keep_input: bool) -> Self {
        Self { keep_input, lines: Vec::new(), first: Micros::ZERO, last: Micros::ZERO, full: VecDeque::new() }
    }

    /// Writes the terminal's size from a moment on.
    pub(crate) fn size(&mut self, time: Micros, columns: u16, rows: u16) {
        self.label(time, Code::Resize, &format!("{columns}x{rows}"));
    }

    /// Writes an event; input only if it is kept.
    pub(crate) fn event(&mut self, event: &Event) {
        let Event { time, code, data } = event;
        match code {
            Code::Input if !self.keep_input => {}
            Code::Output | Code::Stderr | Code::Input => self.text(*time, *code, data),
            Code::Bytes => self.bytes(event),
            Code::Resize => match event.size() {
                Some((columns @ 1.., rows @ 1..)) => self.size(*time, columns, rows),
                _ => self.label(*time, Code::Gap, "imported: a size that is none"),
            },
            Code::Exit if data.trim().parse::<i64>().is_ok() => self.label(*time, Code::Exit, data.trim()),
            Code::Exit => self.label(*time, Code::Gap, "imported: an exit status that is no number"),
            Code::Port if serde_json::from_str::<PortConnection>(data).is_ok() => {
                self.label(*time, Code::Port, data);
            }
            Code::Port => self.label(*time, Code::Gap, "imported: a forwarded connection that cannot be read"),
            Code::Marker | Code::Gap => self.label(*time, *code, data),
        }
    }

    /// The next chunk that is full.
    pub(crate) fn next_full(&mut self) -> Option<FullChunk> {
        self.full.pop_front()
    }

    /// Makes a chunk of what is left.
    pub(crate) fn end(&mut self) {
        let lines = std::mem::take(&mut self.lines);
        if !lines.is_empty() {
            self.full.push_back(FullChunk { lines, first: self.first, last: self.last });
        }
    }

    /// After every line: a single event of a file can be many chunks.
    fn close_full(&mut self) {
        if self.lines.len() >= CHUNK_BYTES {
            self.end();
        }
    }

    fn at(&mut self, time: Micros) {
        if self.lines.is_empty() {
            self.first = time;
        }
        self.last = time;
    }

    fn text(&mut self, time: Micros, code: Code, mut text: &str) {
        while !text.is_empty() {
            let (piece, rest) = text.split_at(text.floor_char_boundary(PIECE));
            self.at(time);
            write_event(&mut self.lines, time, code, piece);
            self.close_full();
            text = rest;
        }
    }

    fn bytes(&mut self, event: &Event) {
        match event.bytes() {
            Some((Code::Input, _)) if !self.keep_input => {}
            Some((stream, bytes)) => {
                for piece in bytes.chunks(PIECE) {
                    self.at(event.time);
                    write_bytes(&mut self.lines, event.time, stream, piece);
                    self.close_full();
                }
            }
            None => self.label(event.time, Code::Gap, "imported: bytes that cannot be read"),
        }
    }

    fn label(&mut self, time: Micros, code: Code, text: &str) {
        self.at(time);
        write_event(&mut self.lines, time, code, &text[..text.floor_char_boundary(LABEL)]);
        self.close_full();
    }
}
