"""Client libraries: Python's and Node's."""

import json
import pathlib
import subprocess
import uuid

from kubernetes import client as kubernetes
from kubernetes import config
from kubernetes.stream import stream

HERE = pathlib.Path(__file__).parent


def python_exec(demo, argv, pod="shell", container="shell", **how):
    api = kubernetes.CoreV1Api(config.new_client_from_config(str(demo.kubeconfig)))
    how = {"stderr": True, "stdin": False, "stdout": True, "tty": False, **how}
    return stream(api.connect_get_namespaced_pod_exec, pod, "default", container=container, command=argv, **how)


def test_python_exec(demo):
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    script = "echo café; echo problem >&2; exit 5"
    channel = python_exec(demo, ["sh", "-c", script, tag], _preload_content=False)
    channel.run_forever(timeout=20)
    row = demo.session(tag)
    assert channel.read_stdout() == "café\n"
    assert channel.read_stderr() == "problem\n"
    assert channel.returncode == 5
    assert demo.export(row["id"]) == "café\n".encode()
    assert demo.export(row["id"], "stderr") == b"problem\n"
    assert (row["outcome"], row["exit_code"]) == ("exited", 5)
    assert row["argv"] == ["sh", "-c", script, tag]


def test_python_writes_text_frames_to_stdin(demo):
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    channel = python_exec(demo, ["sh", "-c", "read a; echo got:$a", tag], stdin=True, _preload_content=False)
    channel.write_stdin("from python\n")
    channel.run_forever(timeout=20)
    row = demo.session(tag)
    assert channel.read_stdout() == "got:from python\n"
    assert demo.export(row["id"], "stdin") == b"from python\n"


def test_node_exec(demo):
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    argv = ["sh", "-c", "cat; echo problem >&2; exit 6", tag]
    done = subprocess.run(
        ["node", HERE / "node" / "exec.mjs", demo.kubeconfig, json.dumps(argv)],
        input="from node é\n".encode(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    row = demo.session(tag)
    assert (seen["stdout"], seen["stderr"]) == ("from node é\n", "problem\n")
    assert "6" in json.dumps(seen["status"])
    assert demo.export(row["id"]) == "from node é\n".encode()
    assert demo.export(row["id"], "stderr") == b"problem\n"
    assert demo.export(row["id"], "stdin") == "from node é\n".encode()
    assert (row["outcome"], row["exit_code"], row["argv"]) == ("exited", 6, argv)
