use recording::{StreamTotals, cast::Code};

/// A standard stream of a session. Arrays with a member for each have the order of [`StdStream::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdStream {
    /// Standard output, or everything that a terminal shows.
    Stdout,
    /// Standard error of a session without a terminal.
    Stderr,
    /// Standard input.
    Stdin,
}

impl StdStream {
    /// All three, by [`Self::index`].
    pub const ALL: [Self; 3] = [Self::Stdout, Self::Stderr, Self::Stdin];

    /// Its place in [`Self::ALL`].
    pub fn index(self) -> usize {
        match self {
            Self::Stdout => 0,
            Self::Stderr => 1,
            Self::Stdin => 2,
        }
    }

    /// Its name in annotations and in the names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Stdin => "stdin",
        }
    }

    /// The code of its lines.
    pub fn code(self) -> Code {
        match self {
            Self::Stdout => Code::Output,
            Self::Stderr => Code::Stderr,
            Self::Stdin => Code::Input,
        }
    }

    /// The stream whose lines have this code; `None` if the code is not one of a stream.
    pub fn from_code(code: Code) -> Option<Self> {
        match code {
            Code::Output => Some(Self::Stdout),
            Code::Stderr => Some(Self::Stderr),
            Code::Input => Some(Self::Stdin),
            Code::Bytes | Code::Resize | Code::Marker | Code::Exit | Code::Port | Code::Gap => None,
        }
    }

    /// Its bytes in `totals`.
    pub fn total(self, totals: &StreamTotals) -> u64 {
        match self {
            Self::Stdout => totals.stdout,
            Self::Stderr => totals.stderr,
            Self::Stdin => totals.stdin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_found_by_its_place_and_by_its_code() {
        for stream in StdStream::ALL {
            assert_eq!(StdStream::ALL[stream.index()], stream);
            assert_eq!(StdStream::from_code(stream.code()), Some(stream));
        }
        assert_eq!(StdStream::from_code(Code::Gap), None);
    }
}
