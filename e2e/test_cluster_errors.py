"""Errors of the real thing: kubectl says what it says without the gateway, and the recording says how it ended."""

import uuid

import pytest
from kubernetes.client import ApiException
from kubernetes.stream.ws_client import ERROR_CHANNEL
from program import until
from test_clients import python_exec

ADA = ("ada", "engineers")


@pytest.fixture(params=["spdy", "websocket"])
def both(request, behind, cluster):
    """kubectl of one person through the gateway, and straight at the API server."""
    return behind.kubectl(*ADA, transport=request.param), cluster.direct("ada", "test:engineers", transport=request.param)


def mark():
    return f"mark-{uuid.uuid4().hex[:12]}"


@pytest.mark.parametrize(
    "words, reason",
    [
        (("no-such-pod", "--", "id"), None),
        (("shell", "-c", "no-such-container", "--", "id"), None),
        (("ended", "--", "id"), None),
        (("shell", "--", "no-such-program"), '"no-such-program": executable file not found in $PATH'),
        (("no-shell", "--", "sh"), '"sh": executable file not found in $PATH'),
        (("shell", "--", "/etc/passwd"), "permission denied"),
    ],
    ids=["no-pod", "no-container", "ended", "no-command", "no-shell", "not-executable"],
)
def test_exec_that_cannot_start(both, behind, words, reason):
    through, direct = both
    tag, known = mark(), behind.ids()
    seen, wanted = (kubectl.run("exec", *words, tag) for kubectl in both)
    assert without_ids(seen.stderr) == without_ids(wanted.stderr)
    assert (seen.returncode, seen.stdout) == (wanted.returncode, wanted.stdout) and seen.returncode != 0
    if reason is None:
        # kubectl looks at the pod first and asks for nothing.
        assert behind.ids() == known
    else:
        row = behind.session(tag)
        assert (row["outcome"], row["exit_code"]) == ("failed_to_start", None)
        assert reason in row["reason"]


def without_ids(text):
    """The runtime names each exec by 64 digits of its own."""
    words = text.decode().replace('"', " ").split(" ")
    return ["ID" if len(word) == 64 else word for word in words]


@pytest.mark.parametrize(
    "pod, container, reason",
    [
        ("no-such-pod", "app", 'pods "no-such-pod" not found'),
        ("shell", "no-such-container", "container no-such-container is not valid for pod shell"),
        ("ended", "ended", 'container not found ("ended")'),
    ],
)
def test_exec_that_kubectl_would_not_ask_for(behind, pod, container, reason):
    """Python's client looks at nothing first. The API server refuses the first two; the third is in order for it, it
    answers 101, and then the kubelet refuses."""
    tag = mark()
    try:
        channel = python_exec(behind, ["id", tag], pod=pod, container=container, _preload_content=False)
        channel.run_forever(timeout=20)
        said = channel.read_channel(ERROR_CHANNEL)
    except ApiException as refused:
        said = str(refused)
    assert reason.replace('"', '\\"') in said
    row = behind.session(tag)
    assert (row["outcome"], row["exit_code"], row["pod"]) == ("failed_to_start", None, pod)
    assert reason in row["reason"]


class Pair:
    """The same long command twice: through the gateway, and without it."""

    def __init__(self, both, behind, pod):
        self.behind, self.tag = behind, mark()
        words = ["exec", pod, "--", "sh", "-c", "echo begun; sleep 1000; echo never", self.tag]
        self.processes = [kubectl.start(*words) for kubectl in both]
        for process in self.processes:
            assert process.stdout.readline() == b"begun\n"

    def ends(self, seconds=180):
        """(exit status, rest of stdout, stderr) of both; and the recording's row."""
        seen = []
        for process in self.processes:
            out, err = process.communicate(timeout=seconds)
            seen.append((process.returncode, out, err))
        return *seen, self.behind.session(self.tag)


def sleeper(cluster):
    """A pod of one test."""
    name = f"sleeper-{uuid.uuid4().hex[:8]}"
    spec = {
        "nodeName": cluster.node,
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 0,
        "containers": [{"name": "app", "image": "busybox:1", "command": ["sleep", "infinity"]}],
    }
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}, "spec": spec})
    until(lambda: cluster.pod_runs(name), what=f"the start of {name}")
    return name


def test_pod_deleted_during_a_session(both, behind, cluster):
    name = sleeper(cluster)
    pair = Pair(both, behind, name)
    cluster.admin.run("delete", "pod", name, "--grace-period=0", "--force", "--wait=false", check=0)
    seen, wanted, row = pair.ends()
    assert seen == wanted
    # Killed by the runtime: 128 + SIGKILL.
    assert seen[0] == 137
    assert (row["outcome"], row["exit_code"]) == ("exited", 137)
    assert behind.export(row["id"]) == b"begun\n"


def test_kubelet_stopped_during_a_session(both, behind, cluster):
    pair = Pair(both, behind, "shell")
    cluster.component("kubelet", "stop")
    try:
        seen, wanted, row = pair.ends()
    finally:
        cluster.component("kubelet", "start")
        works = lambda: cluster.admin.run("exec", "shell", "--", "true").returncode == 0  # noqa: E731
        until(works, 180, "exec after the kubelet is back")
    assert (seen[0], seen[1]) == (wanted[0], wanted[1])
    assert behind.export(row["id"]) == b"begun\n"
    if both[0].transport == "spdy":
        assert row["outcome"] in ("unknown", "upstream_gone") and row["exit_code"] is None
    else:
        # The API server, which ends the WebSocket itself, says Success of a kubelet that it has lost. kubectl believes
        # it, with and without a gateway; a recording cannot know better.
        assert (row["outcome"], row["exit_code"], seen[0]) == ("exited", 0, 0)


def test_api_server_restarted_during_a_session(both, behind, cluster):
    pair = Pair(both, behind, "shell")
    cluster.component("kube-apiserver", "stop")
    try:
        seen, wanted, row = pair.ends()
    finally:
        cluster.component("kube-apiserver", "start")
        until(cluster.ready, 180, "the API server")
    assert (seen[0], seen[1]) == (wanted[0], wanted[1])
    assert row["outcome"] in ("unknown", "upstream_gone") and row["exit_code"] is None
    assert behind.export(row["id"]) == b"begun\n"
    # The gateway goes on with the API server that is there now.
    again = both[0].run("exec", "shell", "--", "echo", "again", timeout=60)
    assert (again.returncode, again.stdout) == (0, b"again\n"), again.stderr


def test_api_server_away(both, behind, cluster):
    cluster.component("kube-apiserver", "stop")
    try:
        done = both[0].run("exec", "shell", "--", "id")
    finally:
        cluster.component("kube-apiserver", "start")
        until(cluster.ready, 180, "the API server")
    assert done.returncode == 1
    assert b'cluster "kubernetes" is unreachable' in done.stderr


def test_client_gone(both, behind):
    pair = Pair(both, behind, "shell")
    for process in pair.processes:
        process.kill()
    for process in pair.processes:
        process.wait(20)
    row = behind.session(pair.tag)
    assert row["outcome"] == "client_gone" and row["exit_code"] is None


def test_killed_command(both, behind):
    tag = mark()
    seen, wanted = (kubectl.run("exec", "shell", "--", "sh", "-c", "echo a; kill -KILL $$", tag) for kubectl in both)
    assert (seen.returncode, seen.stdout, seen.stderr) == (wanted.returncode, wanted.stdout, wanted.stderr)
    row = behind.session(tag)
    assert (row["outcome"], row["exit_code"]) == ("exited", 137)
