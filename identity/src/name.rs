//! Names of people and groups.

use thiserror::Error;

/// Longest name, in bytes.
const MAX: usize = 256;

/// Why something cannot be a person's or group's name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing, or too much.
    #[error("a name has 1 to {MAX} bytes")]
    Length,
    /// A name of Kubernetes' own: impersonating it would give its powers.
    #[error("{0:?}: names that start with `system:` belong to Kubernetes itself")]
    System(String),
    /// A character that would end or bend a header line.
    #[error("{0:?}: a name has no control characters, and no blanks at its ends")]
    Character(String),
}

/// Checks a name that may be impersonated.
pub(crate) fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() || name.len() > MAX {
        return Err(NameError::Length);
    }
    if name.starts_with("system:") {
        return Err(NameError::System(name.to_owned()));
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Err(NameError::Character(name.to_owned()));
    }
    Ok(())
}
