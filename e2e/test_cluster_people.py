"""Who somebody is to Kubernetes, and what it lets them do: its own RBAC decides, and its own words reach kubectl."""

import json

import pytest
from cluster import bind

ADA, EVE = ("ada", "engineers"), ("eve", "readers")


@pytest.fixture(params=["spdy", "websocket"])
def transport(request):
    return request.param


def test_whoami_names_person_groups_and_gateway(behind):
    done = behind.kubectl(*EVE).run("auth", "whoami", "-o", "json", check=0)
    seen = json.loads(done.stdout)["status"]["userInfo"]
    assert seen["username"] == "eve"
    assert seen["groups"] == ["test:readers", "system:authenticated"]
    assert seen["extra"] == {"kubetape.dev/gateway": ["test-gateway"]}


def can(kubectl):
    """What `kubectl auth can-i --list` shows, as a set of lines; without the ones that show URLs."""
    lines = kubectl.run("auth", "can-i", "--list", check=0).stdout.decode().splitlines()
    return {" ".join(line.split()) for line in lines}


@pytest.mark.parametrize("who, group", [(ADA, "test:engineers"), (EVE, "test:readers")], ids=["engineer", "reader"])
def test_rights_are_those_of_the_groups(behind, cluster, who, group):
    """The same person with the same group, past the gateway: Kubernetes gives them the same."""
    assert can(behind.kubectl(*who)) == can(cluster.direct(who[0], group))


def test_two_people_see_what_their_groups_may(behind, cluster):
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blue"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key", "namespace": "blue"}, "stringData": {"a": "b"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plain", "namespace": "blue"}, "data": {"a": "b"}},
    )
    ada, eve = behind.kubectl(*ADA), behind.kubectl(*EVE)
    for kubectl in (ada, eve):
        assert b"plain" in kubectl.run("get", "configmaps", "-n", "blue", check=0).stdout
    assert b"key" in ada.run("get", "secrets", "-n", "blue", check=0).stdout
    refused = eve.run("get", "secrets", "-n", "blue", check=1)
    assert refused.stdout == b"" and b'User "eve" cannot list resource "secrets"' in refused.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("exec", "shell", "--", "id"),
        ("exec", "-it", "shell", "--", "id"),
        ("attach", "ticker"),
        ("port-forward", "shell", ":8080"),
        ("cp", "shell:/etc/passwd", "/tmp/never"),
        ("delete", "pod", "shell"),
        ("debug", "shell", "--image=busybox:1", "--container=dbg", "--", "id"),
        ("get", "pods", "-n", "kube-system", "no-such-pod"),
        ("logs", "no-such-pod"),
    ],
    ids=lambda words: "-".join(words[:2]),
)
def test_denials_are_kubernetes_own_words(behind, cluster, transport, words):
    through = behind.kubectl(*EVE, transport=transport).run(*words)
    direct = cluster.direct("eve", "test:readers", transport=transport).run(*words)
    assert through.returncode == direct.returncode == 1
    assert through.stderr == direct.stderr
    assert through.stdout == direct.stdout


def test_a_denied_exec_is_a_recording_that_did_not_start(behind):
    known = behind.ids()
    behind.kubectl(*EVE).run("exec", "shell", "--", "id", check=1)
    row = behind.newest(known, user="eve")
    assert (row["outcome"], row["exit_code"]) == ("failed_to_start", None)
    assert 'User "eve" cannot create resource "pods/exec"' in row["reason"]


def test_get_is_not_enough_for_a_websocket(behind, cluster):
    """A WebSocket is a GET. From 1.35 on Kubernetes asks for `create` all the same; the gateway asks for neither."""
    role = {"apiGroups": [""], "resources": ["pods", "pods/exec"], "verbs": ["get"]}
    cluster.apply(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "gets-exec"}, "rules": [role]},
        bind("gets-exec", "gets-exec", "test:readers", namespace="default"),
    )
    done = behind.kubectl(*EVE, transport="websocket").run("exec", "shell", "--", "id", check=1)
    assert b'cannot create resource "pods/exec"' in done.stderr
    cluster.admin.run("delete", "rolebinding", "gets-exec", check=0)


def test_fewer_groups_are_fewer_rights(behind):
    ada = behind.kubectl(*ADA)
    assert b"shell" in ada.run("get", "pods", "--as=ada", "--as-group=test:engineers", check=0).stdout
    refused = ada.run("get", "pods", "--as=ada", check=1)
    assert b'User "ada" cannot list resource "pods"' in refused.stderr
    refused = ada.run("get", "pods", "--as=ada", "--as-group=system:masters", check=1)
    assert b"remove --as" in refused.stderr


def test_the_gateway_by_itself_may_do_nothing(behind, cluster):
    token = (behind.folder / "cluster.token").read_text()
    kubeconfig = behind.folder / "gateway-itself.kubeconfig"
    config = json.loads(cluster.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    kubeconfig.write_text(json.dumps(config))
    done = type(cluster.admin)("1.37", "websocket", kubeconfig).run("get", "pods")
    assert done.returncode == 1 and b"cannot list resource" in done.stderr
