//! What the spool knows of a session without an end beyond its lines: the last bytes of streams, for a chunk of their own.

use recording::{RecordingId, StreamTotals, cast::Code, seconds};
use spool::{Checkpoint, HeldTail, SessionRecords, Spool, SpoolError, boot_id};

use crate::{
    session::encoder::STREAMS,
    streams::output_limiter::{annotation, name},
    streams::timeline::Timeline,
};

/// Asciicast lines, perhaps none. `micros` is the time of the last line before them.
pub(crate) fn rest(
    spool: &Spool,
    id: RecordingId,
    facts: &SessionRecords,
    mark: &Checkpoint,
    micros: u64,
) -> Result<Vec<u8>, SpoolError> {
    let mut timeline = Timeline::resumed(micros, mark.tails);
    for (place, code) in STREAMS.into_iter().enumerate().filter(|(place, _)| mark.held[*place]) {
        let total = bytes_of(code, &mark.totals);
        held(&mut timeline, code, total, mark.micros, &spool.held(id, place, total)?);
    }
    STREAMS.into_iter().for_each(|code| timeline.end_stream(code));
    if facts.boot != boot_id() {
        let text = format!(
            "missing: the gateway's machine stopped; what was said from {} s until then may have been lost with it",
            seconds(micros)
        );
        timeline.event(micros, Code::Gap, &text);
    }
    Ok(timeline.lines().to_vec())
}

/// The end of a flood, as [`crate::streams::output_limiter::Flood::end`] would have written it; where bytes are missing, an annotation says so.
fn held(timeline: &mut Timeline, code: Code, total: u64, micros: u64, held: &HeldTail) {
    let missing = |timeline: &mut Timeline, micros, from: u64, to: u64| {
        let (bytes, stream) = (to - from, name(code));
        let text = format!("missing: {bytes} bytes of {stream} from byte {from} on were damaged on the gateway's disk");
        timeline.event(micros, Code::Gap, &text);
    };
    let Some((first, from, _)) = held.pieces.first() else {
        let text = format!("missing: the end of {}, up to byte {total}, was damaged on the gateway's disk", name(code));
        return timeline.event(micros, Code::Gap, &text);
    };
    let mut expected =
        held.omission.as_ref().map_or(*from, |omission| omission.from_byte.saturating_add(omission.bytes));
    annotation(timeline, code, *first, expected, held.omission.as_ref());
    for (micros, at, bytes) in &held.pieces {
        if *at > expected {
            missing(timeline, *micros, expected, *at);
        }
        timeline.data(*micros, code, bytes);
        expected = *at + bytes.len() as u64;
    }
    if expected < total {
        missing(timeline, micros, expected, total);
    }
}

/// A stream's bytes.
pub(crate) fn bytes_of(code: Code, totals: &StreamTotals) -> u64 {
    match code {
        Code::Output => totals.stdout,
        Code::Stderr => totals.stderr,
        _ => totals.stdin,
    }
}
