use avt::{Parser, parser::Function};

use super::{Line, Stream};
use crate::utf8_decoder::Decoder;

/// Columns from one tabulator stop to the next.
const TAB: usize = 8;

/// Output without a terminal, as one at the other end would show it: a carriage return and a backspace go back and what
/// comes then is written over, escape sequences show nothing.
pub(super) struct Plain {
    stream: Stream,
    line_bytes: usize,
    decoder: Decoder,
    parser: Parser,
    line: Vec<char>,
    /// Of the line, as text.
    bytes: usize,
    column: usize,
    micros: u64,
}

impl Plain {
    pub(super) fn new(stream: Stream, line_bytes: usize) -> Self {
        let decoder = Decoder::default();
        Self { stream, line_bytes, decoder, parser: Parser::new(), line: Vec::new(), bytes: 0, column: 0, micros: 0 }
    }

    pub(super) fn printed(&mut self, micros: u64, bytes: &[u8], found: &mut dyn FnMut(Line)) {
        self.micros = micros;
        let mut text = String::with_capacity(bytes.len());
        self.decoder.decode(bytes, &mut text);
        for c in text.chars() {
            match self.parser.feed(c) {
                Some(Function::Lf | Function::Nel) => self.end(micros, found),
                Some(Function::Cr) => self.column = 0,
                Some(Function::Bs) => self.column = self.column.saturating_sub(1),
                Some(Function::Ht) => {
                    let next = (self.column / TAB + 1) * TAB;
                    while self.column < next {
                        self.put(' ');
                    }
                }
                Some(Function::Print(c)) => self.put(c),
                _ => {}
            }
            if self.bytes + 4 > self.line_bytes {
                self.end(micros, found);
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

    fn end(&mut self, micros: u64, found: &mut dyn FnMut(Line)) {
        let text: String = self.line.drain(..).collect();
        (self.column, self.bytes) = (0, 0);
        self.line.shrink_to(1024);
        found(Line { micros, stream: self.stream, text: text.trim_end().to_owned() });
    }

    pub(super) fn finish(&mut self, found: &mut dyn FnMut(Line)) {
        self.end(self.micros, found);
    }
}
