"""The role that `kubetape config rbac` prints, in force: it is enough for what the policy gives, and for nothing else."""

import json
import ssl
import urllib.error
import urllib.request

import pytest
from program import ROOT, until

ADA = ("ada", "engineers")
EXTRA = "Impersonate-Extra-kubetape.dev%2Fgateway"


@pytest.fixture
def narrowed(cluster, behind):
    role = behind.run("config", "rbac", "--cluster", "kubernetes").stdout
    cluster.admin.run("apply", "-f", "-", input=role, check=0)
    yield cluster
    cluster.admin.run("apply", "-f", ROOT / "deploy" / "rbac.yaml", check=0)


def as_the_gateway(cluster, behind, **headers):
    """Status code and message of a request with the gateway's own credential."""
    context = ssl.create_default_context(cafile=cluster.state / "pki" / "ca.crt")
    lines = {"Authorization": f"Bearer {(behind.folder / 'cluster.token').read_text().strip()}", **headers}
    asked = urllib.request.Request(f"{cluster.api}/api/v1/namespaces/default/pods/shell", headers=lines)
    try:
        with urllib.request.urlopen(asked, context=context, timeout=20) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as answer:
        return answer.code, json.loads(answer.read())["message"]


def test_the_gateways_credential_is_worth_what_the_policy_gives(narrowed, behind):
    ours = {"Impersonate-User": "ada", "Impersonate-Group": "test:engineers", EXTRA: "test-gateway"}
    theirs = {**ours, "Impersonate-Group": "test:owners"}
    until(lambda: as_the_gateway(narrowed, behind, **theirs)[0] == 403, what="the narrowed role")
    assert as_the_gateway(narrowed, behind, **ours)[0] == 200
    for headers, says in [
        (theirs, 'cannot impersonate resource "groups"'),
        ({**ours, "Impersonate-Group": "system:masters"}, 'cannot impersonate resource "groups"'),
        ({**ours, EXTRA: "another-gateway"}, 'cannot impersonate resource "userextras/kubetape.dev/gateway"'),
        ({**ours, "Impersonate-Extra-Scopes": "all"}, 'cannot impersonate resource "userextras/scopes"'),
    ]:
        code, message = as_the_gateway(narrowed, behind, **headers)
        assert code == 403 and says in message, (headers, message)


@pytest.mark.parametrize("transport", ["spdy", "websocket"])
def test_sessions_go_on(narrowed, behind, transport):
    theirs = {"Impersonate-User": "ada", "Impersonate-Group": "test:owners"}
    until(lambda: as_the_gateway(narrowed, behind, **theirs)[0] == 403, what="the narrowed role")
    done = behind.kubectl(*ADA, transport=transport).run("exec", "shell", "--", "echo", "as ada", check=0)
    assert done.stdout == b"as ada\n"
