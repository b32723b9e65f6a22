//! From what a person wrote to what is looked for.

use std::str::FromStr;

use crate::{
    Kind, OutcomeFilter, QueryError,
    token::{Cut, fold, is_word, unquoted},
};

/// Bytes of a search that are read.
const LONGEST: usize = 2048;
/// Words, tokens and filters of a search.
const MOST: usize = 32;

/// Something to look for in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Needle {
    /// One piece as it is.
    Exact(Cut, String),
    /// Every piece that begins with it.
    Prefix(Cut, String),
    /// Pieces one after the other.
    Phrase(Cut, Vec<String>),
}

/// A field that must have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filter {
    User(String),
    Cluster(String),
    Namespace(String),
    Pod(String),
    Container(String),
    Session(String),
    Kind(Kind),
    Outcome(OutcomeFilter),
    Source(&'static str),
    Exit(i64),
}

/// A needle or filter, wanted or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clause<T> {
    pub(crate) what: T,
    pub(crate) excluded: bool,
}

/// A search that was understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) needles: Vec<Clause<Needle>>,
    pub(crate) filters: Vec<Clause<Filter>>,
}

/// A piece of the search: an optional `-`, an optional `field:`, and text that was quoted or not.
struct Written<'a> {
    excluded: bool,
    field: Option<&'a str>,
    value: &'a str,
    quoted: bool,
    /// As it was written, for messages.
    whole: &'a str,
}

const FIELDS: [&str; 11] =
    ["user", "cluster", "namespace", "ns", "pod", "container", "session", "kind", "outcome", "source", "exit"];

/// Understands a search.
pub(crate) fn parse(text: &str) -> Result<Parsed, QueryError> {
    if text.len() > LONGEST {
        return Err(QueryError::TooLong(LONGEST));
    }
    let mut parsed = Parsed::default();
    let mut rest = text.trim_start();
    let mut pieces = 0;
    while !rest.is_empty() {
        let (written, after) = take(rest)?;
        match written.field {
            Some(field) => {
                let what = filter(field, written.value)?;
                parsed.filters.push(Clause { what, excluded: written.excluded });
                pieces += 1;
            }
            None => {
                let what = needle(&written)?;
                pieces += if let Needle::Phrase(_, phrase) = &what { phrase.len() } else { 1 };
                parsed.needles.push(Clause { what, excluded: written.excluded });
            }
        }
        if pieces > MOST {
            return Err(QueryError::TooManyTerms(MOST));
        }
        rest = after.trim_start();
    }
    only_excludes(&parsed, text)?;
    Ok(parsed)
}

/// Takes one piece off the front.
fn take(rest: &str) -> Result<(Written<'_>, &str), QueryError> {
    let (excluded, body) = match rest.strip_prefix('-') {
        Some(body) if body.starts_with(|c: char| c.is_alphanumeric() || c == '"') => (true, body),
        _ => (false, rest),
    };
    let named = body.split_once(':').filter(|(name, _)| FIELDS.contains(name));
    let (field, value) = named.map_or((None, body), |(name, value)| (Some(name), value));
    let (value, quoted, after) = match value.strip_prefix('"') {
        Some(open) => {
            let (inside, after) = open.split_once('"').ok_or(QueryError::OpenQuote)?;
            (inside, true, after)
        }
        None => {
            let end = value.find(char::is_whitespace).unwrap_or(value.len());
            (&value[..end], false, &value[end..])
        }
    };
    let whole = &rest[..rest.len() - after.len()];
    Ok((Written { excluded, field, value, quoted, whole }, after))
}

fn filter(field: &str, value: &str) -> Result<Filter, QueryError> {
    if value.is_empty() {
        return Err(QueryError::NoValue(field.to_owned()));
    }
    let bad = |filter, expected| QueryError::BadValue { filter, value: value.to_owned(), expected };
    let text = || value.to_owned();
    Ok(match field {
        "user" => Filter::User(text()),
        "cluster" => Filter::Cluster(text()),
        "namespace" | "ns" => Filter::Namespace(text()),
        "pod" => Filter::Pod(text()),
        "container" => Filter::Container(text()),
        "session" => Filter::Session(value.to_ascii_lowercase()),
        "kind" => Filter::Kind(Kind::from_str(value).map_err(|()| bad("kind", "session, command or request"))?),
        "outcome" => {
            Filter::Outcome(OutcomeFilter::from_str(value).map_err(|()| bad("outcome", OutcomeFilter::EXPECTED))?)
        }
        "source" => match value {
            "argv" => Filter::Source("argv"),
            "typed" => Filter::Source("typed"),
            "request" => Filter::Source("request"),
            _ => return Err(bad("source", "argv, typed or request")),
        },
        _ => Filter::Exit(value.parse().map_err(|_| bad("exit", "an exit code, such as 1"))?),
    })
}

fn needle(written: &Written<'_>) -> Result<Needle, QueryError> {
    let empty = || QueryError::Empty(written.whole.to_owned());
    if written.quoted {
        return phrase(written.value).ok_or_else(empty);
    }
    let (value, prefix) = match written.value.strip_suffix('*') {
        Some(value) => (value, true),
        None => (written.value, false),
    };
    let value = unquoted(value);
    if value.is_empty() {
        return Err(empty());
    }
    let cut = if is_word(value) { Cut::Words } else { Cut::Tokens };
    let folded = fold(value);
    Ok(if prefix { Needle::Prefix(cut, folded) } else { Needle::Exact(cut, folded) })
}

/// A phrase of words where all of it is words, else of tokens.
fn phrase(text: &str) -> Option<Needle> {
    let pieces: Vec<&str> = text.split_whitespace().map(unquoted).filter(|piece| !piece.is_empty()).collect();
    let cut = if pieces.iter().all(|piece| is_word(piece)) { Cut::Words } else { Cut::Tokens };
    let mut folded: Vec<String> = pieces.into_iter().map(fold).collect();
    match folded.len() {
        0 => None,
        1 => Some(Needle::Exact(cut, folded.remove(0))),
        _ => Some(Needle::Phrase(cut, folded)),
    }
}

fn only_excludes(parsed: &Parsed, text: &str) -> Result<(), QueryError> {
    let wanted = parsed.needles.iter().any(|clause| !clause.excluded) || !parsed.filters.is_empty();
    if wanted || parsed.needles.is_empty() { Ok(()) } else { Err(QueryError::OnlyExcludes(text.trim().to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles(text: &str) -> Vec<Needle> {
        parse(text).unwrap().needles.into_iter().filter(|c| !c.excluded).map(|c| c.what).collect()
    }

    #[test]
    fn words_tokens_prefixes_and_phrases() {
        let exact = |cut, text: &str| Needle::Exact(cut, text.to_owned());
        assert_eq!(needles("Delete"), [exact(Cut::Words, "delete")]);
        assert_eq!(needles("10.0.3.7"), [exact(Cut::Tokens, "10.0.3.7")]);
        assert_eq!(needles("--force"), [exact(Cut::Tokens, "--force")]);
        assert_eq!(needles("'nginx-7d4b9'"), [exact(Cut::Tokens, "nginx-7d4b9")]);
        assert_eq!(needles("ngi*"), [Needle::Prefix(Cut::Words, "ngi".to_owned())]);
        assert_eq!(needles("nginx-*"), [Needle::Prefix(Cut::Tokens, "nginx-".to_owned())]);
        assert_eq!(needles("\"rm -rf\""), [Needle::Phrase(Cut::Tokens, vec!["rm".to_owned(), "-rf".to_owned()])]);
        assert_eq!(needles("\"-rf\""), [exact(Cut::Tokens, "-rf")]);
        assert_eq!(needles("http://x:80"), [exact(Cut::Tokens, "http://x:80")]);
    }

    #[test]
    fn exclusions_and_filters() {
        let parsed = parse("get -nginx -\"a b\" user:ada -ns:\"kube-system\" outcome:live exit:42").unwrap();
        assert_eq!(parsed.needles.iter().map(|c| c.excluded).collect::<Vec<_>>(), [false, true, true]);
        assert_eq!(
            parsed.filters.iter().map(|c| (c.what.clone(), c.excluded)).collect::<Vec<_>>(),
            [
                (Filter::User("ada".to_owned()), false),
                (Filter::Namespace("kube-system".to_owned()), true),
                (Filter::Outcome(OutcomeFilter::Live), false),
                (Filter::Exit(42), false),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let message = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(message("a \"b"), "a quotation mark is not closed: write \"…\" around words that belong together");
        assert!(message("-rf").contains("only excludes (-rf)"));
        assert_eq!(message("user:"), "the filter user: needs a value, as in user:name");
        assert_eq!(message("*"), "\"*\" has nothing to search for");
        assert!(message("outcome:good").starts_with("\"good\" is not a value of the filter outcome: it takes live,"));
        assert!(message("exit:many").contains("an exit code"));
        assert!(message(&"x ".repeat(33)).contains("too many words"));
        assert!(message(&"x".repeat(3000)).contains("too long"));
    }
}
