"""What the demo's cluster was asked, asked of Kubernetes itself: the same tests, with another cluster behind the gateway."""

import subprocess

import pytest
from kubernetes import client as kubernetes
from kubernetes import config
from kubernetes.stream import stream
from program import until
from test_clients import *  # noqa: F403
from test_exec import *  # noqa: F403
from test_kubectl_commands import *  # noqa: F403
from test_kubectl_commands import test_debug_with_an_ephemeral_container as debug_ephemeral
from test_kubectl_commands import unique

# There is no metrics server.
del test_top_and_explain  # noqa: F821


@pytest.fixture
def demo(behind):
    return behind


@pytest.mark.parametrize(
    "pod, container, image",
    [
        ("shell", "shell", "kubetape.test/debian:1"),
        ("several", "first", "docker.io/library/busybox:1"),
        ("several", "second", "kubetape.test/debian:1"),
    ],
)
def test_container_and_image_are_named(kubectl, demo, pod, container, image):
    tag = unique("mark")
    kubectl.run("exec", pod, "-c", container, "--", "sh", "-c", "true", tag, check=0)
    row = demo.session(tag)
    assert (row["pod"], row["container"], row["image"], row["exit_code"]) == (pod, container, image, 0)
    assert demo.manifest(row["id"])["image"] == image


def test_a_flood_through_attach_is_the_same_on_both_sides(client, demo):
    known = demo.ids()
    process = client.start("attach", "-i", "flood", stdin=subprocess.PIPE)
    until(lambda: demo.ids() - known, what="the attach")
    process.stdin.write(b"30000000\n")
    process.stdin.flush()
    seen = b""
    while len(seen) < 30_000_000:
        piece = process.stdout.read1(1 << 20)
        assert piece, len(seen)
        seen += piece
    process.terminate()
    process.wait(20)
    row = demo.newest(known, pod="flood")
    # Whether or not the API server still had the time to say what it makes of that.
    assert row["outcome"] == "client_gone"
    assert demo.export(row["id"]) == seen


def test_input_that_nobody_reads():
    pytest.skip("Kubernetes 1.35 may never end such a session, over either transport, and does so without a gateway too")


MEGABYTES = "seq 1 3000000 | head -c 20000000"
WHOLE = "".join(f"{number}\n" for number in range(1, 3_000_001)).encode()[:20_000_000]


def test_twenty_megabytes_of_output(client, demo):
    """The process waits until all was read: see the next test for one that does not."""
    tag = unique("mark")
    command = ["sh", "-c", f"{MEGABYTES}; read end", tag]
    process = client.start("exec", "-i", "shell", "-c", "shell", "--", *command, stdin=subprocess.PIPE)
    assert process.stdout.read(len(WHOLE)) == WHOLE
    rest, error = process.communicate(b"\n", timeout=20)
    assert (rest, process.returncode) == (b"", 0), error
    row = demo.session(tag)
    assert demo.export(row["id"]) == WHOLE
    assert (row["outcome"], row["exit_code"]) == ("exited", 0)


def test_output_that_kubernetes_cuts_off(client, demo):
    """When a process ends, Kubernetes 1.35 cuts off what its client has not read yet, by a reset or without a word: without
    a gateway a reader of 1 to 4 MB/s gets 13 to 19 of these 20 MB, over both transports. A gateway built for debugging is
    such a reader. The recording has what it was given: no byte of another's making, and all that the client shows."""
    tag = unique("mark")
    done = client.run("exec", "shell", "-c", "shell", "--", "sh", "-c", MEGABYTES, tag, timeout=300)
    recorded = demo.export(demo.session(tag)["id"])
    assert done.stdout
    assert WHOLE.startswith(recorded) and recorded.startswith(done.stdout)


def test_debug_with_an_ephemeral_container(client, demo):
    if client.minor < 23:
        pytest.skip("kubectl 1.20 puts ephemeral containers by an API that Kubernetes 1.25 took away")
    known = demo.ids()
    debug_ephemeral(client, demo)
    assert demo.newest(known, pod="shell")["image"] == "busybox:1"


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v5.channel.k8s.io"])
def test_one_protocol_of_the_python_client(demo, monkeypatch, protocol):
    """The API server ends v5 itself and hands v4 on to the kubelet: two servers, and one recording."""
    from kubernetes.stream import ws_client

    original = ws_client.create_websocket

    def only(configuration, url, headers=None):
        return original(configuration, url, {**(headers or {}), "sec-websocket-protocol": protocol})

    monkeypatch.setattr(ws_client, "create_websocket", only)
    tag = unique("mark")
    api = kubernetes.CoreV1Api(config.new_client_from_config(str(demo.kubeconfig)))
    argv = ["sh", "-c", "echo out; echo err >&2; exit 9", tag]
    how = {"stderr": True, "stdin": False, "stdout": True, "tty": False, "_preload_content": False}
    channel = stream(api.connect_get_namespaced_pod_exec, "shell", "default", container="shell", command=argv, **how)
    channel.run_forever(timeout=20)
    row = demo.session(tag)
    assert (channel.read_stdout(), channel.read_stderr(), channel.returncode) == ("out\n", "err\n", 9)
    assert (demo.export(row["id"]), demo.export(row["id"], "stderr")) == (b"out\n", b"err\n")
    assert (row["outcome"], row["exit_code"]) == ("exited", 9)
    assert demo.manifest(row["id"])["transport"] == f"websocket {protocol}"
