use recording::Micros;

use super::{bookmarks::Bookmarks, clock::Clock};
use crate::{output, time};

/// What the last row of the terminal says about the recording that plays.
pub struct Progress<'a> {
    pub state: PlayState,
    /// The moment that is shown.
    pub at: Micros,
    /// `None` of a live session.
    pub length: Option<Micros>,
    pub clock: &'a Clock,
    pub places: &'a Bookmarks,
    /// The recorded terminal's columns and rows, if this one has fewer.
    pub larger: Option<(u16, u16)>,
    /// The command that was entered last.
    pub command: Option<&'a str>,
}

/// What playback does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayState {
    Playing,
    Paused,
    /// Everything was shown.
    Ended,
}

impl Progress<'_> {
    /// A line of at most `columns` columns. The command comes last: it is what may be cut.
    pub fn line(&self, columns: u16) -> String {
        let length = self.length.map_or_else(|| "live".to_owned(), time::length);
        let (state, keys) = match self.state {
            PlayState::Playing => ("playing", "? keys, q quit"),
            PlayState::Paused => ("paused", "? keys, q quit"),
            PlayState::Ended if self.length.is_none() => {
                ("all that is stored", "home, left go back, end looks for more, q quit")
            }
            PlayState::Ended => ("the end", "home, left go back, q quit"),
        };
        let (at, speed) = (time::length(self.at), self.clock.speed());
        let idle = if self.clock.skips() { ", idle time skipped" } else { "" };
        let small = self.larger.map_or_else(String::new, |(columns, rows)| {
            format!(" (recorded at {columns}x{rows}: this terminal is smaller)")
        });
        let command = self.command.map_or_else(String::new, |command| format!("  | {command}"));
        fit(&format!(" {state} {at} / {length}  {speed}x{idle}{}{small}  {keys}{command}", self.places), columns)
    }
}

/// A text that stays in one row and does nothing to the terminal but stand there: controls are written out, what does not
/// fit is left out.
pub fn fit(text: &str, columns: u16) -> String {
    let text = output::plain(text);
    let columns = usize::from(columns);
    if text.chars().map(width).sum::<usize>() <= columns {
        return text;
    }
    let mut left = columns.saturating_sub(1);
    let fits = |c: &char| {
        let wide = width(*c);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    };
    let mut cut: String = text.chars().take_while(fits).collect();
    cut.push('…');
    cut
}

/// Most columns that a character takes: no character before Hangul's takes two. A row that is too long would scroll the
/// screen.
fn width(c: char) -> usize {
    if c < '\u{1100}' { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress<'a>(state: PlayState, clock: &'a Clock, places: &'a Bookmarks) -> Progress<'a> {
        let (at, length) = (Micros::from_secs(5), Some(Micros::from_secs(65)));
        Progress { state, at, length, clock, places, larger: None, command: None }
    }

    #[test]
    fn a_command_is_cut_and_cannot_leave_its_row() {
        let (clock, places) = (Clock::new(1.0, None), Bookmarks::default());
        let command = "printf '\x1b[2J\u{202e}'\r\necho done";
        let shown = Progress { command: Some(command), ..progress(PlayState::Playing, &clock, &places) };
        assert_eq!(
            shown.line(200),
            r" playing 0:05 / 1:05  1x  ? keys, q quit  | printf '\u{1b}[2J\u{202e}'\r\necho done"
        );
        assert_eq!(shown.line(54), " playing 0:05 / 1:05  1x  ? keys, q quit  | printf '\\…");
        assert_eq!(shown.line(10), " playing …");
        assert_eq!(fit("日本語", 6), "日本語");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("x", 0), "…");
    }

    #[test]
    fn the_end_says_how_to_go_on() {
        let (clock, places) = (Clock::new(1.0, None), Bookmarks::default());
        let ended = progress(PlayState::Ended, &clock, &places);
        assert_eq!(ended.line(200), " the end 0:05 / 1:05  1x  home, left go back, q quit");
        let stored = Progress { length: None, ..ended };
        let line = stored.line(200);
        assert!(line.starts_with(" all that is stored 0:05 / live") && line.contains("end looks for more"), "{line}");
    }
}
