//! From entries to commands: what the prompt of each was, and which lines continue another.

use recording::{Command, CommandSource, Evidence, Micros, Typed};

use super::{super::prompt, Entry, Prompt, expansion, known_prompts::KnownPrompts};

/// The commands of a session's entries.
pub(in crate::commands) fn commands(entries: &[Entry]) -> Vec<Command> {
    let known_prompts = KnownPrompts::of(entries);
    let mut groups = CommandBuilder::default();
    for (at, entry) in entries.iter().enumerate() {
        match resolved(entry, &known_prompts) {
            Some(resolved) if !is_redrawn(&resolved, entries.get(at + 1)) => groups.take(resolved),
            _ => {}
        }
    }
    groups.finish()
}

/// Time and text of the lines of entries from `first` on.
pub(in crate::commands) fn lines(entries: &[Entry], first: usize) -> Vec<(Micros, String)> {
    let known_prompts = KnownPrompts::of(entries);
    let resolved_lines = entries.iter().skip(first).filter_map(|entry| resolved(entry, &known_prompts));
    let entered = resolved_lines.filter(|it| !it.entry.interrupted && !it.text.ends_with("^C"));
    let reported = entered.map(|resolved| (resolved.entry.time, resolved.text.trim_end().to_owned()));
    reported.filter(|(_, text)| !text.is_empty()).collect()
}

/// Whether the shell may have expanded the line from its history.
pub(in crate::commands) fn expands(entry: &Entry) -> bool {
    entry.lines.last().is_some_and(|line| line.text.contains(['!', '^']))
}

/// An index in `lines` and a byte offset in that line.
type LineOffset = (usize, usize);

struct ResolvedLine<'a> {
    entry: &'a Entry,
    prompt: String,
    text: String,
    /// It stands right below the entry before.
    adjacent: bool,
    /// Its further lines are indented by the prompt's width, as fish draws them.
    drawn_in: bool,
}

fn resolved<'a>(entry: &'a Entry, known_prompts: &KnownPrompts<'_>) -> Option<ResolvedLine<'a>> {
    let (mut at, mut prompt) =
        own_prompt(entry, known_prompts).or_else(|| known_prompt(entry, known_prompts)).or_else(|| likely(entry))?;
    let (mut text, mut drawn_in) = entry.behind(at, &prompt);
    if !entry.sure {
        text.truncate(known_prompts.without_right(&text).len());
    }
    if !prompt::ends_like_one(&prompt.text)
        && let Some(known) = known_prompts.known(&text)
    {
        // A question before it was answered without echo: the prompt stands on the same line.
        text.drain(..known.len());
        prompt.text.push_str(known);
    }
    if entry.evidence == Evidence::Prompt && !entry.edited && !is_trusted(&prompt.text, known_prompts) {
        // It was typed before its prompt came, and its echo looked like a prompt.
        (at, prompt) = entry.behind_echo(|text| known_prompts.has(text))?;
        (text, drawn_in) = entry.behind(at, &prompt);
    }
    if entry.evidence == Evidence::Prompt
        && text.trim_end().len() > 1
        && known_prompts.has(&format!("{} ", text.trim_end()))
    {
        // The next prompt came in the same row: the text was entered earlier, and this entry is empty.
        text.clear();
    }
    let row = entry.lines.get(at.0)?.row;
    Some(ResolvedLine { entry, adjacent: entry.floor == 0 || row == entry.floor, prompt: prompt.text, text, drawn_in })
}

fn own_prompt(entry: &Entry, known_prompts: &KnownPrompts<'_>) -> Option<(LineOffset, Prompt)> {
    let own = entry.prompt.as_ref()?;
    let shorter = known_prompts.prefix(&own.text).filter(|_| !entry.sure || known_prompts.count(&own.text) < 2);
    let prompt = Prompt { text: shorter.unwrap_or(&own.text).to_owned(), right: own.right.clone() };
    let unsure = !entry.sure && !entry.edited && shorter.is_none() && !prompt::ends_like_one(&own.text);
    let at = entry.prompted(&prompt.text)?;
    (!unsure).then_some((at, prompt))
}

/// The prompt of a line that was typed before its prompt came: it begins with another line's prompt.
fn known_prompt(entry: &Entry, known_prompts: &KnownPrompts<'_>) -> Option<(LineOffset, Prompt)> {
    entry.lines.iter().enumerate().rev().find_map(|(at, line)| {
        let fits = known_prompts.texts.iter().filter(|(known, _)| line.text.starts_with(**known));
        let (text, _) = fits.min_by_key(|(known, times)| (!prompt::ends_like_one(known), **times < 2, known.len()))?;
        Some(((at, 0), Prompt { text: (*text).to_owned(), right: String::new() }))
    })
}

/// A prompt that no other line has, recognized by its look.
fn likely(entry: &Entry) -> Option<(LineOffset, Prompt)> {
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

/// Whether a line of a program without a line editor's signals is accepted as a command line.
fn is_trusted(text: &str, known_prompts: &KnownPrompts<'_>) -> bool {
    let often = known_prompts.shapes.get(&prompt::shape(text)).copied().unwrap_or(0) >= 2;
    let like = prompt::ends_like_one(text) && text.ends_with(' ');
    // Output without a line end stands before the prompt.
    let behind_output = known_prompts.texts.iter().any(|(known, times)| {
        *times >= 2 && known.len() < text.len() && text.ends_with(known) && prompt::ends_like_one(known)
    });
    behind_output || prompt::is_classic(text) || (like && often) || prompt::goes_on(text, "")
}

/// Whether the line was printed again below a list of completions: then it was not entered.
fn is_redrawn(resolved: &ResolvedLine<'_>, next: Option<&Entry>) -> bool {
    let Some(next) = next.filter(|_| resolved.entry.evidence == Evidence::Prompt) else { return false };
    let Some(shown) = next.prompt.as_ref().and_then(|prompt| prompt.text.strip_prefix(&resolved.prompt)) else {
        return false;
    };
    !resolved.text.is_empty() && shown.starts_with(resolved.text.trim_end())
}

/// Joins lines to commands.
#[derive(Default)]
struct CommandBuilder {
    commands: Vec<Command>,
    open: Option<OpenCommand>,
}

/// A command that may continue.
#[derive(Clone)]
struct OpenCommand {
    time: Micros,
    text: String,
    typed: Typed,
    after: String,
}

impl OpenCommand {
    fn new(entry: &Entry, text: String, prompt: String) -> Self {
        let typed = Typed {
            ready: entry.ready,
            ended: entry.ended,
            output: output(entry),
            prompt,
            evidence: entry.evidence,
            status: entry.status,
        };
        Self { time: entry.time, text, typed, after: entry.after.clone() }
    }

    fn go_on(&mut self, entry: &Entry, text: &str) {
        if entry.readline && is_escaped(&self.text) {
            // bash's history joins lines that end with a backslash.
            self.text.pop();
        } else {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.time = entry.time;
        self.typed.ended = entry.ended;
        self.typed.output = output(entry);
        self.typed.status = entry.status;
        self.after.clear();
    }
}

impl CommandBuilder {
    fn take(&mut self, resolved: ResolvedLine<'_>) {
        let ResolvedLine { entry, prompt, text, adjacent, drawn_in } = resolved;
        let more = self.open.as_ref().is_some_and(|open| {
            let again = prompt == open.typed.prompt;
            adjacent && prompt::goes_on(&prompt, &open.typed.prompt) && (!again || prompt::is_open(&open.text))
        });
        if entry.interrupted || text.ends_with("^C") {
            // bash keeps the lines that were entered; zsh, which shows no ^C, drops them.
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
        self.open = Some(OpenCommand::new(entry, text, prompt));
        if entry.readline && shell && !drawn_in {
            self.apart();
        }
    }

    /// Splits several commands that were pasted at once: bash's history lists them one by one.
    fn apart(&mut self) {
        while let Some(open) = &mut self.open {
            let mut ends = open.text.match_indices('\n').map(|(at, _)| at);
            let Some(end) = ends.find(|end| !prompt::is_open(&open.text[..*end])) else { return };
            let next = OpenCommand {
                text: open.text.split_off(end + 1),
                after: std::mem::take(&mut open.after),
                ..open.clone()
            };
            self.close();
            self.open = Some(next);
        }
    }

    fn close(&mut self) {
        let Some(OpenCommand { time, mut text, typed, after }) = self.open.take() else { return };
        text.truncate(text.trim_end().len());
        if text.is_empty() {
            return;
        }
        if !after.is_empty() {
            let before: Vec<&str> = self.commands.iter().rev().take(100).rev().map(|one| one.text.as_str()).collect();
            text = expansion::expanded(&text, &after, &before).unwrap_or(text);
        }
        self.commands.push(Command { time, source: CommandSource::Typed, text, typed: Some(Box::new(typed)) });
    }

    fn finish(mut self) -> Vec<Command> {
        self.close();
        self.commands
    }
}

/// Whether the text ends with an odd number of backslashes.
fn is_escaped(text: &str) -> bool {
    text.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn output(entry: &Entry) -> Option<(Micros, Micros)> {
    Some((entry.first_output?, entry.last_output?))
}
