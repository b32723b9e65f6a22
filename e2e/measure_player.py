#!/usr/bin/env python3
"""A ten-hour, 1 GB recording in a real browser: the first frame, twenty seeks, memory of both sides. For docs/figures.md.

    cargo build --release -p kubetape -p demo && cargo build --release -p player --example long
    e2e/.cache/venv/bin/python e2e/measure_player.py [--hours 10] [--megabytes 1000] [--seeks 20]

Makes the recording (`player/examples/long.rs`), imports it into a demo, waits until the demo rests, and opens the page in
Chromium. A seek is a click on the timeline; it is over when the screen of that moment has been painted. What the
screen shows is compared with what the recording says of itself: its time stands on every screen.
"""

import argparse
import json
import os
import pathlib
import random
import re
import statistics
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release"
os.environ.setdefault("KUBETAPE_BIN", str(RELEASE / "kubetape"))
os.environ.setdefault("DEMO_CLUSTER_BIN", str(RELEASE / "demo-cluster"))

from playwright.sync_api import sync_playwright  # noqa: E402

from program import Demo  # noqa: E402
from test_browser import CHROMIUM, FLAGS, log_in  # noqa: E402

MIB = 1 << 20

# Resolves with the milliseconds from the page's request to a screen with text on it.
FIRST_FRAME = """() => new Promise(done => {
  const look = () => document.querySelector('.ap-term')?.innerText.trim()
    ? requestAnimationFrame(() => done(performance.now())) : requestAnimationFrame(look);
  look();
})"""

# Clicks at a part of the timeline; resolves with [milliseconds, screen] once the screen of that moment was painted.
SEEK = """part => new Promise(done => {
  const strip = document.getElementById('strip'), player = document.getElementById('player');
  const { left, top, width } = strip.getBoundingClientRect();
  const at = { clientX: left + part * width, clientY: top + 5, pointerId: 1, bubbles: true };
  const began = performance.now();
  player.addEventListener('sought', () => requestAnimationFrame(() => requestAnimationFrame(() =>
    done([performance.now() - began, document.querySelector('.ap-term').innerText]))), { once: true });
  strip.setPointerCapture = () => {};
  strip.dispatchEvent(new PointerEvent('pointerdown', at));
  strip.dispatchEvent(new PointerEvent('pointerup', at));
})"""


class Proc:
    """What the kernel says of a process."""

    def __init__(self, pid):
        self.folder = pathlib.Path(f"/proc/{pid}")

    def status(self, field):
        return int(re.search(rf"^{field}:\s+(\d+)", (self.folder / "status").read_text(), re.M)[1]) * 1024

    def cpu(self):
        fields = (self.folder / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rest(proc, quiet=5):
    """Waits until a process does next to nothing for some seconds. Seconds it took."""
    began, since = time.monotonic(), time.monotonic()
    while time.monotonic() - since < quiet:
        before = proc.cpu()
        time.sleep(1)
        if proc.cpu() - before > 0.1:
            since = time.monotonic()
    return time.monotonic() - began - quiet


def renderer(browser, page):
    """The process that holds the page."""
    session = browser.new_browser_cdp_session()
    infos = [info for info in session.send("SystemInfo.getProcessInfo")["processInfo"] if info["type"] == "renderer"]
    return Proc(max(infos, key=lambda info: Proc(info["id"]).status("VmRSS"))["id"])


def heap(cdp):
    cdp.send("HeapProfiler.collectGarbage")
    metrics = {metric["name"]: metric["value"] for metric in cdp.send("Performance.getMetrics")["metrics"]}
    return metrics["JSHeapUsedSize"]


def seconds(stamp):
    hours, minutes, rest = stamp.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + int(rest)


def memory(name, cdp, process):
    print(f"{name}: JS heap {heap(cdp) / MIB:.1f} MiB, the page's process {process.status('VmRSS') / MIB:.0f} MiB")


def main():
    words = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    words.add_argument("--hours", type=int, default=10)
    words.add_argument("--megabytes", type=int, default=1000)
    words.add_argument("--seeks", type=int, default=20)
    words.add_argument("--sweep", type=int, default=300, help="further seeks, for what memory does in the long run")
    words = words.parse_args()
    with tempfile.TemporaryDirectory(dir=HERE.parent / "target") as folder:
        cast = pathlib.Path(folder) / "long.cast"
        made = subprocess.run([RELEASE / "examples" / "long", cast, str(words.hours), str(words.megabytes)], check=True, capture_output=True)
        print(f"the recording: {made.stdout.decode().strip()}; {cast.stat().st_size / 1e6:.0f} MB as asciicast")
        with Demo(pathlib.Path(folder) / "demo") as demo:
            began = time.monotonic()
            done = demo.run("import", "--json", "--user", "ada", "--cluster", "prod", cast, timeout=1800)
            print(f"imported in {time.monotonic() - began:.0f} s")
            cast.unlink()
            measure(demo, json.loads(done.stdout)[0], words)


def measure(demo, row, words):
    server = Proc(demo.process.process.pid)
    print(f"indexed {rest(server):.0f} s later; the server has {server.status('VmRSS') / MIB:.0f} MiB, at most {server.status('VmHWM') / MIB:.0f}")
    objects = list(demo.folder.glob(f"**/recordings/*/*/*/{row['id']}/*"))
    stored = sum(path.stat().st_size for path in objects)
    kept = sum(path.stat().st_size for path in demo.folder.glob(f"**/*{row['id']}*.json.zst"))
    print(f"stored: {stored / 1e6:.0f} MB in {len(objects)} objects; timeline kept: {kept / 1e6:.1f} MB")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        log_in(page, demo)
        cdp = page.context.new_cdp_session(page)
        cdp.send("Performance.enable")
        address = f"{demo.web}/sessions/{row['id']}"
        for name, query in (("nothing asked for it before", "?t=18000"), ("again", "?t=18000"), ("from the start", "")):
            page.goto(address + query, wait_until="commit")
            print(f"first frame, {name}: {page.evaluate(FIRST_FRAME):.0f} ms")
        page.goto(address + "?t=1")
        page.locator("#deck:not([hidden])").wait_for()
        process = renderer(browser, page)
        memory("before the seeks", cdp, process)
        used = server.cpu()
        times = seek(page, words.seeks, random.Random(5), row["duration_seconds"])
        print(
            f"{len(times)} seeks: median {statistics.median(times):.0f} ms, p95 {sorted(times)[int(len(times) * 0.95)]:.0f} ms, "
            f"most {max(times):.0f} ms; server CPU {1000 * (server.cpu() - used) / len(times):.0f} ms each"
        )
        memory("after them", cdp, process)
        if words.sweep:
            times = seek(page, words.sweep, random.Random(6), row["duration_seconds"])
            print(f"{len(times)} more: median {statistics.median(times):.0f} ms, most {max(times):.0f} ms")
            memory("after these", cdp, process)
        print(f"the server has {server.status('VmRSS') / MIB:.0f} MiB, at most {server.status('VmHWM') / MIB:.0f}")
        browser.close()


def seek(page, count, dice, length):
    """Milliseconds of each."""
    times = []
    for _ in range(count):
        part = dice.random()
        took, screen = page.evaluate(SEEK, part)
        times.append(took)
        stamps = [seconds(stamp) for stamp in re.findall(r"@(\d\d:\d\d:\d\d)", screen)]
        assert stamps, f"at {part * length:.0f} s: no time on the screen:\n{screen}"
        assert max(stamps) <= part * length + 2, f"at {part * length:.0f} s the screen shows {max(stamps)} s"
    return times


if __name__ == "__main__":
    main()
