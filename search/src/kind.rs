use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a hit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A recorded session: found by who, where, from which address.
    Session,
    /// A command: the argv of an exec, a line that was typed, or the requests of one kubectl run.
    Command,
    /// An API request of a client that does not say which run it belongs to.
    Request,
}

impl Kind {
    /// The name in queries and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Command => "command",
            Self::Request => "request",
        }
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Session, Self::Command, Self::Request].into_iter().find(|kind| kind.name() == name).ok_or(())
    }
}
