//! By whom, where and when hits are, to narrow a search with.

use search::{Facet, Facets};

use crate::{pages::filters::Filters, pages::visible_text::VisibleText};

/// Values that are shown before the others are asked for.
const FIRST: usize = 6;

/// A facet of a page.
pub(crate) struct Narrowing {
    pub(crate) label: &'static str,
    /// The most frequent.
    pub(crate) first: Vec<Choice>,
    /// Further ones, folded away.
    pub(crate) rest: Vec<Choice>,
}

/// A value to narrow to, or one that is narrowed to.
pub(crate) struct Choice {
    pub(crate) value: VisibleText,
    pub(crate) count: u64,
    /// Where it leads: to its hits, or back to all where it is narrowed to.
    pub(crate) address: String,
    pub(crate) here: bool,
}

/// The facets that narrow: those of several values, and those that are narrowed by.
pub(crate) fn narrowings(facets: &Facets, filters: &Filters, path: &str) -> Vec<Narrowing> {
    let named: [(&'static str, &'static str, &str, &[Facet]); 5] = [
        ("Person", "user", &filters.user, &facets.users),
        ("Cluster", "cluster", &filters.cluster, &facets.clusters),
        ("Namespace", "namespace", &filters.namespace, &facets.namespaces),
        ("Pod", "pod", &filters.pod, &facets.pods),
        ("Image", "image", &filters.image, &facets.images),
    ];
    let mut narrowings: Vec<Narrowing> = named
        .into_iter()
        .filter_map(|(label, name, chosen, values)| {
            let chosen = chosen.trim();
            Narrowing::new(label, values, !chosen.is_empty(), |value| {
                let here = value == chosen;
                (filters.address(path, &[(name, if here { "" } else { value })]), here)
            })
        })
        .collect();
    let narrowed = !filters.from.trim().is_empty() || !filters.until.trim().is_empty();
    narrowings.extend(Narrowing::new("Day", &facets.days, narrowed, |day| {
        let (from, until) = (format!("{day}T00:00"), next_midnight(day));
        let here = filters.from == from && filters.until == until;
        let (from, until) = if here { ("", "") } else { (from.as_str(), until.as_str()) };
        (filters.address(path, &[("from", from), ("until", until)]), here)
    }));
    narrowings
}

/// The end of a day as the form writes it; empty after the last one of the calendar.
fn next_midnight(day: &str) -> String {
    let next = day.parse::<jiff::civil::Date>().and_then(|day| day.tomorrow());
    next.map(|next| format!("{next}T00:00")).unwrap_or_default()
}

impl Narrowing {
    fn new(
        label: &'static str,
        values: &[Facet],
        narrowed: bool,
        leads: impl Fn(&str) -> (String, bool),
    ) -> Option<Self> {
        if values.is_empty() || (values.len() == 1 && !narrowed) {
            return None;
        }
        let mut first: Vec<Choice> = values
            .iter()
            .map(|facet| {
                let (address, here) = leads(&facet.value);
                Choice { value: VisibleText::clipped(&facet.value, 120), count: facet.count, address, here }
            })
            .collect();
        let rest = first.split_off(first.len().min(FIRST));
        Some(Self { label, first, rest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facet(values: &[(&str, u64)]) -> Vec<Facet> {
        values.iter().map(|&(value, count)| Facet { value: value.to_owned(), count }).collect()
    }

    #[test]
    fn a_value_leads_to_its_hits_and_back() {
        let facets = Facets { users: facet(&[("ada", 2), ("b&b", 1)]), ..Facets::default() };
        let filters = Filters { q: "rm".into(), offset: "50".into(), ..Filters::default() };
        let users = narrowings(&facets, &filters, "/search").remove(0);
        let leads =
            |narrowing: &Narrowing| narrowing.first.iter().map(|c| (c.address.clone(), c.here)).collect::<Vec<_>>();
        assert_eq!(
            leads(&users),
            [("/search?q=rm&user=ada".to_owned(), false), ("/search?q=rm&user=b%26b".to_owned(), false)]
        );
        let facets = Facets { users: facet(&[("ada", 2)]), ..Facets::default() };
        let narrowed = Filters { user: "ada".into(), ..filters };
        let users = narrowings(&facets, &narrowed, "/search").remove(0);
        assert_eq!(leads(&users), [("/search?q=rm".to_owned(), true)]);
    }

    #[test]
    fn what_is_the_same_of_all_hits_narrows_nothing() {
        let facets = Facets { pods: facet(&[("web-0", 7)]), ..Facets::default() };
        assert!(narrowings(&facets, &Filters::default(), "/search").is_empty());
    }

    #[test]
    fn a_day_is_from_midnight_to_midnight() {
        let facets = Facets { days: facet(&[("2026-11-30", 1), ("2026-11-29", 3)]), ..Facets::default() };
        let day = narrowings(&facets, &Filters::default(), "/search").remove(0).first.remove(0);
        assert_eq!(day.address, "/search?from=2026-11-30T00%3A00&until=2026-12-01T00%3A00");
        let here = Filters { from: "2026-11-30T00:00".into(), until: "2026-12-01T00:00".into(), ..Filters::default() };
        let day = narrowings(&facets, &here, "/search").remove(0).first.remove(0);
        assert_eq!((day.address.as_str(), day.here), ("/search", true));
    }

    #[test]
    fn many_values_are_folded() {
        let many: Vec<(String, u64)> = (0..9).map(|number| (format!("pod-{number}"), 1)).collect();
        let many: Vec<(&str, u64)> = many.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        let facets = Facets { pods: facet(&many), ..Facets::default() };
        let pods = narrowings(&facets, &Filters::default(), "/search").remove(0);
        assert_eq!((pods.first.len(), pods.rest.len()), (6, 3));
    }
}
