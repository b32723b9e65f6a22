use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{Action, Principal, Target};

/// As whom a request leaves the gateway: Kubernetes' `Impersonate-*` headers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impersonation {
    /// `Impersonate-User`
    pub user: String,
    /// `Impersonate-Group`, one header line each.
    pub groups: Vec<String>,
}

/// Whether what a person sends (stdin) is stored. Its byte count always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputRecording {
    /// Not stored: what is typed while echo is off (passwords) is in no recording.
    #[default]
    Never,
    /// Stored where no terminal is involved: data piped into a command.
    Piped,
    /// Stored, keystrokes included.
    Always,
}

/// The proof that a decision was made. Private fields and one maker: [`crate::Policy::decide`].
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
    /// Who may.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What they may do.
    pub fn action(&self) -> Action {
        self.action
    }

    /// On what.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// As whom the request reaches Kubernetes.
    pub fn impersonation(&self) -> &Impersonation {
        &self.impersonation
    }

    /// The same permit for a person who asked for fewer of the groups that it gives; others are left out.
    #[must_use]
    pub fn with_fewer_groups(mut self, groups: Vec<String>) -> Self {
        self.impersonation.groups = groups.into_iter().filter(|g| self.impersonation.groups.contains(g)).collect();
        self
    }

    /// Whether input is stored.
    pub fn input(&self) -> InputRecording {
        self.input
    }

    /// Whether the journal hears of it where it only reads, and was answered.
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
