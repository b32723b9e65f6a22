//! Names of people, groups and rules: the one place that decides what can be one.

use thiserror::Error;

/// Bytes of a name at most.
pub const MAX_NAME: usize = 256;

/// What names begin with that are of Kubernetes' own: impersonating one would give its powers.
const KUBERNETES: &str = "system:";
/// What the journal puts before the operating system's accounts (`local:root`).
const ACCOUNT: &str = "local:";
/// What recordings that were made of files have in place of a gateway's name.
const IMPORT: &str = "import";

/// Why something cannot be the name of a person, a group or a rule. Characters that cannot be seen are shown as escapes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing, or too much.
    #[error("a name has 1 to {MAX_NAME} bytes")]
    Length,
    /// A name of Kubernetes' own.
    #[error("{0:?}: names that start with `system:` belong to Kubernetes itself: choose another name")]
    System(String),
    /// A name that stands for something else in the journal.
    #[error(
        "{0:?}: `import`, and names that start with `local:`, stand for something else in the journal: choose another name"
    )]
    Reserved(String),
    /// A character that would end or bend a header line, or that a reader would not see.
    #[error(
        "{0:?}: a name has no control characters, none that cannot be seen or that turn text, and no blanks at its ends"
    )]
    Character(String),
}

/// Checks the name of a person, a group or a rule, wherever it comes in.
///
/// # Errors
/// [`NameError`], in words for the person who chose the name.
pub fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(NameError::Length);
    }
    if name.chars().any(cannot_be_seen) || name.trim() != name {
        return Err(NameError::Character(name.to_owned()));
    }
    if starts_with(name, KUBERNETES) {
        return Err(NameError::System(name.to_owned()));
    }
    if starts_with(name, ACCOUNT) || name.eq_ignore_ascii_case(IMPORT) {
        return Err(NameError::Reserved(name.to_owned()));
    }
    Ok(())
}

/// In any case of letters: readers of a journal do not tell `Local:root` from `local:root`.
fn starts_with(name: &str, start: &str) -> bool {
    name.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// Whether two names could differ by this character and look the same: controls, blanks other than U+0020, and what Unicode
/// calls format characters (category Cf) and default ignorable (DerivedCoreProperties).
fn cannot_be_seen(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            // A braille cell without dots looks like a blank.
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_groups_have_names_in_any_script() {
        for name in [
            "ann",
            "Ann Lee",
            "ann@example.com",
            "kubetape:engineers",
            "Žofie",
            "王",
            "locale",
            "imported",
            "systems:x",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        for name in ["system:admin", "system:masters", "system:serviceaccount:a:b", "System:masters"] {
            assert!(matches!(check(name), Err(NameError::System(_))), "{name}");
        }
        for name in ["local:root", "LOCAL:root", "local:", "import", "Import"] {
            assert!(matches!(check(name), Err(NameError::Reserved(_))), "{name}");
        }
        assert_eq!((check(""), check(&"x".repeat(257))), (Err(NameError::Length), Err(NameError::Length)));
        assert_eq!(check(&"x".repeat(256)), Ok(()));
    }

    #[test]
    fn no_two_names_look_the_same_for_a_character_that_cannot_be_seen() {
        for c in "\0\n\r\t\u{1b}\u{7f}\u{85}\u{9b}\u{a0}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\u{200e}\u{2028}\u{2029}\u{202e}\u{2060}\u{2066}\u{2069}\u{2800}\u{3000}\u{3164}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{e0001}\u{e0041}\u{e0100}".chars() {
            for name in [format!("an{c}n"), format!("{c}ann"), format!("ann{c}")] {
                assert!(matches!(check(&name), Err(NameError::Character(_))), "{name:?}");
            }
        }
        for name in [" ann", "ann ", " "] {
            assert!(matches!(check(name), Err(NameError::Character(_))), "{name:?}");
        }
        let told = check("ann\u{202e}").unwrap_err().to_string();
        assert!(told.starts_with(r#""ann\u{202e}": "#), "{told}");
    }
}
