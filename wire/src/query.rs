//! A URL's query, read as Go's `url.ParseQuery` and the API server's parameter conversion read it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Why a pair of the query is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum QueryError<'a> {
    /// `%` without two hexadecimal digits behind it.
    Encoding(&'a str),
    /// A bare `;`: Go up to 1.16 split there, later versions drop the pair.
    Semicolon(&'a str),
}

/// Whether the boolean parameter `name` is set in `query`, a URL's query without its `?`.
///
/// The rule is the API server's (`Convert_Slice_string_To_bool` in `k8s.io/apimachinery/pkg/runtime/conversion.go`;
/// `NewRequestInfo` in `k8s.io/apiserver/pkg/endpoints/request/requestinfo.go` reads `watch` by it): an absent
/// parameter is false; of several values the first counts; `0` and `false`, in any case, are false; every other value
/// is true, the empty one too. Names are compared after decoding, case-sensitively. Pairs that Go drops (an invalid
/// percent-encoding, a bare `;`) are ignored.
///
/// ```
/// assert!(wire::query::boolean("limit=5&%77atch=1", "watch"));
/// assert!(wire::query::boolean("watch", "watch"));
/// assert!(!wire::query::boolean("watch=False&watch=true", "watch"));
/// assert!(!wire::query::boolean("watch=%zz", "watch"));
/// ```
#[must_use]
pub fn boolean(query: &str, name: &str) -> bool {
    let mut valid = pairs(query).filter_map(Result::ok);
    valid.find(|(key, _)| key == name).is_some_and(|(_, value)| is_true(&value))
}

/// Whether the API server reads the value of a boolean parameter as true.
pub(crate) fn is_true(value: &str) -> bool {
    value != "0" && !value.eq_ignore_ascii_case("false")
}

/// The query's pairs, decoded, in order. Empty pairs are skipped; a pair without `=` has an empty value.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), QueryError<'_>>> {
    query.split('&').filter(|pair| !pair.is_empty()).map(pair)
}

fn pair(pair: &str) -> Result<(Cow<'_, str>, Cow<'_, str>), QueryError<'_>> {
    if pair.contains(';') {
        return Err(QueryError::Semicolon(pair));
    }
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    Ok((unescape(key)?, unescape(value)?))
}

/// Decodes `+` as a blank and `%XX` as a byte. Bytes that are not UTF-8 become U+FFFD: the result is for reading only,
/// and the URL that goes to the server keeps the bytes.
fn unescape(text: &str) -> Result<Cow<'_, str>, QueryError<'_>> {
    if !escapes_are_whole(text) {
        return Err(QueryError::Encoding(text));
    }
    if !text.contains(['+', '%']) {
        return Ok(Cow::Borrowed(text));
    }
    let blanks = text.replace('+', " ");
    Ok(Cow::Owned(percent_decode_str(&blanks).decode_utf8_lossy().into_owned()))
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let mut digits = rest.bytes();
        let mut is_digit = || digits.next().is_some_and(|digit| digit.is_ascii_hexdigit());
        is_digit() && is_digit()
    })
}
