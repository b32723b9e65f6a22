//! Times as people write them.
//!
//! ```text
//! today  yesterday  monday  this week  last month  2026  2026-11  2026-11-22    all of it
//! last 2h  2h  last 3 days  last hour  last 2 months                            from then until now
//! 14:00  yesterday 14:00  2026-11-22T14:00  monday 9:30                         the hour that begins then
//! A..B  A..  ..B                                                                from the start of A to the end of B
//! ```
//!
//! A moment as the end of a range is that moment; a day is all of that day. A weekday is the latest one that is not after
//! today; at the start of a range the latest one before the end, so that `monday..friday` is a week on every day.

use jiff::{
    SignedDuration, Span as Distance, Timestamp, ToSpan, Zoned,
    civil::{Date, DateTime, Time, Weekday},
};

use super::expression::TimeWindow;

/// The values of `when:`, as errors list them.
pub(crate) const EXPECTED: &str = "a time: today, yesterday 14:00, last 2h, monday, this week, 2026-11-22, \
                                   2026-11-22T14:00, or two with .. between them, the earlier first";

/// The time that a text stands for.
struct TimeRange {
    from: Timestamp,
    /// Its end, if the text stands alone; `None` means until now.
    until: Option<Timestamp>,
    /// Its end, if the text is the second half of `A..B`.
    end: Timestamp,
}

/// Reads a time or a range of times relative to `now`, in its time zone; `None` if the text is neither. The window may
/// be empty: see [`TimeWindow::is_empty`].
pub(crate) fn parse(text: &str, now: &Zoned) -> Option<TimeWindow> {
    let text = text.trim();
    let Some((from, until)) = text.split_once("..") else {
        let range = time_range(text, now)?;
        return Some(TimeWindow { from: Some(range.from), until: range.until });
    };
    let until = side(until, |text| time_range(text, now))?.map(|range| range.end);
    let from = side(from, |text| start(text, until, now))?.map(|range| range.from);
    (from.is_some() || until.is_some()).then_some(TimeWindow { from, until })
}

/// One side of a range; `Some(None)` if it is open, `None` if it is not a time.
fn side(text: &str, read: impl Fn(&str) -> Option<TimeRange>) -> Option<Option<TimeRange>> {
    match text.trim() {
        "" => Some(None),
        text => read(text).map(Some),
    }
}

/// The first half of a range. A weekday is the latest one that begins before the range's end.
fn start(text: &str, until: Option<Timestamp>, now: &Zoned) -> Option<TimeRange> {
    let named = time_range(text, now)?;
    let is_weekday = text.split_whitespace().next().is_some_and(|day| weekday(&day.to_ascii_lowercase()).is_some());
    let Some(until) = until.filter(|until| is_weekday && named.from >= *until) else { return Some(named) };
    let end = until.to_zoned(now.time_zone().clone());
    let latest = time_range(text, &end)?;
    if latest.from < until { Some(latest) } else { time_range(text, &end.checked_sub(1.week()).ok()?) }
}

fn time_range(text: &str, now: &Zoned) -> Option<TimeRange> {
    let text = text.to_ascii_lowercase();
    if let Ok(moment) = text.to_ascii_uppercase().parse::<Timestamp>() {
        return hour(moment);
    }
    if text == "now" {
        let now = now.timestamp();
        return Some(TimeRange { from: now, until: None, end: now });
    }
    ago(&text, now).or_else(|| calendar(&text, now)).or_else(|| moment(&text, now))
}

/// `2h`, `last 3 days`, `last hour`: until now. `last week` and the like are read by [`calendar`].
fn ago(text: &str, now: &Zoned) -> Option<TimeRange> {
    let text = text.strip_prefix("last").map_or(text, str::trim_start);
    let text = text.strip_suffix("ago").map_or(text, str::trim_end);
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let one = number.is_empty() && text.len() > 1;
    let number: i64 = if one { 1 } else { i64::from(number.parse::<i32>().ok()?) };
    let from = match unit.trim() {
        "month" | "months" if !one => months_before(now, number)?,
        "year" | "years" if !one => months_before(now, number.checked_mul(12)?)?,
        "w" | "week" | "weeks" if !one => before(now, SignedDuration::from_hours(7 * 24), number)?,
        "d" | "day" | "days" => before(now, SignedDuration::from_hours(24), number)?,
        "h" | "hr" | "hrs" | "hour" | "hours" => before(now, SignedDuration::from_hours(1), number)?,
        "m" | "min" | "mins" | "minute" | "minutes" => before(now, SignedDuration::from_mins(1), number)?,
        "s" | "sec" | "secs" | "second" | "seconds" => before(now, SignedDuration::from_secs(1), number)?,
        _ => return None,
    };
    Some(TimeRange { from, until: None, end: from })
}

fn before(now: &Zoned, unit: SignedDuration, number: i64) -> Option<Timestamp> {
    now.timestamp().checked_sub(unit.checked_mul(i32::try_from(number).ok()?)?).ok()
}

fn months_before(now: &Zoned, number: i64) -> Option<Timestamp> {
    let distance = Distance::new().try_months(number).ok()?;
    Some(now.checked_sub(distance).ok()?.timestamp())
}

/// Days, weeks, months and years.
fn calendar(text: &str, now: &Zoned) -> Option<TimeRange> {
    let today = now.date();
    let monday = today.checked_sub((i64::from(today.weekday().to_monday_zero_offset())).days()).ok()?;
    let first = today.first_of_month();
    let before = |date: Date, distance: Distance| date.checked_sub(distance).ok();
    let (from, length) = match text {
        "this week" => (monday, 1.week()),
        "last week" => (before(monday, 1.week())?, 1.week()),
        "this month" => (first, 1.month()),
        "last month" => (before(first, 1.month())?, 1.month()),
        "this year" => (today.first_of_year(), 1.year()),
        "last year" => (before(today.first_of_year(), 1.year())?, 1.year()),
        _ => match day(text, now) {
            Some(day) => (day, 1.day()),
            None => month_or_year(text)?,
        },
    };
    between(from, from.checked_add(length).ok()?, now)
}

fn month_or_year(text: &str) -> Option<(Date, Distance)> {
    let numbers: Option<Vec<i16>> = text.split('-').map(|part| part.parse().ok()).collect();
    match (text.len(), numbers?.as_slice()) {
        (4, [year]) => Some((Date::new(*year, 1, 1).ok()?, 1.year())),
        (7, [year, month]) => Some((Date::new(*year, i8::try_from(*month).ok()?, 1).ok()?, 1.month())),
        _ => None,
    }
}

/// `today`, `yesterday`, a weekday (the last one, today if it is that), a date.
fn day(text: &str, now: &Zoned) -> Option<Date> {
    let today = now.date();
    match text {
        "today" => Some(today),
        "yesterday" => today.yesterday().ok(),
        _ => match weekday(text) {
            Some(weekday) => today.checked_sub(i64::from(weekday.until(today.weekday())).days()).ok(),
            None => text.parse().ok().filter(|_| text.len() == 10),
        },
    }
}

fn weekday(text: &str) -> Option<Weekday> {
    match text {
        "monday" | "mon" => Some(Weekday::Monday),
        "tuesday" | "tue" => Some(Weekday::Tuesday),
        "wednesday" | "wed" => Some(Weekday::Wednesday),
        "thursday" | "thu" => Some(Weekday::Thursday),
        "friday" | "fri" => Some(Weekday::Friday),
        "saturday" | "sat" => Some(Weekday::Saturday),
        "sunday" | "sun" => Some(Weekday::Sunday),
        _ => None,
    }
}

/// A time of a day, with or without the day.
fn moment(text: &str, now: &Zoned) -> Option<TimeRange> {
    let (date, clock) = match text.split_once(' ').or_else(|| text.split_once('t').filter(|(day, _)| day.len() == 10)) {
        Some((date, clock)) => (day(date.trim(), now)?, clock.trim()),
        None => (now.date(), text),
    };
    let at = DateTime::from_parts(date, time(clock)?).to_zoned(now.time_zone().clone()).ok()?;
    hour(at.timestamp())
}

/// `9:30`, `14:00`, `14:00:05`.
fn time(text: &str) -> Option<Time> {
    let parts: Vec<&str> = text.split(':').collect();
    let short = parts.iter().all(|part| (1..=2).contains(&part.len()));
    let numbers: Option<Vec<i8>> = parts.iter().map(|part| part.parse().ok()).collect();
    match numbers?.as_slice() {
        [hour, minute] if short => Time::new(*hour, *minute, 0, 0).ok(),
        [hour, minute, second] if short => Time::new(*hour, *minute, *second, 0).ok(),
        _ => None,
    }
}

fn hour(from: Timestamp) -> Option<TimeRange> {
    Some(TimeRange { from, until: Some(from.checked_add(1.hour()).ok()?), end: from })
}

fn between(from: Date, until: Date, now: &Zoned) -> Option<TimeRange> {
    let start = |date: Date| date.to_zoned(now.time_zone().clone()).map(|zoned| zoned.timestamp()).ok();
    let until = start(until)?;
    Some(TimeRange { from: start(from)?, until: Some(until), end: until })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tuesday, 2026-11-24 13:04:56 in Berlin, an hour ahead of UTC.
    fn read(text: &str) -> Option<String> {
        let now: Zoned = "2026-11-24T13:04:56+01:00[Europe/Berlin]".parse().unwrap();
        let side = |at: Option<Timestamp>| at.map_or(String::new(), |at| at.to_string());
        parse(text, &now).map(|span| format!("{} {}", side(span.from), side(span.until)))
    }

    #[test]
    fn times_are_read_as_people_mean_them() {
        for (text, expected) in [
            ("today", "2026-11-23T23:00:00Z 2026-11-24T23:00:00Z"),
            ("yesterday", "2026-11-22T23:00:00Z 2026-11-23T23:00:00Z"),
            ("yesterday 14:00", "2026-11-23T13:00:00Z 2026-11-23T14:00:00Z"),
            ("9:30", "2026-11-24T08:30:00Z 2026-11-24T09:30:00Z"),
            ("last 2h", "2026-11-24T10:04:56Z "),
            ("Last 2 Hours", "2026-11-24T10:04:56Z "),
            ("last hour", "2026-11-24T11:04:56Z "),
            ("30m", "2026-11-24T11:34:56Z "),
            ("7d", "2026-11-17T12:04:56Z "),
            ("last 1 day", "2026-11-23T12:04:56Z "),
            ("last day", "2026-11-23T12:04:56Z "),
            ("last 1 week", "2026-11-17T12:04:56Z "),
            ("last 2 weeks", "2026-11-10T12:04:56Z "),
            ("last 1 hours", "2026-11-24T11:04:56Z "),
            ("5 mins ago", "2026-11-24T11:59:56Z "),
            ("last 1 month", "2026-10-24T11:04:56Z "),
            ("last 3 years", "2023-11-24T12:04:56Z "),
            ("last week", "2026-11-15T23:00:00Z 2026-11-22T23:00:00Z"),
            // Said on a Tuesday: the end is the last such day, the start the one before it.
            ("monday..friday", "2026-11-15T23:00:00Z 2026-11-20T23:00:00Z"),
            ("monday..tuesday", "2026-11-22T23:00:00Z 2026-11-24T23:00:00Z"),
            ("Wed..mon", "2026-11-17T23:00:00Z 2026-11-23T23:00:00Z"),
            ("sat..friday", "2026-11-13T23:00:00Z 2026-11-20T23:00:00Z"),
            ("tuesday 12:00..tuesday 9:00", "2026-11-17T11:00:00Z 2026-11-24T08:00:00Z"),
            ("friday..2026-11-10", "2026-11-05T23:00:00Z 2026-11-10T23:00:00Z"),
            ("monday..", "2026-11-22T23:00:00Z "),
            ("monday..now", "2026-11-22T23:00:00Z 2026-11-24T12:04:56Z"),
            ("2h..1h", "2026-11-24T10:04:56Z 2026-11-24T11:04:56Z"),
            ("2h ago..now", "2026-11-24T10:04:56Z 2026-11-24T12:04:56Z"),
            ("monday", "2026-11-22T23:00:00Z 2026-11-23T23:00:00Z"),
            ("tuesday", "2026-11-23T23:00:00Z 2026-11-24T23:00:00Z"),
            ("wed", "2026-11-17T23:00:00Z 2026-11-18T23:00:00Z"),
            ("monday 9:30", "2026-11-23T08:30:00Z 2026-11-23T09:30:00Z"),
            ("this week", "2026-11-22T23:00:00Z 2026-11-29T23:00:00Z"),
            ("last month", "2026-09-30T22:00:00Z 2026-10-31T23:00:00Z"),
            ("2026-11-22", "2026-11-21T23:00:00Z 2026-11-22T23:00:00Z"),
            ("2026-11", "2026-10-31T23:00:00Z 2026-11-30T23:00:00Z"),
            ("2026", "2025-12-31T23:00:00Z 2026-12-31T23:00:00Z"),
            ("2026-11-20..2026-11-22", "2026-11-19T23:00:00Z 2026-11-22T23:00:00Z"),
            ("2026-11-22T14:00..2026-11-22T14:05", "2026-11-22T13:00:00Z 2026-11-22T13:05:00Z"),
            ("2026-11-22T14:00:00Z..", "2026-11-22T14:00:00Z "),
            ("..yesterday", " 2026-11-23T23:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_range_that_holds_nothing_is_empty() {
        let now: Zoned = "2026-11-24T13:04:56+01:00[Europe/Berlin]".parse().unwrap();
        for text in ["2026-11-22..2026-11-20", "1h..2h", "today..yesterday", "14:00..9:00", "9:00..9:00", "now..monday"]
        {
            assert!(parse(text, &now).unwrap().is_empty(), "{text}");
        }
        assert!(!parse("yesterday..today", &now).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "..",
            "soon",
            "2026-13-01",
            "25:00",
            "last",
            "h",
            "99999999999h",
            "week",
            "last 99999999 years",
            "2026-11-22..soon",
            "1:2:3:4",
            "a\u{0}b",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
