"""What a monitoring system sees: numbers of what people do, of the limits, and of a store that is unavailable."""

import subprocess
import urllib.request

from kubectl import Kubectl
from program import free_port, until
from test_s3 import cluster  # noqa: F401 (a fixture)
from test_spool import POD, Faults, Gateway, bucket, disk, s3, stored_journal  # noqa: F401 (a fixture)


class Watched:
    """A gateway that serves metrics."""

    def __init__(self, folder, cluster_kubeconfig, more):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/metrics"
        self.gateway = Gateway(folder, cluster_kubeconfig, f'{more}\n[metrics]\nlisten = "127.0.0.1:{port}"\n')
        self.kubectl = Kubectl("1.37", "websocket", self.gateway.kubeconfig)

    def __enter__(self):
        self.gateway.start()
        return self

    def __exit__(self, *_):
        self.gateway.end()

    def text(self):
        with urllib.request.urlopen(self.url, timeout=20) as answer:
            assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
            return answer.read().decode()

    def numbers(self):
        """By name and labels, as they stand there."""
        text = self.text()
        assert text.endswith("# EOF\n")
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name.removeprefix("kubetape_"): float(number) for name, number in pairs}


def test_numbers_of_what_people_do(tmp_path, cluster):
    with Watched(tmp_path, cluster, disk(tmp_path)) as watched:
        before = watched.numbers()
        assert (before["sessions_live"], before["sessions_opened_total"], before["refusals_total"]) == (0, 0, 0)
        assert (before["store_unavailable"], before['spool_full{bound="total"}'], before['spool_full{bound="disk"}']) == (0, 0, 0)
        assert before["spool_limit_bytes"] == 8 << 30 and before["spool_disk_free_bytes"] > before["spool_disk_floor_bytes"]
        assert watched.kubectl.run("exec", *POD, "--", "sh", "-c", "exit 7").returncode == 7
        waiting = watched.kubectl.start("exec", "-i", *POD, "--", "cat", stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        until(lambda: watched.numbers()["sessions_live"] == 1, what="a live session")
        assert watched.kubectl.run("get", "pods", "--as", "root").returncode == 1
        waiting.communicate(timeout=60)
        until(lambda: watched.numbers()["sessions_live"] == 0, what="no live session")
        after = until(lambda: (n := watched.numbers())["spool_sessions"] == 0 and n, what="all is stored")
        assert (after["sessions_opened_total"], after['sessions_ended_total{outcome="exited"}']) == (2, 2)
        assert after["refusals_total"] == after['journal_entries_total{event="refused"}'] >= 1
        assert after['journal_entries_total{event="started"}'] == 1
        # Two sessions were opened, each with a sync, and each has a chunk of its own beside the header's.
        assert (after["open_duration_seconds_count"], after["upload_lag_seconds_count"]) == (2, 2)
        assert after["spool_sync_duration_seconds_count"] >= 2
        assert after['forward_duration_seconds_count{to="client"}'] >= 2
        assert before["open_duration_seconds_count"] == before['forward_duration_seconds_count{to="client"}'] == 0


def test_no_name_and_no_command_is_in_them(tmp_path, cluster):
    with Watched(tmp_path, cluster, disk(tmp_path)) as watched:
        watched.kubectl.run("exec", *POD, "--", "sh", "-c", "echo unheard-of", check=0)
        text = watched.text()
        assert not [word for word in ("ada", "unheard-of", "shell", "default") if word in text]


def test_a_store_that_is_unavailable_and_a_spool_that_fills_are_seen(tmp_path, cluster, bucket):
    faults = Faults(bucket.port)
    spool = f'[spool]\ndir = "{tmp_path}/spool"\nsession_bytes = "8MiB"\ntotal_bytes = "8MiB"'
    with Watched(tmp_path, cluster, s3(faults, "metrics", spool)) as watched:
        faults.mode = "away"
        done = lambda: watched.kubectl.run("exec", *POD, "--", "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x")  # noqa: E731
        assert done().returncode == 0
        until(lambda: watched.numbers()["store_unavailable"] == 1, what="a store that is unavailable")
        assert watched.numbers()["spool_used_bytes"] > 3_000_000 and watched.numbers()["spool_sessions"] == 1
        refused = until(lambda: (answer := done()).returncode != 0 and answer, 120, "a full spool")
        assert b"spool.total_bytes" in refused.stderr
        until(lambda: watched.numbers()['spool_full{bound="total"}'] == 1, what="a full spool in the metrics")
        faults.mode = "fair"
        until(lambda: watched.numbers()["spool_sessions"] == 0, 120, "all is stored")
        until(lambda: watched.numbers()["store_unavailable"] == 0, what="a store that is back")
        numbers = watched.numbers()
        assert (numbers['spool_full{bound="total"}'], numbers["spool_used_bytes"]) == (0, 0)
        assert done().returncode == 0


def test_a_spool_with_as_many_sessions_as_may_wait_takes_no_more_until_storage_is_back(tmp_path, cluster, bucket):
    faults = Faults(bucket.port)
    few = "[spool]\nsessions = 3\n[limits]\nsessions = 3"
    with Watched(tmp_path, cluster, s3(faults, "crowd", few)) as watched:
        faults.mode = "away"
        short = lambda: watched.kubectl.run("exec", *POD, "--", "sh", "-c", "exit 9")  # noqa: E731
        assert [short().returncode for _ in range(3)] == [9, 9, 9]
        refused = short()
        assert refused.returncode == 1
        assert b"no session without a recording" in refused.stderr and b"(spool.sessions)" in refused.stderr, refused.stderr
        until(lambda: watched.numbers()['spool_full{bound="sessions"}'] == 1, what="the bound in the metrics")
        numbers = watched.numbers()
        assert (numbers["spool_sessions"], numbers["spool_sessions_limit"]) == (3, 3)
        # The bounds are looked at once a second; the journal's entry is stored later.
        watched.gateway.process.wait_for(r"bound=\W*sessions\W.*reached=\W*true")
        faults.mode = "fair"
        until(lambda: watched.numbers()["spool_sessions"] == 0, 120, "all is stored")
        watched.gateway.process.wait_for(r"bound=\W*sessions\W.*reached=\W*false")
        assert short().returncode == 9
        until(lambda: watched.numbers()["spool_sessions"] == 0, 120, "the last is stored")
        assert [row["exit_code"] for row in watched.gateway.sessions("exit 9")] == [9, 9, 9, 9]
        entries = lambda: [entry for entry in stored_journal(bucket, "crowd") if entry["event"] == "spool"]  # noqa: E731
        spoken = lambda: [entry["reached"] for entry in entries() if entry["bound"] == "sessions"]  # noqa: E731
        until(lambda: len(spoken()) == 2, what="the bound in the journal, reached and left")
        assert spoken() == [True, False]
