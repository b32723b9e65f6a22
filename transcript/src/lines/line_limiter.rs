use recording::Micros;

use super::{Bounds, Line, Stream};

/// Passes lines on up to the bounds, and counts the others.
pub(super) struct LineLimiter {
    bounds: Bounds,
    second: u64,
    in_second: u64,
    lines: u64,
    left_out: u64,
    last: Micros,
}

impl LineLimiter {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, second: 0, in_second: 0, lines: 0, left_out: 0, last: Micros::ZERO }
    }

    /// A sink that passes lines on to `emit`.
    pub(super) fn on(&mut self, emit: &mut dyn FnMut(Line)) -> impl FnMut(Line) {
        move |line| self.line(line, emit)
    }

    fn line(&mut self, line: Line, emit: &mut dyn FnMut(Line)) {
        if line.text.is_empty() {
            return;
        }
        let second = line.time.as_secs();
        if second > self.second {
            if self.lines < self.bounds.lines {
                self.emit_left_out(emit);
            }
            (self.second, self.in_second) = (second, 0);
        }
        self.last = self.last.max(line.time);
        if self.in_second >= self.bounds.per_second || self.lines >= self.bounds.lines {
            self.left_out += 1;
            return;
        }
        self.in_second += 1;
        self.lines += 1;
        emit(line);
    }

    fn emit_left_out(&mut self, emit: &mut dyn FnMut(Line)) {
        let left_out = std::mem::take(&mut self.left_out);
        if left_out == 0 {
            return;
        }
        let text = if self.lines >= self.bounds.lines {
            format!("{left_out} lines left out: a recording's bound is {}", self.bounds.lines)
        } else {
            format!("{left_out} lines left out: a second's bound is {}", self.bounds.per_second)
        };
        emit(Line { time: self.last, stream: Stream::LeftOut, text });
    }

    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(Line)) {
        self.emit_left_out(emit);
    }
}
