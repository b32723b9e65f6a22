use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Action, InputRecording, NameError};

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
    /// A rule's own name cannot be one.
    #[error("a rule cannot have this name: {why}")]
    RuleName {
        /// The name.
        rule: String,
        /// Why not.
        why: NameError,
    },
    /// A rule names somebody who cannot be: in `users`, `groups`, `as_user` or `as_groups`.
    #[error("rule {rule:?}: {key} has a name that nobody can have: {why}")]
    Name {
        /// The rule's name.
        rule: String,
        /// The key.
        key: &'static str,
        /// Why not.
        why: NameError,
    },
    /// A rule impersonates a user or group of Kubernetes' own.
    #[error(
        "rule {rule:?} gives {name:?} in {key}: users and groups that start with `system:` are Kubernetes' own and bypass what \
         people may do (it adds `system:authenticated` by itself); give a name of your own, and bind the role to that"
    )]
    System {
        /// The rule's name.
        rule: String,
        /// The key.
        key: &'static str,
        /// The user or group.
        name: String,
    },
}

impl PolicyError {
    /// The name of the rule that cannot be used.
    pub fn rule(&self) -> &str {
        match self {
            Self::Nobody { rule }
            | Self::Duplicate { rule }
            | Self::RuleName { rule, .. }
            | Self::Name { rule, .. }
            | Self::System { rule, .. } => rule,
        }
    }
}
