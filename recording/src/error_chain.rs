use std::{error::Error, fmt};

/// Shows an error and all its causes, outermost first: `cannot write k: the store failed: no space`.
///
/// An error's own `Display` says its step only; a log line or a page wants the whole chain.
#[derive(Clone, Copy, Debug)]
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn every_cause_is_shown_once() {
        let inner = "x".parse::<u8>().unwrap_err();
        assert_eq!(ErrorChain(&inner).to_string(), "invalid digit found in string");
        assert_eq!(ErrorChain(&Outer(inner)).to_string(), "outer: invalid digit found in string");
    }
}
