"""Somebody is shut out: by one command, at once, with everything that they have under way."""

import json
import subprocess
import time

import pytest

from kubectl import Kubectl
from program import Demo, until
from test_readers import Pages

POD = ["shell", "-c", "shell"]
REASON = "the laptop was stolen"


@pytest.fixture
def own(tmp_path):
    with Demo(tmp_path / "demo") as demo:
        yield demo


def entries(demo, event, count):
    """That many stored entries of an event, once there are so many."""
    found = lambda: [entry for entry in demo.journal() if entry["event"] == event]  # noqa: E731
    return until(lambda: entries if len(entries := found()) >= count else None, what=f"{count} entries {event}")


def test_a_lock_ends_sessions_watches_and_logs_and_refuses_what_comes_next(own):
    client = Kubectl("1.37", "websocket", own.kubeconfig)
    shell = client.start("exec", "-i", *POD, "--", "sh", "-c", "echo on; cat", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert shell.stdout.readline() == b"on\n"
    watch = client.start("get", "pods", "--watch", "-o", "name")
    assert watch.stdout.readline() == b"pod/shell\n"
    logs = client.start("logs", "-f", *POD)
    until(lambda: own.ls("--live"), what="the live session")
    pages = Pages(own)
    begun = time.monotonic()
    done = own.run("lock", "demo", "--reason", REASON)
    assert b"demo is locked out: 1 sessions and " in done.stdout
    assert shell.wait(20) == 1
    assert f"session ended by an administrator: {REASON}".encode() in shell.stderr.read()
    for follower in (watch, logs):
        # kubectl asks again what was cut off, and is refused.
        follower.wait(60)
    print(f"everything had ended {time.monotonic() - begun:.2f} s after the command was typed")

    for words in (["get", "pods"], ["exec", *POD, "--", "true"]):
        refused = client.run(*words)
        assert refused.returncode != 0 and b"locked out by an administrator" in refused.stderr, refused
    answer, text = pages.ask("GET", "/sessions", pages.cookie)
    assert answer.status == 200, "the demo's auditor is another person, and goes on"
    assert REASON in pages.text(f"/sessions/{own.ls()[0]['id']}")

    again = own.run("lock", "demo", "--reason", "once more", check=False)
    assert again.returncode == 1 and b"already" in again.stderr
    assert own.run("unlock", "demo").stdout == b"demo is let in again\n"
    client.run("get", "pods", check=0)
    (locked,) = entries(own, "locked", 1)
    assert (locked["subject"], locked["reason"], locked["sessions"]) == ("demo", REASON, 1) and locked["streams"] >= 1
    assert locked["user"].startswith("local:")
    assert entries(own, "unlocked", 1)[0]["subject"] == "demo"


def test_credentials_are_journalled_with_who_made_them_and_never_with_the_secret(own):
    secret = own.run("token", "create", "--user", "ann", "--group", "dev").stdout.decode().strip()
    id = json.loads(own.run("token", "ls", "--json").stdout)[-1]["id"]
    own.run("token", "revoke", id)
    own.run("user", "add", "eve", "--password-stdin", input=b"correct horse battery\n")
    own.run("user", "passwd", "eve", "--password-stdin", input=b"another horse battery\n")
    own.run("user", "rm", "eve")
    link = own.run("login-link", "--user", "auditor").stdout.decode().split()[0]
    own.run("login-link", "--user", "auditor", "--revoke")
    own.run("kubeconfig", "--user", "bob", "--certificate", "-o", own.folder / "bob.kubeconfig")
    serial = json.loads(own.run("certificate", "ls", "--json").stdout)[-1]["serial"]
    bob = Kubectl("1.37", "websocket", own.folder / "bob.kubeconfig")
    before = bob.run("get", "pods")
    own.run("certificate", "revoke", serial)
    after = bob.run("get", "pods")
    assert b"revoked" in after.stderr and b"revoked" not in before.stderr, (before, after)
    own.run("key", "rotate")
    told = entries(own, "credential", 9)
    assert [(entry["action"], entry["kind"], entry["subject"]) for entry in told] == [
        ("issued", "token", "ann"),
        ("revoked", "token", "ann"),
        ("issued", "password", "eve"),
        ("issued", "password", "eve"),
        ("revoked", "password", "eve"),
        ("issued", "login_link", "auditor"),
        ("revoked", "login_link", "auditor"),
        ("issued", "certificate", "bob"),
        ("revoked", "certificate", "bob"),
    ]
    assert all(entry["user"].startswith("local:") for entry in told)
    assert (told[0]["id"], told[0]["groups"], told[7]["id"]) == (id, ["dev"], serial)
    days = (told[0]["until_micros"] - told[0]["micros"]) / 86_400_000_000
    assert 89.9 < days < 90.1
    assert len(entries(own, "key_rotated", 1)[0]["key"]) == 32
    journal = json.dumps(own.journal())
    assert secret.rsplit("_", 1)[1] not in journal and link.rsplit("/", 1)[1] not in journal


def test_an_opening_in_the_journal_says_why_it_was_permitted(own):
    client = Kubectl("1.37", "websocket", own.kubeconfig)
    client.run("exec", *POD, "--", "echo", "why", check=0)
    session = own.session("why")["id"]
    mine = lambda: [entry for entry in own.journal() if (entry["event"], entry.get("session")) == ("session_opened", session)]  # noqa: E731
    (opened,) = until(mine, what="the entry of the opening")
    header = own.manifest(session)["session"]
    assert (opened["rule"], opened["credential"], opened["credential_id"]) == (
        header["rule"],
        header["principal"]["credential"],
        header["principal"]["credential_id"],
    )
    assert opened["impersonation"] == header["impersonation"] and len(opened["argv_sha256"]) == 64
    assert "echo" not in json.dumps(opened), "argv may hold secrets: the recording has it"
