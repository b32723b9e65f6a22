"""`kubetape serve` with a real S3 server (SeaweedFS), and its objects in another player's hands."""

import json
import pathlib
import random
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
import uuid

import minio
import pytest

from kubectl import Kubectl
from program import ROOT, Installation, Process, binary, free_port, until
from terminal import Terminal

VENV = pathlib.Path(__file__).parent / ".cache" / "venv"
ACCESS, SECRET, BUCKET = "kubetape-test", "kubetape-test-secret", "recordings"


class SeaweedFs:
    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        identities = {
            "identities": [
                {
                    "name": "kubetape",
                    "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
                    "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                }
            ]
        }
        (self.folder / "s3.json").write_text(json.dumps(identities))
        ports = {name: free_port() for name in ("master", "volume", "filer")}
        grpc = {name: free_port() for name in ("master", "volume", "filer", "s3")}
        self.process = Process(
            [
                shutil.which("weed", path=str(VENV / "bin")),
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-dir={self.folder}",
                *(f"-{name}.port={port}" for name, port in ports.items()),
                *(f"-{name}.port.grpc={port}" for name, port in grpc.items()),
                "-volume.max=10",
                "-master.volumeSizeLimitMB=64",
                "-s3",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.telemetry=false",
                f"-s3.port={self.port}",
                f"-s3.config={self.folder}/s3.json",
            ]
        )
        try:
            until(self.answers, 60, "SeaweedFS")
        except BaseException:
            self.process.end()
            raise
        return self

    def answers(self):
        assert self.process.process.poll() is None, self.process.output
        try:
            urllib.request.urlopen(self.endpoint, timeout=2)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def __exit__(self, *_):
        # Told to end, it waits for half a minute first; what it has is thrown away.
        self.process.end(signal.SIGKILL)


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    with SeaweedFs(tmp_path_factory.mktemp("s3")) as server:
        yield server


class Serve(Installation):
    """`kubetape serve` in front of a demo cluster, with recordings in a bucket."""

    def __init__(self, folder, cluster_kubeconfig, s3):
        super().__init__(folder / "kubetape.toml", {"KUBETAPE_STORAGE__S3__SECRET_KEY": SECRET})
        self.folder = folder
        self.kubeconfig = folder / "person.kubeconfig"
        self.port, web = free_port(), free_port()
        self.web = f"http://127.0.0.1:{web}"
        self.config.write_text(f"""
[state]
dir = "{folder}/state"

[gateway]
listen = "127.0.0.1:{self.port}"
public_url = "https://127.0.0.1:{self.port}"

[web]
listen = "127.0.0.1:{web}"

[[clusters]]
kubeconfig = "{cluster_kubeconfig}"

[[policy.rules]]
name = "everyone"
users = ["*"]
clusters = ["*"]
as_groups = ["kubetape:engineers"]
record_input = "piped"

[storage]
kind = "s3"

[storage.s3]
endpoint = "{s3.endpoint}"
region = "us-east-1"
bucket = "{BUCKET}"
prefix = "team-a/"
path_style = true
access_key = "{ACCESS}"
""")

    def __enter__(self):
        self.run("config", "check")
        self.run("kubeconfig", "--user", "ada", "-o", self.kubeconfig)
        self.process = Process([binary("kubetape"), "--config", self.config, "serve"], self.env)
        self.process.wait_for(r"ready")
        return self

    def __exit__(self, *_):
        assert self.process.end() == 0, self.process.output


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cluster")
    process = Process([binary("demo-cluster"), "--listen", "127.0.0.1:0", "--folder", folder])
    process.wait_for(r"127\.0\.0\.1:\d+")
    until((folder / "kubeconfig").exists, what="the cluster's kubeconfig")
    yield folder / "kubeconfig"
    process.end()


@pytest.fixture(scope="module")
def served(tmp_path_factory, cluster, s3):
    make_bucket(s3)
    with Serve(tmp_path_factory.mktemp("serve"), cluster, s3) as running:
        yield running


def make_bucket(s3):
    """With the test environment's own S3 client: the program never creates a bucket."""
    s3.client = minio.Minio(
        f"127.0.0.1:{s3.port}", access_key=ACCESS, secret_key=SECRET, secure=False, region="us-east-1"
    )
    s3.client.make_bucket(bucket_name=BUCKET)


def objects(s3, session):
    """Names and bytes of a recording's objects."""
    found = {}
    for entry in s3.client.list_objects(bucket_name=BUCKET, prefix="team-a/recordings/", recursive=True):
        if session in entry.object_name:
            answer = s3.client.get_object(bucket_name=BUCKET, object_name=entry.object_name)
            found[entry.object_name.rsplit("/", 1)[1]] = answer.read()
            answer.close()
    return dict(sorted(found.items()))


@pytest.mark.parametrize("version, transport", [("1.20", "spdy"), ("1.37", "websocket")])
def test_sessions_come_back_exactly_from_the_bucket(served, version, transport):
    kubectl = Kubectl(version, transport, served.kubeconfig)
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    words = ["exec", "-i", "shell", "-c", "shell", "--", "sh", "-c", "cat; echo problem >&2; exit 9", tag]
    data = random.Random(4).randbytes(3_000_000)
    done = kubectl.run(*words, input=data)
    row = served.session(tag)
    assert done.returncode == 9
    assert done.stdout == data
    assert served.export(row["id"]) == data
    assert served.export(row["id"], "stdin") == data
    assert served.export(row["id"], "stderr") == b"problem\n"
    assert (row["user"], row["outcome"], row["exit_code"]) == ("ada", "exited", 9)


def test_another_player_plays_the_stored_objects(served, s3, tmp_path):
    kubectl = Kubectl("1.33", "websocket", served.kubeconfig)
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    terminal = Terminal(kubectl.argv("exec", "-it", "shell", "-c", "shell", "--", "sh", "-c", "exec sh", tag), kubectl.env)
    terminal.type("echo played-$((6*7))\r")
    terminal.expect("played-42")
    terminal.type("exit\r")
    assert terminal.end() == 0
    row = served.session(tag)
    stored = objects(s3, row["id"])
    assert list(stored)[0] == "000000.cast.zst" and list(stored)[-1] == "manifest.json"
    for name, body in stored.items():
        (tmp_path / name).write_bytes(body)
    player = Terminal(["sh", "-c", f"zstdcat {tmp_path}/*.cast.zst | asciinema play -s 20 -"], kubectl.env)
    player.expect("played-42")
    assert player.end() == 0
    # `asciinema cat` prints what the terminal received; raw, so that the terminal adds nothing to it.
    whole = tmp_path / "all.cast"
    with whole.open("wb") as out:
        subprocess.run(f"zstdcat {tmp_path}/*.cast.zst", shell=True, check=True, stdout=out)
    cat = Terminal(["sh", "-c", f"stty raw -echo; exec asciinema cat {whole}"], kubectl.env)
    assert cat.end() == 0
    assert cat.seen == served.export(row["id"])


def test_the_secret_is_in_no_file_and_no_output(served):
    assert SECRET not in served.process.output
    for path in served.folder.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path


def test_conformance_suite_against_the_bucket(s3, served):
    env = {
        "KUBETAPE_TEST_S3_ENDPOINT": s3.endpoint,
        "KUBETAPE_TEST_S3_ACCESS_KEY": ACCESS,
        "KUBETAPE_TEST_S3_SECRET_KEY": SECRET,
        "KUBETAPE_TEST_S3_BUCKET": BUCKET,
    }
    # Of the whole workspace, as all tests are built: storage alone has other features, and is built again for minutes.
    done = subprocess.run(
        ["cargo", "test", "--workspace", "--test", "it", "s3_", "--", "--nocapture"],
        cwd=ROOT,
        env={**served.env, **env},
        capture_output=True,
        timeout=600,
    )
    output = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, output[-3000:]
    assert re.search(r"test result: ok\. [1-9]", output), output[-3000:]
    assert "skipped" not in output.lower(), output[-3000:]
