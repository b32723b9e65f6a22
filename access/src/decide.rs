use std::{collections::HashSet, time::SystemTime};

use thiserror::Error;

use crate::{Action, Impersonation, Permit, Policy, PolicyError, Principal, Rule, Target};

/// Why a person may not do something. `Display` is for the person and does not reveal what exists.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Denial {
    /// No rule matches the person and the cluster.
    #[error("{user} may not use cluster {cluster}: no rule of the policy allows it")]
    NoRule {
        /// The person.
        user: String,
        /// The cluster's name.
        cluster: String,
    },
    /// The rule that matched refuses the action.
    #[error("{user} may not do this on cluster {cluster}: policy rule {rule} refuses {action}")]
    Refused {
        /// The person.
        user: String,
        /// The cluster's name.
        cluster: String,
        /// The rule's name.
        rule: String,
        /// What was refused.
        action: Action,
    },
}

impl Policy {
    /// Checks the policy as far as that is possible without a request.
    ///
    /// # Errors
    /// [`PolicyError`] names the rule and what to change.
    pub fn check(&self) -> Result<(), PolicyError> {
        let mut names = HashSet::new();
        for rule in &self.rules {
            let named = || rule.name.clone();
            if rule.users.is_empty() && rule.groups.is_empty() {
                return Err(PolicyError::Nobody { rule: named() });
            }
            if !names.insert(&rule.name) {
                return Err(PolicyError::Duplicate { rule: named() });
            }
            if let Some(name) = rule.as_groups.iter().find(|g| *g == "system:masters") {
                return Err(PolicyError::Masters { rule: named(), name: name.clone() });
            }
        }
        Ok(())
    }

    /// Decides whether a person may do something at a time. The first rule that matches person and cluster decides.
    ///
    /// # Errors
    /// [`Denial`] if no rule matches, or the one that matches refuses the action.
    pub fn decide(
        &self,
        principal: &Principal,
        action: Action,
        target: &Target,
        at: SystemTime,
    ) -> Result<Permit, Denial> {
        let rule = self
            .rules
            .iter()
            .find(|rule| rule.matches(principal, target))
            .ok_or_else(|| Denial::NoRule { user: principal.name.clone(), cluster: target.cluster.clone() })?;
        if !rule.allows(action) {
            return Err(Denial::Refused {
                user: principal.name.clone(),
                cluster: target.cluster.clone(),
                rule: rule.name.clone(),
                action,
            });
        }
        Ok(Permit {
            principal: principal.clone(),
            action,
            target: target.clone(),
            impersonation: Impersonation {
                user: rule.as_user.replace("{user}", &principal.name),
                groups: rule.as_groups.clone(),
            },
            input: rule.record_input,
            journal_reads: rule.journal_reads,
            rule: rule.name.clone(),
            granted: at,
        })
    }
}

impl Rule {
    fn matches(&self, principal: &Principal, target: &Target) -> bool {
        let person = listed(&self.users, &principal.name) || principal.groups.iter().any(|g| listed(&self.groups, g));
        person && listed(&self.clusters, &target.cluster)
    }

    fn allows(&self, action: Action) -> bool {
        match action {
            Action::Bypass(path) => self.side_doors.contains(&path),
            Action::Exec
            | Action::Attach
            | Action::PortForward
            | Action::EphemeralContainers
            | Action::Read
            | Action::Write => !self.deny.contains(&action),
        }
    }
}

fn listed(list: &[String], name: &str) -> bool {
    list.iter().any(|entry| entry == "*" || entry == name)
}
