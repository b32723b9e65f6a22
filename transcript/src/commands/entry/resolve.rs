//! From lines that were left to commands: which prompt it was, which line goes on another.

use recording::{Command, CommandSource, Evidence, Typed};

use super::{super::prompt, Entry, Prompt, expansion, known_prompts::Learned};

/// The commands of a session's entries.
pub(in crate::commands) fn commands(entries: &[Entry]) -> Vec<Command> {
    let learned = Learned::of(entries);
    let mut groups = Groups::default();
    for (at, entry) in entries.iter().enumerate() {
        match reading(entry, &learned) {
            Some(reading) if !is_redrawn(&reading, entries.get(at + 1)) => groups.take(reading),
            _ => {}
        }
    }
    groups.finish()
}

/// Time and text of the lines of entries from `first` on.
pub(in crate::commands) fn lines(entries: &[Entry], first: usize) -> Vec<(u64, String)> {
    let learned = Learned::of(entries);
    let readings = entries.iter().skip(first).filter_map(|entry| reading(entry, &learned));
    let entered = readings.filter(|it| !it.entry.interrupted && !it.text.ends_with("^C"));
    let told = entered.map(|reading| (reading.entry.micros, reading.text.trim_end().to_owned()));
    told.filter(|(_, text)| !text.is_empty()).collect()
}

/// Whether the shell may have made another line of this one.
pub(in crate::commands) fn expands(entry: &Entry) -> bool {
    entry.lines.last().is_some_and(|line| line.text.contains(['!', '^']))
}

/// A line and an offset in it.
type Place = (usize, usize);

struct Reading<'a> {
    entry: &'a Entry,
    prompt: String,
    text: String,
    /// It stands right below the entry before.
    adjacent: bool,
    /// Its further lines were drawn in: fish's.
    drawn_in: bool,
}

fn reading<'a>(entry: &'a Entry, learned: &Learned<'_>) -> Option<Reading<'a>> {
    let (mut at, mut prompt) =
        own_prompt(entry, learned).or_else(|| known_prompt(entry, learned)).or_else(|| likely(entry))?;
    let (mut text, mut drawn_in) = entry.behind(at, &prompt);
    if !entry.sure {
        text.truncate(learned.without_right(&text).len());
    }
    if !prompt::ends_like_one(&prompt.text)
        && let Some(known) = learned.known(&text)
    {
        // A question before was answered without echo: the prompt stands in the same line.
        text.drain(..known.len());
        prompt.text.push_str(known);
    }
    if entry.evidence == Evidence::Prompt && !entry.edited && !is_trusted(&prompt.text, learned) {
        // Typed before its prompt came, and shown by the terminal, which looked like a prompt.
        (at, prompt) = entry.behind_echo(|text| learned.has(text))?;
        (text, drawn_in) = entry.behind(at, &prompt);
    }
    if entry.evidence == Evidence::Prompt && text.trim_end().len() > 1 && learned.has(&format!("{} ", text.trim_end()))
    {
        // The next prompt came in the same row: what was typed had been entered before, and nothing was here.
        text.clear();
    }
    let row = entry.lines.get(at.0)?.row;
    Some(Reading { entry, adjacent: entry.floor == 0 || row == entry.floor, prompt: prompt.text, text, drawn_in })
}

fn own_prompt(entry: &Entry, learned: &Learned<'_>) -> Option<(Place, Prompt)> {
    let own = entry.prompt.as_ref()?;
    let shorter = learned.prefix(&own.text).filter(|_| !entry.sure || learned.count(&own.text) < 2);
    let prompt = Prompt { text: shorter.unwrap_or(&own.text).to_owned(), right: own.right.clone() };
    let unsure = !entry.sure && !entry.edited && shorter.is_none() && !prompt::ends_like_one(&own.text);
    let at = entry.prompted(&prompt.text)?;
    (!unsure).then_some((at, prompt))
}

/// A line that begins with a prompt of another one: it was typed before its prompt came.
fn known_prompt(entry: &Entry, learned: &Learned<'_>) -> Option<(Place, Prompt)> {
    entry.lines.iter().enumerate().rev().find_map(|(at, line)| {
        let fits = learned.texts.iter().filter(|(known, _)| line.text.starts_with(**known));
        let (text, _) = fits.min_by_key(|(known, times)| (!prompt::ends_like_one(known), **times < 2, known.len()))?;
        Some(((at, 0), Prompt { text: (*text).to_owned(), right: String::new() }))
    })
}

/// A prompt that was seen nowhere else, by its look.
fn likely(entry: &Entry) -> Option<(Place, Prompt)> {
    if entry.evidence == Evidence::Prompt {
        return None;
    }
    let line = entry.lines.last()?;
    let ends = ["$ ", "# ", "% ", "> ", "❯ ", "» "];
    let border = ends.iter().filter_map(|end| Some(line.text.find(end)? + end.len())).min();
    let own = entry.prompt.as_ref().filter(|own| line.text.starts_with(&own.text));
    let text = match (border, own) {
        (Some(border), _) => line.text[..border].to_owned(),
        (None, Some(own)) => own.text.clone(),
        (None, None) => return None,
    };
    Some(((entry.lines.len() - 1, 0), Prompt { text, right: String::new() }))
}

/// Whether a line of a program without a sign of its own is believed to be a command line.
fn is_trusted(text: &str, learned: &Learned<'_>) -> bool {
    let often = learned.shapes.get(&prompt::shape(text)).copied().unwrap_or(0) >= 2;
    let like = prompt::ends_like_one(text) && text.ends_with(' ');
    // What was printed without a line end stands before the prompt.
    let behind_output = learned.texts.iter().any(|(known, times)| {
        *times >= 2 && known.len() < text.len() && text.ends_with(known) && prompt::ends_like_one(known)
    });
    behind_output || prompt::is_classic(text) || (like && often) || prompt::goes_on(text, "")
}

/// A list of completions is printed below the line, and the line again below it: the first one was not entered.
fn is_redrawn(reading: &Reading<'_>, next: Option<&Entry>) -> bool {
    let Some(next) = next.filter(|_| reading.entry.evidence == Evidence::Prompt) else { return false };
    let Some(shown) = next.prompt.as_ref().and_then(|prompt| prompt.text.strip_prefix(&reading.prompt)) else {
        return false;
    };
    !reading.text.is_empty() && shown.starts_with(reading.text.trim_end())
}

/// Lines of one command, and the commands before.
#[derive(Default)]
struct Groups {
    commands: Vec<Command>,
    open: Option<Open>,
}

/// A command that may still go on.
#[derive(Clone)]
struct Open {
    micros: u64,
    text: String,
    typed: Typed,
    after: String,
}

impl Open {
    fn new(entry: &Entry, text: String, prompt: String) -> Self {
        let typed = Typed {
            ready_micros: entry.ready,
            ended_micros: entry.ended,
            output_micros: output(entry),
            prompt,
            evidence: entry.evidence,
            status: entry.status,
        };
        Self { micros: entry.micros, text, typed, after: entry.after.clone() }
    }

    fn go_on(&mut self, entry: &Entry, text: &str) {
        if entry.readline && is_escaped(&self.text) {
            // bash's history has the lines that a backslash joined as one.
            self.text.pop();
        } else {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.micros = entry.micros;
        self.typed.ended_micros = entry.ended;
        self.typed.output_micros = output(entry);
        self.typed.status = entry.status;
        self.after.clear();
    }
}

impl Groups {
    fn take(&mut self, reading: Reading<'_>) {
        let Reading { entry, prompt, text, adjacent, drawn_in } = reading;
        let more = self.open.as_ref().is_some_and(|open| {
            let again = prompt == open.typed.prompt;
            adjacent && prompt::goes_on(&prompt, &open.typed.prompt) && (!again || prompt::is_open(&open.text))
        });
        if entry.interrupted || text.ends_with("^C") {
            // bash keeps the lines that were entered; zsh, which shows no ^C, forgets them.
            if more && !text.ends_with("^C") {
                self.open = None;
            }
            return self.close();
        }
        if let Some(open) = self.open.as_mut().filter(|_| more) {
            return open.go_on(entry, &text);
        }
        self.close();
        let shell = !prompt::is_sql(&prompt);
        self.open = Some(Open::new(entry, text, prompt));
        if entry.readline && shell && !drawn_in {
            self.apart();
        }
    }

    /// Several commands that were pasted into bash at once are several in its history.
    fn apart(&mut self) {
        while let Some(open) = &mut self.open {
            let mut ends = open.text.match_indices('\n').map(|(at, _)| at);
            let Some(end) = ends.find(|end| !prompt::is_open(&open.text[..*end])) else { return };
            let next =
                Open { text: open.text.split_off(end + 1), after: std::mem::take(&mut open.after), ..open.clone() };
            self.close();
            self.open = Some(next);
        }
    }

    fn close(&mut self) {
        let Some(Open { micros, mut text, typed, after }) = self.open.take() else { return };
        text.truncate(text.trim_end().len());
        if text.is_empty() {
            return;
        }
        if !after.is_empty() {
            let before: Vec<&str> = self.commands.iter().rev().take(100).rev().map(|one| one.text.as_str()).collect();
            text = expansion::expanded(&text, &after, &before).unwrap_or(text);
        }
        self.commands.push(Command { micros, source: CommandSource::Typed, text, typed: Some(Box::new(typed)) });
    }

    fn finish(mut self) -> Vec<Command> {
        self.close();
        self.commands
    }
}

/// Whether a text ends with a backslash that is not one of two.
fn is_escaped(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn output(entry: &Entry) -> Option<(u64, u64)> {
    Some((entry.first_output?, entry.last_output?))
}
