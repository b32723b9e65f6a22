//! Times as people write and read them, in the local time zone.

use jiff::{Timestamp, civil, tz::TimeZone};
use recording::{Micros, UnixMicros};

use crate::config::quantity::HumanDuration;

/// Reads a point in time: RFC 3339, a date or a date and time (local), or how long ago (`2h`, `7d`).
pub fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(ago) = text.parse::<HumanDuration>() {
        return Timestamp::now().checked_sub(ago.0).map_err(|error| error.to_string());
    }
    let local = |at: civil::DateTime| at.to_zoned(TimeZone::system()).map(|zoned| zoned.timestamp());
    text.parse::<Timestamp>()
        .or_else(|_| text.parse::<civil::DateTime>().and_then(local))
        .map_err(|_| "write a date (2026-11-22), a time (2026-11-22T15:04:05Z), or how long ago (2h, 7d)".to_owned())
}

/// The point in time, or 1970 if no calendar has it.
pub fn timestamp(at: UnixMicros) -> Timestamp {
    at.timestamp().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// `2026-11-22 15:04:05`, local.
pub fn clock(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// `0:07`, `12:34`, `1:02:03`.
pub fn length(duration: Micros) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_three_ways() {
        let exact = moment("2026-11-22T15:04:05Z").unwrap();
        assert_eq!(exact.as_second(), 1_795_359_845);
        assert!(moment("2026-11-22").is_ok() && moment("2026-11-22 15:04").is_ok());
        let then = moment("2h").unwrap();
        assert!((7200..7210).contains(&Timestamp::now().duration_since(then).as_secs()));
        assert!(moment("yesterday").unwrap_err().contains("how long ago"));
    }

    #[test]
    fn lengths_are_those_of_a_player() {
        let lengths = [0, 7_900, 754_000, 3_723_000].map(|millis| length(Micros::from_millis(millis)));
        assert_eq!(lengths, ["0:00", "0:07", "12:34", "1:02:03"]);
    }
}
