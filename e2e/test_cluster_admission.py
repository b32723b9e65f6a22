"""The cluster refuses what did not come through the gateway (`deploy/`, as `docs/operations.md` has it installed)."""

import json
import uuid

import pytest
from cluster import ADMIN, EDIT, VIEW, bind
from program import ROOT, until

POLICY = ROOT / "deploy" / "admission.yaml"
IDENTITY = ROOT / "deploy" / "identity.yaml"
NAMED = b"goes through the kubetape gateway only"


@pytest.fixture(scope="module")
def closed(cluster, behind):
    """`kubectl apply -f deploy/`, in force."""
    cluster.admin.run("apply", "-f", ROOT / "deploy", check=0)
    # The API server compiles it in its own time.
    until(lambda: NAMED in cluster.admin.run("exec", "shell", "--", "true").stderr, what="the policy")
    yield cluster
    cluster.admin.run("delete", "-f", POLICY, "-f", IDENTITY, check=0)
    until(lambda: cluster.admin.run("exec", "shell", "--", "true").returncode == 0, what="the policy's end")


ROOT_USER = ("root", "system:masters")
ADA = ("ada", "engineers")


@pytest.mark.parametrize("transport", ["spdy", "websocket"])
@pytest.mark.parametrize(
    "words",
    [
        ("exec", "shell", "--", "id"),
        ("exec", "-it", "shell", "--", "id"),
        ("attach", "ticker"),
        ("cp", "shell:/etc/passwd", "/tmp/never"),
        ("debug", "shell", "--image=busybox:1", "--container=dbg", "--", "id"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_plain_kubectl_with_all_rights_is_refused(closed, transport, words):
    done = closed.direct(*ROOT_USER, transport=transport).run(*words)
    assert done.returncode == 1 and done.stdout == b""
    assert NAMED in done.stderr, done.stderr


@pytest.mark.parametrize("transport", ["spdy", "websocket"])
def test_port_forward_is_refused(closed, transport):
    done = closed.direct(*ROOT_USER, transport=transport).run("port-forward", "shell", ":8080")
    # kubectl opens its local port and dials later: what it then gets is this.
    assert done.returncode == 1 and NAMED in done.stderr, done.stderr


def test_the_other_verbs_are_as_they_were(closed):
    kubectl = closed.direct(*ROOT_USER)
    assert b"shell" in kubectl.run("get", "pods", check=0).stdout
    assert b"tick" in kubectl.run("logs", "ticker", "--tail=3", check=0).stdout
    kubectl.run("annotate", "--overwrite", "pod", "shell", f"test={uuid.uuid4().hex}", check=0)


@pytest.mark.parametrize("version, transport", [("1.20", "spdy"), ("1.29", "spdy"), ("1.37", "spdy"), ("1.37", "websocket")])
def test_through_the_gateway_it_works(closed, behind, version, transport):
    kubectl = behind.kubectl(*ADA, transport=transport, version=version)
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    assert kubectl.run("exec", "shell", "--", "echo", tag, check=0).stdout.decode().strip() == tag
    assert behind.session(tag)["outcome"] == "exited"


def test_debug_through_the_gateway_works(closed, behind):
    name = f"dbg-{uuid.uuid4().hex[:8]}"
    words = ["debug", "shell", "--image=busybox:1", f"--container={name}", "--", "sh", "-c", "echo debugged"]
    behind.kubectl(*ADA).run(*words, check=0)
    logs = lambda: closed.admin.run("logs", "shell", "-c", name)  # noqa: E731
    until(lambda: logs().stdout == b"debugged\n", what="the debug container")


class TestImpersonatingTheGateway:
    """Setting the extra by hand."""

    EXTRA = {"Impersonate-Extra-kubetape.dev%2Fgateway": "by-hand"}

    def attempt(self, closed, pair, headers, path="/api/v1/namespaces/default/pods"):
        return closed.request("GET", path, headers=headers, pair=pair)

    def test_who_may_impersonate_people_may_not_impersonate_the_gateway(self, closed):
        rule = {"apiGroups": [""], "resources": ["users", "groups", "serviceaccounts"], "verbs": ["impersonate"]}
        closed.apply(
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "actor"}, "rules": [rule]},
            bind("actors", "actor", "test:actors"),
            bind("actors-edit", VIEW, "test:actors"),
        )
        pair = closed.person("actor", "test:actors")
        as_other = {"Impersonate-User": "ada", "Impersonate-Group": "test:engineers"}
        until(lambda: self.attempt(closed, pair, as_other)[0] == 200, what="the actor's rights")
        code, text = self.attempt(closed, pair, {**as_other, **self.EXTRA})
        assert code == 403
        message = json.loads(text)["message"]
        assert 'User "actor" cannot impersonate resource "userextras/kubetape.dev/gateway"' in message

    def test_without_impersonation_the_header_is_refused(self, closed):
        code, _ = self.attempt(closed, closed.person("root", "system:masters"), self.EXTRA)
        assert code == 500 or code == 403 or code == 400

    def test_roles_that_kubernetes_ships_do_not_have_it(self, closed):
        """`admin`, `edit` and `view` do not, nor `nodes/proxy`; `cluster-admin` has everything: RBAC cannot take away."""
        def allowed(name, **resource):
            spec = {"user": "someone", "groups": [f"test:{name}"], "resourceAttributes": resource}
            review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
            _, text = closed.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
            return json.loads(text)["status"]["allowed"]

        for name, roles in {"views": [VIEW], "edits": [VIEW, EDIT], "admins": [VIEW, EDIT, ADMIN], "owns": ["cluster-admin"]}.items():
            for number, role in enumerate(roles):
                closed.apply(bind(f"{name}-{number}", role, f"test:{name}"))
            until(lambda name=name: allowed(name, resource="pods", verb="list"), what=f"the rights of {name}")
            extra = {"group": "authentication.k8s.io", "resource": "userextras", "subresource": "kubetape.dev/gateway"}
            assert allowed(name, verb="impersonate", **extra) is (name == "owns")
            assert allowed(name, verb="create", resource="nodes", subresource="proxy") is (name == "owns")

    def test_who_may_do_everything_can_and_is_named_by_the_audit_log(self, closed):
        """The limit of what a cluster can refuse to its owner: the way around leaves their own name behind."""
        pair = closed.person("root", "system:masters")
        name = f"forged-{uuid.uuid4().hex[:8]}"
        headers = {"Impersonate-User": name, "Impersonate-Group": "system:masters", **self.EXTRA}
        path = "/api/v1/namespaces/default/pods/shell/exec?command=id&stdout=true&container=shell"
        code, text = closed.request("POST", path, headers=headers, pair=pair)
        # Let in by the policy: what it says is that this was no upgrade.
        assert code == 400 and NAMED.decode() not in text, text
        entry = until(lambda: closed.audited(impersonatedUser__username=name), what="the audit entry")[0]
        assert entry["user"]["username"] == "root"
        assert entry["impersonatedUser"]["extra"] == {"kubetape.dev/gateway": ["by-hand"]}


class TestBecomingTheGateway:
    """Kubernetes' own `edit` may make tokens of service accounts, and pods that run as them."""

    GUARDED = b"can act as the kubetape gateway"
    TOKEN = ("create", "token", "kubetape-gateway", "-n", "kubetape")

    @pytest.fixture
    def editor(self, closed):
        closed.apply(bind("edits-all", VIEW, "test:editors"), bind("edits-all-2", EDIT, "test:editors"))
        kubectl = closed.direct("editor", "test:editors")
        # They may, in a namespace that is not the gateway's.
        until(lambda: kubectl.run("create", "token", "default", "-n", "default").returncode == 0, what="the editor's rights")
        return kubectl

    def test_it_is_a_way_round_where_nothing_closes_it(self, closed, editor):
        closed.admin.run("delete", "-f", IDENTITY, check=0)
        try:
            token = until(lambda: (done := editor.run(*self.TOKEN)).returncode == 0 and done.stdout, what="the policy's end")
            assert token.count(b".") == 2
        finally:
            closed.admin.run("apply", "-f", IDENTITY, check=0)
        until(lambda: self.GUARDED in editor.run(*self.TOKEN).stderr, what="the policy")

    @pytest.mark.parametrize("way", ["exec", "attach", "portforward", "ephemeralcontainers"])
    def test_by_a_way_into_its_pod_also_through_a_gateway(self, closed, editor, way):
        """The extra stands for the gateway, so that the other policy lets it in."""
        rule = {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["get", "patch"]}
        metadata = {"name": "debugs"}
        closed.apply(
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": metadata, "rules": [rule]},
            bind("editors-debug", "debugs", "test:editors"),
        )
        as_editor = {"Impersonate-User": "editor", "Impersonate-Group": "test:editors", **TestImpersonatingTheGateway.EXTRA}

        def attempt(namespace):
            path = f"/api/v1/namespaces/{namespace}/pods/shell/{way}"
            if way != "ephemeralcontainers":
                return closed.request("POST", f"{path}?command=id&stdout=true", headers=as_editor)
            patch = {**as_editor, "Content-Type": "application/strategic-merge-patch+json"}
            return closed.request("PATCH", path, {"metadata": {"labels": {"test": "x"}}}, headers=patch)

        # Elsewhere it is let in: as no upgrade, or as a patch that changes nothing.
        until(lambda: attempt("default")[0] in (200, 400), what="the editor's rights")
        spec = {"serviceAccountName": "kubetape-gateway", "containers": [{"name": "gateway", "image": "busybox:1"}]}
        closed.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell", "namespace": "kubetape"}, "spec": spec})
        try:
            code, text = attempt("kubetape")
            assert code == 403 and self.GUARDED.decode() in text, text
        finally:
            # Nobody has scheduled it: it is gone at once.
            closed.admin.run("delete", "pod", "shell", "-n", "kubetape", check=0)

    def test_by_a_token(self, closed, editor):
        done = editor.run(*self.TOKEN)
        assert done.returncode == 1 and done.stdout == b"" and self.GUARDED in done.stderr, done.stderr

    @pytest.mark.parametrize("kind", ["pod", "deployment", "job", "cronjob"])
    def test_by_what_runs_as_it(self, closed, editor, kind):
        account = json.dumps({"apiVersion": "v1", "spec": {"serviceAccountName": "kubetape-gateway"}})
        flags = {"pod": ["run", "thief", f"--overrides={account}"], "cronjob": ["create", "cronjob", "thief", "--schedule=* * * * *"]}
        words = flags.get(kind, ["create", kind, "thief"])
        done = editor.run(*words, "--image=busybox:1", "-n", "kubetape")
        assert done.returncode == 1 and self.GUARDED in done.stderr, done.stderr

    def test_by_a_secret_that_asks_for_its_token(self, closed, editor, tmp_path):
        secret = tmp_path / "secret.json"

        def made(name, type):
            metadata = {"name": name, "namespace": "kubetape", "annotations": {"kubernetes.io/service-account.name": "kubetape-gateway"}}
            secret.write_text(json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": type}))
            return editor.run("create", "-f", secret)

        done = made("thief", "kubernetes.io/service-account-token")
        assert done.returncode == 1 and self.GUARDED in done.stderr, done.stderr
        # Another secret is what it always was.
        assert made(f"plain-{uuid.uuid4().hex[:8]}", "Opaque").returncode == 0

    def test_its_operators_go_on(self, closed):
        """Whoever may set the extra anyway: here by `cluster-admin`, without being of system:masters."""
        closed.apply(bind("operators", "cluster-admin", "test:operators"))
        operator = closed.direct("operator", "test:operators")
        until(lambda: operator.run(*self.TOKEN).returncode == 0, what="the operator's rights")
        operator.run("create", "deployment", "mine", "--image=busybox:1", "-n", "kubetape", "--dry-run=server", check=0)

    @pytest.mark.parametrize("who, allowed", [("system:serviceaccount:kube-system:replicaset-controller", True), ("system:node:other", False)])
    def test_controllers_make_the_pods_of_a_deployment(self, closed, who, allowed):
        """This cluster has no controller manager: the request is what one sends. A node is kept to its own pods by Kubernetes."""
        spec = {"serviceAccountName": "kubetape-gateway", "containers": [{"name": "app", "image": "busybox:1"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made"}, "spec": spec}
        headers = {"Impersonate-User": who, "Impersonate-Group": "system:nodes" if "node" in who else "system:serviceaccounts"}
        code, text = closed.request("POST", "/api/v1/namespaces/kubetape/pods?dryRun=All", pod, headers, closed.person("root", "system:masters"))
        assert code == (201 if allowed else 403), text
        assert self.GUARDED.decode() not in text


class TestNodesProxy:
    """The kubelet's own API runs commands too. Through the API server the policy closes it; beside it, RBAC does."""

    def run(self, closed, pair=None, command="id", query=""):
        path = f"/api/v1/nodes/{closed.node}/proxy/run/default/shell/shell?cmd={command}{query}"
        return closed.request("POST", path, pair=pair)

    def test_it_is_a_way_round_where_nothing_closes_it(self, cluster, request):
        assert "closed" not in request.fixturenames
        cluster.admin.run("delete", "--ignore-not-found", "-f", POLICY, check=0)
        code, text = until(lambda: (answer := self.run(cluster))[0] == 200 and answer, what="the policy's end")
        assert "uid=0" in text

    def test_the_policy_closes_it(self, closed):
        cluster = closed
        cluster.admin.run("apply", "-f", POLICY, check=0)
        code, text = until(lambda: (answer := self.run(cluster))[0] == 403 and answer, what="the policy")
        assert code == 403 and NAMED.decode() in text

    @pytest.mark.parametrize(
        "path",
        [
            "/exec/default/shell/shell?command=id&stdout=true",
            "/attach/default/shell/shell?stdout=true",
            "/portForward/default/shell?port=80",
            "/run/default/shell/shell?cmd=id",
            "/run/default/shell/shell?cmd=id&path=/healthz",
            "?path=/run/default/shell/shell&cmd=id",
            "/healthz/../run/default/shell/shell?cmd=id",
            "/healthz%2f..%2frun/default/shell/shell?cmd=id",
            "/logs/",
            "/configz",
            "/runningpods/",
            "/healthz/",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_no_other_path_of_it_is_open(self, closed, path, method):
        code, text = closed.request(method, f"/api/v1/nodes/{closed.node}/proxy{path}")
        assert code == 403 and NAMED.decode() in text, text

    @pytest.mark.parametrize("path", ["/healthz", "/metrics", "/metrics/cadvisor", "/metrics/resource", "/pods"])
    def test_monitoring_goes_on(self, closed, path):
        code, text = closed.request("GET", f"/api/v1/nodes/{closed.node}/proxy{path}")
        assert code == 200, text

    def test_straight_at_the_kubelet_rbac_is_all_there_is(self, closed):
        """No admission there: whoever has `nodes/proxy` and reaches the port gets in."""
        closed.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": {"name": "has-nodes-proxy"},
                "rules": [{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["*"]}],
            },
            bind("has-nodes-proxy", "has-nodes-proxy", "test:nodes-proxy"),
        )
        path = "/run/default/shell/shell?cmd=id"
        inside = closed.person("plumber", "test:nodes-proxy")
        code, text = until(lambda: (got := closed.request("POST", path, pair=inside, server=closed.kubelet))[0] == 200 and got)
        assert "uid=0" in text

    def test_without_nodes_proxy_the_kubelet_refuses(self, closed):
        closed.apply(*(bind(f"kubelet-{number}", role, "test:kubelet") for number, role in enumerate((VIEW, EDIT, ADMIN))))
        pair = closed.person("no-plumber", "test:kubelet")
        until(lambda: closed.request("GET", "/api/v1/pods", pair=pair)[0] == 200, what="the role")
        code, text = closed.request("POST", "/run/default/shell/shell?cmd=id", pair=pair, server=closed.kubelet)
        assert code == 403 and "resource=nodes, subresource(s)=[proxy]" in text, text
