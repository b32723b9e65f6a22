//! What the spool has of a session without an end beyond its lines: the last bytes of streams, for chunks of their own.

use recording::{Micros, cast::Code, seconds};
use spool::{Checkpoint, HeldTail, StdStream};

use crate::streams::{output_limiter::annotation, timeline::Timeline};

/// What goes behind a session's last line.
#[derive(Debug)]
pub(crate) struct RecoveredTail {
    /// The last thing that is known.
    pub(crate) checkpoint: Checkpoint,
    /// Time of the last line.
    pub(crate) last: Micros,
    /// What an output limit holds back of streams.
    pub(crate) held: Vec<(StdStream, HeldTail)>,
    /// Whether the machine has stopped since: it may have taken the last writes with it.
    pub(crate) is_machine_lost: bool,
}

impl RecoveredTail {
    /// The lines; perhaps none.
    pub(crate) fn lines(&self) -> Vec<u8> {
        let mut timeline = Timeline::resumed(self.last, self.checkpoint.tails);
        for (stream, held) in &self.held {
            let total = stream.total(&self.checkpoint.totals);
            write_held(&mut timeline, *stream, total, self.checkpoint.time, held);
        }
        StdStream::ALL.into_iter().for_each(|stream| timeline.end_stream(stream));
        if self.is_machine_lost {
            let text = format!(
                "missing: the gateway's machine stopped; what was said from {} s until then may have been lost with it",
                seconds(self.last)
            );
            timeline.event(self.last, Code::Gap, &text);
        }
        timeline.take_lines()
    }
}

/// Writes the end of a limited stream as [`crate::streams::output_limiter::OutputLimiter::end`] would have. If bytes are missing,
/// an annotation says so.
fn write_held(timeline: &mut Timeline, stream: StdStream, total: u64, time: Micros, held: &HeldTail) {
    let missing = |timeline: &mut Timeline, time, from: u64, to: u64| {
        let (bytes, stream) = (to - from, stream.name());
        let text = format!("missing: {bytes} bytes of {stream} from byte {from} on were damaged on the gateway's disk");
        timeline.event(time, Code::Gap, &text);
    };
    let Some((first, from, _)) = held.pieces.first() else {
        let stream = stream.name();
        let text = format!("missing: the end of {stream}, up to byte {total}, was damaged on the gateway's disk");
        return timeline.event(time, Code::Gap, &text);
    };
    let omission = held.omission.as_ref();
    let mut expected = omission.map_or(*from, |omission| omission.from_byte.saturating_add(omission.bytes));
    annotation(timeline, stream, *first, expected, omission);
    for (time, at, bytes) in &held.pieces {
        if *at > expected {
            missing(timeline, *time, expected, *at);
        }
        timeline.data(*time, stream, bytes);
        expected = *at + bytes.len() as u64;
    }
    if expected < total {
        missing(timeline, time, expected, total);
    }
}
