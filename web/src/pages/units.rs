use recording::Micros;

/// A number of bytes for a reader: `512 B`, `1.5 KiB`, `20.0 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["B", "KiB", "MiB", "GiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    while value >= 1024.0
        && let Some(larger) = units.next()
    {
        value /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

/// A length of time for a reader: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 05 min`.
pub(crate) fn length(duration: Micros) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=9 => format!("{}.{} s", seconds, duration.get() % 1_000_000 / 100_000),
        10..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A position in a recording: `0:07`, `12:34`, `1:02:03`.
pub(crate) fn position(time: Micros) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A position as a link's `t=`: seconds, and as many decimals as it takes.
pub(crate) fn seconds(time: Micros) -> String {
    recording::seconds(time).trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size(512), "512 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(20 << 20), "20.0 MiB");
    }

    #[test]
    fn lengths_and_positions() {
        assert_eq!(length(Micros::from_millis(400)), "0.4 s");
        assert_eq!(length(Micros::from_millis(59_900)), "59 s");
        assert_eq!(length(Micros::from_secs(200)), "3 min 20 s");
        assert_eq!(length(Micros::from_secs(7_500)), "2 h 05 min");
        assert_eq!(position(Micros::from_millis(7_900)), "0:07");
        assert_eq!(position(Micros::from_secs(3_723)), "1:02:03");
        assert_eq!(seconds(Micros::from_millis(12_500)), "12.5");
        assert_eq!(seconds(Micros::from_secs(12)), "12");
        assert_eq!(seconds(Micros::ZERO), "0");
    }
}
