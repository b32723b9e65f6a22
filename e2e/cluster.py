"""Kubernetes itself (`fixtures/cluster`), and a gateway in front of it that is installed as the documentation says."""

import json
import os
import pathlib
import socket
import ssl
import subprocess
import urllib.error
import urllib.request

import yaml
from kubectl import Kubectl
from program import ROOT, Installation, Process, binary, free_port

FOLDER = ROOT / "fixtures" / "cluster"


# What `view`, `edit` and `admin` are put together of; the controller that does it is not here.
VIEW, EDIT, ADMIN = (f"system:aggregate-to-{name}" for name in ("view", "edit", "admin"))


class CannotBeHad(Exception):
    """This machine cannot have the cluster; the message is the one line that says why."""


class Cluster:
    """The cluster, started unless it runs. One that was not found running is ended."""

    def __enter__(self):
        self.found = subprocess.run([FOLDER / "status"], capture_output=True).returncode == 0
        done = subprocess.run([FOLDER / "up"], capture_output=True, text=True)
        if done.returncode == 3 and not os.environ.get("KUBETAPE_TEST_CLUSTER_REQUIRED"):
            raise CannotBeHad(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stderr
        self.kubeconfig = pathlib.Path(done.stdout.strip())
        self.state = self.kubeconfig.parent
        about = json.loads((self.state / "cluster.json").read_text())
        self.api, self.kubelet = about["api"], about["kubelet"]
        self.admin = Kubectl("1.37", "websocket", self.kubeconfig)
        self.node = self.admin.run("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}", check=0).stdout.decode()
        return self

    def __exit__(self, *_):
        if not self.found:
            subprocess.run([FOLDER / "down"], check=True, capture_output=True)

    def component(self, name, what):
        subprocess.run([FOLDER / "component", name, what], check=True, capture_output=True)

    def ready(self):
        return self.request("GET", "/readyz")[0] == 200

    def pod_runs(self, name):
        phase = self.admin.run("get", "pod", name, "-o", "jsonpath={.status.phase}")
        return phase.stdout == b"Running"

    def person(self, name, *groups):
        """Key and certificate of a person that the API server knows by itself, past every gateway."""
        pki = self.state / "pki"
        subject = "".join(f"/O={group}" for group in groups) + f"/CN={name}"
        curve = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        files = [pki / f"person-{name}.{kind}" for kind in ("key", "csr", "crt")]
        key, asked, certificate = map(str, files)
        run = lambda *words: subprocess.run(["openssl", *words], cwd=pki, check=True, capture_output=True)  # noqa: E731
        run("req", "-newkey", *curve, "-keyout", key, "-out", asked, "-subj", subject)
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-extensions", "client"]
        run("x509", "-req", "-in", asked, "-out", certificate, *signed, "-days", "1")
        return certificate, key

    def direct(self, name, *groups, transport="websocket", version="1.37"):
        """kubectl of a person, straight at the API server."""
        certificate, key = self.person(name, *groups)
        config = json.loads(self.kubeconfig.read_text())
        config["users"][0]["user"] = {"client-certificate": certificate, "client-key": key}
        path = self.state / f"{name}.kubeconfig"
        path.write_text(json.dumps(config))
        return Kubectl(version, transport, path)

    def tls(self, pair=None):
        """TLS with a person's certificate, the admin's by default."""
        context = ssl.create_default_context(cafile=self.state / "pki" / "ca.crt")
        context.load_cert_chain(*(pair or (self.state / "pki" / "admin.crt", self.state / "pki" / "admin.key")))
        return context

    def upgrade(self, path, headers):
        """Status code of the admin's upgrade request."""
        return answered(self.api.removeprefix("https://"), self.tls(), [f"GET {path} HTTP/1.1", "Host: api", *headers])

    def request(self, method, path, body=None, headers=(), pair=None, server=None):
        """Status code and text of a request with a person's certificate."""
        context = self.tls(pair)
        data = None if body is None else json.dumps(body).encode()
        lines = {"Content-Type": "application/json", **dict(headers)}
        asked = urllib.request.Request((server or self.api) + path, data, lines, method=method)
        try:
            with urllib.request.urlopen(asked, context=context, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()
        except OSError as error:
            return 0, str(error)

    def apply(self, *things):
        """`kubectl apply` of objects."""
        self.admin.run("apply", "-f", "-", input=yaml.safe_dump_all(things).encode(), check=0)

    def audited(self, **wanted):
        """Entries of the API server's own audit log in which these fields, by dotted name, have these values."""
        entries = map(json.loads, (self.state / "logs" / "audit.jsonl").read_text().splitlines())
        return [entry for entry in entries if all(reach(entry, name) == value for name, value in wanted.items())]


def answered(address, context, lines):
    """Sends a request's head over TLS; the status code of what comes back. Then hangs up."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as tcp, context.wrap_socket(tcp, server_hostname=host) as tls:
        tls.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while b"\r\n" not in answer and (piece := tls.recv(4096)):
            answer += piece
    return int(answer.split()[1])


def reach(entry, name):
    for part in name.split("__"):
        entry = entry.get(part) if isinstance(entry, dict) else None
    return entry


def bind(name, role, *groups, namespace=None):
    """A binding of a ClusterRole to groups, in one namespace or in all."""
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group} for group in groups]
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, "roleRef": reference, "subjects": subjects}


CONFIG = """
[state]
dir = "{folder}/state"

[gateway]
name = "test-gateway"
listen = "127.0.0.1:{port}"
public_url = "https://127.0.0.1:{port}"

[web]
listen = "127.0.0.1:0"

[storage]
path = "{folder}/recordings"

[recorder]
chunk_age = "1s"

[journal]
object_age = "1s"

[search]
interval = "500ms"

[[clusters]]
name = "kubernetes"
server = "{api}"
ca = "{pki}/ca.crt"
token_file = "{folder}/cluster.token"

[[policy.rules]]
name = "engineers"
groups = ["engineers"]
clusters = ["*"]
as_groups = ["test:engineers"]
record_input = "piped"

[[policy.rules]]
name = "readers"
groups = ["readers"]
clusters = ["*"]
as_groups = ["test:readers"]

[[policy.rules]]
name = "side doors"
groups = ["plumbers"]
clusters = ["*"]
as_groups = ["test:engineers"]
side_doors = ["node_proxy", "workload_proxy", "web_socket", "upgrade"]
"""


class Gateway(Installation):
    """A gateway whose only credential at the cluster is the service account of `deploy/rbac.yaml`."""

    cluster_name, user = "kubernetes", "ada"

    def __init__(self, folder, cluster):
        super().__init__(folder / "kubetape.toml")
        self.folder, self.cluster, self.port = folder, cluster, free_port()
        self.node, self.people = cluster.node, {}
        # No scheduler and no network plugin: a pod names its node and uses its network.
        spec = {"apiVersion": "v1", "spec": {"nodeName": self.node, "hostNetwork": True, "terminationGracePeriodSeconds": 1}}
        self.run_words = [f"--overrides={json.dumps(spec)}"]

    def __enter__(self):
        self.cluster.admin.run("apply", "-f", ROOT / "deploy" / "rbac.yaml", check=0)
        self.cluster.apply(bind("test-engineers", "cluster-admin", "test:engineers"), bind("test-readers", VIEW, "test:readers"))
        token = self.cluster.admin.run("create", "token", "kubetape-gateway", "-n", "kubetape", "--duration=2h", check=0)
        (self.folder / "cluster.token").write_bytes(token.stdout)
        pki = self.cluster.state / "pki"
        self.config.write_text(CONFIG.format(folder=self.folder, port=self.port, api=self.cluster.api, pki=pki))
        self.process = Process([binary("kubetape"), "--config", self.config, "serve"], self.env)
        try:
            self.process.wait_for(r"ready")
            self.kubeconfig = self.person("ada", "engineers")
        except BaseException:
            self.process.end()
            raise
        return self

    def __exit__(self, *_):
        assert self.process.end() == 0, self.process.output

    def person(self, name, *groups):
        """A kubeconfig of a person, for the gateway."""
        if name not in self.people:
            path = self.folder / f"{name}.kubeconfig"
            self.run("kubeconfig", "--user", name, *(word for group in groups for word in ("--group", group)), "-o", path)
            self.people[name] = path
        return self.people[name]

    def kubectl(self, name, *groups, transport="websocket", version="1.37"):
        return Kubectl(version, transport, self.person(name, *groups))

    def token(self, name):
        return yaml.safe_load(self.people[name].read_text())["users"][0]["user"]["token"]

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def upgrade(self, head, name):
        """Status code of a person's upgrade request."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return answered(self.address, context, [*head, f"Authorization: Bearer {self.token(name)}"])
