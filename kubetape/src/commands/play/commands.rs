use recording::{Manifest, cast::Header};

/// Most commands that are remembered of a live session.
const MOST: usize = 10_000;

/// Characters of a command that are kept: a line of a terminal shows no more.
const LONGEST: usize = 500;

/// The commands of a recording by the moment at which they were entered.
#[derive(Debug, Default)]
pub struct EnteredCommands {
    /// In order of time, microseconds since the start.
    known: Vec<(u64, String)>,
}

impl EnteredCommands {
    /// Starts with the manifest's commands or, while there is no manifest, with what the session was started with. Others are
    /// learned as they are read.
    pub fn new(header: &Header, manifest: Option<&Manifest>) -> Self {
        let mut known: Vec<_> = match manifest {
            Some(manifest) => {
                manifest.commands.iter().map(|command| (command.time.get(), cut(&command.text))).collect()
            }
            None if header.command.is_empty() => Vec::new(),
            None => vec![(0, cut(&header.command))],
        };
        known.sort_by_key(|(micros, _)| *micros);
        Self { known }
    }

    /// Adds a command that an event of the recording tells of. After going back, those that are read again are known.
    pub fn learn(&mut self, micros: u64, text: &str) {
        if self.known.len() < MOST && self.known.last().is_none_or(|(last, _)| *last < micros) {
            self.known.push((micros, cut(text)));
        }
    }

    /// The command that was entered last before or at a moment.
    pub fn at(&self, micros: u64) -> Option<&str> {
        let until = self.known.partition_point(|(entered, _)| *entered <= micros);
        self.known[..until].last().map(|(_, text)| text.as_str())
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_that_was_entered_is_the_one_of_a_moment() {
        let mut commands = EnteredCommands::default();
        assert_eq!(commands.at(9), None);
        commands.learn(10, "ls");
        commands.learn(20, "id");
        // Read again.
        commands.learn(10, "ls");
        assert_eq!([9, 10, 19, 20].map(|at| commands.at(at)), [None, Some("ls"), Some("ls"), Some("id")]);
    }
}
