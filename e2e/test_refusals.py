"""Bad input: what the person is told, and that nothing reached the upstream."""

import datetime
import json
import pathlib
import socket
import ssl
import subprocess
import threading
import uuid

import pytest
import yaml
from kubernetes.client.exceptions import ApiException

from kubectl import Kubectl
from test_clients import python_exec
from program import Installation, Process, binary, free_port


class Counting:
    """An upstream that counts connections and never answers: whatever must not be forwarded never comes here."""

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def __exit__(self, *_):
        self.listener.close()


@pytest.fixture(scope="module")
def upstream():
    with Counting() as counting:
        yield counting


CONFIG = """
[state]
dir = "{folder}/state"

[gateway]
listen = "127.0.0.1:{gateway}"
public_url = "https://127.0.0.1:{gateway}"

[web]
listen = "127.0.0.1:0"

[storage]
path = "{folder}/recordings"

[[clusters]]
name = "blackhole"
server = "https://127.0.0.1:{port}"
token_file = "{folder}/upstream.token"

[[clusters]]
name = "away"
server = "https://127.0.0.1:1"
token_file = "{folder}/upstream.token"

[[policy.rules]]
name = "readers"
users = ["reader"]
clusters = ["*"]
deny = ["exec", "attach", "ephemeral_containers"]

[[policy.rules]]
name = "everyone"
users = ["ada"]
clusters = ["blackhole", "away"]
"""


class Serve(Installation):
    def __init__(self, folder, port):
        super().__init__(folder / "kubetape.toml")
        self.folder = folder
        self.config.write_text(CONFIG.format(folder=folder, port=port, gateway=free_port()))
        (folder / "upstream.token").write_text("upstream-secret")

    def __enter__(self):
        self.process = Process([binary("kubetape"), "--config", self.config, "serve"], self.env)
        self.address = self.process.wait_for(r"https://(127\.0\.0\.1:\d+)")[1]
        self.process.wait_for(r"ready")
        self.token = self.run("token", "create", "--user", "ada").stdout.decode().split()[-1]
        self.reader = self.run("token", "create", "--user", "reader").stdout.decode().split()[-1]
        return self

    def __exit__(self, *_):
        assert self.process.end() == 0, self.process.output

    def raw(self, head, token=None, certificate=None):
        """Sends bytes over TLS and reads the answer to the end."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(*certificate)
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as tcp, context.wrap_socket(tcp) as tls:
            lines = head + (["Authorization: Bearer " + token] if token else []) + ["Connection: close", "", ""]
            tls.sendall("\r\n".join(lines).encode())
            answer = b""
            while piece := tls.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), body

    def status(self, path, token=None, *headers, method="GET", certificate=None):
        """Status code and the JSON Status of an answer."""
        code, body = self.raw([f"{method} {path} HTTP/1.1", "Host: gateway", *headers], token, certificate)
        found = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
        assert found["kind"] == "Status" and found["status"] == "Failure" and found["code"] == code, found
        return code, found["message"]


@pytest.fixture(scope="module")
def serve(tmp_path_factory, upstream):
    with Serve(tmp_path_factory.mktemp("refusals"), upstream.port) as running:
        yield running


PODS = "/clusters/blackhole/api/v1/namespaces/default/pods"
EXEC = f"{PODS}/shell/exec?command=id&stdout=true"
UPGRADE = ["Upgrade: SPDY/3.1", "Connection: Upgrade", "X-Stream-Protocol-Version: v4.channel.k8s.io"]
WEBSOCKET = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Protocol: v5.channel.k8s.io",
]


@pytest.fixture
def untouched(upstream, serve):
    """Nothing may reach the upstream in this test, and nothing may be recorded."""
    before, recorded = upstream.connections, len(serve.ls())
    yield
    assert upstream.connections == before
    assert len(serve.ls()) == recorded


@pytest.mark.usefixtures("untouched")
class TestNothingIsForwarded:
    def test_no_credential(self, serve):
        code, message = serve.status(PODS)
        assert code == 401 and message

    def test_unknown_token(self, serve):
        code, message = serve.status(PODS, "kt_not_a_token")
        assert code == 401 and "kt_not_a_token" not in message
        assert "kt_not_a_token" not in serve.process.output

    def test_revoked_token(self, serve):
        token = serve.run("token", "create", "--user", "ada").stdout.decode().split()[-1]
        listed = serve.run("token", "ls").stdout.decode()
        assert token not in listed
        newest = [word for word in listed.split() if word in token and len(word) > 4]
        serve.run("token", "revoke", newest[-1])
        assert serve.status(PODS, token)[0] == 401

    def test_unknown_cluster(self, serve):
        code, message = serve.status("/clusters/nowhere/api", serve.token)
        assert code in (403, 404) and "nowhere" in message

    def test_no_cluster(self, serve):
        code, message = serve.status("/api/v1/pods", serve.token)
        assert code == 404 and "/clusters/" in message

    @pytest.mark.parametrize(
        "path",
        [
            "/clusters/blackhole/api/v1/namespaces/default/pods/shell/%2e%2e/exec",
            "/clusters/blackhole/api/v1//namespaces/default/pods",
            "/clusters/blackhole/api/v1/namespaces/default/pods/../secrets",
            "/clusters/blackhole/api/v1/namespaces/default/pods/a%2fb",
            "/clusters/blackhole/api/v1/namespaces/default/pods/a%00b",
            "/clusters/blackhole/api/v1/./pods",
        ],
    )
    def test_ambiguous_path(self, serve, path):
        code, message = serve.status(path, serve.token)
        assert code == 400 and "path" in message.lower()

    @pytest.mark.parametrize("token", ["h2c", "TLS/1.0", "websocket, h2c", "foo"])
    def test_upgrade_that_nobody_knows(self, serve, token):
        code, _ = serve.status(EXEC, serve.token, f"Upgrade: {token}", "Connection: Upgrade")
        assert code == 400

    def test_upgrade_without_its_handshake(self, serve):
        code, _ = serve.status(EXEC, serve.token, "Upgrade: websocket", "Connection: Upgrade")
        assert code == 400

    def test_exec_without_upgrade(self, serve):
        code, message = serve.status(EXEC, serve.token, method="POST")
        assert code == 400 and "pgrade" in message

    @pytest.mark.parametrize("headers", [UPGRADE, WEBSOCKET], ids=["spdy", "websocket"])
    def test_policy_denies_exec_on_both_transports(self, serve, headers):
        code, message = serve.status(EXEC, serve.reader, *headers)
        assert code == 403 and "readers" in message

    def test_encoded_exec_is_exec(self, serve):
        code, _ = serve.status(f"{PODS}/shell/%65xec?command=id", serve.reader, *UPGRADE)
        assert code in (400, 403)

    @pytest.mark.parametrize(
        "path",
        [
            "/clusters/blackhole/api/v1/nodes/n1/proxy/exec/default/shell/shell?command=id",
            "/clusters/blackhole/api/v1/nodes/n1/proxy/run/default/shell/shell?cmd=id",
            "/clusters/blackhole/api/v1/nodes/n1:10250/proxy/attach/default/shell/shell",
            "/clusters/blackhole/api/v1/namespaces/default/pods/shell/proxy/x",
            "/clusters/blackhole/api/v1/namespaces/default/services/http:web:80/proxy/x",
        ],
    )
    @pytest.mark.parametrize("headers", [[], WEBSOCKET], ids=["plain", "websocket"])
    def test_side_doors(self, serve, path, headers):
        code, _ = serve.status(path, serve.token, *headers, method="POST" if not headers else "GET")
        assert code == 403

    @pytest.mark.parametrize("path", [f"{PODS}/shell/log?follow=true", f"{PODS}?watch=1"])
    def test_logs_and_watches_by_websocket(self, serve, path):
        assert serve.status(path, serve.token, *WEBSOCKET)[0] in (400, 403)

    def test_impersonation_by_the_client(self, serve):
        code, message = serve.status(PODS, serve.token, "Impersonate-User: system:admin")
        assert code == 403 and "--as" in message

    @pytest.mark.parametrize(
        "extra",
        [
            ["Content-Length: 0", "Content-Length: 5"],
            ["Transfer-Encoding: chunked", "Content-Length: 5"],
            ["Content-Length : 5"],
        ],
    )
    def test_smuggling(self, serve, extra):
        code, _ = serve.raw([f"POST {PODS} HTTP/1.1", "Host: gateway", *extra], serve.token)
        assert code == 400

    def test_expired_certificate(self, serve, tmp_path):
        config = tmp_path / "expired.kubeconfig"
        serve.run("kubeconfig", "--user", "ada", "--certificate", "-o", config)
        pair = expire(serve, config)
        code, message = serve.status(PODS, certificate=pair)
        assert code == 401 and "expired" in message
        # kubectl has words of its own for every 401.
        done = Kubectl("1.37", "websocket", config).run("get", "pods", "--context", "blackhole")
        assert done.returncode == 1 and b"must be logged in" in done.stderr, done.stderr


def expire(serve, kubeconfig):
    """Puts a client certificate of the gateway's own CA into the kubeconfig that ended yesterday."""
    folder = kubeconfig.parent
    ca = serve.folder / "state" / "ca"
    key, cert = next(ca.glob("*ca*key*.pem"), None) or next(ca.glob("*.key")), None
    certificates = [path for path in ca.glob("*") if path != key and b"BEGIN CERT" in path.read_bytes()]
    for candidate in certificates:
        probe = subprocess.run(["openssl", "x509", "-in", candidate, "-noout", "-ext", "basicConstraints"], capture_output=True)
        if b"CA:TRUE" in probe.stdout:
            cert = candidate
    old = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    run = lambda *words: subprocess.run(words, check=True, capture_output=True, cwd=folder)  # noqa: E731
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "k.pem", "-out", "r.pem", "-subj", "/CN=ada")
    (folder / "ext.cnf").write_text("extendedKeyUsage=clientAuth\nkeyUsage=digitalSignature\n")
    (folder / "index").write_text("")
    (folder / "serial").write_text("1000\n")
    (folder / "ca.cnf").write_text(
        "[ca]\ndefault_ca=x\n[x]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n"
        "unique_subject=no\n[p]\ncommonName=supplied\n"
    )
    stamp = lambda at: at.strftime("%Y%m%d%H%M%SZ")  # noqa: E731
    run(
        "openssl", "ca", "-batch", "-config", "ca.cnf", "-cert", str(cert), "-keyfile", str(key), "-in", "r.pem",
        "-out", "c.pem", "-notext", "-extfile", "ext.cnf", "-startdate", stamp(old - datetime.timedelta(days=2)), "-enddate", stamp(old),
    )  # fmt: skip
    config = yaml.safe_load(kubeconfig.read_text())
    for user in config["users"]:
        user["user"] = {"client-certificate": str(folder / "c.pem"), "client-key": str(folder / "k.pem")}
    kubeconfig.write_text(yaml.safe_dump(config))
    return folder / "c.pem", folder / "k.pem"


def test_upstream_that_cannot_be_reached(serve):
    code, message = serve.status("/clusters/away/api/v1/pods", serve.token)
    assert code in (502, 503) and "away" in message
    code, message = serve.status("/clusters/away/api/v1/namespaces/d/pods/p/exec?command=id", serve.token, *UPGRADE)
    assert code in (502, 503) and "away" in message
    assert "upstream-secret" not in serve.process.output


def test_upstream_refusals_reach_kubectl_unchanged(demo, kubectl):
    missing = kubectl.run("exec", "no-such-pod", "--", "id")
    assert missing.returncode == 1 and b'pods "no-such-pod" not found' in missing.stderr
    forbidden = kubectl.run("get", "pods", "-n", "forbidden")
    assert forbidden.returncode == 1 and b"forbidden" in forbidden.stderr.lower()


def test_an_exec_that_the_upstream_refuses_is_a_recording_that_did_not_start(demo):
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    with pytest.raises(ApiException) as refused:
        python_exec(demo, ["id", tag], pod="no-such-pod")
    assert "404" in str(refused.value)
    row = demo.session(tag)
    assert row["outcome"] == "failed_to_start"
    assert row["pod"] == "no-such-pod" and row["exit_code"] is None


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda text: text.replace('listen = "127.0.0.1:', 'listen = "nowhere:', 1), [b"listen"]),
        (lambda text: text + "\n[gatewy]\nx = 1\n", [b"gatewy"]),
        (lambda text: text.replace("[web]", "[web"), [b"line"]),
        (lambda text: text.replace('users = ["ada"]', "users = []"), [b"everyone"]),
        (lambda text: text.replace('"exec", "attach"', '"exek"'), [b"exek"]),
    ],
    ids=["type", "unknown-section", "syntax", "rule-for-nobody", "unknown-action"],
)
def test_broken_configuration(tmp_path, change, words):
    config = tmp_path / "kubetape.toml"
    config.write_text(change(CONFIG.format(folder=tmp_path, port=1, gateway=free_port())))
    (tmp_path / "upstream.token").write_text("upstream-secret")
    broken = Installation(config)
    for command in (["config", "check"], ["serve"]):
        done = broken.run(*command, check=False)
        assert done.returncode != 0
        for word in [*words, b"kubetape.toml"]:
            assert word in done.stderr, done.stderr


def test_configuration_that_is_not_there(tmp_path):
    done = Installation(tmp_path / "missing.toml").run("ls", check=False)
    assert done.returncode != 0 and b"missing.toml" in done.stderr


def test_storage_that_cannot_be_written(tmp_path, upstream):
    config = tmp_path / "kubetape.toml"
    (tmp_path / "upstream.token").write_text("upstream-secret")
    (tmp_path / "file").write_text("a file where a folder should be")
    config.write_text(
        CONFIG.format(folder=tmp_path, port=upstream.port, gateway=free_port()).replace(f"{tmp_path}/recordings", f"{tmp_path}/file/x")
    )
    done = Installation(config).run("serve", check=False)
    assert done.returncode != 0
    assert str(tmp_path / "file").encode() in done.stderr, done.stderr


def test_a_disk_that_fails_while_serving(tmp_path, upstream):
    """Recording cannot start: the exec is refused with the cause, and the upstream is not dialled."""
    with Serve(tmp_path, upstream.port) as serve:
        spool = serve.folder / "state" / "spool"
        spool.rename(spool.with_name("spool-gone"))
        spool.write_text("a file where the folder was")
        before = upstream.connections
        code, message = serve.status(EXEC, serve.token, *UPGRADE)
        assert code in (500, 503) and "record" in message.lower()
        assert upstream.connections == before
        spool.unlink()
        spool.with_name("spool-gone").rename(spool)


def test_the_upstreams_secret_is_never_shown(serve):
    for path in pathlib.Path(serve.folder, "state").rglob("*"):
        if path.is_file():
            assert b"upstream-secret" not in path.read_bytes(), path
