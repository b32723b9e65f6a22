use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Action, InputRecording};

/// Who may do what where, as whom. Rules are tried in order; the first that matches decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The rules, first match wins. No match is a denial.
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
    /// Name, shown in permits, journals and denials to operators.
    pub name: String,
    /// People by name.
    #[serde(default)]
    pub users: Vec<String>,
    /// People by group.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Clusters by name.
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
    /// Side doors are refused unless they are named here.
    #[serde(default)]
    pub side_doors: Vec<crate::BypassPath>,
    /// Whether stdin is stored.
    #[serde(default)]
    pub record_input: InputRecording,
    /// Whether requests that only read, and were answered, are journalled. All others always are.
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
    /// A rule that matches nobody.
    #[error("rule {rule:?} matches nobody: give it `users` or `groups`")]
    Nobody {
        /// The rule's name.
        rule: String,
    },
    /// Two rules of one name.
    #[error("two rules are named {rule:?}: names are shown in the journal and must differ")]
    Duplicate {
        /// The name.
        rule: String,
    },
    /// A rule that would impersonate a group of Kubernetes' own control plane.
    #[error("rule {rule:?} impersonates {name:?}: `system:masters` bypasses Kubernetes RBAC and cannot be taken away")]
    Masters {
        /// The rule's name.
        rule: String,
        /// The user or group.
        name: String,
    },
}
