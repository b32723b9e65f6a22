//! `kubetape config rbac`

use std::collections::BTreeSet;

use access::{Policy, Rule};
use anyhow::{Result, ensure};

use crate::{cli::Rbac, config::Config, output::line, wiring};

pub fn run(config: &Config, options: &Rbac) -> Result<()> {
    let cluster = match &options.cluster {
        Some(name) => name.clone(),
        None => wiring::only_cluster(config)?,
    };
    let needed = Impersonated::by(&wiring::policy(config)?, &cluster);
    ensure!(
        needed.rules > 0,
        "{}: no rule of the policy is for cluster {cluster:?}, so the gateway needs no right there",
        config.file.display()
    );
    Ok(line(needed.to_yaml(&cluster, &config.gateway.name, &options.namespace, &options.service_account).trim_end())?)
}

/// Who the gateway has to be able to act as in a cluster, by its policy.
#[derive(Debug, Default, PartialEq, Eq)]
struct Impersonated {
    /// How many rules say so.
    rules: usize,
    users: BTreeSet<String>,
    /// Namespaces and names; the API server asks for these, and not for `users`.
    service_accounts: BTreeSet<(String, String)>,
    groups: BTreeSet<String>,
    /// Rules whose users have no names that could be listed.
    any_user: Vec<String>,
}

impl Impersonated {
    fn by(policy: &Policy, cluster: &str) -> Self {
        let mut all = Self::default();
        for rule in policy.rules.iter().filter(|rule| rule.clusters.iter().any(|name| name == "*" || name == cluster)) {
            all.rules += 1;
            all.groups.extend(rule.as_groups.iter().cloned());
            match users(rule) {
                Some(users) => users.into_iter().for_each(|user| all.user(user)),
                None => all.any_user.push(rule.name.clone()),
            }
        }
        all
    }

    fn user(&mut self, user: String) {
        match user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
            Some((namespace, name)) => {
                self.service_accounts.insert((namespace.to_owned(), name.to_owned()));
            }
            None => {
                self.users.insert(user);
            }
        }
    }

    fn to_yaml(&self, cluster: &str, gateway: &str, namespace: &str, account: &str) -> String {
        let mut yaml = format!(
            "# What the gateway {gateway} needs in cluster {cluster}, by the policy that `kubetape config rbac` read: it may be the users\n\
             # and groups that the policy can give, and nobody else. It takes the place of the role in deploy/rbac.yaml: apply it after\n\
             # that, and again when the policy gives other users or groups.\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: kubetape-gateway\nrules:\n"
        );
        if !self.any_user.is_empty() {
            let rules = self.any_user.iter().map(|rule| quoted(rule)).collect::<Vec<_>>().join(", ");
            yaml.push_str(&format!(
                "  # Any user: rules {rules} give people their own name ({{user}}), whoever is in a group or is anybody.\n\
                 \x20 # RBAC has names only, and no patterns. What a user may do comes with the groups, which are listed.\n"
            ));
            yaml.push_str(&rule("", "users", &[]));
        } else if !self.users.is_empty() {
            yaml.push_str(&rule("", "users", &self.users.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        if !self.service_accounts.is_empty() {
            yaml.push_str("  # In a cluster role these are the service accounts of that name in every namespace.\n");
            let names: BTreeSet<&str> = self.service_accounts.iter().map(|(_, name)| name.as_str()).collect();
            yaml.push_str(&rule("", "serviceaccounts", &Vec::from_iter(names)));
        }
        if !self.groups.is_empty() {
            yaml.push_str(&rule("", "groups", &self.groups.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        yaml.push_str("  # The gateway's name, which the admission policy asks for.\n");
        yaml.push_str(&rule("authentication.k8s.io", "userextras/kubetape.dev/gateway", &[gateway]));
        yaml.push_str(&format!(
            "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata:\n  name: kubetape-gateway\n\
             roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: ClusterRole\n  name: kubetape-gateway\n\
             subjects:\n  - kind: ServiceAccount\n    name: {}\n    namespace: {}\n",
            quoted(account),
            quoted(namespace)
        ));
        yaml
    }
}

/// The users that a rule can give; `None` if they cannot be listed.
fn users(rule: &Rule) -> Option<Vec<String>> {
    if !rule.as_user.contains("{user}") {
        return Some(vec![rule.as_user.clone()]);
    }
    let listed = rule.groups.is_empty() && !rule.users.iter().any(|user| user == "*");
    listed.then(|| rule.users.iter().map(|user| rule.as_user.replace("{user}", user)).collect())
}

/// One rule. No names: all of them, as RBAC has it.
fn rule(group: &str, resource: &str, names: &[&str]) -> String {
    let list = |names: &[&str]| names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ");
    let mut yaml = format!("  - apiGroups: [{}]\n    resources: [{}]\n", list(&[group]), list(&[resource]));
    if !names.is_empty() {
        yaml.push_str(&format!("    resourceNames: [{}]\n", list(names)));
    }
    yaml.push_str("    verbs: [\"impersonate\"]\n");
    yaml
}

/// A JSON string, which is a YAML string too; in a comment it stays on its line.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(rules: &str) -> Policy {
        Policy { rules: crate::config::policy_rules(std::path::Path::new("policy.toml"), rules).unwrap() }
    }

    const RULES: &str = r#"
        [[rules]]
        name = "ops"
        users = ["ada", "bob"]
        clusters = ["prod"]
        as_user = "ops:{user}"
        as_groups = ["ops", "view"]
        [[rules]]
        name = "robot"
        groups = ["ci"]
        clusters = ["*"]
        as_user = "system:serviceaccount:ci:deployer"
        [[rules]]
        name = "fixed"
        groups = ["guests"]
        clusters = ["prod", "test"]
        as_user = "guest"
        as_groups = ["view"]
        [[rules]]
        name = "everybody"
        users = ["*"]
        clusters = ["sandbox"]
        as_groups = ["sandbox"]
    "#;

    #[test]
    fn the_role_has_the_users_and_groups_that_the_policy_can_give_there() {
        let policy = policy(RULES);
        let prod = Impersonated::by(&policy, "prod");
        assert_eq!(Vec::from_iter(&prod.users), ["guest", "ops:ada", "ops:bob"]);
        assert_eq!(Vec::from_iter(&prod.groups), ["ops", "view"]);
        assert_eq!(Vec::from_iter(&prod.service_accounts), [&("ci".to_owned(), "deployer".to_owned())]);
        assert!(prod.any_user.is_empty());
        let test = Impersonated::by(&policy, "test");
        assert_eq!(
            (Vec::from_iter(&test.users), Vec::from_iter(&test.groups)),
            (vec![&"guest".to_owned()], vec![&"view".to_owned()])
        );
    }

    #[test]
    fn users_without_names_are_said_and_their_groups_are_listed_all_the_same() {
        let sandbox = Impersonated::by(&policy(RULES), "sandbox");
        let yaml = sandbox.to_yaml("sandbox", "west", "kubetape", "kubetape-gateway");
        assert!(yaml.contains("  # Any user: rules \"everybody\" give people their own name"), "{yaml}");
        assert!(yaml.contains("    resources: [\"users\"]\n    verbs:"), "{yaml}");
        assert!(yaml.contains("    resources: [\"groups\"]\n    resourceNames: [\"sandbox\"]\n"), "{yaml}");
    }

    #[test]
    fn nothing_is_given_by_an_empty_list_of_names() {
        let nobody = Impersonated { rules: 1, ..Impersonated::default() };
        let yaml = nobody.to_yaml("c", "west", "kubetape", "kubetape-gateway");
        assert!(
            !yaml.contains("\"users\"") && !yaml.contains("\"groups\"") && !yaml.contains("\"serviceaccounts\""),
            "{yaml}"
        );
        assert!(
            yaml.contains("resources: [\"userextras/kubetape.dev/gateway\"]\n    resourceNames: [\"west\"]\n"),
            "{yaml}"
        );
    }

    #[test]
    fn a_rules_name_cannot_leave_its_comment() {
        let hostile =
            Impersonated { rules: 1, any_user: vec!["x\n  - apiGroups".to_owned()], ..Impersonated::default() };
        let yaml = hostile.to_yaml("c", "west", "kubetape", "kubetape-gateway");
        assert_eq!(yaml.matches("\n  - apiGroups").count(), 2, "{yaml}");
    }
}
