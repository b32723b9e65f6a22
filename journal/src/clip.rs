//! Strings that a client chose are cut before they enter the journal: a header may have 1 MiB.

use recording::journal::{ApiRequest, JournalEvent, RequestContext};

/// Longest string of a client that is kept whole. The longest legal Kubernetes name has 253 bytes,
/// kubectl's own headers stay below 100; browsers' user agents below 300.
const LONGEST: usize = 1024;

/// Cuts every string of `what` that a client chose; a cut one ends in `…`.
pub(crate) fn clip(what: &mut JournalEvent) {
    match what {
        JournalEvent::Refused(request)
        | JournalEvent::Request(request)
        | JournalEvent::SessionOpened { request, .. } => clip_request(request),
        JournalEvent::Login { agent, claimed, .. } => [agent, claimed].into_iter().for_each(clip_text),
        JournalEvent::Copied { of, .. } | JournalEvent::Forwarded { of, .. } => clip_context(of),
        JournalEvent::Searched(search) => {
            clip_text(&mut search.query);
            search.filters.values_mut().for_each(clip_text);
        }
        JournalEvent::Verified { first, .. } => clip_text(first),
        // Every event is listed, so that a new one with text of a client is not forgotten. The text of these is the gateway's,
        // the web's or the upstream's, or is bounded where it is read.
        JournalEvent::Started { .. }
        | JournalEvent::Configured { .. }
        | JournalEvent::Stopped
        | JournalEvent::SessionEnded { .. }
        | JournalEvent::SessionStored { .. }
        | JournalEvent::Terminated { .. }
        | JournalEvent::Credential(_)
        | JournalEvent::Locked { .. }
        | JournalEvent::Unlocked { .. }
        | JournalEvent::KeyRotated { .. }
        | JournalEvent::Spool { .. }
        | JournalEvent::Viewed { .. }
        | JournalEvent::Imported { .. } => {}
    }
}

fn clip_context(of: &mut RequestContext) {
    let target = &mut of.target;
    for text in [
        &mut target.namespace,
        &mut target.name,
        &mut target.container,
        &mut of.kubectl_command,
        &mut of.kubectl_session,
    ] {
        clip_text(text);
    }
}

fn clip_request(request: &mut ApiRequest) {
    let target = &mut request.target;
    for text in [
        &mut target.namespace,
        &mut target.resource,
        &mut target.name,
        &mut target.subresource,
        &mut target.container,
        &mut request.verb,
        &mut request.reason,
        &mut request.kubectl_command,
        &mut request.kubectl_session,
        &mut request.user_agent,
    ] {
        clip_text(text);
    }
    request.options.values_mut().for_each(clip_text);
}

fn clip_text(text: &mut String) {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use recording::journal::SearchRequest;

    use super::*;

    #[test]
    fn cuts_between_characters() {
        let mut what =
            JournalEvent::Request(ApiRequest { user_agent: "é".repeat(600) + "x", ..ApiRequest::default() });
        clip(&mut what);
        let JournalEvent::Request(request) = what else { unreachable!() };
        assert_eq!(request.user_agent, "é".repeat(512) + "…");
    }

    #[test]
    fn a_search_is_cut_like_a_header() {
        let filters = [("user".to_owned(), "x".repeat(2000))].into();
        let mut what =
            JournalEvent::Searched(SearchRequest { query: "y".repeat(4096), filters, ..SearchRequest::default() });
        clip(&mut what);
        let JournalEvent::Searched(search) = what else { unreachable!() };
        assert_eq!(search.query, "y".repeat(1024) + "…");
        assert_eq!(search.filters["user"], "x".repeat(1024) + "…");
    }
}
