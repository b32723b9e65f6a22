use recording::{Manifest, cast::Header};

/// Most of them that are known of a session that goes on.
const MOST: usize = 10_000;

/// Characters of one that are kept: a line of a terminal shows no more.
const LONGEST: usize = 500;

/// The commands of a recording by the moment at which they were entered.
#[derive(Debug, Default)]
pub struct Commands {
    /// In order of time, microseconds since the start.
    known: Vec<(u64, String)>,
}

impl Commands {
    /// The manifest's; while there is none, what the session was started with. Others are learned as they are read.
    pub fn new(header: &Header, manifest: Option<&Manifest>) -> Self {
        let mut known: Vec<_> = match manifest {
            Some(manifest) => manifest.commands.iter().map(|command| (command.micros, cut(&command.text))).collect(),
            None if header.command.is_empty() => Vec::new(),
            None => vec![(0, cut(&header.command))],
        };
        known.sort_by_key(|(micros, _)| *micros);
        Self { known }
    }

    /// One that the recording's events tell. What is read again, after going back, is known.
    pub fn learn(&mut self, micros: u64, text: &str) {
        if self.known.len() < MOST && self.known.last().is_none_or(|(last, _)| *last < micros) {
            self.known.push((micros, cut(text)));
        }
    }

    /// The one that was entered last at a moment.
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
        let mut commands = Commands::default();
        assert_eq!(commands.at(9), None);
        commands.learn(10, "ls");
        commands.learn(20, "id");
        // Read again.
        commands.learn(10, "ls");
        assert_eq!([9, 10, 19, 20].map(|at| commands.at(at)), [None, Some("ls"), Some("ls"), Some("id")]);
    }
}
