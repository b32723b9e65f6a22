//! Patterns of single terms: a literal, a glob or a regular expression.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::literal::Extractor;

/// Largest compiled regular expression, in bytes.
const MAX_COMPILED_BYTES: usize = 1 << 20;
/// Deepest nesting of groups and repetitions.
const MAX_NESTING: u32 = 32;

/// What a term must look like.
#[derive(Clone, Debug)]
pub(crate) enum Pattern {
    Exact(String),
    /// The term begins with this.
    Prefix(String),
    /// The whole term matches `regex`; every term that does begins with `prefix`.
    Regex {
        prefix: String,
        regex: Regex,
    },
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) | (Self::Prefix(a), Self::Prefix(b)) => a == b,
            (Self::Regex { regex: a, .. }, Self::Regex { regex: b, .. }) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

impl Pattern {
    /// A glob: `*` stands for any characters.
    pub(crate) fn glob(text: &str) -> Self {
        match text.split_once('*') {
            None => Self::Exact(text.to_owned()),
            Some((prefix, "")) => Self::Prefix(prefix.to_owned()),
            Some((prefix, _)) => {
                let parts: Vec<String> = text.split('*').map(regex::escape).collect();
                let regex = build(&parts.join(".*")).unwrap_or_else(|_| never());
                Self::Regex { prefix: prefix.to_owned(), regex }
            }
        }
    }

    /// Text in any case; with `stars`, a glob.
    pub(crate) fn in_any_case(text: &str, stars: bool) -> Self {
        let literal = regex::escape(text);
        let text = if stars { literal.replace(r"\*", ".*") } else { literal };
        let regex = build(&format!("(?i:{text})")).unwrap_or_else(|_| never());
        Self::Regex { prefix: String::new(), regex }
    }

    /// A regular expression that the whole term must match.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub(crate) fn regex(text: &str) -> Result<Self, String> {
        let regex = build(text).map_err(|error| last_line(&error))?;
        let hir = regex_syntax::parse(text).map_err(|error| error.to_string())?;
        let prefixes = Extractor::new().extract(&hir);
        let prefix = prefixes.longest_common_prefix().and_then(|bytes| std::str::from_utf8(bytes).ok());
        Ok(Self::Regex { prefix: prefix.unwrap_or_default().to_owned(), regex })
    }

    /// The prefix of every term that matches.
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Self::Exact(text) | Self::Prefix(text) => text,
            Self::Regex { prefix, .. } => prefix,
        }
    }

    pub(crate) fn matches(&self, term: &str) -> bool {
        match self {
            Self::Exact(text) => term == text,
            Self::Prefix(prefix) => term.starts_with(prefix),
            Self::Regex { regex, .. } => regex.is_match(term),
        }
    }
}

fn build(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&format!("^(?:{text})$"))
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_COMPILED_BYTES)
        .nest_limit(MAX_NESTING)
        .dot_matches_new_line(true)
        .build()
}

/// Matches nothing.
fn never() -> Regex {
    Regex::new(r"[^\s\S]").expect("a constant expression")
}

/// The last line of the library's message, which says in a sentence what is wrong.
fn last_line(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too big".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        let fits = |glob: &str, text: &str| Pattern::glob(glob).matches(text);
        assert!(fits("web-*", "web-0") && fits("web-*", "web-") && !fits("web-*", "xweb-0"));
        assert!(fits("*.conf", "nginx.conf") && !fits("*.conf", "nginxxconf"));
        assert!(fits("a*b*c", "a1b2c") && !fits("a*b*c", "a1c2b"));
        assert!(fits("web", "web") && !fits("web", "web0"));
        assert_eq!(Pattern::glob("web-*-x").prefix(), "web-");
    }

    #[test]
    fn case_may_be_any() {
        let fits = |text: &str, stars, term: &str| Pattern::in_any_case(text, stars).matches(term);
        assert!(fits("Ada", true, "ada") && fits("ada", true, "ADA") && !fits("ada", true, "adam"));
        assert!(
            fits("a*@Example.com", true, "Ada@example.com") && !fits("a*", false, "ada") && fits("A*", false, "a*")
        );
        assert!(fits("ärger", true, "Ärger") && !fits("a.a", true, "ada"));
    }

    #[test]
    fn an_expression_fits_all_of_a_term() {
        let pattern = Pattern::regex("web-[0-9]+").unwrap();
        assert!(pattern.matches("web-12") && !pattern.matches("web-12x") && !pattern.matches("aweb-1"));
        assert_eq!(pattern.prefix(), "web-");
        assert_eq!(Pattern::regex("a|b").unwrap().prefix(), "");
    }

    #[test]
    fn what_is_wrong_with_an_expression_is_said() {
        assert_eq!(Pattern::regex("a(").unwrap_err(), "unclosed group");
        assert_eq!(Pattern::regex("(a{1000}){1000}").unwrap_err(), "it is too big");
    }
}
