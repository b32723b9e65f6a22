"""A real terminal (pty) with a program in it, every byte of its output kept."""

import os
import select
import time

import ptyprocess


class Terminal:
    def __init__(self, argv, env, rows=24, columns=80):
        self.process = ptyprocess.PtyProcess.spawn(argv, env={**env, "TERM": "xterm"}, dimensions=(rows, columns))
        self.seen = b""

    def _read(self, seconds):
        """False once the program's side is closed."""
        if not select.select([self.process.fd], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.process.fd, 65536)
        except OSError:
            piece = b""
        self.seen += piece
        return bool(piece)

    def expect(self, text, seconds=120, after=0):
        """Reads until `text` was printed beyond offset `after`; returns the offset behind it."""
        text = text.encode() if isinstance(text, str) else text
        deadline = time.monotonic() + seconds
        while (at := self.seen.find(text, after)) < 0:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} did not appear within {seconds} s; the terminal shows {self.seen[-2000:]!r}"
            assert self._read(left), f"ended before {text!r}; the terminal shows {self.seen[-2000:]!r}"
        return at + len(text)

    def type(self, text):
        self.process.write(text.encode() if isinstance(text, str) else text)

    def resize(self, rows, columns):
        self.process.setwinsize(rows, columns)

    def end(self, seconds=20):
        """Reads to the end; returns the exit status."""
        deadline = time.monotonic() + seconds
        while self._read(max(0.0, deadline - time.monotonic())):
            assert time.monotonic() < deadline, f"did not end within {seconds} s; shows {self.seen[-2000:]!r}"
        self.process.wait()
        return self.process.exitstatus
