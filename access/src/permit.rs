use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{Action, Principal, Target};

/// The Kubernetes identity with which a request leaves the gateway: the `Impersonate-*` headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impersonation {
    /// `Impersonate-User`
    pub user: String,
    /// `Impersonate-Group`, one header line each.
    pub groups: Vec<String>,
}

/// Whether what a person sends (stdin) is stored. The number of its bytes always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputRecording {
    /// Never: what is typed while echo is off (passwords) is in no recording. Nor are the commands that are piped into a shell.
    Never,
    /// If no terminal is involved: data piped into a command. The default, since a shell without a terminal shows none of the
    /// commands that it is given, and nothing else of the session does.
    #[default]
    Piped,
    /// Always, keystrokes included.
    Always,
}

/// The proof that a decision was made. Its fields are private, and only [`crate::Policy::decide`] makes one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permit {
    pub(crate) principal: Principal,
    pub(crate) action: Action,
    pub(crate) target: Target,
    pub(crate) impersonation: Impersonation,
    pub(crate) input: InputRecording,
    pub(crate) journal_reads: bool,
    pub(crate) rule: String,
    pub(crate) granted: SystemTime,
}

impl Permit {
    /// The person who may.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What the person may do.
    pub fn action(&self) -> Action {
        self.action
    }

    /// What they may do it to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The identity with which the request reaches Kubernetes.
    pub fn impersonation(&self) -> &Impersonation {
        &self.impersonation
    }

    /// Narrows the permit to those of `groups` that it gives, for a person who asked for fewer. Groups that it does not give
    /// are left out.
    #[must_use]
    pub fn with_fewer_groups(mut self, groups: Vec<String>) -> Self {
        self.impersonation.groups = groups.into_iter().filter(|g| self.impersonation.groups.contains(g)).collect();
        self
    }

    /// Whether input is stored.
    pub fn input(&self) -> InputRecording {
        self.input
    }

    /// Whether a request that only reads, and was answered, is journalled.
    pub fn journal_reads(&self) -> bool {
        self.journal_reads
    }

    /// Name of the policy rule that granted it.
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// When it was granted.
    pub fn granted(&self) -> SystemTime {
        self.granted
    }
}
