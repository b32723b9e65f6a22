//! The parser: from a query's text to its syntax tree.
//!
//! ```text
//! either   = all { "OR" all }
//! all      = one { [ "AND" ] one }
//! one      = "NOT" one | "-" excluded | excluded | WORD
//! excluded = "(" either ")" | FIELD ":" value | "re:" EXPRESSION | PHRASE
//! value    = WORD | PHRASE | "(" WORD { [ "OR" ] WORD } ")"
//! ```

use std::ops::Range;

use jiff::Zoned;

use super::{
    error::{QueryError, QueryErrorKind},
    expression::{Expression, TextClause},
    field::{NAMES, filter},
    pattern::Pattern,
    when,
};
use crate::analyzer::{fold, phrase_tokens, unquoted};

/// Longest query, in bytes.
const MAX_BYTES: usize = 4096;
/// Words, tokens and filters of a query.
const MAX_CLAUSES: usize = 64;
/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 16;
/// Most words after `when:` that are read as one time.
const WHEN_WORDS: usize = 4;

/// Parses a query. Times in it are relative to `now`, in its time zone.
///
/// # Errors
/// The first thing that is wrong, and where.
pub(crate) fn parse(text: &str, now: &Zoned) -> Result<Expression, QueryError> {
    if text.len() > MAX_BYTES {
        return Err(QueryErrorKind::TooLong(MAX_BYTES).without_place());
    }
    let mut parser = Parser { text, at: 0, depth: 0, clauses: 0, now };
    let expression = parser.either()?;
    parser.skip_space();
    if let Some(')') = parser.peek() {
        return Err(parser.error(QueryErrorKind::UnopenedParenthesis, parser.at..parser.at + 1));
    }
    Ok(expression)
}

struct Parser<'a> {
    text: &'a str,
    /// Byte at which the parser stands.
    at: usize,
    /// Open parentheses.
    depth: usize,
    /// Clauses so far.
    clauses: usize,
    now: &'a Zoned,
}

/// A word or quoted text of the query.
struct RawValue<'a> {
    text: &'a str,
    /// Its byte range.
    range: Range<usize>,
    quoted: bool,
}

impl<'a> Parser<'a> {
    fn either(&mut self) -> Result<Expression, QueryError> {
        let mut parts = vec![self.all()?];
        while let Some(operator) = self.keyword("OR") {
            if parts.last().is_some_and(is_empty) {
                return Err(self.error(QueryErrorKind::NothingBefore("OR"), operator));
            }
            parts.push(self.all()?);
            if parts.last().is_some_and(is_empty) {
                return Err(self.error(QueryErrorKind::NothingAfter("OR"), operator));
            }
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression, QueryError> {
        let mut parts = Vec::new();
        loop {
            if let Some(operator) = self.keyword("AND") {
                if parts.is_empty() {
                    return Err(self.error(QueryErrorKind::NothingBefore("AND"), operator));
                }
                if self.at_end() {
                    return Err(self.error(QueryErrorKind::NothingAfter("AND"), operator));
                }
                continue;
            }
            if self.at_end() || self.is_keyword("OR") {
                break;
            }
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn one(&mut self) -> Result<Expression, QueryError> {
        if let Some(operator) = self.keyword("NOT") {
            if self.at_end() || self.is_keyword("OR") || self.is_keyword("AND") {
                return Err(self.error(QueryErrorKind::NothingAfter("NOT"), operator));
            }
            self.enter(operator)?;
            let inner = self.one()?;
            self.depth -= 1;
            return Ok(Expression::Not(Box::new(inner)));
        }
        let start = self.at;
        match self.peek() {
            Some('-') if self.negates() => {
                self.at += 1;
                Ok(Expression::Not(Box::new(self.one()?)))
            }
            Some('(') => {
                self.enter(start..start + 1)?;
                self.at += 1;
                let inner = self.either()?;
                self.close_group(start)?;
                Ok(inner)
            }
            _ => self.term(),
        }
    }

    /// Whether the `-` at the parser's place negates. Before a word it is part of an option: `rm -rf`, `delete -n prod`.
    fn negates(&self) -> bool {
        let rest = &self.rest()[1..];
        rest.starts_with(['"', '(']) || field_name(rest).is_some()
    }

    /// Enters a level of nesting.
    fn enter(&mut self, place: Range<usize>) -> Result<(), QueryError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(QueryErrorKind::TooDeep(MAX_DEPTH), place));
        }
        self.depth += 1;
        Ok(())
    }

    fn close_group(&mut self, opened: usize) -> Result<(), QueryError> {
        self.skip_space();
        if self.peek() != Some(')') {
            return Err(self.error(QueryErrorKind::UnclosedParenthesis, opened..opened + 1));
        }
        if self.text[opened + 1..self.at].trim().is_empty() {
            return Err(self.error(QueryErrorKind::Empty("()".to_owned()), opened..self.at + 1));
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// A filter, a regular expression, a phrase or a word.
    fn term(&mut self) -> Result<Expression, QueryError> {
        let start = self.at;
        let expression = match field_name(self.rest()) {
            Some("re") => {
                self.at += "re:".len();
                let value = self.raw_value(start)?;
                self.require_value("re", start, &value)?;
                let pattern = Pattern::regex(&fold_expression(value.text))
                    .map_err(|why| self.error(QueryErrorKind::Regex(why), value.range))?;
                Expression::Text(TextClause::Pattern(pattern))
            }
            Some(name) => {
                self.at += name.len() + 1;
                self.field(name, start)?
            }
            None => {
                let value = self.raw_value(start)?;
                let empty = || self.error(QueryErrorKind::Empty(self.text[start..self.at].to_owned()), start..self.at);
                let found = if value.quoted { phrase(value.text) } else { word(value.text) };
                Expression::Text(found.ok_or_else(empty)?)
            }
        };
        self.count(&expression, start)?;
        Ok(expression)
    }

    fn count(&mut self, expression: &Expression, start: usize) -> Result<(), QueryError> {
        self.clauses += match expression {
            Expression::Any(parts) => parts.len(),
            Expression::Text(TextClause::Phrase(phrase)) => phrase.len(),
            _ => 1,
        };
        if self.clauses > MAX_CLAUSES {
            return Err(self.error(QueryErrorKind::TooManyClauses(MAX_CLAUSES), start..self.at));
        }
        Ok(())
    }

    fn field(&mut self, name: &'a str, start: usize) -> Result<Expression, QueryError> {
        if name == "when" && self.peek() != Some('"') {
            return self.when(start);
        }
        if self.peek() == Some('(') {
            return self.values(name, start);
        }
        let value = self.raw_value(start)?;
        self.require_value(name, start, &value)?;
        self.one_value(name, &value)
    }

    fn one_value(&self, name: &str, value: &RawValue<'_>) -> Result<Expression, QueryError> {
        let filter = filter(name, value.text, value.quoted, self.now);
        filter.map(Expression::Field).map_err(|kind| self.error(kind, value.range.clone()))
    }

    /// `(a OR b)` after a field.
    fn values(&mut self, name: &str, start: usize) -> Result<Expression, QueryError> {
        let opened = self.at;
        self.at += 1;
        self.depth += 1;
        let mut values = Vec::new();
        loop {
            let operator = self.keyword("OR");
            self.skip_space();
            match self.peek() {
                Some(')') if operator.is_some() || values.is_empty() => {
                    return Err(self.error(QueryErrorKind::NoValue(name.to_owned()), start..self.at + 1));
                }
                None | Some(')') => break,
                Some(_) => {
                    let value = self.raw_value(self.at)?;
                    self.require_value(name, start, &value)?;
                    values.push(self.one_value(name, &value)?);
                }
            }
        }
        self.close_group(opened)?;
        Ok(Expression::Any(values))
    }

    /// A time, which may have several words: the longest run of words that is one.
    fn when(&mut self, start: usize) -> Result<Expression, QueryError> {
        let began = self.at;
        let first = self.raw_value(start)?;
        self.require_value("when", start, &first)?;
        let mut ends = vec![self.at];
        while ends.len() < WHEN_WORDS {
            self.skip_space();
            if self.peek().is_none_or(|c| c == ')' || c == '(' || c == '"') {
                break;
            }
            self.raw_value(start)?;
            ends.push(self.at);
        }
        for end in ends.iter().rev() {
            let text = &self.text[began..*end];
            // The longest run that is a time; `one_value` refuses it if the window is empty.
            if when::parse(text, self.now).is_some() {
                self.at = *end;
                return self.one_value("when", &RawValue { text, range: began..*end, quoted: false });
            }
        }
        self.one_value("when", &first)
    }

    fn require_value(&self, name: &str, start: usize, value: &RawValue<'_>) -> Result<(), QueryError> {
        if value.text.is_empty() {
            return Err(self.error(QueryErrorKind::NoValue(name.to_owned()), start..self.at));
        }
        Ok(())
    }

    /// Takes quoted text, or a word up to white space. A parenthesis that closes a group is not part of the word.
    fn raw_value(&mut self, start: usize) -> Result<RawValue<'a>, QueryError> {
        let rest = &self.text[self.at..];
        if let Some(open) = rest.strip_prefix('"') {
            let Some(length) = open.find('"') else {
                return Err(self.error(QueryErrorKind::UnclosedQuote, self.at..self.text.len()));
            };
            let range = self.at + 1..self.at + 1 + length;
            self.at = range.end + 1;
            return Ok(RawValue { text: &open[..length], range, quoted: true });
        }
        let mut word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        while self.depth > 0 && word.ends_with(')') && count(word, ')') > count(word, '(') {
            word = &word[..word.len() - 1];
        }
        let range = self.at..self.at + word.len();
        self.at = range.end;
        debug_assert!(start <= range.start);
        Ok(RawValue { text: word, range, quoted: false })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Whether the text or the group ends here.
    fn at_end(&mut self) -> bool {
        self.skip_space();
        // A word may contain a parenthesis, as in `foo)`, but not begin with it.
        self.peek().is_none_or(|c| c == ')')
    }

    fn is_keyword(&mut self, word: &str) -> bool {
        self.skip_space();
        let after = self.rest().strip_prefix(word);
        after.is_some_and(|after| after.chars().next().is_none_or(|c| c.is_whitespace() || c == '(' || c == ')'))
    }

    /// Takes an operator, and returns its range; `None` if another word stands here.
    fn keyword(&mut self, word: &str) -> Option<Range<usize>> {
        self.is_keyword(word).then(|| {
            let start = self.at;
            self.at += word.len();
            start..self.at
        })
    }

    fn error(&self, kind: QueryErrorKind, place: Range<usize>) -> QueryError {
        QueryError::at(kind, self.text, place)
    }
}

/// The filter's name that a text begins with.
fn field_name(text: &str) -> Option<&str> {
    text.split_once(':').map(|(name, _)| name).filter(|name| NAMES.contains(name))
}

fn is_empty(expression: &Expression) -> bool {
    matches!(expression, Expression::All(parts) if parts.is_empty())
}

fn count(text: &str, c: char) -> usize {
    text.matches(c).count()
}

/// Lower case, as tokens are, except behind a backslash.
fn fold_expression(text: &str) -> String {
    let mut escaped = false;
    let lower = |c: char| {
        let keep = escaped;
        escaped = c == '\\' && !escaped;
        if keep { vec![c] } else { c.to_lowercase().collect() }
    };
    text.chars().flat_map(lower).collect()
}

/// The clause of a word, in which `*` stands for any characters; `None` if nothing is left to search for.
fn word(text: &str) -> Option<TextClause> {
    let value = unquoted(text);
    if value.trim_matches('*').is_empty() {
        return None;
    }
    if value.contains('*') {
        return Some(TextClause::Pattern(Pattern::glob(&fold(value))));
    }
    let whole = TextClause::Term(fold(value));
    let parts = phrase_tokens(value);
    match parts.as_slice() {
        [] => Some(whole),
        [(_, part)] if *part == fold(value) => Some(whole),
        [(_, part)] => Some(TextClause::AnyOf(vec![whole, TextClause::Term(part.clone())])),
        _ => Some(TextClause::AnyOf(vec![whole, TextClause::Phrase(parts)])),
    }
}

/// The clause of quoted text, in which `*` is a star; `None` if it is blank.
fn phrase(text: &str) -> Option<TextClause> {
    let mut parts = phrase_tokens(text);
    match parts.len() {
        0 => Some(unquoted(text.trim())).filter(|text| !text.is_empty()).map(|text| TextClause::Term(fold(text))),
        1 => Some(TextClause::Term(parts.remove(0).1)),
        _ => Some(TextClause::Phrase(parts)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::expression::{FieldFilter, TextField};

    fn read(text: &str) -> Result<Expression, QueryError> {
        parse(text, &"2026-11-24T13:04:56Z[UTC]".parse().unwrap())
    }

    /// An expression in a form that can be read.
    fn shown(expression: &Expression) -> String {
        let joined = |parts: &[Expression], by: &str| parts.iter().map(shown).collect::<Vec<_>>().join(by);
        match expression {
            Expression::All(parts) => format!("({})", joined(parts, " & ")),
            Expression::Any(parts) => format!("({})", joined(parts, " | ")),
            Expression::Not(inner) => format!("!{}", shown(inner)),
            Expression::Text(clause) => clause_shown(clause),
            Expression::Field(FieldFilter::Text(field, pattern)) => format!("{field:?}={}", pattern_shown(pattern)),
            Expression::Field(filter) => format!("{filter:?}"),
        }
    }

    fn clause_shown(clause: &TextClause) -> String {
        match clause {
            TextClause::Term(text) => text.clone(),
            TextClause::Phrase(parts) => {
                parts.iter().map(|(at, text)| format!("{at}:{text}")).collect::<Vec<_>>().join("+")
            }
            TextClause::Pattern(pattern) => pattern_shown(pattern),
            TextClause::AnyOf(all) => all.iter().map(clause_shown).collect::<Vec<_>>().join("~"),
        }
    }

    fn pattern_shown(pattern: &Pattern) -> String {
        match pattern {
            Pattern::Exact(text) => text.clone(),
            Pattern::Prefix(prefix) => format!("{prefix}*"),
            Pattern::Regex { prefix, regex } => format!("{prefix}/{}/", regex.as_str()),
        }
    }

    #[test]
    fn searches_are_understood() {
        for (text, expected) in [
            ("", "()"),
            ("Delete", "delete"),
            ("get pods", "(get & pods)"),
            ("get AND pods", "(get & pods)"),
            ("get and pods", "(get & and & pods)"),
            ("10.0.3.7", "10.0.3.7"),
            ("--force", "--force"),
            ("rm -rf", "(rm & -rf)"),
            ("ls -la -1", "(ls & -la & -1)"),
            ("delete -n prod --all-namespaces", "(delete & -n & prod & --all-namespaces)"),
            ("-o=yaml", "-o=yaml~0:-o+1:yaml"),
            ("-u:root", "-u:root~0:-u+1:root"),
            ("-l*", "-l*"),
            ("--user:ada", "--user:ada~0:--user+1:ada"),
            ("- --", "(- & --)"),
            ("'nginx-7d4b9'", "nginx-7d4b9"),
            ("/etc/passwd", "/etc/passwd~0:etc+1:passwd"),
            ("http://x:80", "http://x:80~0:http+1:x+2:80"),
            ("漢字", "漢字~0:漢+1:字"),
            ("ngi*", "ngi*"),
            ("*.conf", "/^(?:.*\\.conf)$/"),
            ("\"rm -rf\"", "0:rm+1:-rf"),
            ("\"-rf\"", "-rf"),
            ("\"a*\"", "a*"),
            ("re:WEB-\\D+", "web-/^(?:web-\\D+)$/"),
            ("a OR b c", "(a | (b & c))"),
            ("(a OR b) c", "((a | b) & c)"),
            ("(a OR (b NOT c)) NOT d", "((a | (b & !c)) & !d)"),
            ("a -\"b c\"", "(a & !0:b+1:c)"),
            ("a -(b OR -rf)", "(a & !(b | -rf))"),
            ("a -re:b+", "(a & !b/^(?:b+)$/)"),
            ("NOT -rf", "!-rf"),
            ("-user:ada", "!User=/^(?:(?i:ada))$/"),
            ("NOT user:ada", "!User=/^(?:(?i:ada))$/"),
            ("-user:(ada OR bob)", "!(User=/^(?:(?i:ada))$/ | User=/^(?:(?i:bob))$/)"),
            ("-\"rm -rf\"", "!0:rm+1:-rf"),
            ("-(a OR b)", "!(a | b)"),
            ("-ns:a -pod:(b c)", "(!Namespace=a & !(Pod=b | Pod=c))"),
            (
                "user:(ada OR bob) ns:\"kube-system\"",
                "((User=/^(?:(?i:ada))$/ | User=/^(?:(?i:bob))$/) & Namespace=kube-system)",
            ),
            ("(user:ada)", "User=/^(?:(?i:ada))$/"),
            ("pod:web-*", "Pod=web-*"),
            ("pod:\"web-*\"", "Pod=web-*"),
            ("$(ls) (x)", "($(ls)~0:$+0:ls & x)"),
            ("exit:42", "ExitCode(42..=42)"),
            ("exit:>0", "ExitCode(1..=9223372036854775807)"),
            ("exit:1..9", "ExitCode(1..=9)"),
            ("tty:yes", "Tty(true)"),
            ("kind:output", "Kind(Output)"),
            ("kind:exec", "SessionKind(\"exec\")"),
        ] {
            match read(text) {
                Ok(expression) => assert_eq!(shown(&expression), expected, "{text}"),
                Err(error) => panic!("{text}: {error}"),
            }
        }
        assert_eq!(
            read("pod:web-0").unwrap(),
            Expression::Field(FieldFilter::Text(TextField::Pod, Pattern::Exact("web-0".into())))
        );
    }

    #[test]
    fn a_time_may_be_of_several_words() {
        for (text, rest) in [
            ("when:last 2h passwd", "passwd"),
            ("when:yesterday 14:00 passwd", "passwd"),
            ("when:\"last 2h\" passwd", "passwd"),
            ("when:today passwd", "passwd"),
            ("(when:last 3 days) passwd", "passwd"),
            ("when:last 1 week passwd", "passwd"),
            ("when:monday..friday passwd", "passwd"),
        ] {
            let Expression::All(parts) = read(text).unwrap() else { panic!("{text}") };
            assert!(matches!(parts[0], Expression::Field(FieldFilter::When(_))), "{text}");
            assert_eq!(shown(&parts[1]), rest, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_where() {
        for (text, place, message) in [
            (
                "a \"b",
                2..4,
                "a quotation mark is not closed: write \"…\" around words that belong together (character 3)",
            ),
            ("a (b OR c", 2..3, "this parenthesis is not closed; to search for one, put it in quotes (character 3)"),
            ("a ) b", 2..3, "this parenthesis closes nothing; to search for one, put it in quotes (character 3)"),
            ("ä ()", 3..5, "\"()\" has nothing to search for (character 3)"),
            ("a OR", 2..4, "after OR there is nothing: write a word, a phrase, a filter or a group (character 3)"),
            ("OR a", 0..2, "before OR there is nothing: write a word, a phrase, a filter or a group (character 1)"),
            ("a AND", 2..5, "after AND there is nothing: write a word, a phrase, a filter or a group (character 3)"),
            ("NOT", 0..3, "after NOT there is nothing: write a word, a phrase, a filter or a group (character 1)"),
            ("x user:", 2..7, "the filter user: needs a value, as in user:name (character 3)"),
            ("*", 0..1, "\"*\" has nothing to search for (character 1)"),
            (
                "a exit:256x",
                7..11,
                "\"256x\" is not a value of the filter exit: it takes an exit code, as 1, >0 or 1..127 (character 8)",
            ),
            (
                "a when:today 14:00..today 9:00 b",
                7..30,
                "\"today 14:00..today 9:00\" is not a value of the filter when: it takes a time: today, yesterday 14:00, last 2h, \
                 monday, this week, 2026-11-22, 2026-11-22T14:00, or two with .. between them, the earlier first (character 8)",
            ),
            ("re:a(", 3..5, "the expression cannot be read: unclosed group (character 4)"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!((error.place(), error.to_string().as_str()), (Some(place), message), "{text}");
        }
        let message = |text: &str| read(text).unwrap_err().to_string();
        assert!(message("outcome:good").starts_with("\"good\" is not a value of the filter outcome: it takes live,"));
        assert!(message("when:soon").contains("yesterday 14:00"));
        assert!(message(&"x ".repeat(65)).contains("too many words"));
        assert!(message(&"x".repeat(5000)).contains("too long"));
        assert!(message(&"(".repeat(500)).contains("too deep"));
        assert!(message(&"NOT ".repeat(500)).contains("too deep"));
    }
}
