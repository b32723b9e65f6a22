use recording::{Manifest, Micros, cast::Header};

/// Most commands that are remembered of a live session.
const MOST: usize = 10_000;

/// Characters of a command that are kept: a line of a terminal shows no more.
const LONGEST: usize = 500;

/// The commands of a recording by the moment at which they were entered.
#[derive(Debug, Default)]
pub struct EnteredCommands {
    /// In order of time.
    known: Vec<(Micros, String)>,
}

impl EnteredCommands {
    /// Starts with the manifest's commands or, while there is no manifest, with what the session was started with. Others are
    /// learned as they are read.
    pub fn new(header: &Header, manifest: Option<&Manifest>) -> Self {
        let mut known: Vec<_> = match manifest {
            Some(manifest) => manifest.commands.iter().map(|command| (command.time, cut(&command.text))).collect(),
            None if header.command.is_empty() => Vec::new(),
            None => vec![(Micros::ZERO, cut(&header.command))],
        };
        known.sort_by_key(|(time, _)| *time);
        Self { known }
    }

    /// Adds a command that an event of the recording tells of. After going back, those that are read again are known.
    pub fn learn(&mut self, time: Micros, text: &str) {
        if self.known.len() < MOST && self.known.last().is_none_or(|(last, _)| *last < time) {
            self.known.push((time, cut(text)));
        }
    }

    /// The command that was entered last before or at a moment.
    pub fn at(&self, time: Micros) -> Option<&str> {
        let until = self.known.partition_point(|(entered, _)| *entered <= time);
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
        assert_eq!(commands.at(Micros::new(9)), None);
        commands.learn(Micros::new(10), "ls");
        commands.learn(Micros::new(20), "id");
        // Read again.
        commands.learn(Micros::new(10), "ls");
        assert_eq!([9, 10, 19, 20].map(|at| commands.at(Micros::new(at))), [None, Some("ls"), Some("ls"), Some("id")]);
    }
}
