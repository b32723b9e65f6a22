use serde::{Deserialize, Serialize};

/// What an action is aimed at. What a request does not name is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The cluster's name in Kubetape's configuration.
    pub cluster: String,
    /// Namespace, or empty for cluster-scoped resources.
    #[serde(default)]
    pub namespace: String,
    /// Plural resource name, such as `pods`.
    #[serde(default)]
    pub resource: String,
    /// Name of the object, such as the pod's.
    #[serde(default)]
    pub name: String,
    /// Subresource, such as `exec`.
    #[serde(default)]
    pub subresource: String,
    /// Container that the request names.
    #[serde(default)]
    pub container: String,
}
