use std::time::Duration;

/// How fast to play.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// 1.0 is as it happened.
    pub speed: f64,
    /// Pauses are cut to this.
    pub idle_limit: Option<Duration>,
}

/// Something to do for a terminal that plays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Print this.
    Output(String),
    /// The recorded terminal has this size from here on.
    Resize(u16, u16),
    /// A command was entered.
    Marker(String),
}
