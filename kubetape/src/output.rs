//! Output to stdout: tables for people, JSON for scripts, and pipes that are closed.

use std::io::{self, IsTerminal, Write};

/// Whether the error is a closed pipe: nobody reads stdout any more.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(broken))
}

/// Writes a line (or lines) to stdout.
pub fn line(text: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Writes a JSON value and a newline to stdout.
pub fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// Whether stdout is a terminal that wants colours.
pub fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// How a cell stands out in a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Like the rest.
    Plain,
    /// Less than the rest.
    Faint,
    /// As good.
    Good,
    /// As bad.
    Bad,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Faint => "\x1b[2m",
            Self::Good => "\x1b[32m",
            Self::Bad => "\x1b[31m",
        }
    }
}

/// Rows of cells in aligned columns. The last column is cut at the terminal's width.
pub struct Table {
    head: Vec<&'static str>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    /// A table with these column names.
    pub fn new(head: impl Into<Vec<&'static str>>) -> Self {
        Self { head: head.into(), rows: Vec::new() }
    }

    /// Adds a row. Cells may hold what people typed: control characters are written as escapes.
    pub fn row(&mut self, cells: impl IntoIterator<Item = (String, Tone)>) {
        self.rows.push(cells.into_iter().map(|(text, tone)| (plain(&text), tone)).collect());
    }

    /// Writes the table to stdout, with colours if that is a terminal.
    pub fn print(&self) -> io::Result<()> {
        let terminal = io::stdout().is_terminal();
        let width = terminal.then(crossterm::terminal::size).and_then(Result::ok).map(|(columns, _)| columns.into());
        io::stdout().lock().write_all(self.render(width, colours()).as_bytes())
    }

    fn render(&self, width: Option<usize>, colours: bool) -> String {
        let head: Vec<_> = self.head.iter().map(|name| ((*name).to_owned(), Tone::Faint)).collect();
        let widths = self.widths();
        let mut out = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            let mut left = width;
            for (column, ((text, tone), wide)) in row.iter().zip(&widths).enumerate() {
                let last = column + 1 == row.len();
                let cell = match left {
                    Some(left) if last => cut(text, left),
                    _ => text.clone(),
                };
                let pad = if last { 0 } else { wide - cell.chars().count() + 2 };
                let code = if colours { tone.code() } else { "" };
                let end = if code.is_empty() { "" } else { "\x1b[0m" };
                out.push_str(&format!("{code}{cell}{end}{:pad$}", ""));
                left = left.map(|left| left.saturating_sub(wide + 2));
            }
            out.push('\n');
        }
        out
    }

    fn widths(&self) -> Vec<usize> {
        let width_of = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|(text, _)| text.chars().count());
            cells.chain([self.head[column].chars().count()]).max().unwrap_or(0)
        };
        (0..self.head.len()).map(width_of).collect()
    }
}

fn cut(text: &str, width: usize) -> String {
    let width = width.max(12);
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// The text with control characters as escapes (`\n`, `\u{1b}`): what was recorded must not steer this terminal.
pub fn plain(text: &str) -> String {
    let shown = |c: char| if is_invisible(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

/// Whether it is a control character, or a mark that changes the direction of text.
fn is_invisible(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `argv` as it could be typed into a shell.
pub fn shell_words(argv: &[String]) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b);
    let word = |word: &String| match word.is_empty() || !word.bytes().all(bare) {
        true => format!("'{}'", word.replace('\'', r"'\''")),
        false => word.clone(),
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_harmless() {
        let mut table = Table::new(["ID", "COMMAND"]);
        table.row([("1".to_owned(), Tone::Plain), ("printf '\x1b[2J'\n".to_owned(), Tone::Plain)]);
        table.row([("222".to_owned(), Tone::Plain), ("ls".to_owned(), Tone::Bad)]);
        assert_eq!(table.render(None, false), "ID   COMMAND\n1    printf '\\u{1b}[2J'\\n\n222  ls\n");
        assert!(table.render(Some(20), false).contains("1    printf '\\u{1b}…\n"));
        assert!(table.render(None, true).contains("\x1b[31mls\x1b[0m\n"));
    }

    #[test]
    fn argv_is_shown_as_typed() {
        let argv = ["sh", "-c", "echo 'a b'", ""].map(str::to_owned);
        assert_eq!(shell_words(&argv), r"sh -c 'echo '\''a b'\''' ''");
    }
}
