use jiff::{Timestamp, civil, tz::TimeZone};
use recording::UnixMicros;

/// A point in time, for a page: machine-readable, in full, and how long ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeLabel {
    /// `2026-11-22T15:04:05Z`
    pub(crate) iso: String,
    /// `2026-11-22 15:04:05 UTC`
    pub(crate) full: String,
    /// `3 min ago`
    pub(crate) ago: String,
}

impl TimeLabel {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        let utc = at.to_zoned(TimeZone::UTC);
        Self {
            iso: utc.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            full: utc.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            ago: ago(at, now),
        }
    }

    /// The time in full without its zone, for columns whose head names it.
    pub(crate) fn short(&self) -> &str {
        self.full.trim_end_matches(" UTC")
    }
}

/// The moment in the calendar; 1970 if no calendar has it.
pub(crate) fn timestamp(at: UnixMicros) -> Timestamp {
    at.timestamp().unwrap_or(Timestamp::UNIX_EPOCH)
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(at.as_second());
    match seconds {
        i64::MIN..=-2 => "in the future".to_owned(),
        -1..=4 => "just now".to_owned(),
        5..=59 => format!("{seconds} s ago"),
        60..=3_599 => format!("{} min ago", seconds / 60),
        3_600..=86_399 => format!("{} h ago", seconds / 3_600),
        86_400..=172_799 => "yesterday".to_owned(),
        _ if seconds < 30 * 86_400 => format!("{} days ago", seconds / 86_400),
        _ => at.to_zoned(TimeZone::UTC).strftime("%-d %b %Y").to_string(),
    }
}

/// Reads a time that a person or program wrote: `2026-11-22`, `2026-11-22T15:04`, `2026-11-22 15:04:05`, RFC 3339. It is
/// UTC unless it names a zone. A day as an end means the end of that day. Returns `None` if it is no time.
pub(crate) fn parse(text: &str, end: bool) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    if let Ok(day) = civil::Date::strptime("%Y-%m-%d", text) {
        let day = if end { day.tomorrow().ok()? } else { day };
        return Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp());
    }
    let at = text.parse::<civil::DateTime>().ok()?;
    Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_are_said_as_a_person_would() {
        let now = at("2026-11-22T15:00:00Z");
        let said = |text| TimeLabel::new(at(text), now).ago;
        assert_eq!(said("2026-11-22T14:59:58Z"), "just now");
        assert_eq!(said("2026-11-22T14:59:18Z"), "42 s ago");
        assert_eq!(said("2026-11-22T14:01:00Z"), "59 min ago");
        assert_eq!(said("2026-11-22T03:00:00Z"), "12 h ago");
        assert_eq!(said("2026-11-21T03:00:00Z"), "yesterday");
        assert_eq!(said("2026-11-01T03:00:00Z"), "21 days ago");
        assert_eq!(said("2026-01-02T03:00:00Z"), "2 Jan 2026");
        assert_eq!(TimeLabel::new(now, now).full, "2026-11-22 15:00:00 UTC");
    }

    #[test]
    fn times_are_read_as_forms_and_programs_write_them() {
        assert_eq!(parse("2026-11-22T15:04", false), Some(at("2026-11-22T15:04:00Z")));
        assert_eq!(parse("2026-11-22 15:04:05", false), Some(at("2026-11-22T15:04:05Z")));
        assert_eq!(parse("2026-11-22T15:04:05+02:00", false), Some(at("2026-11-22T13:04:05Z")));
        assert_eq!(parse("2026-11-22", false), Some(at("2026-11-22T00:00:00Z")));
        assert_eq!(parse("2026-11-22", true), Some(at("2026-11-23T00:00:00Z")));
        assert_eq!(parse("tomorrow", false), None);
    }
}
