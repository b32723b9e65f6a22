"""The program under test, driven as a person or a script would: by its command line."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).parent.parent


def binary(name):
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    path = pathlib.Path(os.environ.get(f"{name.upper().replace('-', '_')}_BIN", target / "debug" / name))
    assert path.exists(), f"{path} is missing: cargo build -p kubetape -p demo"
    return path


def free_port():
    """A port of loopback that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(condition, seconds=120, what="the condition"):
    """The first true value of `condition()`, asked again and again; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.05)


class Process:
    """A program that runs until it is told to end; its output is kept, and `ready` lines can be waited for."""

    def __init__(self, argv, env=None):
        self.lines = []
        self.told = False
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    @property
    def output(self):
        return "\n".join(line for line in self.lines if line is not None)

    def wait_for(self, pattern, seconds=60):
        """The match of the first line that has `pattern`."""
        deadline = time.monotonic() + seconds
        seen = 0
        with self.changed:
            while True:
                for line in self.lines[seen:]:
                    assert line is not None, f"ended before {pattern!r}:\n{self.output}"
                    if found := re.search(pattern, line):
                        return found
                seen = len(self.lines)
                left = deadline - time.monotonic()
                assert left > 0, f"{pattern!r} did not appear within {seconds} s:\n{self.output}"
                self.changed.wait(left)

    def tell(self, how=signal.SIGTERM):
        """Sends the signal, once: a second one ends the program at once."""
        if self.process.poll() is None and not self.told:
            self.process.send_signal(how)
        self.told = True

    def end(self, how=signal.SIGTERM, seconds=120):
        """Sends a signal and returns the exit status."""
        self.tell(how)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {seconds} s of {how!r}:\n{self.output}") from None
        self.reader.join(5)
        return status


class Installation:
    """A configuration file, and the subcommands that read it."""

    def __init__(self, config, env=None):
        self.config = pathlib.Path(config)
        self.env = {**os.environ, **(env or {})}

    def run(self, *words, check=True, input=None, timeout=300):
        done = subprocess.run(
            [binary("kubetape"), "--config", self.config, *map(str, words)],
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            timeout=timeout,
            env=self.env,
        )
        if check:
            assert done.returncode == 0, f"kubetape {words} ended with {done.returncode}: {done.stderr.decode()}"
        return done

    def ls(self, *words):
        return json.loads(self.run("ls", "--json", *words).stdout)

    def search(self, *words):
        return json.loads(self.run("search", "--json", *words).stdout)

    def export(self, session, stream="stdout"):
        """The exact bytes of a stream."""
        return self.run("export", session, "--format", "raw", "--stream", stream).stdout

    def journal(self):
        """All entries that are stored in the installation's folder, in order, read without the program."""
        objects = sorted(self.folder.glob("*/journal/*/*/*/*/*.jsonl.zst"))
        lines = [subprocess.run(["zstdcat", path], capture_output=True, check=True).stdout for path in objects]
        return [json.loads(line) for line in b"".join(lines).splitlines()]

    def manifest(self, session):
        """The manifest, read from the store without the program. It is stored a moment after kubectl has gone."""
        # Not `**`: the spool beside the store has folders that are gone before they are listed.
        (path,) = until(lambda: list(self.folder.glob(f"*/recordings/*/*/*/{session}/manifest.json")), what="a manifest")
        return json.loads(path.read_text())

    def ids(self):
        return {row["id"] for row in self.ls()}

    def newest(self, known, chosen=lambda row: True, **wanted):
        """The one session that was not in `known`, that `chosen` takes and that has these fields, once it has ended."""

        def found():
            rows = [row for row in self.ls() if row["id"] not in known and chosen(row)]
            rows = [row for row in rows if all(row.get(field) == value for field, value in wanted.items())]
            return rows if rows and all(row["ended"] for row in rows) else None

        rows = until(found, what=f"the end of a session with {wanted}")
        assert len(rows) == 1, rows
        return rows[0]

    def sessions(self, mark):
        """Sessions whose argv has `mark` in an element, oldest first."""
        rows = [row for row in self.ls() if any(mark in word for word in row["argv"])]
        return sorted(rows, key=lambda row: row["started"])

    def begun(self, mark):
        """The one session with `mark` in its argv, as soon as the store has it."""
        (row,) = until(lambda: self.sessions(mark), what=f"the session with {mark!r}")
        return row

    def session(self, mark):
        """The one session with `mark` in its argv, once it has ended."""

        def ended():
            rows = self.sessions(mark)
            return rows if rows and all(row["ended"] for row in rows) else None

        rows = until(ended, what=f"the end of the session with {mark!r}")
        assert len(rows) == 1, f"{len(rows)} recordings for one command: {rows}"
        return rows[0]


class Demo(Installation):
    """`kubetape demo` in a folder of its own."""

    cluster_name, node, user = "demo", "n1", "demo"
    # What `kubectl run` needs there besides.
    run_words = ()

    def __init__(self, folder, env=None):
        super().__init__(pathlib.Path(folder) / "kubetape.toml", env)
        self.folder = pathlib.Path(folder)
        self.kubeconfig = self.folder / "kubeconfig"
        self.process = None

    def __enter__(self):
        argv = [binary("kubetape"), "demo", "--folder", self.folder]
        self.process = Process([*argv, "--gateway", "127.0.0.1:0", "--web", "127.0.0.1:0"], self.env)
        with self.or_end():
            self.link = self.process.wait_for(r"(http://\S+/login/link/\S+)")[1]
            self.process.wait_for(r"^ready")
        self.web = re.match(r"http://[^/]+", self.link)[0]
        return self

    @contextlib.contextmanager
    def or_end(self):
        try:
            yield
        except BaseException:
            self.process.end()
            raise

    def __exit__(self, *_):
        assert self.process.end() == 0, f"the demo did not end cleanly:\n{self.process.output}"
