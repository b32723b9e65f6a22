//! Recordings in other formats.

/// What a recording can be exported as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// asciicast v2, which asciinema and others play.
    Cast2,
    /// asciicast v3.
    Cast3,
    /// What a person could have read.
    Text,
    /// One stream's exact bytes.
    Raw(StreamName),
}

/// A stream of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamName {
    /// What the person sent.
    Stdin,
    /// What the process printed; everything, where there is a terminal.
    Stdout,
    /// What the process printed as errors, where there is no terminal.
    Stderr,
}
