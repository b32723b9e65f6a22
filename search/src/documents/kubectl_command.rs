//! The kubectl command line behind API requests, as far as they show it.
//!
//! What only kubectl does cannot be seen: it asks for `-o wide` like for the plain table, and a file's name never leaves the
//! client. What can be seen is verb, resources, names, namespace, selectors, `-w`, `-f` of logs and the like.

use super::request_line::RequestLine;

/// Resources of the cluster: they have no namespace, so an empty one does not mean `-A`.
const CLUSTER_RESOURCES: [&str; 22] = [
    "apiservices",
    "certificatesigningrequests",
    "clusterrolebindings",
    "clusterroles",
    "componentstatuses",
    "csidrivers",
    "csinodes",
    "customresourcedefinitions",
    "flowschemas",
    "ingressclasses",
    "mutatingwebhookconfigurations",
    "namespaces",
    "nodes",
    "persistentvolumes",
    "priorityclasses",
    "prioritylevelconfigurations",
    "runtimeclasses",
    "storageclasses",
    "validatingadmissionpolicies",
    "validatingwebhookconfigurations",
    "volumeattachments",
    "subjectaccessreviews",
];

/// Commands whose target is a pod's bare name.
const POD_COMMANDS: [&str; 6] = ["logs", "exec", "attach", "port-forward", "cp", "debug"];

/// The command line of `lines`, the requests of one run in order of time. `command` is `Kubectl-Command` (`kubectl get`),
/// or empty. If the last request was refused or failed, its code and reason follow in parentheses.
pub(crate) fn kubectl_command(command: &str, lines: &[RequestLine]) -> String {
    let command = if command.is_empty() { command_of_verb(lines) } else { command.to_owned() };
    let word = command.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut builder = CommandLineBuilder { word, lines: relevant(lines), text: command };
    builder.targets();
    builder.locations();
    builder.selectors();
    builder.flags();
    builder.failure();
    builder.text.trim().to_owned()
}

/// The command of requests without `Kubectl-Command`, by verb and subresource.
fn command_of_verb(lines: &[RequestLine]) -> String {
    let Some(line) = lines.first() else { return String::new() };
    let word = match (line.verb.as_str(), line.subresource.as_str()) {
        ("get", "log") => "logs",
        ("exec", _) => "exec",
        ("attach", _) => "attach",
        ("portforward", _) => "port-forward",
        ("create", "eviction") => "drain",
        ("update" | "patch", "scale") => "scale",
        ("get" | "list" | "watch", _) => "get",
        ("create", _) => "create",
        ("update", _) => "replace",
        ("patch", _) if line.option("patch") == "apply" => "apply --server-side",
        ("patch", _) => "patch",
        ("delete" | "deletecollection", _) => "delete",
        (verb, _) => verb,
    };
    format!("kubectl {word}")
}

/// The requests that show the command's targets: without the events that `describe` reads too, unless there is nothing
/// else.
fn relevant(lines: &[RequestLine]) -> Vec<&RequestLine> {
    let others: Vec<&RequestLine> = lines.iter().filter(|line| line.resource != "events").collect();
    if others.is_empty() { lines.iter().collect() } else { others }
}

struct CommandLineBuilder<'a> {
    /// `get` of `kubectl get`.
    word: String,
    lines: Vec<&'a RequestLine>,
    text: String,
}

impl CommandLineBuilder<'_> {
    fn add(&mut self, part: &str) {
        self.text.push(' ');
        self.text.push_str(part);
    }

    /// `pods web-0 web-1`, `pods,services`, `pods/web-0 services/web`.
    fn targets(&mut self) {
        let mut resources: Vec<&str> = Vec::new();
        let mut named: Vec<(&str, &str)> = Vec::new();
        for line in &self.lines {
            if !line.resource.is_empty() && !resources.contains(&line.resource.as_str()) {
                resources.push(&line.resource);
            }
            let target = (line.resource.as_str(), name(line));
            if !target.1.is_empty() && !named.contains(&target) {
                named.push(target);
            }
        }
        let bare = POD_COMMANDS.contains(&self.word.as_str()) && resources == ["pods"];
        let part = match (resources.as_slice(), named.is_empty()) {
            (_, true) => resources.join(","),
            ([_], false) if bare => names(&named),
            ([resource], false) => format!("{resource} {}", names(&named)),
            (_, false) => {
                let each: Vec<String> = named.iter().map(|(resource, name)| format!("{resource}/{name}")).collect();
                each.join(" ")
            }
        };
        if !part.is_empty() {
            self.add(&part);
        }
    }

    /// `-c app -n default`, `-A`.
    fn locations(&mut self) {
        if let Some(container) = self.first(|line| &line.container) {
            self.add(&format!("-c {container}"));
        }
        if let Some(namespace) = self.first(|line| if line.resource == "namespaces" { "" } else { &line.namespace }) {
            self.add(&format!("-n {namespace}"));
        }
        let everywhere = |line: &&RequestLine| {
            let lists = matches!(line.verb.as_str(), "list" | "watch");
            lists && line.namespace.is_empty() && !CLUSTER_RESOURCES.contains(&line.resource.as_str())
        };
        if self.lines.iter().any(everywhere) {
            self.add("-A");
        }
    }

    fn selectors(&mut self) {
        if let Some(selector) = self.first(|line| line.option("labelSelector")) {
            self.add(&format!("-l {}", quoted(&selector)));
        }
        if let Some(selector) = self.first(|line| if name(line).is_empty() { line.option("fieldSelector") } else { "" })
        {
            self.add(&format!("--field-selector {}", quoted(&selector)));
        }
    }

    fn flags(&mut self) {
        let watches = self.lines.iter().any(|line| line.verb == "watch");
        if self.word == "get" && watches {
            self.add("-w");
        }
        let reads = |line: &RequestLine| matches!(line.verb.as_str(), "get" | "list") && line.subresource.is_empty();
        if self.word == "get" && self.lines.iter().any(|line| reads(line) && line.option("accept") == "object") {
            self.add("-o …");
        }
        let is = |line: &&RequestLine, name: &str, value: &str| line.option(name) == value;
        for (name, value, flag) in [
            ("follow", "true", "-f"),
            ("previous", "true", "--previous"),
            ("timestamps", "true", "--timestamps"),
            ("dryRun", "All", "--dry-run=server"),
        ] {
            if self.lines.iter().any(|line| is(line, name, value)) {
                self.add(flag);
            }
        }
        let applies = self.word == "apply" && !self.text.contains("--server-side");
        if applies && self.lines.iter().any(|line| is(line, "patch", "apply")) {
            self.add("--server-side");
        }
        for (name, flag, unit) in [
            ("tailLines", "--tail=", ""),
            ("sinceSeconds", "--since=", "s"),
            ("sinceTime", "--since-time=", ""),
            ("gracePeriodSeconds", "--grace-period=", ""),
            ("as", "--as=", ""),
        ] {
            if let Some(value) = self.first(|line| line.option(name)) {
                self.add(&format!("{flag}{}{unit}", quoted(&value)));
            }
        }
    }

    /// ` (403: why)` if the gateway refused a request, or ` (404)` if the last one failed.
    fn failure(&mut self) {
        let refused = self.lines.iter().find(|line| !line.reason.is_empty());
        let failed = self.lines.last().filter(|line| line.code >= 400);
        let part = match (refused, failed) {
            (Some(line), _) => format!("({}: {})", line.code, line.reason),
            (None, Some(line)) => format!("({})", line.code),
            (None, None) => return,
        };
        self.add(&part);
    }

    /// The first non-empty value.
    fn first(&self, part: impl Fn(&RequestLine) -> &str) -> Option<String> {
        self.lines.iter().map(|line| part(line)).find(|value| !value.is_empty()).map(str::to_owned)
    }
}

/// The object's name, also of a list or watch by name.
fn name(line: &RequestLine) -> &str {
    if line.name.is_empty() {
        return line.option("fieldSelector").strip_prefix("metadata.name=").unwrap_or_default();
    }
    &line.name
}

fn names(named: &[(&str, &str)]) -> String {
    named.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

fn quoted(value: &str) -> String {
    recording::shell_quoted(&[value.to_owned()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `verb resource[/sub] [name] [-n ns] [-c container] [key=value…] code [reason]`
    fn line(text: &str) -> RequestLine {
        let mut words = text.split(' ');
        let mut line = RequestLine { verb: words.next().unwrap().to_owned(), ..RequestLine::default() };
        let (resource, sub) = {
            let word = words.next().unwrap();
            word.split_once('/').unwrap_or((word, ""))
        };
        (line.resource, line.subresource) = (resource.to_owned(), sub.to_owned());
        while let Some(word) = words.next() {
            if word == "-n" {
                line.namespace = words.next().unwrap().to_owned();
            } else if word == "-c" {
                line.container = words.next().unwrap().to_owned();
            } else if let Ok(code) = word.parse() {
                line.code = code;
                line.reason = words.by_ref().collect::<Vec<_>>().join(" ");
            } else if let Some((key, value)) = word.split_once('=') {
                line.options.insert(key.to_owned(), value.to_owned());
            } else {
                line.name = word.to_owned();
            }
        }
        line
    }

    #[test]
    fn command_lines_are_rebuilt() {
        for (command, requests, expected) in [
            (
                "kubectl get",
                vec!["list pods -n prod labelSelector=app=x accept=table 200"],
                "kubectl get pods -n prod -l app=x",
            ),
            ("kubectl get", vec!["list pods accept=table 200"], "kubectl get pods -A"),
            ("kubectl get", vec!["list nodes accept=object 200"], "kubectl get nodes -o …"),
            ("kubectl get", vec!["list pods -n a 200", "list services -n a 200"], "kubectl get pods,services -n a"),
            ("kubectl get", vec!["get pods w -n a 200", "get pods x -n a 404"], "kubectl get pods w x -n a (404)"),
            (
                "kubectl get",
                vec![
                    "list pods -n a fieldSelector=metadata.name=w 200",
                    "watch pods -n a fieldSelector=metadata.name=w 200",
                ],
                "kubectl get pods w -n a -w",
            ),
            (
                "kubectl get",
                vec!["list pods -n a fieldSelector=status.phase=Running 200"],
                "kubectl get pods -n a --field-selector status.phase=Running",
            ),
            (
                "kubectl describe",
                vec!["get pods w -n a 200", "list events -n a fieldSelector=involvedObject.name=w 200"],
                "kubectl describe pods w -n a",
            ),
            ("kubectl get", vec!["list events -n a 200"], "kubectl get events -n a"),
            (
                "kubectl logs",
                vec!["get pods w -n a 200", "get pods/log w -n a -c app follow=true tailLines=10 sinceSeconds=60 200"],
                "kubectl logs w -c app -n a -f --tail=10 --since=60s",
            ),
            (
                "kubectl exec",
                vec!["get pods w -n a 200", "exec pods/exec w -n a -c app 101"],
                "kubectl exec w -c app -n a",
            ),
            (
                "kubectl apply",
                vec!["get deployments d -n a 200", "patch deployments d -n a patch=apply dryRun=All 200"],
                "kubectl apply deployments d -n a --dry-run=server --server-side",
            ),
            ("kubectl delete", vec!["delete pods w -n a 200"], "kubectl delete pods w -n a"),
            (
                "kubectl delete",
                vec!["delete pods w -n a 403 no rule permits delete"],
                "kubectl delete pods w -n a (403: no rule permits delete)",
            ),
            (
                "kubectl get",
                vec!["list secrets -n a as=admin 403 remove --as"],
                "kubectl get secrets -n a --as=admin (403: remove --as)",
            ),
            ("", vec!["get pods/log w -n a 200"], "kubectl logs w -n a"),
            ("", vec!["deletecollection pods -n a labelSelector=a!=b 200"], "kubectl delete pods -n a -l 'a!=b'"),
            ("", vec!["patch deployments/scale d -n a 200"], "kubectl scale deployments d -n a"),
            ("kubectl get", vec!["get namespaces a 200"], "kubectl get namespaces a"),
        ] {
            let requests: Vec<RequestLine> = requests.into_iter().map(line).collect();
            assert_eq!(kubectl_command(command, &requests), expected);
        }
    }

    #[test]
    fn nothing_is_rebuilt_of_nothing() {
        assert_eq!(kubectl_command("", &[]), "");
        assert_eq!(kubectl_command("kubectl version", &[]), "kubectl version");
    }
}
