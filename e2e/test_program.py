"""The other subcommands, on recordings that kubectl made."""

import json
import os
import signal
import subprocess
import uuid

import yaml

from kubectl import Kubectl
from program import Demo, binary, until
from raw import RawExec
from terminal import Terminal

FIELDS = {
    "id", "user", "cluster", "namespace", "pod", "container", "argv", "tty", "started", "ended", "outcome", "exit_code",
}  # fmt: skip


def mark():
    return f"mark-{uuid.uuid4().hex[:12]}"


def typed_session(demo, kubectl, lines):
    """A shell in which `lines` are typed; its row."""
    tag = mark()
    words = ["exec", "-it", "shell", "-c", "shell", "--", "sh", "-c", "PS1='$ ' exec sh", tag]
    terminal = Terminal(kubectl.argv(*words), kubectl.env)
    at = terminal.expect("$ ")
    for line in lines:
        terminal.type(line + "\r")
        at = terminal.expect("\n$ ", after=at)
    terminal.type("exit\r")
    assert terminal.end() == 0
    return demo.session(tag)


def test_a_fresh_demo_has_a_session(demo):
    assert all(FIELDS <= row.keys() for row in demo.ls())
    first = min(demo.ls(), key=lambda row: row["started"])
    assert first["tty"] is True


def test_typed_commands_are_found(demo, kubectl):
    word = mark()
    row = typed_session(demo, kubectl, [f"echo {word} 10.0.3.7 --force /etc/passwd", "true"])
    for words in ([word], ["10.0.3.7", word], ["--", "--force", word], ["/etc/passwd", word]):

        def hits(words=words):
            return [hit for hit in demo.search(*words) if hit["session"] == row["id"] and hit["source"] == "typed"]

        found = until(hits, what=f"a hit for {words}")
        assert found[0]["text"] == f"echo {word} 10.0.3.7 --force /etc/passwd"
        assert found[0]["offset"] >= 0


def test_a_password_typed_without_echo_is_nowhere(demo, kubectl):
    secret = f"hunter2{uuid.uuid4().hex}"
    tag = mark()
    words = ["exec", "-it", "shell", "-c", "shell", "--", "bash", "-c", "read -s -p 'Password: ' p; echo; echo ok", tag]
    terminal = Terminal(kubectl.argv(*words), kubectl.env)
    terminal.expect("Password: ")
    terminal.type(secret + "\r")
    terminal.expect("ok")
    assert terminal.end() == 0
    row = demo.session(tag)
    cast = demo.run("export", row["id"], "--format", "cast2").stdout.decode()
    assert secret not in cast
    assert demo.search(secret) == []


def test_kubectl_requests_are_joined_and_found(demo, kubectl):
    name = f"settings-{uuid.uuid4().hex[:8]}"
    # The name of what is created is in the request's body; that of what is read is in its path.
    kubectl.run("create", "configmap", name, "--from-literal=a=b", check=0)
    kubectl.run("get", "configmap", name, check=0)
    hits = until(lambda: demo.search(name), what="the request's hit")
    assert {hit["kind"] for hit in hits} <= {"request", "command"}
    assert any("configmaps" in hit["text"] for hit in hits)


def test_200_parallel_execs_give_200_recordings(demo, tmp_path):
    """All 200 are under way at the same moment, and end in the same one, each with an exit code of its own."""
    tag, gate = mark(), tmp_path / "gate"
    os.mkfifo(gate)
    config = yaml.safe_load(demo.kubeconfig.read_text())
    port = int(config["clusters"][0]["cluster"]["server"].split(":")[2].split("/")[0])
    token = config["users"][0]["user"]["token"]
    words = lambda number: ["sh", "-c", 'echo $0; : < "$1"; exit $2', f"{tag}-{number}", str(gate), str(number)]  # noqa: E731
    clients = [RawExec(port, token, words(number)) for number in range(200)]
    until(lambda: all(client.stdout.endswith(b"\n") for client in clients), 60, "a line of each")
    assert [row["outcome"] for row in demo.sessions(tag)] == ["live"] * 200
    # Who opens it for reading waits for a writer; and one that is open both ways waits for nobody.
    held = os.open(gate, os.O_RDWR)
    for client in clients:
        client.join(60)
    os.close(held)
    codes = [exit_code(client) for client in clients]
    assert codes == list(range(200))

    def all_ended():
        rows = demo.sessions(tag)
        return rows if all(row["ended"] for row in rows) else None

    rows = until(all_ended, 60, "the end of 200 sessions")
    assert len(rows) == 200
    recorded = {row["argv"][3]: (row["outcome"], row["exit_code"]) for row in rows}
    assert recorded == {f"{tag}-{number}": ("exited", number) for number in range(200)}


def exit_code(client):
    """As the Status says it that the client was sent last (v5.channel.k8s.io)."""
    status = json.loads(client.status)
    if status["status"] == "Success":
        return 0
    (code,) = [cause["message"] for cause in status["details"]["causes"] if cause["reason"] == "ExitCode"]
    return int(code)


def test_formats(demo, kubectl):
    word = mark()
    row = typed_session(demo, kubectl, [f"echo {word}"])
    two = demo.run("export", row["id"], "--format", "cast2").stdout.decode().splitlines()
    three = demo.run("export", row["id"], "--format", "cast3").stdout.decode().splitlines()
    text = demo.run("export", row["id"], "--format", "text").stdout.decode()
    assert json.loads(two[0])["version"] == 2
    assert json.loads(three[0])["version"] == 3
    times = [json.loads(line)[0] for line in two[1:]]
    assert times == sorted(times)
    assert abs(sum(json.loads(line)[0] for line in three[1:]) - times[-1]) < 0.01
    assert f"$ echo {word}" in text and f"\n{word}\n" in text
    unknown = demo.run("export", row["id"], "--format", "gif", check=False)
    assert unknown.returncode != 0 and b"cast2" in unknown.stderr
    missing = demo.run("export", str(uuid.uuid4()), "--format", "text", check=False)
    assert missing.returncode != 0 and b"recording" in missing.stderr.lower()


def test_play_in_a_terminal(demo, kubectl):
    word = mark()
    row = typed_session(demo, kubectl, [f"echo {word}"])
    argv = [str(binary("kubetape")), "--config", str(demo.config), "play", row["id"], "--speed", "20"]
    terminal = Terminal(argv, demo.env)
    terminal.expect(word)
    terminal.type("q")
    assert terminal.end() == 0


def test_reindex_finds_the_same(tmp_path):
    with Demo(tmp_path / "d") as demo:
        kubectl = Kubectl("1.37", "websocket", demo.kubeconfig)
        word = mark()
        row = typed_session(demo, kubectl, [f"echo {word}"])
        until(lambda: any(hit["source"] == "typed" for hit in demo.search(word)), what="the hit")
    before = demo.search(word)
    demo.run("reindex")
    assert sorted(map(json.dumps, demo.search(word))) == sorted(map(json.dumps, before))
    assert [r for r in demo.ls() if r["id"] == row["id"]] == [row]


def test_sigterm_ends_open_sessions_visibly_and_nothing_is_lost(tmp_path):
    folder = tmp_path / "d"
    with Demo(folder) as demo:
        kubectl = Kubectl("1.37", "websocket", demo.kubeconfig)
        tag = mark()
        words = ["exec", "-it", "shell", "-c", "shell", "--", "sh", "-c", "echo started; exec cat", tag]
        terminal = Terminal(kubectl.argv(*words), kubectl.env)
        terminal.expect("started")
        demo.process.tell()
        status = terminal.end(30)
        assert status == 1
        assert b"error:" in terminal.seen
    with Demo(folder) as again:
        (row,) = again.sessions(tag)
        assert row["outcome"] in ("ended_by_gateway", "interrupted")
        assert row["ended"]
        assert again.export(row["id"]).startswith(b"started")


def test_a_log_that_nobody_reads_any_more_changes_nothing(tmp_path):
    """A line that could not be written would end the task that logs it, first of all the one that waits for SIGTERM."""
    folder = tmp_path / "d"
    with Demo(folder):
        pass
    argv = [binary("kubetape"), "--config", folder / "kubetape.toml", "serve"]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        assert any(line.startswith(b"ready") for line in process.stdout)
        process.stdout.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
