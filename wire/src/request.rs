use thiserror::Error;

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
    /// `command=`, element by element; an empty element stays one.
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
    /// Percent-encoding that Go refuses.
    #[error("the query has an invalid percent-encoding: {0:?}")]
    Encoding(String),
}
