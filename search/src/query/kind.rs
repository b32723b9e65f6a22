use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a hit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    /// A recorded session: found by who, where, from which address.
    Session,
    /// A command: the argv of an exec, a line that was typed, or the requests of one kubectl run.
    Command,
    /// Lines that a session showed.
    Output,
    /// An API request of a client that does not say which run it belongs to.
    Request,
}

impl HitKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Session, Self::Command, Self::Output, Self::Request];

    /// The name in queries and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Command => "command",
            Self::Output => "output",
            Self::Request => "request",
        }
    }
}

impl FromStr for HitKind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or(())
    }
}
