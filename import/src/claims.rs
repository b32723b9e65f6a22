use jiff::Timestamp;
use recording::cast::SessionKind;

/// What who imports says about a recording; it goes before what the file says.
#[derive(Clone, Debug, Default)]
pub struct DeclaredIdentity {
    /// Who was recorded.
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
    /// Input events are stored. They hold what was typed while echo was off, passwords too: else they are counted and
    /// left out.
    pub keep_input: bool,
    /// Who imports, for the record: the operating system's name of the account.
    pub by: String,
}
