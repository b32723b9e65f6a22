/// An argv as a shell would have to be given it.
pub(crate) fn quoted(argv: &[String]) -> String {
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
    !element.is_empty() && element.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&b))
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_what_a_shell_would_cut() {
        let argv = ["sh", "-c", "it's", "", "a b"].map(str::to_owned);
        assert_eq!(super::quoted(&argv), r"sh -c 'it'\''s' '' 'a b'");
    }
}
