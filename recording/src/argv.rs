//! A command's argv as one line.

/// The argv as a line that a POSIX shell splits into the same elements: an element with other characters than the plainest
/// is put in single quotes, in which nothing has a meaning.
///
/// `shlex::try_join` is not used, as the line is searched and read by people. shlex would write `--image=nginx` in quotes,
/// and what has a backslash in double quotes with the backslash twice (`"\\d+"`), so that it would not be found as it was
/// given.
pub fn shell_quoted(argv: &[String]) -> String {
    let mut line = String::new();
    for element in argv {
        if !line.is_empty() {
            line.push(' ');
        }
        if is_plain(element) {
            line.push_str(element);
        } else {
            line.push('\'');
            line.push_str(&element.replace('\'', r"'\''"));
            line.push('\'');
        }
    }
    line
}

fn is_plain(element: &str) -> bool {
    !element.is_empty() && element.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::shell_quoted;

    #[test]
    fn what_a_shell_would_split_or_expand_is_quoted() {
        let argv = ["sh", "-c", "it's", "", "a b", "--image=nginx:1.27", "\\d+", "$HOME"].map(str::to_owned);
        assert_eq!(shell_quoted(&argv), r"sh -c 'it'\''s' '' 'a b' --image=nginx:1.27 '\d+' '$HOME'");
    }
}
