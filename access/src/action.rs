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
    /// A request to an unrecorded path; see [`BypassPath`].
    Bypass(BypassPath),
    /// Any other API request that reads (`get`, `list`, `watch`).
    Read,
    /// Any other API request.
    Write,
}
