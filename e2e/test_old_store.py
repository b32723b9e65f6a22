"""A store that an older Kubetape wrote: listed, found, played, exported, proven, and taken over with its spool.

fixtures/stores has the stores, each named for the commit that wrote it, and beside each what that program said of it.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys

import pytest

from kubectl import Kubectl
from program import ROOT, Installation, Process, binary, free_port, until
from test_s3 import cluster  # noqa: F401 (a fixture)

STORES = ROOT / "fixtures" / "stores"
NAMES = sorted(path.name.removesuffix(".tar.zst") for path in STORES.glob("*.tar.zst"))
POD = ["shell", "-c", "shell"]
DAY = 86_400


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class OldStore(Installation):
    """The files of a gateway and of its store, as the older program left them, in a folder of their own."""

    def __init__(self, name, folder, kubeconfig="no-cluster.kubeconfig"):
        self.port = free_port()
        super().__init__(
            folder / "gw" / "kubetape.toml",
            {
                "KUBETAPE_GATEWAY__LISTEN": f"127.0.0.1:{self.port}",
                "KUBETAPE_CLUSTERS__0__KUBECONFIG": str(kubeconfig),
            },
        )
        self.folder, self.store = folder, folder / "store"
        self.expected = json.loads((STORES / f"{name}.json").read_text())
        subprocess.run(["tar", "-I", "zstd", "-xpf", STORES / f"{name}.tar.zst", "-C", folder], check=True)
        # Older programs let a policy give Kubernetes' own groups; whoever updates takes them out.
        self.config.write_text(self.config.read_text().replace("system:authenticated", "kubetape:engineers"))
        self.keys, self.heads = [], folder / "heads.json"
        self.heads.write_text(json.dumps(self.expected["heads"]))
        for number, key in enumerate(self.expected["trusted"]):
            (folder / f"{number}.pub").write_text(key)
            self.keys += ["--key", folder / f"{number}.pub"]

    def of(self, what):
        """What the older program said of a session."""
        (session,) = [session for session in self.expected["sessions"] if session["what"] == what]
        return session

    def finished(self):
        return [session for session in self.expected["sessions"] if session["row"]["ended"]]

    def proven(self):
        """Asserts that both verifiers find nothing wrong."""
        asked = [self.store, *self.keys, "--heads", self.heads]
        first = self.run("verify", *asked, check=False)
        second = subprocess.run([sys.executable, ROOT / "docs" / "verify.py", *asked], capture_output=True, timeout=60)
        for done in (first, second):
            assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
            assert re.search(rb"^proven", done.stdout, re.MULTILINE)


@pytest.fixture(scope="module", params=NAMES)
def old(request, tmp_path_factory):
    """A store that no gateway touches."""
    return OldStore(request.param, tmp_path_factory.mktemp(request.param))


def test_every_session_is_listed_as_the_older_program_listed_it(old):
    rows = {row["id"]: row for row in old.ls()}
    assert rows.keys() == {session["row"]["id"] for session in old.expected["sessions"]}
    for session in old.expected["sessions"]:
        row = rows[session["row"]["id"]]
        assert {field: row.get(field) for field in session["row"]} == session["row"], session["what"]


def test_every_export_has_the_same_bytes(old):
    for session in old.expected["sessions"]:
        id, made = session["row"]["id"], dict(session["exports"])
        for stream in ("stdout", "stderr", "stdin"):
            if made[stream] == sha256(b"") and session["what"] != "streams apart":
                # Nothing is read there by another way than elsewhere: once is enough.
                del made[stream]
                continue
            # Its status is not 0 where a stream is not whole.
            raw = old.run("export", id, "--format", "raw", "--stream", stream, check=False).stdout
            assert sha256(raw) == made.pop(stream), (session["what"], stream)
        for kind, digest in made.items():
            assert sha256(old.run("export", id, "--format", kind).stdout) == digest, (session["what"], kind)


def test_commands_and_text_are_read(old):
    for session in old.expected["sessions"]:
        commands = json.loads(old.run("commands", session["row"]["id"], "--json").stdout)
        assert [[command["source"], command["text"]] for command in commands] == session["commands"], session["what"]
    lines = old.run("text", old.of("terminal")["row"]["id"], "--json").stdout.splitlines()
    assert "gladiolus-42" in [json.loads(line)["text"] for line in lines]


def test_it_plays(old):
    session = old.of("terminal")["row"]["id"]
    played = old.run("play", session, "--speed", "1000").stdout
    assert b"gladiolus-42" in played and b"ready> " in played


def test_its_index_is_made_anew_and_searched(old):
    old.run("reindex")
    for word, hits in old.expected["words"].items():
        assert sorted([hit["kind"], hit["session"] or ""] for hit in old.search(word)) == hits, word


def test_its_people_and_tokens_are_known(old):
    users = json.loads((old.config.parent / "state" / "users.json").read_text())
    old.run("user", "add", "eve", "--password-stdin", input=b"another password\n")
    now = json.loads((old.config.parent / "state" / "users.json").read_text())
    assert "ann" in json.dumps(users) and "ann" in json.dumps(now) and "eve" in json.dumps(now)
    tokens = old.run("token", "ls").stdout.decode()
    assert "ada" in tokens and "bob" in tokens


def test_it_is_proven(old):
    old.proven()


def test_a_bundle_of_it_is_proven(old, tmp_path):
    folder = tmp_path / "bundle"
    old.run("export", old.of("terminal")["row"]["id"], "--format", "bundle", "-o", folder)
    asked = [folder, "--bundle", *old.keys]
    assert re.search(rb"^proven", old.run("verify", *asked).stdout, re.MULTILINE)
    subprocess.run([sys.executable, ROOT / "docs" / "verify.py", *asked], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module", params=NAMES)
def taken_over(request, tmp_path_factory, cluster):  # noqa: F811
    """The store and the spool, under a gateway of this program that ran until nothing was left to do, and runs on."""
    old = OldStore(request.param, tmp_path_factory.mktemp(request.param), cluster)
    # The lease of the gateway that is gone ran out long ago.
    (lease,) = (old.store / "leases" / "lost").rglob("*.json")
    until_second, instance = lease.name.split("-", 1)
    lease.rename(lease.with_name(f"{int(until_second) - DAY:012}-{instance}"))
    process = Process([binary("kubetape"), "--config", old.config, "serve"], old.env)
    try:
        process.wait_for(r"ready")
        until(lambda: all(row["ended"] for row in old.ls()), what="the end of what was left")
        yield old
    finally:
        status = process.end()
    assert status == 0, process.output


def outcome(old, session):
    (row,) = [row for row in old.ls() if row["id"] == session["row"]["id"]]
    return row["outcome"]


def recorded(old, session):
    """What stdout has; the status is not 0 where it is not whole."""
    return old.run("export", session["row"]["id"], "--format", "raw", check=False).stdout


def test_the_session_in_its_spool_is_stored_whole(taken_over):
    session = taken_over.of("in the spool")
    assert outcome(taken_over, session) == "interrupted"
    stdout, received = recorded(taken_over, session), session["received"]
    assert sha256(stdout[: received["bytes"]]) == received["sha256"], "the client got what the recording has not"
    assert not (taken_over.config.parent / "state" / "spool" / "aside").exists()


def test_the_end_of_a_stream_beyond_the_output_limit_is_stored(taken_over):
    session = taken_over.of("in the spool, beyond the output limit")
    assert outcome(taken_over, session) == "interrupted"
    manifest, stdout = taken_over.manifest(session["row"]["id"]), recorded(taken_over, session)
    (omitted,) = manifest["omitted"]
    total, first, after = manifest["totals"]["stdout"], omitted["from_byte"], omitted["from_byte"] + omitted["bytes"]
    mark = session["row"]["argv"][-1]
    # What it printed: a line's number, and the mark four times.
    lines = range(1, total // (4 * len(mark)) + 1)
    said = b"".join(b"%d %s\n" % (number, mark.encode() * 4) for number in lines)[:total]
    assert len(said) == total >= session["received"]["bytes"]
    assert sha256(said[: session["received"]["bytes"]]) == session["received"]["sha256"]
    assert (first, stdout) == (64 << 10, said[:first] + said[after:]) and total - after >= 16 << 10
    assert manifest["digests"]["stdout"] == sha256(said) and omitted["sha256"] == sha256(said[first:after])


def test_the_session_of_the_gateway_that_is_gone_is_finalized(taken_over):
    session = taken_over.of("of a gateway that is lost")
    assert outcome(taken_over, session) == "interrupted"
    manifest, stdout = taken_over.manifest(session["row"]["id"]), recorded(taken_over, session)
    words = r"(completed|finalized) by gw from what was stored: the lease of the gateway lost"
    assert re.match(words, manifest["anomalies"][-1])
    lines = stdout.decode().split("\n")[:-1]
    assert lines == [f"{session['row']['argv'][-1]} {number}" for number in range(len(lines))]
    assert 32 << 10 <= len(stdout) <= session["received"]["bytes"]


def test_what_had_ended_is_as_it_was(taken_over):
    rows = {row["id"]: row for row in taken_over.ls()}
    for session in taken_over.finished():
        row = rows[session["row"]["id"]]
        assert {field: row.get(field) for field in session["row"]} == session["row"], session["what"]


def test_its_credentials_open_new_sessions_and_everything_is_proven(taken_over):
    kubeconfig = pathlib.Path(taken_over.folder / "ada.kubeconfig")
    text = (taken_over.config.parent / "ada.kubeconfig").read_text()
    kubeconfig.write_text(re.sub(r"https://127\.0\.0\.1:\d+", f"https://127.0.0.1:{taken_over.port}", text))
    kubectl = Kubectl("1.37", "websocket", kubeconfig)
    assert kubectl.run("exec", *POD, "--", "sh", "-c", "echo lavender; exit 6").stdout == b"lavender\n"
    (hit,) = until(lambda: taken_over.search("lavender", "--kind", "output"), what="what the new session shows")
    (found,) = taken_over.search("gladiolus-42", "--kind", "output")
    assert found["session"] == taken_over.of("terminal")["row"]["id"] != hit["session"]
    ended = lambda: [e["session"] for e in taken_over.journal() if e["event"] == "session_ended"]  # noqa: E731
    until(lambda: hit["session"] in ended(), what="the new session's end in the journal")
    assert len(ended()) == len(set(ended())), "an end that was told twice"
    taken_over.proven()
