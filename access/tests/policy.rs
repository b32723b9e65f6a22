//! Tables for `Policy::decide` and `Policy::check`.

use std::time::SystemTime;

use access::{
    Action, BypassPath, Credential, Denial, InputRecording, NameError, Policy, PolicyError, Principal, Rule, Target,
};

fn rule(name: &str) -> Rule {
    Rule {
        name: name.to_owned(),
        users: Vec::new(),
        groups: Vec::new(),
        clusters: vec!["*".to_owned()],
        as_user: "{user}".to_owned(),
        as_groups: Vec::new(),
        deny: Vec::new(),
        side_doors: Vec::new(),
        record_input: InputRecording::Never,
        journal_reads: true,
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|&word| word.to_owned()).collect()
}

fn person(name: &str, groups: &[&str]) -> Principal {
    Principal {
        name: name.to_owned(),
        groups: words(groups),
        credential: Credential::Token,
        credential_id: "1".to_owned(),
    }
}

fn on(cluster: &str) -> Target {
    Target { cluster: cluster.to_owned(), ..Target::default() }
}

/// Admins everywhere; developers on `dev`, without exec; the unrecorded path over nodes only for admins.
fn policy() -> Policy {
    let admins = Rule {
        groups: words(&["admins"]),
        as_groups: words(&["ops"]),
        side_doors: vec![BypassPath::NodeProxy],
        record_input: InputRecording::Piped,
        journal_reads: true,
        ..rule("admins")
    };
    let developers = Rule {
        users: words(&["jane"]),
        groups: words(&["dev"]),
        clusters: words(&["dev"]),
        as_user: "dev:{user}".to_owned(),
        deny: vec![Action::Exec, Action::Write],
        ..rule("developers")
    };
    let everybody = Rule { users: words(&["*"]), clusters: words(&["sandbox"]), ..rule("everybody") };
    Policy { rules: vec![admins, developers, everybody] }
}

#[test]
fn the_first_rule_that_matches_answers() {
    let node = Action::Bypass(BypassPath::NodeProxy);
    for (who, groups, cluster, action, answer) in [
        ("root", &["admins"][..], "prod", Action::Exec, Ok("admins")),
        ("root", &["admins"], "prod", node, Ok("admins")),
        ("root", &["admins"], "prod", Action::Bypass(BypassPath::WebSocket), Err(Some("admins"))),
        ("jane", &[], "dev", Action::Read, Ok("developers")),
        ("jane", &[], "dev", Action::Exec, Err(Some("developers"))),
        ("jane", &[], "dev", Action::Write, Err(Some("developers"))),
        ("jane", &[], "dev", Action::Attach, Ok("developers")),
        ("jane", &[], "dev", node, Err(Some("developers"))),
        ("jane", &["admins"], "dev", Action::Exec, Ok("admins")),
        ("joe", &["dev"], "dev", Action::PortForward, Ok("developers")),
        ("joe", &["dev"], "prod", Action::Read, Err(None)),
        ("joe", &[], "sandbox", Action::Exec, Ok("everybody")),
        ("Jane", &[], "dev", Action::Read, Err(None)),
        ("", &[], "dev", Action::Read, Err(None)),
    ] {
        let decided = policy().decide(&person(who, groups), action, &on(cluster), SystemTime::UNIX_EPOCH);
        let seen = match &decided {
            Ok(permit) => Ok(permit.rule()),
            Err(Denial::Refused { rule, .. }) => Err(Some(rule.as_str())),
            Err(Denial::NoRule { .. }) => Err(None),
            Err(denial @ Denial::Name { .. }) => panic!("{denial}"),
        };
        assert_eq!(seen, answer, "{who} {action:?} on {cluster}");
    }
}

#[test]
fn a_permit_says_who_what_and_as_whom() {
    let at = SystemTime::UNIX_EPOCH;
    let permit = policy().decide(&person("jane", &[]), Action::Attach, &on("dev"), at).unwrap();
    assert_eq!((permit.principal().name.as_str(), permit.action()), ("jane", Action::Attach));
    assert_eq!((permit.target(), permit.granted()), (&on("dev"), at));
    assert_eq!(permit.impersonation().user, "dev:jane");
    assert!(permit.impersonation().groups.is_empty());
    assert_eq!(permit.input(), InputRecording::Never);
    let permit = policy().decide(&person("root", &["admins"]), Action::Exec, &on("prod"), at).unwrap();
    assert_eq!((permit.impersonation().user.as_str(), permit.input()), ("root", InputRecording::Piped));
    assert_eq!(permit.impersonation().groups, ["ops"]);
}

#[test]
fn a_rule_stores_what_is_piped_in_unless_it_says_otherwise() {
    let stored = |record_input: &str| {
        let rule = format!(r#"{{"name": "ops", "groups": ["ops"], "clusters": ["*"]{record_input}}}"#);
        let policy = Policy { rules: vec![serde_json::from_str(&rule).unwrap()] };
        policy.decide(&person("jane", &["ops"]), Action::Exec, &on("dev"), SystemTime::UNIX_EPOCH).unwrap().input()
    };
    assert_eq!(stored(""), InputRecording::Piped);
    assert_eq!(stored(r#", "record_input": "never""#), InputRecording::Never);
    assert_eq!(stored(r#", "record_input": "always""#), InputRecording::Always);
}

#[test]
fn a_denial_does_not_say_what_exists() {
    let decide = |cluster| policy().decide(&person("joe", &[]), Action::Read, &on(cluster), SystemTime::UNIX_EPOCH);
    let known = decide("dev").unwrap_err().to_string();
    assert_eq!(known, decide("nowhere").unwrap_err().to_string().replace("nowhere", "dev"));
}

#[test]
fn a_policy_that_cannot_be_meant_is_refused() {
    let somebody = || Rule { users: words(&["jane"]), ..rule("a") };
    for (rules, error) in [
        (vec![], None),
        (vec![somebody()], None),
        (vec![rule("a")], Some(PolicyError::Nobody { rule: "a".to_owned() })),
        (vec![somebody(), somebody()], Some(PolicyError::Duplicate { rule: "a".to_owned() })),
    ] {
        assert_eq!(Policy { rules }.check().err(), error);
    }
}

#[test]
fn a_policy_gives_nobody_a_name_of_kubernetes_itself() {
    let somebody = || Rule { users: words(&["jane"]), ..rule("a") };
    for (rule, key, name) in [
        (Rule { as_groups: words(&["dev", "system:masters"]), ..somebody() }, "as_groups", "system:masters"),
        (Rule { as_groups: words(&["system:authenticated"]), ..somebody() }, "as_groups", "system:authenticated"),
        (Rule { as_user: "system:admin".to_owned(), ..somebody() }, "as_user", "system:admin"),
        (Rule { as_user: "system:node:{user}".to_owned(), ..somebody() }, "as_user", "system:node:x"),
    ] {
        let policy = Policy { rules: vec![rule] };
        let told = PolicyError::System { rule: "a".to_owned(), key, name: name.to_owned() };
        assert_eq!(policy.check(), Err(told));
        // Nor does one that nobody checked.
        let decided = policy.decide(&person("jane", &[]), Action::Read, &on("dev"), SystemTime::UNIX_EPOCH);
        assert!(matches!(decided, Err(Denial::Name { why: NameError::System(_), .. })), "{key}: {decided:?}");
    }
}

#[test]
fn nor_does_the_name_of_a_person() {
    let decide = |as_user: &str, name: &str| {
        let rule = Rule { users: words(&["*"]), as_user: as_user.to_owned(), ..rule("a") };
        assert_eq!(Policy { rules: vec![rule.clone()] }.check(), Ok(()), "the policy itself is good");
        Policy { rules: vec![rule] }.decide(&person(name, &[]), Action::Exec, &on("dev"), SystemTime::UNIX_EPOCH)
    };
    for (as_user, name) in [("{user}", "system:admin"), ("{user}:admin", "system"), ("{user}", "a\nb"), ("{user}", "")]
    {
        assert!(matches!(decide(as_user, name), Err(Denial::Name { .. })), "{as_user} {name:?}");
    }
    assert_eq!(decide("dev:{user}", "system").unwrap().impersonation().user, "dev:system");
}

#[test]
fn a_policy_names_people_groups_and_rules_that_can_be() {
    let somebody = || Rule { users: words(&["jane"]), ..rule("a") };
    for (rule, key) in [
        (Rule { users: words(&["an\u{200b}n"]), ..somebody() }, "users"),
        (Rule { groups: words(&["local:root"]), ..somebody() }, "groups"),
        (Rule { as_user: "dev\u{202e}{user}".to_owned(), ..somebody() }, "as_user"),
        (Rule { as_groups: words(&["import"]), ..somebody() }, "as_groups"),
    ] {
        let told = Policy { rules: vec![rule] }.check().unwrap_err();
        assert!(matches!(&told, PolicyError::Name { key: of, .. } if *of == key), "{told:?}");
    }
    let unseen = Rule { name: "every\u{2066}one".to_owned(), ..somebody() };
    assert!(matches!(Policy { rules: vec![unseen] }.check(), Err(PolicyError::RuleName { .. })));
}

#[test]
fn a_permit_can_be_narrowed_and_never_widened() {
    let policy =
        Policy { rules: vec![Rule { users: words(&["ann"]), as_groups: words(&["dev", "ops"]), ..rule("r") }] };
    let granted = policy.decide(&person("ann", &[]), Action::Read, &on("dev"), SystemTime::UNIX_EPOCH);
    let narrowed = granted.expect("ann may").with_fewer_groups(words(&["ops", "admins"]));
    assert_eq!(narrowed.impersonation().groups, words(&["ops"]));
}

#[test]
fn a_refusal_names_the_action_as_a_policy_does() {
    let paths = [BypassPath::NodeProxy, BypassPath::WorkloadProxy, BypassPath::WebSocket, BypassPath::Upgrade];
    for path in paths {
        assert_eq!(serde_json::to_value(path).unwrap(), path.to_string());
    }
    let actions = [Action::Exec, Action::Attach, Action::PortForward, Action::EphemeralContainers, Action::Read];
    for action in actions.into_iter().chain([Action::Write]) {
        assert_eq!(serde_json::to_value(action).unwrap(), action.to_string());
    }
}
