use std::{collections::HashSet, time::SystemTime};

use thiserror::Error;

use crate::{Action, Impersonation, NameError, Permit, Policy, PolicyError, Principal, Rule, Target, name};

/// What a rule's `as_user` has in place of the person's name.
const PERSON: &str = "{user}";

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
    /// The rule that matched would have the person reach Kubernetes under a name that nobody may have.
    #[error("{user} may not use cluster {cluster}: policy rule {rule} makes a name of it that cannot be given: {why}")]
    Name {
        /// The person.
        user: String,
        /// The cluster's name.
        cluster: String,
        /// The rule's name.
        rule: String,
        /// What is wrong with the name.
        why: NameError,
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
            rule.check_names()?;
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
        let impersonation = rule.impersonation(principal).map_err(|why| Denial::Name {
            user: principal.name.clone(),
            cluster: target.cluster.clone(),
            rule: rule.name.clone(),
            why,
        })?;
        Ok(Permit {
            principal: principal.clone(),
            action,
            target: target.clone(),
            impersonation,
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

    /// As whom the person reaches Kubernetes. The names are checked here too: the person's own is part of one.
    fn impersonation(&self, principal: &Principal) -> Result<Impersonation, NameError> {
        let user = self.as_user.replace(PERSON, &principal.name);
        name::check(&user)?;
        self.as_groups.iter().try_for_each(|group| name::check(group))?;
        Ok(Impersonation { user, groups: self.as_groups.clone() })
    }

    fn check_names(&self) -> Result<(), PolicyError> {
        let rule = || self.name.clone();
        name::check(&self.name).map_err(|why| PolicyError::RuleName { rule: rule(), why })?;
        // Any name will do for the person's.
        let as_user = self.as_user.replace(PERSON, "x");
        let given = self.as_groups.iter().map(|group| ("as_groups", group)).chain([("as_user", &as_user)]);
        let matched = self.users.iter().map(|user| ("users", user));
        let matched = matched.chain(self.groups.iter().map(|group| ("groups", group)));
        for (key, name) in given.chain(matched) {
            match name::check(name) {
                Ok(()) => {}
                Err(NameError::System(name)) if key.starts_with("as_") => {
                    return Err(PolicyError::System { rule: rule(), key, name });
                }
                Err(why) => return Err(PolicyError::Name { rule: rule(), key, why }),
            }
        }
        Ok(())
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
