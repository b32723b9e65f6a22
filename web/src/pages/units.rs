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
pub(crate) fn length(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    match seconds {
        0..=9 => format!("{}.{} s", seconds, micros % 1_000_000 / 100_000),
        10..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A position in a recording: `0:07`, `12:34`, `1:02:03`.
pub(crate) fn position(micros: u64) -> String {
    let seconds = micros / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// A position as a link's `t=`: seconds, and as many decimals as it takes.
pub(crate) fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
        assert_eq!(length(400_000), "0.4 s");
        assert_eq!(length(59_900_000), "59 s");
        assert_eq!(length(200_000_000), "3 min 20 s");
        assert_eq!(length(7_500_000_000), "2 h 05 min");
        assert_eq!(position(7_900_000), "0:07");
        assert_eq!(position(3_723_000_000), "1:02:03");
        assert_eq!(seconds(12_500_000), "12.5");
        assert_eq!(seconds(12_000_000), "12");
        assert_eq!(seconds(0), "0");
    }
}
