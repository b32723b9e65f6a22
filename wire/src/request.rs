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
    /// The subresource.
    pub subresource: Subresource,
    /// `command=`, element by element; an empty element is kept. Bytes that are not UTF-8 are U+FFFD here.
    pub argv: Vec<String>,
    /// `container=`, the first one; empty if there is none.
    pub container: String,
    /// `stdin`
    pub stdin: bool,
    /// `stdout`
    pub stdout: bool,
    /// `stderr`; false if `tty` is true, as the server treats it.
    pub stderr: bool,
    /// `tty`
    pub tty: bool,
    /// `ports=`, from a comma separated list or repeated parameters.
    pub ports: Vec<u16>,
}

/// Why a URL's query cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// `ports=` has an element that is not a number from 1 to 65535.
    #[error("port {0:?} is not a number from 1 to 65535")]
    Port(String),
    /// A percent-encoding that Go refuses. `URL.Query()` silently drops such a pair; a recorder that dropped it too
    /// would depend on every server doing so.
    #[error("the query has an invalid percent-encoding: {0:?}")]
    Encoding(String),
    /// A bare `;`: a separator for Go up to 1.16, a reason to drop the pair for later versions. The two read different
    /// commands from it.
    #[error("the query has a bare ';', which servers read differently: {0:?}")]
    Semicolon(String),
}

impl Request {
    /// Reads the query of an exec, attach or portforward URL, without its `?`, as the API server does
    /// (`Convert_Slice_string_To_bool` and its siblings in `k8s.io/apimachinery/pkg/runtime/conversion.go`, after Go's
    /// `url.ParseQuery`).
    ///
    /// Names are case-sensitive. Of a scalar given twice the first counts. Booleans are read as by [`query::boolean`].
    /// Fields that the subresource has no parameter for are empty or false.
    ///
    /// # Errors
    ///
    /// [`RequestError`] if two servers would read the query differently, or if `ports=` is not made of ports.
    pub fn parse(subresource: Subresource, query: &str) -> Result<Request, RequestError> {
        let mut raw = RawParameters::default();
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

/// The parameters as text.
#[derive(Default)]
struct RawParameters<'a> {
    command: Vec<String>,
    container: Option<Cow<'a, str>>,
    stdin: Option<Cow<'a, str>>,
    stdout: Option<Cow<'a, str>>,
    stderr: Option<Cow<'a, str>>,
    tty: Option<Cow<'a, str>>,
    ports: Vec<Cow<'a, str>>,
}

impl<'a> RawParameters<'a> {
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
        let tty = self.tty.as_deref().is_some_and(query::is_true);
        Request {
            subresource,
            argv: if subresource == Subresource::Exec { self.command } else { Vec::new() },
            container: self.container.unwrap_or_default().into_owned(),
            stdin: self.stdin.as_deref().is_some_and(query::is_true),
            stdout: self.stdout.as_deref().is_some_and(query::is_true),
            stderr: self.stderr.as_deref().is_some_and(query::is_true) && !tty,
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

/// Go's `strconv.ParseUint(text, 10, 16)`, above 0. Unlike Rust's `parse`, it accepts no sign.
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
