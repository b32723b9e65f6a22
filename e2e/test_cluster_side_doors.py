"""The ways to a terminal, or to a pod's bytes, that are not exec, attach and port-forward: each against Kubernetes itself,
where it is open, and through the gateway, where an explicit rule decides and an upgrade never passes."""

import json

import pytest
from program import until
from test_refusals import UPGRADE, WEBSOCKET, Serve

POD = "/api/v1/namespaces/default/pods"
KUBEVIRT = "/apis/subresources.kubevirt.io/v1"
# Without a protocol, and with the origin that the API server's watches want to see.
LOG_SOCKET = [line for line in WEBSOCKET if not line.startswith("Sec-WebSocket-Protocol")] + ["Origin: https://api"]

PORTS = [*UPGRADE[:2], "X-Stream-Protocol-Version: portforward.k8s.io"]
NODE = "/api/v1/nodes/{node}"

# Path, the headers of its upgrade, policy's name for it, and whether Kubernetes 1.35 opens it to an administrator here.
# (Of an upgrade through nodes/proxy it loses the query, so that the kubelet hears of no command and no stream.)
UPGRADES = {
    "node-exec": (NODE + "/proxy/exec/default/shell/shell?command=id&output=1", UPGRADE, "node_proxy", False),
    "node-exec-websocket": (NODE + "/proxy/exec/default/shell/shell?command=id&output=1", WEBSOCKET, "node_proxy", False),
    "node-attach": (NODE + "/proxy/attach/default/ticker/ticker?output=1", UPGRADE, "node_proxy", False),
    "node-port-forward": (NODE + "/proxy/portForward/default/shell", PORTS, "node_proxy", True),
    "node-with-port": ("/api/v1/nodes/https:{node}:{kubelet}/proxy/portForward/default/shell", PORTS, "node_proxy", True),
    "pod-proxy": (POD + "/shell:1/proxy/", WEBSOCKET, "workload_proxy", False),
    "service-proxy": ("/api/v1/namespaces/default/services/https:kubernetes:443/proxy/", WEBSOCKET, "workload_proxy", False),
    "log": (POD + "/ticker/log?follow=true", LOG_SOCKET, "web_socket", True),
    "watch": (POD + "?watch=1", LOG_SOCKET, "web_socket", True),
    "old-watch": ("/api/v1/watch/namespaces/default/pods", LOG_SOCKET, "web_socket", True),
    "kubevirt": (KUBEVIRT + "/namespaces/default/virtualmachineinstances/vm/console", WEBSOCKET, "upgrade", False),
    "kubevirt-vnc": (KUBEVIRT + "/namespaces/default/virtualmachineinstances/vm/vnc", WEBSOCKET, "upgrade", False),
    "aggregated": ("/apis/metrics.k8s.io/v1beta1/nodes", WEBSOCKET, "upgrade", False),
    "no-resource": ("/healthz", WEBSOCKET, "upgrade", False),
}


def full(path, cluster):
    return path.format(node=cluster.node, kubelet=cluster.kubelet.rsplit(":", 1)[1])


PEOPLE = [("ada", "engineers"), ("plumber", "plumbers")]


@pytest.fixture(params=UPGRADES, ids=str)
def door(request):
    return UPGRADES[request.param]


def test_what_kubernetes_opens(cluster, door):
    """Without a gateway: which of them are doors at all."""
    path, headers, _, is_open = door
    assert (cluster.upgrade(full(path, cluster), headers) == 101) is is_open


@pytest.mark.parametrize("name, group", PEOPLE, ids=["not-named", "named"])
def test_no_upgrade_passes_the_gateway(behind, cluster, door, name, group):
    """Not where policy does not name the side door; and not where it does, as it could not be recorded."""
    path, headers, side, _ = door
    behind.person(name, group)
    known = behind.ids()
    head = [f"GET /clusters/kubernetes{full(path, cluster)} HTTP/1.1", "Host: gateway", *headers]
    code, body = Serve.raw(behind, head, behind.token(name))
    assert code == 403, body
    message = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["message"]
    not_named = f"ada may not do this on cluster kubernetes: policy rule engineers refuses the unrecorded path {side} (side_doors)"
    named = "kubetape cannot record this kind of connection, so it does not let it through"
    assert message == (not_named if name == "ada" else named)
    assert behind.ids() == known


def plain(behind, cluster, name, method, path):
    head = [f"{method} /clusters/kubernetes{full(path, cluster)} HTTP/1.1", "Host: gateway"]
    return Serve.raw(behind, head + (["Content-Length: 0"] if method == "POST" else []), behind.token(name))


RUN = "/api/v1/nodes/{node}/proxy/run/default/shell/shell?cmd=id"


def test_run_by_a_plain_post_never_passes(behind, cluster):
    """The kubelet's `run` needs no upgrade: it answers with the command's output."""
    code, text = cluster.request("POST", full(RUN, cluster))
    assert code == 200 and "uid=0" in text
    for name, group in PEOPLE:
        behind.person(name, group)
        code, body = plain(behind, cluster, name, "POST", RUN)
        assert code == 403 and b"uid=0" not in body, body


def test_reading_through_a_side_door_is_for_who_is_named(behind, cluster):
    behind.person("ada", "engineers")
    behind.person("plumber", "plumbers")
    path = "/api/v1/nodes/{node}/proxy/healthz"
    assert plain(behind, cluster, "ada", "GET", path)[0] == 403
    code, body = plain(behind, cluster, "plumber", "GET", path)
    assert code == 200 and b"ok" in body
    read = {"user": "plumber", "verb": "get", "resource": "nodes", "name": cluster.node, "subresource": "proxy"}
    until(lambda: read in [requested(entry) for entry in behind.journal()], what="the journal's entry")


def requested(entry):
    """Who asked what of what, of a journal entry."""
    asked = entry if "target" in entry else next((v for v in entry.values() if isinstance(v, dict) and "target" in v), None)
    if not asked:
        return None
    of = {name: asked["target"][name] for name in ("resource", "name", "subresource")}
    return {"user": entry["user"], "verb": asked.get("verb"), **of}


def test_logs_and_watches_pass_without_a_websocket(behind, cluster):
    """The same URLs as every kubectl asks for them."""
    ada = behind.kubectl("ada", "engineers")
    assert b"tick" in ada.run("logs", "ticker", "--tail=2", check=0).stdout
    watch = ada.start("get", "pods", "-w", "-o", "name")
    assert watch.stdout.readline().startswith(b"pod/")
    watch.terminate()
    watch.wait(20)


@pytest.mark.parametrize(
    "path",
    ["/shell/%65xec", "/shell/exec/", "/shell//exec", "/shell/./exec", "/x/../shell/exec", "/shell/exec%2f", "/shell/exec/x"],
)
def test_exec_by_another_spelling(behind, path):
    """Recorded as exec, or refused; and what is refused never reaches Kubernetes."""
    behind.person("ada", "engineers")
    known = behind.ids()
    head = [f"POST /clusters/kubernetes{POD}{path}?command=id&stdout=true HTTP/1.1", "Host: gateway", *UPGRADE]
    if path == "/shell/%65xec":
        code = behind.upgrade(head, "ada")
        assert code == 101
        until(lambda: behind.ids() - known, what="the recording")
    else:
        code, _ = Serve.raw(behind, head, behind.token("ada"))
        assert code == 400
        assert behind.ids() == known
