//! Values to narrow a list by: those that hits have, and those that forms offer.

use search::{Facet, Facets, Values};

use super::{filters::Filters, visible_text::VisibleText};
use crate::{context::searcher::Searcher, http::failure::Failure};

/// Values of a facet that are shown; the others are folded away.
const FIRST: usize = 6;

/// Names in each list of a form at most.
const MAX_OPTIONS: usize = 200;

/// Bytes of a name that a form offers; longer ones are left out.
const MAX_OPTION_BYTES: usize = 256;

/// A link that narrows a list, or orders it.
pub(crate) struct FilterLink {
    pub(crate) label: &'static str,
    pub(crate) address: String,
    /// Whether the list is narrowed or ordered like this now.
    pub(crate) active: bool,
}

/// The names that occur, for a form to offer.
pub(crate) struct FilterOptions(Values);

impl FilterOptions {
    pub(crate) async fn load(searcher: &Searcher) -> Result<Self, Failure> {
        Ok(Self(searcher.values().await?))
    }

    /// Field and names, as the filters' form needs them.
    pub(crate) fn lists(&self) -> [(&'static str, Vec<&str>); 3] {
        [
            ("user", offered(&self.0.users)),
            ("cluster", offered(&self.0.clusters)),
            ("namespace", offered(&self.0.namespaces)),
        ]
    }
}

fn offered(names: &[String]) -> Vec<&str> {
    let names = names.iter().map(String::as_str).filter(|name| !name.is_empty() && name.len() <= MAX_OPTION_BYTES);
    names.take(MAX_OPTIONS).collect()
}

/// A facet of a search: values to narrow it to.
pub(crate) struct FacetGroup {
    pub(crate) label: &'static str,
    /// The most frequent.
    pub(crate) first: Vec<FacetValue>,
    /// Further ones, folded away.
    pub(crate) rest: Vec<FacetValue>,
}

/// A value to narrow to, or one that the search is narrowed to.
pub(crate) struct FacetValue {
    pub(crate) value: VisibleText,
    pub(crate) count: u64,
    /// Leads to the value's hits, or back to all hits if the search is narrowed to it.
    pub(crate) address: String,
    pub(crate) active: bool,
}

/// The facets that narrow: those of several values, and those that the search is narrowed by.
pub(crate) fn facet_groups(facets: &Facets, filters: &Filters, path: &str) -> Vec<FacetGroup> {
    let named: [(&'static str, &'static str, &str, &[Facet]); 5] = [
        ("Person", "user", &filters.user, &facets.users),
        ("Cluster", "cluster", &filters.cluster, &facets.clusters),
        ("Namespace", "namespace", &filters.namespace, &facets.namespaces),
        ("Pod", "pod", &filters.pod, &facets.pods),
        ("Image", "image", &filters.image, &facets.images),
    ];
    let mut groups: Vec<FacetGroup> = named
        .into_iter()
        .filter_map(|(label, name, chosen, values)| {
            let chosen = chosen.trim();
            FacetGroup::new(label, values, !chosen.is_empty(), |value| {
                let active = value == chosen;
                (filters.address(path, &[(name, if active { "" } else { value })]), active)
            })
        })
        .collect();
    let narrowed = !filters.from.trim().is_empty() || !filters.until.trim().is_empty();
    groups.extend(FacetGroup::new("Day", &facets.days, narrowed, |day| {
        let (from, until) = (format!("{day}T00:00"), next_midnight(day));
        let active = filters.from == from && filters.until == until;
        let (from, until) = if active { ("", "") } else { (from.as_str(), until.as_str()) };
        (filters.address(path, &[("from", from), ("until", until)]), active)
    }));
    groups
}

/// The end of a day as the form writes it; empty after the last one of the calendar.
fn next_midnight(day: &str) -> String {
    let next = day.parse::<jiff::civil::Date>().and_then(|day| day.tomorrow());
    next.map(|next| format!("{next}T00:00")).unwrap_or_default()
}

impl FacetGroup {
    fn new(
        label: &'static str,
        values: &[Facet],
        narrowed: bool,
        leads: impl Fn(&str) -> (String, bool),
    ) -> Option<Self> {
        if values.is_empty() || (values.len() == 1 && !narrowed) {
            return None;
        }
        let mut first: Vec<FacetValue> = values
            .iter()
            .map(|facet| {
                let (address, active) = leads(&facet.value);
                FacetValue { value: VisibleText::clipped(&facet.value, 120), count: facet.count, address, active }
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
        let users = facet_groups(&facets, &filters, "/search").remove(0);
        let leads = |group: &FacetGroup| group.first.iter().map(|c| (c.address.clone(), c.active)).collect::<Vec<_>>();
        assert_eq!(
            leads(&users),
            [("/search?q=rm&user=ada".to_owned(), false), ("/search?q=rm&user=b%26b".to_owned(), false)]
        );
        let facets = Facets { users: facet(&[("ada", 2)]), ..Facets::default() };
        let narrowed = Filters { user: "ada".into(), ..filters };
        let users = facet_groups(&facets, &narrowed, "/search").remove(0);
        assert_eq!(leads(&users), [("/search?q=rm".to_owned(), true)]);
    }

    #[test]
    fn a_value_that_all_hits_have_narrows_nothing() {
        let facets = Facets { pods: facet(&[("web-0", 7)]), ..Facets::default() };
        assert!(facet_groups(&facets, &Filters::default(), "/search").is_empty());
    }

    #[test]
    fn a_day_is_from_midnight_to_midnight() {
        let facets = Facets { days: facet(&[("2026-11-30", 1), ("2026-11-29", 3)]), ..Facets::default() };
        let day = facet_groups(&facets, &Filters::default(), "/search").remove(0).first.remove(0);
        assert_eq!(day.address, "/search?from=2026-11-30T00%3A00&until=2026-12-01T00%3A00");
        let here = Filters { from: "2026-11-30T00:00".into(), until: "2026-12-01T00:00".into(), ..Filters::default() };
        let day = facet_groups(&facets, &here, "/search").remove(0).first.remove(0);
        assert_eq!((day.address.as_str(), day.active), ("/search", true));
    }

    #[test]
    fn many_values_are_folded() {
        let many: Vec<(String, u64)> = (0..9).map(|number| (format!("pod-{number}"), 1)).collect();
        let many: Vec<(&str, u64)> = many.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        let facets = Facets { pods: facet(&many), ..Facets::default() };
        let pods = facet_groups(&facets, &Filters::default(), "/search").remove(0);
        assert_eq!((pods.first.len(), pods.rest.len()), (6, 3));
    }
}
