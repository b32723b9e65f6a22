//! Lengths of time and sizes as the configuration and the command line have them.
//!
//! What is written must read back exactly: the digests of a configuration are made of it. `bytesize` rounds what it
//! writes (`1500000` becomes `1.4 MiB`), and jiff's friendly format has signs, fractions and months, which mean nothing
//! here. So both are read and written by hand.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time as people write it: `5s`, `1h30m`, `250ms`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

/// A number of bytes as people write it: `1MiB`, `64KiB`, `1GB`, `512`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanSize(pub u64);

/// Unit and its length in milliseconds, longest first.
const TIMES: [(&str, u64); 6] =
    [("w", 7 * 86_400_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Unit and its length in bytes. A size is shown in the last of these that divides it.
const SIZES: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for HumanDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a length of time: write a number and a unit, such as \"5s\" or \"1h30m\" (units: ms s m h d w)"
            )
        };
        let mut rest = text.trim();
        let mut millis = 0u64;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let (number, after) = split(rest, |c| c.is_ascii_digit());
            let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let (_, each) = TIMES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
            millis = number.checked_mul(*each).and_then(|n| n.checked_add(millis)).ok_or_else(wrong)?;
            rest = after.trim_start();
        }
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, each) in TIMES {
            if rest >= each {
                write!(f, "{}{unit}", rest / each)?;
                rest %= each;
            }
        }
        Ok(())
    }
}

impl FromStr for HumanSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "{text:?} is not a size: write a number and a unit, such as \"1MiB\" or \"64KiB\" (units: B KB MB GB TB KiB MiB GiB TiB)"
            )
        };
        let (number, unit) = split(text.trim(), |c| c.is_ascii_digit());
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let unit = unit.trim_start();
        let (_, each) = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(wrong)?;
        number.checked_mul(*each).map(Self).ok_or_else(wrong)
    }
}

impl fmt::Display for HumanSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |(_, each): &&(&str, u64)| self.0 >= *each && self.0.is_multiple_of(*each);
        let (unit, each) = SIZES.iter().rev().find(fits).unwrap_or(&("", 1));
        write!(f, "{}{unit}", self.0 / each)
    }
}

/// Splits off the longest prefix of `text` whose characters all match.
fn split(text: &str, of: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !of(c)).unwrap_or(text.len()))
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for HumanSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for HumanSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown_as_people_write_them() {
        for (text, millis) in [("250ms", 250), ("5s", 5_000), ("1h30m", 5_400_000), ("30d", 2_592_000_000), ("0s", 0)] {
            let span: HumanDuration = text.parse().unwrap();
            assert_eq!(span.0, Duration::from_millis(millis), "{text}");
            assert_eq!(span.to_string().parse::<HumanDuration>().unwrap(), span);
        }
        assert_eq!(HumanDuration(Duration::from_secs(5_400)).to_string(), "1h30m");
        for text in ["", "5", "s", "5 parsecs", "99999999999999999999s", "-5s", "5.5s"] {
            assert!(text.parse::<HumanDuration>().unwrap_err().contains("such as \"5s\""), "{text}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown_as_people_write_them() {
        for (text, bytes) in [("512", 512), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("1gb", 1_000_000_000), ("0", 0)] {
            let size: HumanSize = text.parse().unwrap();
            assert_eq!(size.0, bytes, "{text}");
            assert_eq!(size.to_string().parse::<HumanSize>().unwrap(), size);
        }
        assert_eq!(HumanSize(1 << 20).to_string(), "1MiB");
        for text in ["", "MiB", "1 MiBit", "1.5MiB", "99999999TiB"] {
            assert!(text.parse::<HumanSize>().unwrap_err().contains("such as \"1MiB\""), "{text}");
        }
    }
}
