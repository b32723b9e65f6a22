//! What an importer is told: what the importing person says of a file, and bounds.

use std::time::Duration;

use jiff::Timestamp;
use recording::cast::SessionKind;

/// What the importing person says about a recording; it goes before what the file says.
#[derive(Clone, Debug, Default)]
pub struct DeclaredIdentity {
    /// The person who was recorded.
    pub user: Option<String>,
    /// Their groups.
    pub groups: Vec<String>,
    /// The cluster's name.
    pub cluster: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The pod.
    pub pod: Option<String>,
    /// The container.
    pub container: Option<String>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// Exec or attach.
    pub kind: Option<SessionKind>,
    /// Whether input events are stored. They hold what was typed while echo was off, passwords too; if not they are
    /// counted and left out.
    pub keep_input: bool,
    /// The account that imports, as the operating system names it.
    pub by: String,
}

/// Bounds on a file; beyond each the file is refused, with the line.
#[derive(Clone, Copy, Debug)]
pub struct ImportLimits {
    /// Bytes of a line, and of a whole v1 file, which is one JSON value.
    pub line_bytes: usize,
    /// Bytes of the header, which goes into the recording's header as it is.
    pub header_bytes: usize,
    /// Bytes of the whole file once decompressed: a small file can grow a thousandfold and more.
    pub file_bytes: u64,
    /// Time until the last event. A year: what is longer is a time of day, or a mistake.
    pub duration: Duration,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self {
            line_bytes: 64 << 20,
            header_bytes: 64 << 10,
            file_bytes: 64 << 30,
            duration: Duration::from_hours(366 * 24),
        }
    }
}
