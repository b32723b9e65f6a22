use std::borrow::Cow;

use thiserror::Error;

use crate::query::{self, QueryError};

/// The streaming subresources of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subresource {
    /// `exec`
    Exec,
    /// `attach`
    Attach,
    /// `portforward`
    PortForward,
}

/// What an exec, attach or portforward URL asks for, read as the API server reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Which.
    pub subresource: Subresource,
    /// `command=`, element by element; an empty element stays one. Bytes that are no UTF-8 are U+FFFD here.
    pub argv: Vec<String>,
    /// `container=`, the first one; empty where there is none.
    pub container: String,
    /// `stdin`
    pub stdin: bool,
    /// `stdout`
    pub stdout: bool,
    /// `stderr`; false where `tty` is true, as the server treats it.
    pub stderr: bool,
    /// `tty`
    pub tty: bool,
    /// `ports=`, comma separated or repeated.
    pub ports: Vec<u16>,
}

/// Why a URL's query cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// `ports=` is not a number from 1 to 65535.
    #[error("port {0:?} is not a number from 1 to 65535")]
    Port(String),
    /// Percent-encoding that Go refuses. `URL.Query()` drops such a pair without a word; a recorder that did so
    /// too would depend on every server doing it, so it is refused.
    #[error("the query has an invalid percent-encoding: {0:?}")]
    Encoding(String),
    /// A bare `;`: a separator for Go up to 1.16, a reason to drop the pair for later ones. Refused, because the
    /// two read different commands from it.
    #[error("the query has a bare ';', which servers read differently: {0:?}")]
    Semicolon(String),
}

impl Request {
    /// Reads the query of an exec, attach or portforward URL, without its `?`, as the API server does
    /// (`Convert_Slice_string_To_bool` and its siblings in apimachinery, after Go's `url.ParseQuery`).
    ///
    /// Names are case-sensitive. Of a scalar given twice the first counts. A boolean is false when absent, `0`
    /// or `false` in any case, and true for all else, also when empty. What the subresource has no parameter
    /// for stays empty or false.
    ///
    /// # Errors
    ///
    /// Where two servers would read the query differently, and for `ports=` that is not made of ports.
    pub fn parse(subresource: Subresource, query: &str) -> Result<Request, RequestError> {
        let mut raw = Raw::default();
        for pair in query::pairs(query) {
            let (name, value) = pair?;
            raw.take(&name, value);
        }
        match subresource {
            Subresource::PortForward => raw.port_forward(),
            Subresource::Exec | Subresource::Attach => Ok(raw.remote_command(subresource)),
        }
    }
}

/// The parameters before they are given a type.
#[derive(Default)]
struct Raw<'a> {
    command: Vec<String>,
    container: Option<Cow<'a, str>>,
    stdin: Option<Cow<'a, str>>,
    stdout: Option<Cow<'a, str>>,
    stderr: Option<Cow<'a, str>>,
    tty: Option<Cow<'a, str>>,
    ports: Vec<Cow<'a, str>>,
}

impl<'a> Raw<'a> {
    fn take(&mut self, name: &str, value: Cow<'a, str>) {
        let scalar = match name {
            "command" => return self.command.push(value.into_owned()),
            "ports" => return self.ports.push(value),
            "container" => &mut self.container,
            "stdin" => &mut self.stdin,
            "stdout" => &mut self.stdout,
            "stderr" => &mut self.stderr,
            "tty" => &mut self.tty,
            _ => return,
        };
        scalar.get_or_insert(value);
    }

    fn remote_command(self, subresource: Subresource) -> Request {
        let tty = boolean(self.tty.as_deref());
        Request {
            subresource,
            argv: if subresource == Subresource::Exec { self.command } else { Vec::new() },
            container: self.container.unwrap_or_default().into_owned(),
            stdin: boolean(self.stdin.as_deref()),
            stdout: boolean(self.stdout.as_deref()),
            stderr: boolean(self.stderr.as_deref()) && !tty,
            tty,
            ports: Vec::new(),
        }
    }

    fn port_forward(self) -> Result<Request, RequestError> {
        let ports = self.ports.iter().flat_map(|list| list.split(',')).map(port).collect::<Result<_, _>>()?;
        Ok(Request {
            subresource: Subresource::PortForward,
            argv: Vec::new(),
            container: String::new(),
            stdin: false,
            stdout: false,
            stderr: false,
            tty: false,
            ports,
        })
    }
}

/// A boolean parameter of any URL's query, as the API server reads it: see [`Request::parse`]. Pairs that Go's
/// `url.ParseQuery` drops are skipped.
pub fn boolean_parameter(query: &str, name: &str) -> bool {
    let mut pairs = query::pairs(query).filter_map(Result::ok);
    boolean(pairs.find(|(key, _)| key == name).map(|(_, value)| value).as_deref())
}

fn boolean(value: Option<&str>) -> bool {
    value.is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
}

/// Go's `strconv.ParseUint(text, 10, 16)`, and more than 0. Unlike Rust's, it takes no sign.
fn port(text: &str) -> Result<u16, RequestError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits { text.parse().unwrap_or(0) } else { 0 };
    if number == 0 { Err(RequestError::Port(text.to_owned())) } else { Ok(number) }
}

impl From<QueryError<'_>> for RequestError {
    fn from(error: QueryError<'_>) -> Self {
        match error {
            QueryError::Encoding(text) => RequestError::Encoding(text.to_owned()),
            QueryError::Semicolon(text) => RequestError::Semicolon(text.to_owned()),
        }
    }
}
