//! A URL's query as Go's `url.ParseQuery` reads it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Why a pair of the query is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum QueryError<'a> {
    /// `%` without two hexadecimal digits behind it.
    Encoding(&'a str),
    /// A bare `;`: Go up to 1.16 split there, later Go drops the pair.
    Semicolon(&'a str),
}

/// The query's pairs in order. Empty pairs are skipped; a pair without `=` has an empty value.
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

/// `+` is a blank, `%XX` a byte. Bytes that are no UTF-8 become U+FFFD: this is for reading, the URL that goes
/// to the server keeps them.
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
