//! What a request's query and headers tell about the command behind it, for the journal.

use std::{borrow::Cow, collections::BTreeMap};

use http::{HeaderMap, header};
use recording::journal::OPTIONS;

/// The options that the journal keeps: only the ones in [`OPTIONS`], none of which is a secret. If an option comes several
/// times, the first counts.
pub(crate) fn journalled(query: &str, headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if OPTIONS.contains(&&*name) && !value.is_empty() {
            options.entry(name.into_owned()).or_insert_with(|| value.into_owned());
        }
    }
    let accept = text(headers, header::ACCEPT.as_str());
    if accept.contains("as=Table") {
        options.insert("accept".to_owned(), "table".to_owned());
    } else if accept.starts_with("application/json") || accept.starts_with("application/vnd.kubernetes.protobuf") {
        options.insert("accept".to_owned(), "object".to_owned());
    }
    if let Some(patch) = patch(&text(headers, header::CONTENT_TYPE.as_str())) {
        options.insert("patch".to_owned(), patch.to_owned());
    }
    let person = text(headers, "impersonate-user");
    if !person.is_empty() {
        options.insert("as".to_owned(), person.into_owned());
    }
    options
}

/// The kind of a patch, if it is one that Kubernetes takes.
fn patch(content_type: &str) -> Option<&'static str> {
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/apply-patch+yaml" | "application/apply-patch+cbor" => Some("apply"),
        "application/json-patch+json" => Some("json"),
        "application/merge-patch+json" => Some("merge"),
        "application/strategic-merge-patch+json" => Some("strategic"),
        _ => None,
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Cow<'a, str> {
    headers.get(name).map_or(Cow::Borrowed(""), |value| String::from_utf8_lossy(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(target: &str, headers: &[(&'static str, &'static str)]) -> String {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let (_, query) = target.split_once('?').unwrap_or((target, ""));
        journalled(query, &headers).iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_tells_of_the_command_is_kept() {
        let table = ("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
        assert_eq!(
            kept("/api/v1/namespaces/a/pods?labelSelector=app%3Dx&limit=500", &[table]),
            "accept=table labelSelector=app=x"
        );
        assert_eq!(kept("/x?follow=true&tailLines=10&container=app", &[]), "container=app follow=true tailLines=10");
        assert_eq!(kept("/x", &[("content-type", "application/apply-patch+yaml")]), "patch=apply");
        assert_eq!(
            kept("/x", &[("impersonate-user", "admin"), ("accept", "application/json")]),
            "accept=object as=admin"
        );
    }

    #[test]
    fn what_may_be_secret_is_not() {
        let secret = ("authorization", "Bearer s3cr3t");
        assert_eq!(kept("/x?command=mysql&command=-phunter2&token=x&follow=", &[secret]), "");
    }
}
