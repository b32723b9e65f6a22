use recording::{CommandSource, journal::SearchRequest};

use crate::{Hit, HitKind, Hits, Query};

/// What the journal keeps of a search: `None` if no hit of this page quotes a recording.
///
/// Output and typed commands are passages of a recording, as a viewing shows them. Requests are in the journal
/// themselves, and what a session was opened with is in every list of sessions.
pub fn journalled(query: &Query, found: &Hits) -> Option<SearchRequest> {
    if !found.hits.iter().any(quotes_recording) {
        return None;
    }
    let narrowed = [
        ("user", query.user.clone()),
        ("cluster", query.cluster.clone()),
        ("namespace", query.namespace.clone()),
        ("pod", query.pod.clone()),
        ("container", query.container.clone()),
        ("image", query.image.clone()),
        ("source", query.source.map(|source| source_name(source).to_owned())),
        ("outcome", query.outcome.map(|outcome| outcome.name().to_owned())),
        ("from", query.from.map(|from| from.to_string())),
        ("until", query.until.map(|until| until.to_string())),
    ];
    let filters = narrowed.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Some(SearchRequest {
        query: query.text.clone(),
        kinds: query.kinds.iter().map(|kind| kind.name().to_owned()).collect(),
        filters: filters.collect(),
        hits: found.total as u64,
    })
}

fn quotes_recording(hit: &Hit) -> bool {
    match hit.kind {
        HitKind::Output => true,
        HitKind::Command => hit.source == Some(CommandSource::Typed),
        HitKind::Session | HitKind::Request => false,
    }
}

fn source_name(source: CommandSource) -> &'static str {
    match source {
        CommandSource::Argv => "argv",
        CommandSource::Typed => "typed",
        CommandSource::Request => "request",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::Snippet;

    fn found(kind: HitKind, source: Option<CommandSource>) -> Hits {
        let hit = Hit {
            kind,
            session: None,
            offset: None,
            at: Timestamp::UNIX_EPOCH,
            user: String::new(),
            cluster: String::new(),
            namespace: String::new(),
            pod: String::new(),
            container: String::new(),
            source,
            text: String::new(),
            requests: Vec::new(),
            snippet: Snippet::default(),
        };
        Hits { hits: vec![hit], total: 7, ..Hits::default() }
    }

    #[test]
    fn a_search_that_quotes_a_recording_is_kept_with_what_narrows_it() {
        let query = Query {
            text: "passwd".to_owned(),
            kinds: vec![HitKind::Output],
            user: Some("ada".to_owned()),
            source: Some(CommandSource::Typed),
            ..Query::default()
        };
        let kept = journalled(&query, &found(HitKind::Output, None)).unwrap();
        assert_eq!((kept.query.as_str(), kept.hits), ("passwd", 7));
        assert_eq!(kept.kinds, ["output"]);
        let filters: Vec<_> = kept.filters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(filters, [("source", "typed"), ("user", "ada")]);
        assert!(journalled(&query, &found(HitKind::Command, Some(CommandSource::Typed))).is_some());
    }

    #[test]
    fn what_quotes_no_recording_is_not_kept() {
        let query = Query::default();
        assert_eq!(journalled(&query, &Hits::default()), None);
        for (kind, source) in [
            (HitKind::Command, Some(CommandSource::Argv)),
            (HitKind::Command, Some(CommandSource::Request)),
            (HitKind::Session, None),
            (HitKind::Request, None),
        ] {
            assert_eq!(journalled(&query, &found(kind, source)), None, "{kind:?} {source:?}");
        }
    }
}
