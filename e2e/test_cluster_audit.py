"""`kubetape compare-audit` and the audit log of a real API server: what came through the gateway is in it under its recording's id,
and what did not is named."""

import datetime
import json
import uuid

import pytest
from program import until

GATEWAY = "system:serviceaccount:kubetape:kubetape-gateway"
ADA = ("ada", "engineers")
UPGRADE = [
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    *("Sec-WebSocket-Key: 0ah0bBkU1NfCxDVVqpOofg==", "Sec-WebSocket-Protocol: v5.channel.k8s.io"),
]
EXEC = "/api/v1/namespaces/default/pods/shell/exec?command=true&container=shell&stdout=true"


class Witness:
    """The API server's audit log from now on, compared with what the gateway recorded."""

    def __init__(self, cluster, behind):
        self.cluster, self.behind = cluster, behind
        self.log = cluster.state / "logs" / "audit.jsonl"
        # The log of before belongs to other tests.
        self.since = datetime.datetime.now(datetime.UTC).isoformat()

    def compare(self, *words):
        # All of it is one machine's clock.
        words = ["--since", self.since, "--gateway-user", GATEWAY, "--skew", "30s", "--json", *words]
        done = self.behind.run("compare-audit", self.log, *words, check=False)
        assert done.returncode in (0, 1), done.stderr
        answer = json.loads(done.stdout)
        assert done.returncode == (1 if answer["findings"] else 0)
        return answer

    def matched(self, count):
        """The comparison, once that many ways into containers are known to both."""
        return until(lambda: (answer := self.compare())["matched"] >= count and answer, what=f"{count} that are recorded")


@pytest.fixture
def witness(cluster, behind):
    return Witness(cluster, behind)


@pytest.mark.parametrize("version, transport", [("1.20", "spdy"), ("1.37", "spdy"), ("1.37", "websocket")])
def test_a_session_is_in_the_log_under_its_recordings_id(cluster, behind, witness, version, transport):
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    behind.kubectl(*ADA, transport=transport, version=version).run("exec", "shell", "--", "echo", tag, check=0)
    session = behind.session(tag)["id"]
    entries = until(lambda: cluster.audited(auditID=session, stage="ResponseComplete"), what="the log's entry")
    assert [entry["objectRef"]["subresource"] for entry in entries] == ["exec"]
    assert entries[0]["user"]["username"] == GATEWAY and entries[0]["impersonatedUser"]["username"] == "ada"
    assert entries[0]["impersonatedUser"]["extra"] == {"kubetape.dev/gateway": ["test-gateway"]}
    # The address that the gateway saw, then its own.
    assert entries[0]["sourceIPs"][0] == "127.0.0.1"
    assert witness.matched(1)["findings"] == []


def test_what_a_client_says_of_itself_is_not_in_the_log(cluster, behind, witness):
    behind.kubectl(*ADA)
    claims = ["Audit-ID: of-a-client", "X-Real-Ip: 192.0.2.1", "X-Forwarded-For: 192.0.2.2", "Forwarded: for=192.0.2.3"]
    head = [f"GET /clusters/kubernetes{EXEC} HTTP/1.1", "Host: gateway", *UPGRADE, *claims]
    assert behind.upgrade(head, "ada") == 101
    assert witness.matched(1)["findings"] == []
    assert cluster.audited(auditID="of-a-client") == []
    assert "192.0.2." not in witness.log.read_text()


def test_attach_and_debug_containers_are_known_too(behind, witness):
    kubectl = behind.kubectl(*ADA)
    name = f"dbg-{uuid.uuid4().hex[:8]}"
    kubectl.run("debug", "shell", "--image=busybox:1", f"--container={name}", "--", "true", check=0)
    kubectl.run("attach", "-i", "flood", input=b"10\n")
    answer = witness.matched(2)
    assert answer["findings"] == [] and answer["senders"] == {GATEWAY: answer["matched"] + answer["refused"]}


@pytest.mark.parametrize("transport", ["spdy", "websocket"])
def test_a_terminal_past_the_gateway_is_named(cluster, witness, transport):
    cluster.direct("bob", "system:masters", transport=transport).run("exec", "shell", "--", "true", check=0)
    found = until(lambda: witness.compare()["findings"], what="the finding")
    assert [(each["way"], each["person"], each["namespace"], each["name"]) for each in found] == [("exec", "bob", "default", "shell")]
    assert "did not come through a gateway" in found[0]["why"]


def test_the_id_of_a_recording_hides_nobody(cluster, behind, witness):
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    behind.kubectl(*ADA).run("exec", "shell", "--", "echo", tag, check=0)
    session = behind.session(tag)["id"]
    witness.matched(1)
    as_ada = ["Impersonate-User: ada", "Impersonate-Group: test:engineers", "Impersonate-Extra-kubetape.dev%2Fgateway: test-gateway"]
    for headers, why in [([], "did not come through a gateway"), (as_ada, "set a gateway's name by hand")]:
        assert cluster.upgrade(EXEC, [*UPGRADE, f"Audit-ID: {session}", *headers]) == 101
        found = until(lambda why=why: [each for each in witness.compare()["findings"] if why in each["why"]], what=why)
        assert found[0]["audit_id"] == session
    assert witness.compare()["matched"] == 1
    # Nobody said who the gateway is: then the recording has one session, and this is another.
    words = ["compare-audit", witness.log, "--since", witness.since, "--json"]
    found = json.loads(behind.run(*words, check=False).stdout)["findings"]
    assert any("as another session does already" in each["why"] for each in found), found


def test_what_the_api_server_refused_is_counted(cluster, behind, witness):
    # kubectl would ask for the pod first, and go no further.
    assert cluster.request("POST", EXEC, pair=cluster.person("nobody-special", "test:nobody"))[0] == 403
    answer = until(lambda: (answer := witness.compare())["refused"] and answer, what="the refusal")
    assert answer["findings"] == []
