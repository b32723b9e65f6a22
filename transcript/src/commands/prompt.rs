//! What prompts look like.

/// Most bytes of a prompt's last line.
pub(super) const LONGEST: usize = 400;

/// Characters that prompts end with.
const ENDS: &str = "$#%>❯➜»λ›⟩▶✗";

/// zsh's names for an unfinished construct (`%_`), as its secondary prompt shows them.
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

/// Whether a prompt is recognizable by itself: `$ `, `root@web:/# `, `>>> `, `mysql> `.
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

/// The prompt with its numbers replaced, so that `[41] ` and `[42] ` are equal.
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

/// Whether `prompt` is a secondary prompt for what was begun behind `first`.
pub(super) fn goes_on(prompt: &str, first: &str) -> bool {
    let (prompt, first) = (prompt.trim(), first.trim_end());
    let sign = [">", "...", "…", "->", "'>", "\">", "`>", "-'>", "|", "...>", "/*>", "..."].contains(&prompt);
    sign || is_zsh(prompt) || is_psql(prompt, first) || is_numbered(prompt)
}

fn is_zsh(prompt: &str) -> bool {
    let Some(names) = prompt.strip_suffix('>') else { return false };
    !names.is_empty() && names.split(' ').all(|name| OPEN.contains(&name))
}

/// psql shows the unfinished construct in the place of `=`: `shop-# `, `shop'# `, `shop(# `; `*` and `!` stand for a
/// transaction.
fn is_psql(prompt: &str, first: &str) -> bool {
    let parts = |text: &str| {
        let (rest, last) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let rest = rest.strip_suffix(['*', '!', '?']).unwrap_or(rest);
        let open = rest.chars().next_back()?;
        Some((rest[..rest.len() - open.len_utf8()].to_owned(), open, last.to_owned()))
    };
    let (Some(prompt), Some(first)) = (parts(prompt), parts(first)) else { return false };
    // The secondary prompt may be psql's default, which has no user.
    let same = first.0.ends_with(&prompt.0)
        && !prompt.0.is_empty()
        && prompt.2 == first.2
        && matches!(first.2.as_str(), "#" | ">");
    same && "=-'\"($*;".contains(first.1) && "-'\"($*;".contains(prompt.1)
}

/// Whether a prompt is psql's: `shop=# `, `shop=*> `. SQL is complete by other rules than a shell's commands.
pub(super) fn is_sql(prompt: &str) -> bool {
    let open =
        prompt.trim_end().strip_suffix(['#', '>']).map(|rest| rest.strip_suffix(['*', '!', '?']).unwrap_or(rest));
    open.is_some_and(|rest| rest.ends_with('='))
}

/// IPython's `   ...: `.
fn is_numbered(prompt: &str) -> bool {
    prompt.strip_suffix(':').is_some_and(|dots| dots.len() >= 3 && dots.chars().all(|c| c == '.'))
}

/// Whether a shell command is unfinished: a quote, a block, a here-document, a line continuation.
pub(super) fn is_open(text: &str) -> bool {
    let (bare, quoted) = unquoted(text);
    let words: Vec<&str> =
        bare.split(|c: char| c.is_whitespace() || ";&|".contains(c)).filter(|word| !word.is_empty()).collect();
    let count = |names: &[&str]| words.iter().filter(|word| names.contains(word)).count();
    let blocks = count(&["do", "if", "case", "{"]) > count(&["done", "fi", "esac", "}"]);
    let heads = count(&["for", "while", "until", "select"]) > count(&["do"]);
    let brackets = bare.matches('(').count() > bare.matches(')').count() && !bare.contains("case ");
    let goes_on = bare.trim_end().ends_with(['|', '\\']) || bare.trim_end().ends_with("&&") || bare.ends_with("()");
    quoted || blocks || heads || brackets || goes_on || has_open_document(text)
}

/// The text without its quoted parts, and whether a quote is open at its end.
fn unquoted(text: &str) -> (String, bool) {
    let (mut bare, mut quote, mut escaped) = (String::with_capacity(text.len()), None, false);
    for c in text.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (None, '\\') => {
                escaped = true;
                bare.push(c);
            }
            (Some('"'), '\\') => escaped = true,
            (None, '\'' | '"' | '`') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, c) => bare.push(c),
            (Some(_), _) => {}
        }
    }
    (bare, quote.is_some())
}

/// Whether the last here-document has no end yet.
fn has_open_document(text: &str) -> bool {
    let Some(at) = text.rfind("<<").filter(|at| !text[at + 2..].starts_with('<')) else { return false };
    let word = text[at + 2..].trim_start_matches('-').trim_start();
    let word = word.split(|c: char| c.is_whitespace() || ";|&>".contains(c)).next().unwrap_or_default();
    let word = word.trim_matches(['\'', '"', '\\']);
    !word.is_empty() && !text[at..].lines().skip(1).any(|line| line.trim() == word)
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
            ("shop-# ", "ann@shop=# "),
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
    fn prompts_of_a_database() {
        assert!(["shop=# ", "shop=> ", "ann@shop=*# "].iter().all(|prompt| is_sql(prompt)));
        assert!(["$ ", "# ", "ann@web:~# ", "shop-# ", "=", ""].iter().all(|prompt| !is_sql(prompt)));
    }

    #[test]
    fn what_is_open_and_what_is_whole() {
        for open in [
            "for i in 1 2; do",
            "for i in 1",
            "echo 'a",
            "cat <<EOF\nx",
            "f() {",
            "ls |",
            "a &&",
            "if true; then\n x",
            "a \\",
        ] {
            assert!(is_open(open), "{open}");
        }
        for whole in
            ["echo p1", "echo 'do if'", "for i in 1; do\necho\ndone", "cat <<E\nx\nE", "f() {\n x\n}", "echo \"it's\""]
        {
            assert!(!is_open(whole), "{whole}");
        }
    }

    #[test]
    fn numbers_do_not_tell_prompts_apart() {
        assert_eq!(shape("[41] 12:30:09 $ "), shape("[7] 9:3:1 $ "));
    }
}
