"""Nothing that was received is lost: `kill -9` at random moments, a bucket that fails in every way, a disk that is full.

`KUBETAPE_KILL_ROUNDS` is how often the process is killed: 20 unless it is set. `KUBETAPE_OUTAGE_SECONDS` is how long the bucket
is away, and then full, while sessions go on: 4 unless it is set.
"""

import collections
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import threading
import time
import uuid

import pytest

from kubectl import Kubectl
from program import Installation, Process, binary, free_port, until
from raw import RawExec
from test_s3 import ACCESS, BUCKET, SECRET, SeaweedFs, cluster, make_bucket  # noqa: F401 (a fixture)

ROUNDS = int(os.environ.get("KUBETAPE_KILL_ROUNDS", "20"))
OUTAGE = float(os.environ.get("KUBETAPE_OUTAGE_SECONDS", "4"))
POD = ["shell", "-c", "shell"]


class Gateway(Installation):
    """`kubetape serve` in front of a demo cluster, that can be killed and started again."""

    def __init__(self, folder, cluster_kubeconfig, more, spool=None, name="gw"):
        folder.mkdir(exist_ok=True)
        super().__init__(folder / "kubetape.toml", {"KUBETAPE_STORAGE__S3__SECRET_KEY": SECRET})
        self.folder = folder
        self.spool = pathlib.Path(spool or folder / "state" / "spool")
        self.kubeconfig = folder / "person.kubeconfig"
        self.port = free_port()
        self.process = None
        self.config.write_text(f"""
[state]
dir = "{folder}/state"

[gateway]
name = "{name}"
listen = "127.0.0.1:{self.port}"
public_url = "https://127.0.0.1:{self.port}"

[web]
enabled = false

[[clusters]]
name = "demo"
kubeconfig = "{cluster_kubeconfig}"

[[policy.rules]]
name = "everyone"
users = ["*"]
clusters = ["*"]
as_groups = ["kubetape:engineers"]
{more}
""")
        self.run("kubeconfig", "--user", "ada", "-o", self.kubeconfig)
        self.token = self.run("token", "create", "--user", "ada").stdout.decode().split()[-1]

    def start(self):
        self.process = Process([binary("kubetape"), "--config", self.config, "serve"], self.env)
        self.process.wait_for(r"ready")

    def kill(self):
        self.process.process.send_signal(signal.SIGKILL)
        self.process.process.wait()

    def end(self):
        assert self.process.end(seconds=60) == 0, self.process.output

    def spooled(self):
        """Sessions of which something is not in the store."""
        return [path.name for path in self.spool.iterdir() if len(path.name) == 36]

    def drained(self, seconds=60):
        until(lambda: not self.spooled(), seconds, "an empty spool")

    def memory(self):
        """Resident KiB."""
        status = pathlib.Path(f"/proc/{self.process.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def journal(self, store=None):
        """Entries of the gateway's own store or of that folder, by gateway, oldest first."""
        files = sorted(((store or self.folder / "store") / "journal").rglob("*.zst"))
        lines = [subprocess.run(["zstdcat", file], capture_output=True, check=True).stdout.splitlines() for file in files]
        return [json.loads(line) for each in lines for line in each]


def disk(folder):
    return f'[storage]\nkind = "disk"\npath = "{folder}/store"\n[recorder]\nchunk_bytes = "16KiB"\nchunk_age = "300ms"\n'


ENDLESS = 'i=0; while :; do echo $0 $i; i=$((i+1)); [ $((i % 40)) = 0 ] && sleep 0.01; done'
SHORT = 'i=0; while [ $i -lt 20 ]; do echo $0 $i; i=$((i+1)); done; exit 3'


def said(tag, received):
    """`received` is a beginning of what the script prints, to a terminal or not."""
    lines = received.decode().replace("\r\n", "\n").removesuffix("\r").split("\n")
    whole = [f"{tag} {number}" for number in range(len(lines))]
    return lines[:-1] == whole[:-1] and whole[-1].startswith(lines[-1])


class Watching:
    """A real kubectl that runs the endless script, and what it printed."""

    def __init__(self, kubectl, tag, out, tty=False):
        self.answer, self.closed, self.status = None, False, b""
        self.path = out
        words = ["exec", *(["-it"] if tty else []), *POD, "--", "sh", "-c", ENDLESS, tag]
        # kubectl asks for a terminal where its stdin is one, wherever its output goes.
        self.ends = os.openpty() if tty else ()
        stdin = self.ends[1] if tty else subprocess.DEVNULL
        with out.open("wb") as file:
            self.process = kubectl.start(*words, stdin=stdin, stdout=file, stderr=subprocess.DEVNULL)

    def join(self, seconds):
        self.process.wait(seconds)
        for end in self.ends:
            os.close(end)

    def is_alive(self):
        return self.process.poll() is None

    @property
    def stdout(self):
        return self.path.read_bytes()


def test_kill_9_loses_nothing_that_a_client_received(tmp_path, cluster):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    gateway = Gateway(tmp_path, cluster, disk(tmp_path))
    gateway.start()
    seen = {}
    transports = [Kubectl("1.37", transport, gateway.kubeconfig) for transport in ("websocket", "spdy")]
    for round in range(ROUNDS):
        clients = {}
        tag = lambda what: f"mark-{round}-{what}-{uuid.uuid4().hex[:8]}"  # noqa: B023, E731
        for number in range(8):
            name = tag("endless" if number % 2 else "short")
            clients[name] = RawExec(gateway.port, gateway.token, ["sh", "-c", ENDLESS if number % 2 else SHORT, name])
        for kubectl in transports:
            name = tag(f"endless-{kubectl.transport}")
            clients[name] = Watching(kubectl, name, tmp_path / f"{kubectl.transport}.out")
        # A terminal over each transport in turn.
        name = tag("endless-tty")
        clients[name] = Watching(transports[round % 2], name, tmp_path / "tty.out", tty=True)
        if round % 2:
            # While all of them print, however long this machine takes until they do; in the other rounds at any moment.
            endless = [client for name, client in clients.items() if "endless" in name]
            until(lambda: all(client.stdout for client in endless), what="what every endless one prints")  # noqa: B023
            time.sleep(chance.uniform(0, 0.3))
        else:
            time.sleep(chance.uniform(0.05, 1.5))
        gateway.kill()
        for client in clients.values():
            client.join(30)
            assert not client.is_alive()
        seen |= {name: (bytes(client.stdout), client) for name, client in clients.items()}
        gateway.start()
        gateway.drained()
    rows = {}
    for row in gateway.ls("--limit", 100 * ROUNDS):
        mark = row["argv"][-1]
        assert mark not in rows, f"two recordings of {mark}"
        rows[mark] = row
    kinds = collections.Counter()
    for tag, (received, client) in seen.items():
        if tag not in rows:
            # Killed before it was opened: nothing was dialled, and nothing received.
            assert not received and client.answer is None, tag
            continue
        row = rows[tag]
        assert row["tty"] == ("-tty-" in tag)
        recorded = gateway.export(row["id"])
        assert recorded.startswith(received), f"{tag}: {len(received)} received, {len(recorded)} recorded"
        assert said(tag, recorded), f"{tag}: something is missing or there twice"
        # No script and no client ended but by the kill; the short ones may have been through before it.
        ends = [("exited", 3)]
        if not (client.closed and client.status):
            ends.append(("interrupted", None))
        if "endless" in tag:
            ends = [("interrupted", None)]
        assert (row["outcome"], row["exit_code"]) in ends, tag
        if received and row["outcome"] == "interrupted":
            kinds[re.fullmatch(r"mark-\d+-(.+)-\w+", tag)[1]] += 1
    print("cut while they printed:", dict(kinds))
    assert kinds.total() >= ROUNDS, "the kills hit nothing"
    assert kinds.keys() >= {"endless", "endless-websocket", "endless-spdy", "endless-tty"} or ROUNDS < 2
    gateway.end()
    opened = [entry["session"] for entry in gateway.journal() if entry["event"] == "session_opened"]
    ended = collections.defaultdict(list)
    for entry in gateway.journal():
        if entry["event"] == "session_ended":
            ended[entry["session"]].append((entry["outcome"], entry.get("exit_code")))
    ids = {row["id"] for row in rows.values()}
    # Killed between the header and its entry, before anything was dialled: only its end is there.
    assert len(opened) == len(set(opened)) and set(opened) <= ids
    # Each has an end, also one that was killed between the end and its entry. Twice only, and the same, where it was killed
    # between the entry and the spool's note of it.
    assert ended.keys() == ids, "an end that was never told, or one of no session"
    outcomes = {row["id"]: (row["outcome"], row["exit_code"]) for row in rows.values()}
    other = {session: (ends, outcomes[session]) for session, ends in ended.items() if set(ends) != {outcomes[session]}}
    assert not other, "the journal's ends are not the recordings'"
    assert sum(len(ends) - 1 for ends in ended.values()) <= ROUNDS
    gateway.run("verify")


def test_what_a_session_says_is_not_in_the_log(tmp_path, cluster):
    gateway = Gateway(tmp_path, cluster, disk(tmp_path))
    gateway.start()
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    kubectl = Kubectl("1.37", "websocket", gateway.kubeconfig)
    assert kubectl.run("exec", *POD, "--", f"no-such-{tag}").returncode != 0
    assert kubectl.run("exec", *POD, "--", "sh", "-c", "echo $0; echo $0 >&2; exit 3", tag).returncode == 3
    until(lambda: len([row for row in gateway.sessions(tag) if row["ended"]]) == 2, what="two ends")
    rows = gateway.sessions(tag)
    # The server's word quotes the command.
    assert rows[0]["outcome"] == "failed_to_start" and tag in rows[0]["reason"]
    gateway.end()
    log = gateway.process.output
    assert all(row["id"] in log for row in rows) and log.count("session ended") == 2
    assert tag not in log


def test_kill_9_leaves_the_end_of_a_flood_and_what_was_left_out_before_it(tmp_path, cluster):
    keep = 'keep_first = "64KiB"\nkeep_last = "128KiB"\n'
    gateway = Gateway(tmp_path, cluster, disk(tmp_path) + keep)
    gateway.start()
    flood = 'i=0; while :; do i=$((i+1)); echo $i "$0$0$0$0$0$0$0$0"; done'
    client = RawExec(gateway.port, gateway.token, ["sh", "-c", flood, "x" * 200])
    until(lambda: len(client.stdout) > 3 << 20, 60, "some MiB")
    gateway.kill()
    client.join(30)
    gateway.start()
    gateway.drained()
    [row] = [row for row in gateway.ls() if row.get("outcome") == "interrupted"]
    [path] = (tmp_path / "store" / "recordings").rglob("manifest.json")
    manifest = json.loads(path.read_text())
    # With a word on stderr, and an exit code, that it is not all of the stream.
    received = bytes(client.stdout)
    recorded = gateway.run("export", row["id"], "--format", "raw", check=False).stdout
    [omitted] = manifest["omitted"]
    first, after = 64 << 10, omitted["from_byte"] + omitted["bytes"]
    assert omitted["from_byte"] == first and received[:first] == recorded[:first]
    assert hashlib.sha256(received[first:after]).hexdigest() == omitted["sha256"]
    assert recorded[first:].startswith(received[after:]), "the client got what the recording has not"
    assert len(received) - after >= 128 << 10 and manifest["totals"]["stdout"] == after + len(recorded) - first
    # The client may have been shown a little less than was accepted; of all that, this is the digest.
    assert manifest["digests"]["stdout"] == hashlib.sha256(received[:after] + recorded[first:]).hexdigest()
    gateway.end()
    gateway.run("verify")


# Some chunks of 16 KiB at once, then lines that stay in the spool for as long as a chunk is not full.
THEN_SLOWLY = 'i=0; while :; do echo $0 $i; i=$((i+1)); [ $i -gt 5000 ] && sleep 1; done'


@pytest.mark.parametrize("beyond", [True, False], ids=["with more than it stored", "with nothing more"])
def test_a_gateway_that_never_comes_back_is_completed_by_another(tmp_path, cluster, beyond):
    # Chunks close by size alone: what it prints slowly is in the spool alone.
    shared = disk(tmp_path).replace('"300ms"', '"1h"')
    lost = Gateway(tmp_path / "lost", cluster, shared, name="lost")
    other = Gateway(tmp_path / "other", cluster, shared, name="other")
    lost.start()
    client = RawExec(lost.port, lost.token, ["sh", "-c", THEN_SLOWLY, "mark"])
    stored = lambda: list((tmp_path / "store" / "recordings").rglob("000002.cast.zst"))  # noqa: E731
    until(stored, 30, "two chunks in the store")
    until(lambda: b"mark 5001\n" in client.stdout, 30, "the first slow line")
    session = lost.spool / stored()[0].parent.name

    def rest():
        """The one segment that is not stored, if something is in it."""
        with contextlib.suppress(FileNotFoundError):  # stored meanwhile
            segments = [path for path in session.iterdir() if path.name.isdigit() and int(path.name)]
            return segments[0] if len(segments) == 1 and segments[0].stat().st_size else None
        return None

    not_stored = until(rest, 30, "a spool with what is not stored")
    # What the lost one's journal does not have nobody completes.
    opened = lambda: [entry for entry in lost.journal(tmp_path / "store") if entry["event"] == "session_opened"]  # noqa: E731
    until(opened, 30, "the session in the stored journal")
    lost.kill()
    client.join(30)
    [lease] = (tmp_path / "store" / "leases" / "lost").rglob("*.json")
    # As it will be named a day from now.
    end, instance = lease.name.split("-", 1)
    lease.rename(lease.with_name(f"{int(end) - 86_400:012}-{instance}"))
    other.start()
    ended = lambda: [row for row in other.ls() if row.get("outcome") == "interrupted"]  # noqa: E731
    until(ended, 30, "an outcome")
    [row] = ended()
    recorded = other.export(row["id"])
    assert said("mark", recorded) and len(recorded) > 32 << 10
    assert len(recorded) < len(client.stdout), "the rest is in the lost one's spool alone"
    manifest = json.loads((stored()[0].parent / "manifest.json").read_text())
    assert manifest["anomalies"][-1].startswith("completed by other from what was stored: the lease of the gateway lost")
    if not beyond:
        # As where it was killed a moment after it had stored all.
        not_stored.unlink()
    # It comes back all the same: what it has beyond that is kept aside, and what is stored stays.
    lost.start()
    lost.drained(30)
    assert (lost.spool / "aside" / row["id"]).is_dir() == beyond
    assert json.loads((stored()[0].parent / "manifest.json").read_text()) == manifest
    assert other.export(row["id"]) == recorded
    lost.end()
    other.end()
    ends = [entry["gateway"] for entry in other.journal(tmp_path / "store") if entry["event"] == "session_ended"]
    assert ends == ["other"], "one end, told once"
    # With the journal that the lost one still had.
    keys = [word for key in (tmp_path / "store" / "keys").glob("*.json") for word in ("--key", key)]
    other.run("verify", *keys)


class Faults:
    """Between the gateway and the S3 server: passes on, or does what real ones do on bad days."""

    def __init__(self, target):
        self.target = target
        self.mode = "fair"
        self.hit = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client:
            if self.mode == "away":
                self.hit.add("away")
                return
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                back = threading.Thread(target=self.pump, args=(server, client), daemon=True)
                back.start()
                self.requests(client, server)
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_WR)
                back.join(30)

    def pump(self, server, client):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.mode == "away":
                    break
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def requests(self, client, server):
        """What the gateway sends, read by read: faults begin at any of them."""
        sent = 0
        while data := client.recv(65536):
            mode = self.mode
            put = data.startswith(b"PUT ")
            if mode == "away":
                self.hit.add(mode)
                return
            if mode == "slow":
                self.hit.add(mode)
                time.sleep(0.5)
            if mode in ("errors", "full") and put:
                self.hit.add(mode)
                code = b"InternalError" if mode == "errors" else b"XMinioStorageFull"
                status = b"500 Internal Server Error" if mode == "errors" else b"507 Insufficient Storage"
                body = b"<?xml version='1.0'?><Error><Code>" + code + b"</Code><Message>a bad day</Message></Error>"
                head = b"HTTP/1.1 " + status + b"\r\nConnection: close\r\nContent-Type: application/xml\r\n"
                client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                return
            if mode == "resets" and put:
                self.hit.add(mode)
                server.sendall(data[: max(1, len(data) // 2)])
                # RST instead of FIN.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            if mode == "lost answers" and put:
                self.hit.add(mode)
                server.sendall(data)
                time.sleep(0.3)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                return
            server.sendall(data)
            sent += len(data)


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    with SeaweedFs(tmp_path_factory.mktemp("s3")) as server:
        make_bucket(server)
        yield server


def s3(faults, prefix, more=""):
    return f"""
[recorder]
chunk_bytes = "64KiB"
chunk_age = "300ms"
patience = "2s"
[storage]
kind = "s3"
[storage.s3]
endpoint = "{faults.endpoint}"
region = "us-east-1"
bucket = "{BUCKET}"
prefix = "{prefix}/"
path_style = true
access_key = "{ACCESS}"
{more}
"""


def test_a_bucket_on_its_bad_days_costs_no_session_anything(tmp_path, cluster, bucket):
    faults = Faults(bucket.port)
    gateway = Gateway(tmp_path, cluster, s3(faults, "bad-days"))
    gateway.start()
    kubectl = Kubectl("1.37", "websocket", gateway.kubeconfig)
    expected = {}
    # Threads and their buffers are there from the first sessions on.
    for _ in range(16):
        kubectl.run("exec", *POD, "--", "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x", check=0)
    before = gateway.memory()
    for mode in ["away", "errors", "resets", "lost answers", "full", "slow"]:
        tag = f"mark-{mode.replace(' ', '-')}-{uuid.uuid4().hex[:8]}"
        long = kubectl.start("exec", *POD, "--", "sh", "-c", ENDLESS.replace("while :", "while [ $i -lt 4000 ]"), tag)
        until(lambda: gateway.sessions(tag) or mode == "slow", what="the long session in the bucket")
        faults.mode = mode
        for number in range(3):
            short = f"{tag}-short-{number}"
            done = kubectl.run("exec", *POD, "--", "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; echo; exit 5", short)
            assert done.returncode == 5, f"{mode}: {done.stderr.decode()}"
            expected[short] = (done.stdout, 5)
        out, err = long.communicate(timeout=90)
        assert long.returncode == 0, f"{mode}: {err.decode()}"
        expected[tag] = (out, 0)
        until(lambda: mode in faults.hit, what=mode)
        if mode != "slow":
            assert gateway.spooled(), f"{mode}: everything is in the bucket"
        faults.mode = "fair"
        gateway.drained(90)
    assert gateway.memory() < before + 100 * 1024, "memory grew with the outage"
    for tag, (output, code) in expected.items():
        row = gateway.session(tag) if "short" in tag else next(r for r in gateway.sessions(tag) if r["argv"][-1] == tag)
        assert (row["outcome"], row["exit_code"]) == ("exited", code), tag
        assert gateway.export(row["id"]) == output, tag
    assert not (gateway.spool / "aside").exists()
    gateway.end()
    gateway.run("verify")


STEADY = 'i=0; while [ $i -lt $1 ]; do echo $0 $i; i=$((i+1)); sleep 0.05; done; exit 4'


def test_a_bucket_that_is_away_and_then_full_costs_nothing_however_long(tmp_path, cluster, bucket):
    faults = Faults(bucket.port)
    gateway = Gateway(tmp_path, cluster, s3(faults, "long-outage"))
    gateway.start()
    kubectl = Kubectl("1.37", "websocket", gateway.kubeconfig)
    run = f"run-{uuid.uuid4().hex[:8]}"
    short = lambda tag: kubectl.run("exec", *POD, "--", "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x; exit 5", tag)  # noqa: E731
    for number in range(16):
        short(f"{run}-warm-{number}")
    before, peak, spooled, expected, steady = gateway.memory(), 0, 0, {}, {}
    with contextlib.ExitStack() as files:
        # They begin before the outage, and end in it or behind it.
        for number, lines in enumerate([10 * OUTAGE, 20 * OUTAGE, 30 * OUTAGE, 45 * OUTAGE]):
            tag = f"{run}-steady-{number}"
            out = files.enter_context((tmp_path / tag).open("wb"))
            words = ["exec", *POD, "--", "sh", "-c", STEADY, tag, str(int(lines))]
            steady[tag] = kubectl.start(*words, stdout=out, stderr=subprocess.DEVNULL)
        until(lambda: len(gateway.sessions(f"{run}-steady")) == 4, what="the steady sessions in the bucket")
        for mode in ["away", "full"]:
            faults.mode = mode
            end = time.monotonic() + OUTAGE
            while time.monotonic() < end:
                tag = f"{run}-short-{len(expected)}"
                done = short(tag)
                assert done.returncode == 5, f"{mode}: {done.stderr.decode()}"
                expected[tag] = (done.stdout, 5)
                peak = max(peak, gateway.memory())
                time.sleep(0.5)
            assert mode in faults.hit and len(gateway.spooled()) >= len(expected), f"{mode}: something is in the bucket"
            spooled = sum(file.stat().st_size for file in gateway.spool.rglob("*") if file.is_file())
        faults.mode = "fair"
        for tag, process in steady.items():
            assert process.wait(60 + 2 * OUTAGE) == 4, tag
            expected[tag] = ((tmp_path / tag).read_bytes(), 4)
    gateway.drained(120)
    said = sum(len(output) for output, _ in expected.values())
    print(f"{len(expected)} sessions said {said >> 20} MiB; spool {spooled >> 20} MiB; memory {before} KiB, then up to {peak} KiB")
    assert peak < before + 64 * 1024, "memory grew with the outage"
    assert spooled < 2 * said + (1 << 20), "the spool holds more than was said"
    for tag, (output, code) in expected.items():
        [row] = [row for row in gateway.sessions(tag) if tag in row["argv"]]
        assert (row["outcome"], row["exit_code"]) == ("exited", code), tag
        assert gateway.export(row["id"]) == output, tag
    gateway.end()
    gateway.run("verify")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize("floor, says", [("8MiB", "the gateway's disk is full (spool.disk_floor)"), ("0", "disk is full")])
def test_a_full_disk_is_said_and_gets_well_by_itself(tmp_path, cluster, bucket, small_disk, floor, says):
    faults = Faults(bucket.port)
    prefix = f"full-{floor.lower()}"
    spool = f'[spool]\ndir = "{small_disk}/spool"\nsession_bytes = "64MiB"\ntotal_bytes = "64MiB"\ndisk_floor = "{floor}"'
    gateway = Gateway(tmp_path, cluster, s3(faults, prefix, spool), f"{small_disk}/spool")
    gateway.start()
    kubectl = Kubectl("1.37", "websocket", gateway.kubeconfig)
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    faults.mode = "away"
    done = kubectl.run("exec", *POD, "--", "sh", "-c", "yes $0 | head -c 60000000", tag)
    assert done.returncode == 1
    assert says in done.stderr.decode(), done.stderr.decode()
    assert 5_000_000 < len(done.stdout) < 24 << 20, "accepted up to the bound"
    next_tag = f"mark-{uuid.uuid4().hex[:12]}"
    refused = kubectl.run("exec", *POD, "--", "sh", "-c", "true", next_tag)
    # Without a floor, what the last large write did not get may be room for a short session, and it is recorded there.
    fits = floor == "0" and refused.returncode == 0
    if not fits:
        assert refused.returncode == 1
        assert "no session without a recording" in refused.stderr.decode() and says in refused.stderr.decode()
    # The bucket comes back: everything that was accepted is stored, and there is room again.
    faults.mode = "fair"
    gateway.drained(90)
    row = gateway.session(tag)
    assert row["outcome"] == "ended_by_gateway"
    # The frame that was under way is filled up with zeros, so that the reason can follow it.
    assert gateway.export(row["id"]).startswith(done.stdout.rstrip(b"\0"))
    if fits:
        assert gateway.session(next_tag)["exit_code"] == 0
    assert kubectl.run("exec", *POD, "--", "sh", "-c", "exit 7").returncode == 7
    gateway.end()
    gateway.run("verify")
    # What was away or full is told when it began and when it was over; a disk without a floor is full for who writes to it.
    spoken = [(entry["bound"], entry["reached"]) for entry in stored_journal(bucket, prefix) if entry["event"] == "spool"]
    for bound in ["store", "disk"] if floor != "0" else ["store"]:
        assert [reached for told, reached in spoken if told == bound] == [True, False], spoken


def stored_journal(bucket, prefix):
    """All entries that are in the bucket, read without the program."""
    entries = []
    for found in bucket.client.list_objects(bucket_name=BUCKET, prefix=f"{prefix}/journal/", recursive=True):
        answer = bucket.client.get_object(bucket_name=BUCKET, object_name=found.object_name)
        lines = subprocess.run(["zstdcat"], input=answer.read(), capture_output=True, check=True).stdout
        answer.close()
        entries += map(json.loads, lines.splitlines())
    return entries
