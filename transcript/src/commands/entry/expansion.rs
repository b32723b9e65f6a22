//! History expansion: what a shell made of `!!`, `!$`, `!word` and `^old^new^`. It prints the expanded line before it
//! runs it.

/// The expanded line, if `after`, the first line of output, is an expansion of `text` by the commands `before`.
pub(super) fn expanded(text: &str, after: &str, before: &[&str]) -> Option<String> {
    let after = after.trim_end();
    if after.is_empty() || after == text || text.contains('\n') {
        return None;
    }
    if let Some(quick) = text.strip_prefix('^') {
        let mut parts = quick.split('^');
        let (old, new) = (parts.next()?, parts.next()?);
        let made = before.last()?.replacen(old, new, 1);
        return (made == after).then_some(made);
    }
    let at = designator(text)?;
    let end = text[at..].find([' ', ';', '&', '|']).map_or(text.len(), |length| at + length);
    let (head, tail) = (&text[..at], &text[end..]);
    if tail.contains('!') || after.len() < head.len() + tail.len() {
        return None;
    }
    let middle = after.strip_prefix(head)?.strip_suffix(tail)?;
    // The inserted text must occur in an earlier command, so that output is not taken for a command.
    let said = before.iter().any(|command| command.contains(middle));
    (said && !middle.is_empty()).then(|| after.to_owned())
}

/// Where an expansion begins, outside of single quotes.
fn designator(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '\'' => quoted = !quoted,
            '!' if !quoted && before != '\\' => {
                let next = text[at + 1..].chars().next()?;
                if !next.is_whitespace() && next != '=' && next != '(' {
                    return Some(at);
                }
            }
            _ => {}
        }
        before = c;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &[&str] = &["echo original words", "make all"];

    #[test]
    fn the_line_that_the_shell_shows_is_the_one_that_ran() {
        let ran = |text, after| expanded(text, after, BEFORE);
        assert_eq!(ran("!!", "make all"), Some("make all".to_owned()));
        assert_eq!(ran("sudo !!", "sudo make all"), Some("sudo make all".to_owned()));
        assert_eq!(ran("echo !$ > x", "echo all > x"), Some("echo all > x".to_owned()));
        assert_eq!(ran("^all^some^", "make some"), Some("make some".to_owned()));
    }

    #[test]
    fn other_output_is_not_taken_for_a_command() {
        let ran = |text, after| expanded(text, after, BEFORE);
        assert_eq!(ran("!nope", "bash: !nope: event not found"), None);
        assert_eq!(ran("echo 'no !! here'", "no !! here"), None);
        assert_eq!(ran("echo hey!", "hey!"), None);
        assert_eq!(ran("[ a != b ]", ""), None);
    }
}
