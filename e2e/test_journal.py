"""What a session carried, in its manifest and in the journal: files of cp, forwarded connections, floods, outcomes."""

import contextlib
import hashlib
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import uuid

from forwarded import forwarded
from kubectl import Kubectl
from program import Demo, until

POD = ["shell", "-c", "shell"]


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


def entries(demo, session, event):
    """The journal's entries of an event of a session; the journal is written every few seconds."""
    return until(lambda: [e for e in demo.journal() if e["event"] == event and e.get("session") == session], what=event)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def test_cp_both_ways(client, demo, tmp_path):
    # A folder: a file of more than a frame, an empty one, and a name that is no ASCII.
    folder = tmp_path / unique("tree")
    folder.mkdir()
    large, name = random.Random(5).randbytes(300_000), "caf\u00e9 \u4e2d.bin"
    (folder / name).write_bytes(large)
    (folder / "empty").write_bytes(b"")
    (folder / "hello.txt").write_bytes(b"hello\n")
    wanted = {name: (300_000, sha256(large)), "empty": (0, sha256(b"")), "hello.txt": (6, sha256(b"hello\n"))}
    known = demo.ids()
    client.run("cp", folder, f"shell:/tmp/{folder.name}", "-c", "shell", check=0)
    up = demo.newest(known, lambda row: row["argv"][:1] == ["tar"])
    known = demo.ids()
    client.run("cp", f"shell:/tmp/{folder.name}", tmp_path / "down", "-c", "shell", check=0)
    down = demo.newest(known, lambda row: row["argv"][:1] == ["tar"])
    assert (tmp_path / "down" / name).read_bytes() == large
    # An archive is no text; that something was piped in is said.
    text = demo.run("text", up["id"])
    assert text.stdout == b"" and b"a tar archive was piped in" in text.stderr
    for row, direction in ((up, "to_pod"), (down, "from_pod")):
        copied = demo.manifest(row["id"])["copied"]
        assert copied["direction"] == direction
        assert copied["complete"] and "problem" not in copied and copied["bytes"] == 300_006
        files = {file["name"].split("/")[-1]: (file["size"], file["sha256"]) for file in copied["files"] if file["kind"] == "file"}
        assert files == wanted
        (entry,) = entries(demo, row["id"], "copied")
        assert (entry["user"], entry["target"]["name"], entry["direction"]) == (row["user"], "shell", direction)
        assert entry["files"] == copied["files"]
        # Both sessions of one cp have the same run's mark, where kubectl sends one.
        if client.minor >= 27:
            opened = [e for e in demo.journal() if e["event"] == "session_opened" and e.get("kubectl_session") == entry["kubectl_session"]]
            assert row["id"] in {e["session"] for e in opened} and entry["kubectl_command"] == "kubectl cp"
            assert len(opened) == (2 if direction == "to_pod" else 1)


def test_digests_of_streams_are_in_the_manifest_whatever_is_stored(client, demo):
    tag, data = unique("digest"), random.Random(6).randbytes(100_000)
    done = client.run("exec", "-i", *POD, "--", "sh", "-c", "cat; echo err >&2", tag, input=data, check=0)
    assert done.stdout == data
    row = demo.session(tag)
    manifest = demo.manifest(row["id"])
    assert manifest["digests"] == {"stdin": sha256(data), "stdout": sha256(data), "stderr": sha256(b"err\n")}
    assert manifest["totals"] == {"stdin": 100_000, "stdout": 100_000, "stderr": 4}
    assert "copied" not in manifest and "omitted" not in manifest


def test_port_forward(client, demo):
    known = demo.ids()
    path = "/" + "x" * 1000
    with forwarded(client, "shell") as (port, get):
        for _ in range(3):
            assert get(path) == b"forwarded:" + path.encode()
    row = demo.newest(known, lambda row: row["kind"] == "port_forward")
    (sum,) = demo.manifest(row["id"])["ports"]
    assert (sum["port"], sum["connections"], sum["failed"]) == (port, 3, 0)
    assert sum["received"] > 3000 and sum["sent"] > 0
    (entry,) = entries(demo, row["id"], "forwarded")
    assert entry["ports"] == [sum] and entry["user"] == row["user"]


def test_a_flood_keeps_its_first_and_last_part_and_says_what_is_missing(kubectl, demo):
    tag, size = unique("flood"), 70_000_000
    argv = ["exec", *POD, "--", "sh", "-c", f"seq 1 20000000 | head -c {size}", tag]
    done = kubectl.run(*argv, check=0, timeout=120)
    assert len(done.stdout) == size
    row = demo.session(tag)
    (omitted,) = demo.manifest(row["id"])["omitted"]
    first, last = 64 << 20, 1 << 20
    missing = done.stdout[first : size - last]
    assert (omitted["stream"], omitted["from_byte"], omitted["bytes"]) == ("stdout", first, len(missing))
    assert omitted["sha256"] == sha256(missing)
    assert demo.manifest(row["id"])["digests"]["stdout"] == sha256(done.stdout)
    # What is not whole does not look as if it were.
    raw = demo.run("export", row["id"], "--format", "raw", check=False)
    assert raw.returncode == 1 and f"omitted {len(missing)} bytes of stdout from byte {first}, " in raw.stderr.decode()
    assert raw.stdout == done.stdout[:first] + done.stdout[size - last :]


def test_a_client_that_is_killed(client, demo):
    tag = unique("killed")
    process = client.start("exec", *POD, "--", "sh", "-c", "echo on; sleep 30", tag, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"on\n"
    process.send_signal(signal.SIGKILL)
    process.wait(20)
    row = demo.session(tag)
    # The demo's container ends its process with SIGHUP once the client is gone, and may have time to say so.
    assert (row["outcome"], row["exit_code"]) in (("client_gone", None), ("exited", 129))
    assert demo.export(row["id"]) == b"on\n"


def test_starts_say_what_the_configuration_is_and_what_changed(tmp_path):
    folder = tmp_path / "d"
    with Demo(folder) as demo:
        pass
    with Demo(folder) as demo:
        kubectl = Kubectl("1.37", "websocket", demo.kubeconfig)
        kubectl.run("get", "pods", check=0)
    journal = [entry for entry in demo.journal() if not entry["gateway"].endswith("-cli")]
    started = [entry for entry in journal if entry["event"] == "started"]
    assert len(started) == 2 and all(re.fullmatch("[0-9a-f]{64}", entry["config"]) for entry in started)
    # The demo takes free ports, so its configuration is another each time.
    (configured,) = [entry for entry in journal if entry["event"] == "configured"]
    assert {"gateway.listen", "web.listen"} <= set(configured["changed"]) and started[0]["config"] != started[1]["config"]
    assert [entry["event"] for entry in journal if entry["event"] in ("started", "stopped")] == ["started", "stopped"] * 2


def test_who_looks_with_the_program_is_journalled(tmp_path):
    folder = tmp_path / "d"
    looks = {
        "play": [["play", "--speed", "1000"], ["text"], ["commands"]],
        "export": [["export", "--format", "raw"], ["export", "--format", "bundle", "-o", tmp_path / "bundle"]],
    }
    wanted = sorted(how for how, verbs in looks.items() for _ in verbs)

    def look(demo, session):
        for verb, *words in looks["play"] + looks["export"]:
            demo.run(verb, session, *words)

    with Demo(folder) as demo:
        (first,) = demo.ls()
        look(demo, first["id"])
    shutil.rmtree(tmp_path / "bundle")
    # The same where no gateway runs.
    look(demo, first["id"])
    viewed = [entry for entry in demo.journal() if entry["event"] == "viewed"]
    assert {entry["session"] for entry in viewed} == {first["id"]}
    assert all(entry["user"].startswith("local:") for entry in viewed)
    for alone in (False, True):
        assert sorted(entry["how"] for entry in viewed if entry["gateway"].endswith("-cli") == alone) == wanted


def test_what_the_program_cannot_journal_it_does_not_show(tmp_path):
    with Demo(tmp_path / "d") as demo:
        (first,) = demo.ls()
    # A gateway that takes the question and gives no answer.
    control = tmp_path / "d" / "state" / "control.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(control))
        listener.listen()
        threading.Thread(target=hang_up, args=(listener,), daemon=True).start()
        bundle = tmp_path / "bundle"
        for words in (["text"], ["commands"], ["play"], ["export", "--format", "text"], ["export", "--format", "bundle", "-o", bundle]):
            done = demo.run(words[0], first["id"], *words[1:], check=False)
            assert (done.returncode, done.stdout) == (1, b""), words
            assert b"what cannot be journalled is not shown" in done.stderr, words
        # Asked to end a session, it breaks off as well: that is no success.
        done = demo.run("end", first["id"], "--reason", "a test", check=False)
        assert done.returncode == 1 and b"the gateway broke off" in done.stderr, done.stderr
        assert list(bundle.iterdir()) == []


def hang_up(listener):
    with contextlib.suppress(OSError):
        while True:
            listener.accept()[0].close()
