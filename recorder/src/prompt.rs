//! Which part of a screen's line is the command: the part behind the prompt.
//!
//! Three ways to find the border, the surest first:
//! 1. the line still begins with what stood before the cursor when the first key was pressed;
//! 2. the line ends in what was typed, behind something that ends as prompts end;
//! 3. something in it looks like the end of a prompt.

/// An Enter that waits for the line it ended to be seen.
#[derive(Clone, Debug)]
pub(crate) struct Enter {
    /// The line up to the cursor when its first key was pressed; empty where that is not known.
    pub(crate) prompt: String,
    /// What was typed, where no editing key was pressed.
    pub(crate) typed: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Command(String),
    /// This was the line, and there is no command on it: an empty one, or one typed while echo was off.
    Nothing,
    /// This is another line.
    NotYet,
}

impl Enter {
    /// Reads a line that the cursor has left. `line` is padded with blanks to the terminal's width; `cursor` is
    /// the offset in it, in bytes, where the cursor stood.
    pub(crate) fn read(&self, line: &str, cursor: usize) -> Reading {
        if self.typed.as_deref().is_some_and(|typed| typed.trim().is_empty()) {
            return Reading::Nothing;
        }
        if let Some(rest) = self.behind_prompt(line) {
            let cursor = cursor.saturating_sub(self.prompt.len()).min(rest.len());
            return command(without_right_prompt(rest, cursor));
        }
        match &self.typed {
            Some(typed) => behind_any_prompt(line, typed),
            None => behind_likely_prompt(line).map_or(Reading::NotYet, command),
        }
    }

    /// Whether `line`, up to the cursor, is this Enter's prompt and another prompt behind it.
    pub(crate) fn answered_before(&self, line: &str) -> bool {
        let another = |rest: &str| !rest.trim().is_empty() && rest.ends_with(' ') && ends_like_a_prompt(rest);
        self.behind_prompt(line).is_some_and(another)
    }

    fn behind_prompt<'a>(&self, line: &'a str) -> Option<&'a str> {
        let multi_line = self.typed.as_deref().is_some_and(|typed| typed.contains('\n'));
        if multi_line || self.prompt.trim().is_empty() {
            return None;
        }
        line.strip_prefix(self.prompt.as_str())
    }
}

fn command(text: &str) -> Reading {
    match text.trim() {
        "" => Reading::Nothing,
        text => Reading::Command(text.to_owned()),
    }
}

/// zsh's and fish's right prompt: text at the line's very end, away from the cursor.
fn without_right_prompt(rest: &str, cursor: usize) -> &str {
    let Some((before, after)) = rest.split_at_checked(cursor) else { return rest };
    let at_the_edge = !after.ends_with("  ");
    if after.starts_with("  ") && at_the_edge { before } else { rest }
}

fn behind_any_prompt(line: &str, typed: &str) -> Reading {
    // Of several pasted lines, the last is the one that Enter leaves.
    let last = typed.trim_end().rsplit('\n').next().unwrap_or_default();
    match line.trim_end().strip_suffix(last) {
        Some(before) if ends_like_a_prompt(before) => command(typed),
        _ => Reading::NotYet,
    }
}

fn ends_like_a_prompt(before: &str) -> bool {
    before.trim_end().chars().next_back().is_none_or(|last| "$#%>:❯➜»λ)]~".contains(last))
}

fn behind_likely_prompt(line: &str) -> Option<&str> {
    let ends = ["$ ", "# ", "% ", "> ", "❯ "];
    let border = ends.iter().filter_map(|end| Some(line.find(end)? + end.len())).min()?;
    Some(&line[border..]).filter(|rest| !rest.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(prompt: &str, typed: Option<&str>, line: &str) -> Reading {
        let enter = Enter { prompt: prompt.to_owned(), typed: typed.map(str::to_owned) };
        enter.read(&format!("{line:<60}"), line.len())
    }

    fn is(text: &str) -> Reading {
        Reading::Command(text.to_owned())
    }

    #[test]
    fn behind_the_prompt_that_stood_there() {
        assert_eq!(read("/ # ", Some("ls"), "/ # ls"), is("ls"));
        assert_eq!(read("$ ", None, "$ git push # > now"), is("git push # > now"));
        assert_eq!(read("Password: ", Some("hunter2"), "Password:"), Reading::Nothing);
        assert_eq!(read("$ ", Some(""), "$"), Reading::Nothing);
    }

    #[test]
    fn typed_before_the_prompt_came() {
        assert_eq!(read("", Some("echo hi"), "Welcome to web"), Reading::NotYet);
        assert_eq!(read("", Some("echo hi"), "/ # echo hi"), is("echo hi"));
        assert_eq!(read("", Some("echo hi"), "echo hi"), is("echo hi"));
        assert_eq!(read("", Some("secret"), "this is secret"), Reading::NotYet);
    }

    #[test]
    fn a_right_prompt_is_no_command() {
        let enter = Enter { prompt: "% ".to_owned(), typed: None };
        assert_eq!(enter.read("% ls -l             12:00", 7), is("ls -l"));
        // The cursor in the middle of a line: everything is the command.
        assert_eq!(enter.read("% ls -l /tmp             ", 5), is("ls -l /tmp"));
    }

    #[test]
    fn an_edited_line_whose_prompt_was_not_seen() {
        assert_eq!(read("", None, "root@web:/# make all"), is("make all"));
        assert_eq!(read("", None, "Welcome"), Reading::NotYet);
    }

    #[test]
    fn several_lines_pasted_at_once() {
        assert_eq!(read("$ ", Some("a\nb"), "b"), is("a\nb"));
    }
}
