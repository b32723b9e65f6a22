/// A boolean parameter by the API server's rule: absent, `0` and `false` are
/// false, everything else is true; the first of several counts.
pub(crate) fn flag(query: &str, name: &str) -> bool {
    parameter(query, name).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
}

/// The first value of a parameter.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
