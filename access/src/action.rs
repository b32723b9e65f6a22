use serde::{Deserialize, Serialize};

/// A side door: a URL that can run a command or move a terminal's bytes without
/// being `pods/exec`, `pods/attach` or `pods/portforward`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BypassPath {
    /// `nodes/*/proxy`: the kubelet's own API, which has exec, run and attach.
    NodeProxy,
    /// `pods/*/proxy` and `services/*/proxy`.
    WorkloadProxy,
    /// A WebSocket on a resource that is not a streaming subresource: logs, watches.
    WebSocket,
    /// An upgrade on any other path: aggregated APIs, consoles of virtual machines.
    Upgrade,
}

/// What someone wants to do, as far as policy tells actions apart.
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
    /// A side door; see [`BypassPath`].
    Bypass(BypassPath),
    /// Any other API request that reads (`get`, `list`, `watch`).
    Read,
    /// Any other API request.
    Write,
}
