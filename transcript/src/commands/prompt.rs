//! What prompts look like.

/// Most bytes of a prompt's last line.
pub(super) const LONGEST: usize = 400;

/// Characters that prompts end with.
const ENDS: &str = "$#%>❯➜»λ›⟩▶✗";

/// zsh's names for what is open (`%_`), as its second prompt shows them.
const OPEN: &[&str] = &[
    "for",
    "while",
    "until",
    "repeat",
    "select",
    "case",
    "if",
    "then",
    "else",
    "elif",
    "elif-then",
    "math",
    "cond",
    "cmdor",
    "cmdand",
    "pipe",
    "errpipe",
    "foreach",
    "begin",
    "function",
    "subsh",
    "cursh",
    "array",
    "quote",
    "dquote",
    "bquote",
    "cmdsubst",
    "mathsubst",
    "heredoc",
    "heredocd",
    "brace",
    "braceparam",
    "always",
];

/// Whether a line ends as prompts do.
pub(super) fn ends_like_one(prompt: &str) -> bool {
    prompt.trim_end().chars().next_back().is_some_and(|last| ENDS.contains(last))
}

/// Whether a prompt alone says that it is one: `$ `, `root@web:/# `, `>>> `, `mysql> `.
pub(super) fn is_classic(prompt: &str) -> bool {
    let trimmed = prompt.trim_end();
    let known = [">>>", "...", "sqlite>", "mysql>", "redis>", "psql>", "node>", "(gdb)", "ftp>", "sftp>"];
    let placed = trimmed.contains('@') || trimmed.contains('/') || trimmed.contains('~');
    let blank = prompt.len() == trimmed.len() + 1;
    let short = trimmed.chars().count() <= 2;
    let database = trimmed.starts_with("MariaDB [") || trimmed.ends_with("=#") || trimmed.ends_with("=>");
    blank
        && ends_like_one(prompt)
        && (short || placed || database || known.contains(&trimmed))
        && !trimmed.contains("  ")
}

/// A prompt with its numbers taken away: `[41] ` and `[42] ` are one.
pub(super) fn shape(prompt: &str) -> String {
    let mut shape = String::with_capacity(prompt.len());
    for c in prompt.chars() {
        let c = if c.is_ascii_digit() { '0' } else { c };
        if c != '0' || !shape.ends_with('0') {
            shape.push(c);
        }
    }
    shape
}

/// Whether `prompt` asks for more of what was begun behind `first`.
pub(super) fn goes_on(prompt: &str, first: &str) -> bool {
    let (prompt, first) = (prompt.trim(), first.trim_end());
    let sign = [">", "...", "…", "->", "'>", "\">", "`>", "-'>", "|", "...>", "/*>", "..."].contains(&prompt);
    sign || is_zsh(prompt) || is_psql(prompt, first) || is_numbered(prompt)
}

fn is_zsh(prompt: &str) -> bool {
    let Some(names) = prompt.strip_suffix('>') else { return false };
    !names.is_empty() && names.split(' ').all(|name| OPEN.contains(&name))
}

/// psql shows what is open in the place of `=`: `shop-# `, `shop'# `, `shop(# `; `*` and `!` stand for a transaction.
fn is_psql(prompt: &str, first: &str) -> bool {
    let parts = |text: &str| {
        let (rest, last) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let rest = rest.strip_suffix(['*', '!', '?']).unwrap_or(rest);
        let open = rest.chars().next_back()?;
        Some((rest[..rest.len() - open.len_utf8()].to_owned(), open, last.to_owned()))
    };
    let (Some(prompt), Some(first)) = (parts(prompt), parts(first)) else { return false };
    let same = prompt.0 == first.0 && prompt.2 == first.2 && matches!(first.2.as_str(), "#" | ">");
    same && "=-'\"($*;".contains(first.1) && "-'\"($*;".contains(prompt.1)
}

/// IPython's `   ...: `.
fn is_numbered(prompt: &str) -> bool {
    prompt.strip_suffix(':').is_some_and(|dots| dots.len() >= 3 && dots.chars().all(|c| c == '.'))
}

/// Whether something is open at a shell command's end: a quote, a list, a line that goes on.
pub(super) fn is_open(text: &str) -> bool {
    let mut quote = None;
    let mut escaped = false;
    for c in text.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (None | Some('"'), '\\') => escaped = true,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    let last = text.split_whitespace().next_back().unwrap_or_default();
    let words = ["do", "then", "else", "in", "{", "(", "|", "||", "&&", "until", "while"];
    quote.is_some() || escaped || words.contains(&last) || text.contains("<<") || last.ends_with("{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_that_need_no_second_one() {
        for prompt in ["$ ", "# ", "/ # ", "ann@web:~$ ", ">>> ", "root@7d4b9:/usr/share# ", "MariaDB [shop]> ", "❯ "]
        {
            assert!(is_classic(prompt), "{prompt}");
        }
        for other in ["Password: ", "Name> ", "checking for gcc... ", "[y/N] ", "a  b$ ", "$"] {
            assert!(!is_classic(other), "{other}");
        }
    }

    #[test]
    fn prompts_that_ask_for_more() {
        for (prompt, first) in [
            ("> ", "$ "),
            ("... ", ">>> "),
            ("for quote> ", "web % "),
            ("cmdsubst heredoc> ", "% "),
            ("shop-# ", "shop=# "),
            ("shop'*# ", "shop=*# "),
            ("    -> ", "MariaDB [shop]> "),
            ("   ...> ", "sqlite> "),
        ] {
            assert!(goes_on(prompt, first), "{prompt} behind {first}");
        }
        for (prompt, first) in [("shop=# ", "shop=# "), ("web> ", "$ "), ("shop-# ", "other=# ")] {
            assert!(!goes_on(prompt, first), "{prompt} behind {first}");
        }
    }

    #[test]
    fn numbers_do_not_tell_prompts_apart() {
        assert_eq!(shape("[41] 12:30:09 $ "), shape("[7] 9:3:1 $ "));
    }
}
