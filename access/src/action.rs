use std::fmt;

use serde::{Deserialize, Serialize};

/// An unrecorded path: a URL that can run a command or move a terminal's bytes without being `pods/exec`, `pods/attach` or
/// `pods/portforward`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BypassPath {
    /// `nodes/*/proxy`: the kubelet's own API, which has exec, run and attach.
    NodeProxy,
    /// `pods/*/proxy` and `services/*/proxy`.
    WorkloadProxy,
    /// A WebSocket to a resource that is no streaming subresource: logs, watches.
    WebSocket,
    /// An upgrade to any other path: aggregated APIs, consoles of virtual machines.
    Upgrade,
}

/// What a person wants to do, as far as policy distinguishes actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `pods/exec`
    Exec,
    /// `pods/attach`
    Attach,
    /// `pods/portforward`
    PortForward,
    /// A write to `pods/ephemeralcontainers`: exec by another name.
    EphemeralContainers,
    /// A request to an unrecorded path; see [`BypassPath`]. Policies name it by its older name.
    #[serde(rename = "side_door")]
    Bypass(BypassPath),
    /// Any other API request that reads (`get`, `list`, `watch`).
    Read,
    /// Any other API request.
    Write,
}

/// The name that a policy's `side_doors` has for it.
impl fmt::Display for BypassPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NodeProxy => "node_proxy",
            Self::WorkloadProxy => "workload_proxy",
            Self::WebSocket => "web_socket",
            Self::Upgrade => "upgrade",
        })
    }
}

/// The name that a policy's `deny` has for it, for the person who is refused.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exec => "exec",
            Self::Attach => "attach",
            Self::PortForward => "port_forward",
            Self::EphemeralContainers => "ephemeral_containers",
            Self::Bypass(path) => return write!(f, "the unrecorded path {path} (side_doors)"),
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}
