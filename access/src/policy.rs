use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Action, InputRecording};

/// Who may do what where, and with which Kubernetes identity. Rules are tried in order; the first that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The rules in their order. A request that no rule matches is denied.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// One rule of a [`Policy`].
///
/// `users`, `groups` and `clusters` take names, or `*` for all. A person matches if their name is in
/// `users` or one of their groups is in `groups`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, which is shown in permits, in the journal and in denials.
    pub name: String,
    /// People whom it matches, by name.
    #[serde(default)]
    pub users: Vec<String>,
    /// People whom it matches, by group.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Clusters that it matches, by name.
    pub clusters: Vec<String>,
    /// Kubernetes user to impersonate; `{user}` stands for the person's name.
    #[serde(default = "same_user")]
    pub as_user: String,
    /// Kubernetes groups to impersonate.
    #[serde(default)]
    pub as_groups: Vec<String>,
    /// Actions that this rule refuses.
    #[serde(default)]
    pub deny: Vec<Action>,
    /// Unrecorded paths that this rule allows; all others are refused.
    #[serde(default)]
    pub side_doors: Vec<crate::BypassPath>,
    /// Whether stdin is stored: what is piped into a command, unless the rule says otherwise.
    #[serde(default)]
    pub record_input: InputRecording,
    /// Whether requests that only read, and were answered, are journalled. All other requests always are.
    #[serde(default = "yes")]
    pub journal_reads: bool,
}

fn yes() -> bool {
    true
}

fn same_user() -> String {
    "{user}".to_owned()
}

/// Why a policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// A rule matches nobody.
    #[error("rule {rule:?} matches nobody: give it `users` or `groups`")]
    Nobody {
        /// The rule's name.
        rule: String,
    },
    /// Two rules have one name.
    #[error("two rules are named {rule:?}: names are shown in the journal and must differ")]
    Duplicate {
        /// The name.
        rule: String,
    },
    /// A rule impersonates a group of Kubernetes' own control plane.
    #[error("rule {rule:?} impersonates {name:?}: `system:masters` bypasses Kubernetes RBAC and cannot be taken away")]
    Masters {
        /// The rule's name.
        rule: String,
        /// The group.
        name: String,
    },
}
