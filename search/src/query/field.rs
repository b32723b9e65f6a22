//! Filters: the names that may stand before a colon, and how their values are read.

use std::{ops::RangeInclusive, str::FromStr};

use jiff::Zoned;

use super::{
    error::QueryErrorKind,
    expression::{FieldFilter, TextField},
    filter::{HitKind, OutcomeFilter},
    pattern::Pattern,
    when,
};

/// Names of filters, and `re` for a regular expression.
pub(crate) const NAMES: [&str; 18] = [
    "user",
    "cluster",
    "namespace",
    "ns",
    "pod",
    "container",
    "image",
    "session",
    "kind",
    "outcome",
    "source",
    "exit",
    "code",
    "tty",
    "when",
    "verb",
    "resource",
    "re",
];

const EXIT: &str = "an exit code, as 1, >0 or 1..127";
const CODE: &str = "an HTTP status, as 403, >=400 or 500..599";

/// Reads a filter's value. In an unquoted value of a text field, `*` stands for any characters.
pub(crate) fn filter(name: &str, value: &str, quoted: bool, now: &Zoned) -> Result<FieldFilter, QueryErrorKind> {
    let text = |field, value: &str| {
        let pattern = if quoted { Pattern::Exact(value.to_owned()) } else { Pattern::glob(value) };
        Ok(FieldFilter::Text(field, pattern))
    };
    // Kubernetes names are lower case (RFC 1123); names of people and clusters are matched in any case.
    let lower = |field| text(field, &value.to_lowercase());
    let any_case = |field| Ok(FieldFilter::Text(field, Pattern::in_any_case(value, !quoted)));
    let bad = |filter, expected| QueryErrorKind::BadValue { filter, value: value.to_owned(), expected };
    match name {
        "user" => any_case(TextField::User),
        "cluster" => any_case(TextField::Cluster),
        "namespace" | "ns" => lower(TextField::Namespace),
        "pod" => lower(TextField::Pod),
        "container" => lower(TextField::Container),
        "image" => text(TextField::Image, value),
        "verb" => lower(TextField::Verb),
        "resource" => lower(TextField::Resource),
        "session" => {
            let id = value.to_ascii_lowercase();
            let pattern =
                if id.len() < 36 { Pattern::Prefix(id.trim_end_matches('*').to_owned()) } else { Pattern::Exact(id) };
            Ok(FieldFilter::Text(TextField::Session, pattern))
        }
        "kind" => kind(value).ok_or_else(|| bad("kind", KIND)),
        "outcome" => OutcomeFilter::from_str(value)
            .map(FieldFilter::Outcome)
            .map_err(|()| bad("outcome", OutcomeFilter::EXPECTED)),
        "source" => match value {
            "argv" => Ok(FieldFilter::Source("argv")),
            "typed" => Ok(FieldFilter::Source("typed")),
            "request" => Ok(FieldFilter::Source("request")),
            _ => Err(bad("source", "argv, typed or request")),
        },
        "tty" => match value {
            "yes" | "true" => Ok(FieldFilter::Tty(true)),
            "no" | "false" => Ok(FieldFilter::Tty(false)),
            _ => Err(bad("tty", "yes or no")),
        },
        "when" => {
            let window = when::parse(value, now).filter(|window| !window.is_empty());
            window.map(FieldFilter::When).ok_or_else(|| bad("when", when::EXPECTED))
        }
        "code" => numbers(value).map(FieldFilter::StatusCode).ok_or_else(|| bad("code", CODE)),
        _ => numbers(value).map(FieldFilter::ExitCode).ok_or_else(|| bad("exit", EXIT)),
    }
}

const KIND: &str = "session, command, output, request, exec, attach or port_forward";

fn kind(value: &str) -> Option<FieldFilter> {
    if let Ok(kind) = HitKind::from_str(value) {
        return Some(FieldFilter::Kind(kind));
    }
    match value {
        "exec" => Some(FieldFilter::SessionKind("exec")),
        "attach" => Some(FieldFilter::SessionKind("attach")),
        "port_forward" | "port-forward" => Some(FieldFilter::SessionKind("port_forward")),
        _ => None,
    }
}

/// `7`, `>0`, `>=1`, `<9`, `<=9`, `1..127`, `1..`, `..9`.
fn numbers(value: &str) -> Option<RangeInclusive<i64>> {
    let number = |text: &str| text.parse::<i64>().ok();
    let range = if let Some(text) = value.strip_prefix(">=") {
        number(text)?..=i64::MAX
    } else if let Some(text) = value.strip_prefix('>') {
        number(text)?.checked_add(1)?..=i64::MAX
    } else if let Some(text) = value.strip_prefix("<=") {
        i64::MIN..=number(text)?
    } else if let Some(text) = value.strip_prefix('<') {
        i64::MIN..=number(text)?.checked_sub(1)?
    } else if let Some((from, to)) = value.split_once("..") {
        let bound = |text: &str, open| if text.is_empty() { Some(open) } else { number(text) };
        bound(from, i64::MIN)?..=bound(to, i64::MAX)?
    } else {
        let one = number(value)?;
        one..=one
    };
    (!range.is_empty()).then_some(range)
}
