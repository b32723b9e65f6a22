use avt::{Parser, parser::Function};
use recording::Micros;

use super::{Line, Stream};
use crate::utf8_decoder::Utf8Decoder;

/// Columns between tab stops.
const TAB_COLUMNS: usize = 8;

/// Output without a terminal, read as a terminal at the viewer's end would show it: carriage return and backspace go
/// back, what follows overwrites, and escape sequences show nothing.
pub(super) struct PlainOutput {
    stream: Stream,
    line_bytes: usize,
    decoder: Utf8Decoder,
    parser: Parser,
    line: Vec<char>,
    /// Length of the line in UTF-8.
    bytes: usize,
    column: usize,
    last: Micros,
}

impl PlainOutput {
    pub(super) fn new(stream: Stream, line_bytes: usize) -> Self {
        let decoder = Utf8Decoder::default();
        Self {
            stream,
            line_bytes,
            decoder,
            parser: Parser::new(),
            line: Vec::new(),
            bytes: 0,
            column: 0,
            last: Micros::ZERO,
        }
    }

    pub(super) fn printed(&mut self, time: Micros, bytes: &[u8], emit: &mut dyn FnMut(Line)) {
        self.last = time;
        let mut text = String::with_capacity(bytes.len());
        self.decoder.decode(bytes, &mut text);
        for c in text.chars() {
            match self.parser.feed(c) {
                Some(Function::Lf | Function::Nel) => self.end(time, emit),
                Some(Function::Cr) => self.column = 0,
                Some(Function::Bs) => self.column = self.column.saturating_sub(1),
                Some(Function::Ht) => {
                    let next = (self.column / TAB_COLUMNS + 1) * TAB_COLUMNS;
                    while self.column < next {
                        self.put(' ');
                    }
                }
                Some(Function::Print(c)) => self.put(c),
                _ => {}
            }
            if self.bytes + 4 > self.line_bytes {
                self.end(time, emit);
            }
        }
    }

    fn put(&mut self, c: char) {
        match self.line.get_mut(self.column) {
            Some(place) => {
                self.bytes -= place.len_utf8();
                *place = c;
            }
            None => self.line.push(c),
        }
        self.bytes += c.len_utf8();
        self.column += 1;
    }

    fn end(&mut self, time: Micros, emit: &mut dyn FnMut(Line)) {
        let text: String = self.line.drain(..).collect();
        (self.column, self.bytes) = (0, 0);
        self.line.shrink_to(1024);
        emit(Line { time, stream: self.stream, text: text.trim_end().to_owned() });
    }

    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(Line)) {
        self.end(self.last, emit);
    }
}
