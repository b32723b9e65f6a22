use jiff::Timestamp;
use recording::{CommandSource, cast::SessionKind};
use search::{HitCursor, HitKind, Order, OutcomeFilter, Query, SessionCursor, SessionFilter};
use serde::Deserialize;

use super::time_label;
use crate::http::failure::Failure;

/// Rows of a page unless the address says otherwise.
const DEFAULT_PAGE: usize = 50;

/// Rows of a page at most.
const MAX_PAGE: usize = 500;

/// Bytes of one field at most.
const MAX_FIELD: usize = 1024;

/// What an address asks for, as it was written; empty fields do not narrow. Pages and API take the same fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    pub(crate) q: String,
    pub(crate) user: String,
    pub(crate) cluster: String,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    /// Searches: the image, as the pod names it.
    pub(crate) image: String,
    pub(crate) outcome: String,
    /// Sessions: `exec`, `attach`, `port_forward`. Searches: `session`, `command`, `request`, separated by commas.
    pub(crate) kind: String,
    /// Searches: `argv`, `typed`, `request`.
    pub(crate) source: String,
    pub(crate) from: String,
    pub(crate) until: String,
    pub(crate) after: String,
    pub(crate) limit: String,
    pub(crate) offset: String,
    /// Searches: `newest`, `oldest`, `relevance`.
    pub(crate) order: String,
    /// Searches: whether hits are counted by person, cluster, namespace, pod, image, kind and day.
    pub(crate) facets: String,
}

impl Filters {
    /// Whether anything narrows, apart from the words searched for, the kind and the page.
    pub(crate) fn any(&self) -> bool {
        let fields = [
            &self.user,
            &self.cluster,
            &self.namespace,
            &self.pod,
            &self.container,
            &self.image,
            &self.outcome,
            &self.from,
            &self.until,
        ];
        fields.iter().any(|field| !field.trim().is_empty())
    }

    /// `path` with these filters, some of them changed, and back on the first page unless `changes` says otherwise.
    pub(crate) fn address(&self, path: &str, changes: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in self.pairs() {
            let value = changes.iter().find(|(changed, _)| *changed == name).map_or(value, |(_, value)| value);
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        match query.finish() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }

    fn pairs(&self) -> [(&'static str, &str); 16] {
        [
            ("q", self.q.trim()),
            ("kind", &self.kind),
            ("source", &self.source),
            ("user", self.user.trim()),
            ("cluster", self.cluster.trim()),
            ("namespace", self.namespace.trim()),
            ("pod", self.pod.trim()),
            ("container", self.container.trim()),
            ("image", self.image.trim()),
            ("outcome", &self.outcome),
            ("from", self.from.trim()),
            ("until", self.until.trim()),
            ("limit", &self.limit),
            ("order", &self.order),
            ("after", ""),
            ("offset", ""),
        ]
    }

    /// The filter of a list of sessions.
    pub(crate) fn sessions(&self) -> Result<SessionFilter, Failure> {
        Ok(SessionFilter {
            user: field("user", &self.user)?,
            cluster: field("cluster", &self.cluster)?,
            namespace: field("namespace", &self.namespace)?,
            pod: field("pod", &self.pod)?,
            container: field("container", &self.container)?,
            kind: self.session_kind()?,
            outcome: self.outcome()?,
            from: time("from", &self.from, false)?,
            until: time("until", &self.until, true)?,
            limit: self.limit()?,
            after: self.cursor()?,
        })
    }

    /// The search.
    pub(crate) fn query(&self) -> Result<Query, Failure> {
        Ok(Query {
            text: self.q.trim().to_owned(),
            kinds: self.kinds()?,
            user: field("user", &self.user)?,
            cluster: field("cluster", &self.cluster)?,
            namespace: field("namespace", &self.namespace)?,
            pod: field("pod", &self.pod)?,
            container: field("container", &self.container)?,
            image: field("image", &self.image)?,
            source: self.source()?,
            outcome: self.outcome()?,
            from: time("from", &self.from, false)?,
            until: time("until", &self.until, true)?,
            limit: self.limit()?,
            offset: self.offset()?,
            order: self.order()?,
            after: self.hit_cursor()?,
            facets: matches!(self.facets.as_str(), "1" | "true"),
            now: None,
        })
    }

    /// How many hits come before this page.
    pub(crate) fn offset(&self) -> Result<usize, Failure> {
        number("offset", &self.offset, 0)
    }

    /// How many rows this page has at most.
    pub(crate) fn limit(&self) -> Result<usize, Failure> {
        Ok(number("limit", &self.limit, DEFAULT_PAGE)?.clamp(1, MAX_PAGE))
    }

    fn cursor(&self) -> Result<Option<SessionCursor>, Failure> {
        let parse = |text: &str| text.parse().map_err(|_| wrong("after", text, "the `next` of the page before"));
        non_empty(&self.after).map(parse).transpose()
    }

    fn hit_cursor(&self) -> Result<Option<HitCursor>, Failure> {
        let parse = |text: &str| text.parse().map_err(|_| wrong("after", text, "the `next` of the page before"));
        non_empty(&self.after).map(parse).transpose()
    }

    fn order(&self) -> Result<Order, Failure> {
        let parse = |text: &str| text.parse().map_err(|()| wrong("order", text, "newest, oldest or relevance"));
        non_empty(&self.order).map_or(Ok(Order::default()), parse)
    }

    fn outcome(&self) -> Result<Option<OutcomeFilter>, Failure> {
        let names = OutcomeFilter::ALL.map(OutcomeFilter::name).join(", ");
        non_empty(&self.outcome).map(|text| text.parse().map_err(|()| wrong("outcome", text, &names))).transpose()
    }

    fn source(&self) -> Result<Option<CommandSource>, Failure> {
        Ok(match non_empty(&self.source) {
            None => None,
            Some("argv") => Some(CommandSource::Argv),
            Some("typed") => Some(CommandSource::Typed),
            Some("request") => Some(CommandSource::Request),
            Some(other) => return Err(wrong("source", other, "argv, typed or request")),
        })
    }

    fn session_kind(&self) -> Result<Option<SessionKind>, Failure> {
        Ok(match non_empty(&self.kind) {
            None => None,
            Some("exec") => Some(SessionKind::Exec),
            Some("attach") => Some(SessionKind::Attach),
            Some("port_forward") => Some(SessionKind::PortForward),
            Some(other) => return Err(wrong("kind", other, "exec, attach or port_forward")),
        })
    }

    fn kinds(&self) -> Result<Vec<HitKind>, Failure> {
        let names = self.kind.split(',').filter_map(non_empty);
        names
            .map(|name| name.parse().map_err(|()| wrong("kind", name, "session, command, output or request")))
            .collect()
    }
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

fn field(name: &str, text: &str) -> Result<Option<String>, Failure> {
    if text.len() > MAX_FIELD {
        return Err(Failure::invalid(format!("{name} is too long: {MAX_FIELD} bytes at most.")));
    }
    Ok(non_empty(text).map(str::to_owned))
}

fn time(name: &str, text: &str, end: bool) -> Result<Option<Timestamp>, Failure> {
    let expected = "a time such as 2026-11-22, 2026-11-22T15:04 (UTC) or 2026-11-22T15:04:05+01:00";
    let parse = |text| time_label::parse(text, end).ok_or_else(|| wrong(name, text, expected));
    non_empty(text).map(parse).transpose()
}

fn number(name: &str, text: &str, default: usize) -> Result<usize, Failure> {
    non_empty(text).map_or(Ok(default), |text| text.parse().map_err(|_| wrong(name, text, "a number")))
}

fn wrong(name: &str, text: &str, expected: &str) -> Failure {
    let text: String = text.chars().take(80).collect();
    Failure::invalid(format!("{name} is {text:?}; it takes {expected}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(query: &str) -> Filters {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let map: serde_json::Map<_, _> = pairs.map(|(k, v)| (k.into_owned(), v.into_owned().into())).collect();
        serde_json::from_value(map.into()).unwrap()
    }

    #[test]
    fn an_address_becomes_a_filter() {
        let filter = filters("user=+ada+&namespace=&pod=web-0&outcome=failed&kind=exec&until=2026-11-22").sessions();
        let filter = filter.unwrap();
        assert_eq!(filter.user.as_deref(), Some("ada"));
        assert_eq!(filter.namespace, None);
        assert_eq!(filter.pod.as_deref(), Some("web-0"));
        assert_eq!(filter.outcome, Some(OutcomeFilter::Failed));
        assert_eq!(filter.kind, Some(SessionKind::Exec));
        assert_eq!(filter.until, Some("2026-11-23T00:00:00Z".parse().unwrap()));
        assert_eq!(filter.limit, 50);
    }

    #[test]
    fn an_unreadable_field_is_named() {
        for query in ["from=soon", "outcome=well", "kind=ssh", "after=x", "limit=many"] {
            assert!(filters(query).sessions().is_err(), "{query}");
        }
        assert!(filters("kind=command,request").query().is_ok());
        assert!(filters("kind=exec").query().is_err() && filters("source=heard").query().is_err());
        assert_eq!(filters("source=request").query().unwrap().source, Some(CommandSource::Request));
        assert_eq!(filters("limit=99999").limit().unwrap(), MAX_PAGE);
    }

    #[test]
    fn an_address_keeps_the_filters_and_goes_to_the_first_page() {
        let filters = filters("q=rm+-rf&user=a%26b&after=x&offset=50");
        assert_eq!(filters.address("/search", &[]), "/search?q=rm+-rf&user=a%26b");
        assert_eq!(filters.address("/search", &[("q", ""), ("offset", "100")]), "/search?user=a%26b&offset=100");
        assert!(filters.any() && !Filters::default().any());
    }
}
