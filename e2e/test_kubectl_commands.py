"""Everything else kubectl does, by release and transport."""

import hashlib
import random
import uuid

import pytest

from forwarded import forwarded
from program import until
from terminal import Terminal

POD = "shell"
# With a tag: a kubelet then takes the one it has.
IMAGE = "--image=busybox:1"


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def ended(demo, known, count):
    """The `count` sessions that were not in `known`, oldest first, once they have ended."""

    def found():
        rows = [row for row in demo.ls() if row["id"] not in known]
        return rows if len(rows) >= count and all(row["ended"] for row in rows) else None

    rows = until(found, what=f"the end of {count} sessions")
    assert len(rows) == count, rows
    return sorted(rows, key=lambda row: row["started"])


def test_cp_both_ways(client, demo, tmp_path):
    data = random.Random(3).randbytes(300_000)
    up, down = tmp_path / "up.bin", tmp_path / "down.bin"
    up.write_bytes(data)
    inside = f"/tmp/{unique('cp')}"
    known = demo.ids()
    client.run("cp", up, f"{POD}:{inside}", "-c", "shell", check=0)
    # An upload is two sessions: is the target a folder, and `tar` with the file as its input.
    probe, tar = ended(demo, known, 2)
    assert probe["argv"] == ["test", "-d", inside]
    assert tar["argv"][0] == "tar" and tar["exit_code"] == 0
    assert data in demo.export(tar["id"], "stdin")
    known = demo.ids()
    client.run("cp", f"{POD}:{inside}", down, "-c", "shell", check=0)
    assert hashlib.sha256(down.read_bytes()).digest() == hashlib.sha256(data).digest()
    row = demo.newest(known)
    assert row["argv"] == ["tar", "cf", "-", inside]
    tar = demo.export(row["id"])
    assert data in tar


def test_attach_shows_what_the_process_prints(client, demo):
    known = demo.ids()
    process = client.start("attach", "ticker")
    seen = process.stdout.readline() + process.stdout.readline()
    process.terminate()
    seen += process.stdout.read()
    process.wait(20)
    row = demo.newest(known, pod="ticker")
    recorded = demo.export(row["id"])
    assert seen and recorded.startswith(seen)


@pytest.mark.parametrize("code", [0, 7])
def test_run_it_rm(client, demo, code):
    name = unique("run")
    words = ["run", name, "-it", "--rm", "--restart=Never", IMAGE, *demo.run_words, "--", "sh", "-c"]
    terminal = Terminal(client.argv(*words, f"read line; echo got-$line; exit {code}"), client.env)
    # kubectl asks for Enter once it is attached; what it prints before differs by release.
    until(lambda: any(row["pod"] == name for row in demo.ls()), what="the attach")
    terminal.type("hello\r")
    terminal.expect("got-hello\r\n")
    assert terminal.end(60) == code
    row = demo.newest((), pod=name)
    assert b"got-hello\r\n" in demo.export(row["id"])
    assert demo.export(row["id"]).rstrip() in terminal.seen


def test_debug_with_an_ephemeral_container(client, demo):
    known = demo.ids()
    container = unique("dbg")
    terminal = Terminal(
        client.argv("debug", "-it", POD, IMAGE, f"--container={container}", "--", "sh"), client.env
    )
    until(lambda: any(row["container"] == container for row in demo.ls()), what="the attach")
    terminal.type("echo debug-$((6*7))\r")
    terminal.expect("debug-42")
    terminal.type("exit\r")
    terminal.end(60)
    row = demo.newest(known, container=container)
    recorded = demo.export(row["id"])
    assert b"debug-42\r\n" in recorded
    assert recorded.rstrip() in terminal.seen


@pytest.mark.parametrize("how", ["node", "copy"])
def test_debug_with_a_pod_of_its_own(client, demo, how):
    known = demo.ids()
    copy = [POD, "--same-node", "--container=dbg", "--copy-to", unique("copy")]
    words = copy if how == "copy" else [f"node/{demo.node}"]
    terminal = Terminal(client.argv("debug", "-it", *words, IMAGE, "--", "sh"), client.env)
    until(lambda: demo.ids() - known, what="the attach")
    terminal.type("echo debug-$((6*7))\r")
    terminal.expect("debug-42")
    terminal.type("exit\r")
    terminal.end(60)
    row = demo.newest(known)
    assert b"debug-42\r\n" in demo.export(row["id"])


def test_port_forward(client, demo):
    known = demo.ids()
    with forwarded(client, POD) as (port, get):
        for path in ("/one", "/two"):
            assert get(path) == b"forwarded:" + path.encode()
    row = demo.newest(known)
    cast = demo.run("export", row["id"], "--format", "cast2").stdout.decode()
    # One entry per forwarded connection, with the pod's port.
    assert cast.count("opened") == 2
    assert str(port) in cast


def test_logs_arrive_as_they_are_printed(client, demo):
    process = client.start("logs", "-f", "ticker", "--tail=1")
    # A few bytes each, of a log that goes on: who waits for a full buffer gets them after minutes, if ever.
    lines = [process.stdout.readline() for _ in range(4)]
    process.terminate()
    process.wait(60)
    assert all(line.endswith(b"\n") for line in lines) and len(set(lines)) == 4, lines


def test_get_describe_apply_watch_delete(client, demo, tmp_path):
    name = unique("settings")
    manifest = tmp_path / "configmap.yaml"

    def write(value):
        manifest.write_text(
            f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: default\ndata:\n  key: {value}\n"
        )

    assert b"shell" in client.run("get", "pods", check=0).stdout
    assert b"shell" in client.run("get", "pods", "-o", "wide", check=0).stdout
    assert b"shell" in client.run("describe", "pod", POD, check=0).stdout
    apply = ["apply", "-f", manifest]
    write("one")
    assert b"created" in client.run(*apply, check=0).stdout
    watch = client.start("get", "configmap", name, "-w", "-o", "jsonpath={.data.key}{'\\n'}")
    assert watch.stdout.readline() == b"one\n"
    write("two")
    assert b"configured" in client.run(*apply, check=0).stdout
    assert watch.stdout.readline() == b"two\n"
    watch.terminate()
    watch.wait(20)
    assert b"deleted" in client.run("delete", "configmap", name, check=0).stdout
    assert client.run("get", "configmap", name).returncode == 1


def test_top_and_explain(client):
    assert b"shell" in client.run("top", "pods", check=0).stdout
    assert b"KIND" in client.run("explain", "pod", check=0).stdout


def test_whoami_is_the_person_and_not_the_gateway(client, demo):
    if client.minor < 28:
        pytest.skip("`kubectl auth whoami` came with 1.28")
    assert demo.user.encode() in client.run("auth", "whoami", check=0).stdout


def test_as_is_refused_with_a_reason(client):
    done = client.run("get", "pods", "--as=system:admin")
    assert done.returncode == 1
    assert b"remove --as" in done.stderr, done.stderr


def test_an_exec_url_of_100_kilobytes(client, demo):
    tag = unique("long")
    done = client.run("exec", POD, "-c", "shell", "--", "sh", "-c", "true # " + "x" * 100_000, tag)
    row = demo.session(tag)
    # The gateway forwards it; the demo's own server takes URLs of 64 KiB, and then says so.
    if done.returncode == 0:
        assert row["outcome"] == "exited"
    else:
        assert b"414" in done.stderr, done.stderr
        assert row["outcome"] == "failed_to_start"
