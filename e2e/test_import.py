"""Recordings that others made: imported beside a running gateway, found, played, and never twice."""

import gzip
import json
import uuid

from program import until
from test_browser import browser, log_in, page  # noqa: F401 (fixtures)


def cast(word, name="ann"):
    header = {"version": 2, "width": 90, "height": 25, "timestamp": 1600000000, "command": f"echo {word}", "srcNodeUser": name}
    events = [[0.5, "o", f"$ echo {word}\r\n"], [0.7, "i", "hidden"], [1.5, "o", f"{word}\r\n"]]
    return "".join(json.dumps(line) + "\n" for line in [header, *events]).encode()


def test_an_old_archive_is_imported_while_the_gateway_runs(demo, tmp_path):
    word = f"import{uuid.uuid4().hex[:8]}"
    (tmp_path / "good.cast").write_bytes(cast(word))
    (tmp_path / "packed.cast.gz").write_bytes(gzip.compress(cast(word + "gz")))
    (tmp_path / "cut.cast").write_bytes(cast(word + "cut")[:-9])
    (tmp_path / "readme.txt").write_text("no recording")
    done = demo.run("import", "--json", "--cluster", "old", "--pod", "db-0", tmp_path, check=False)
    assert done.returncode == 1
    assert b"1 of 3 files were not imported" in done.stderr
    cut, good, packed = json.loads(done.stdout)
    assert (cut["status"], cut["error"]) == ("broken", "line 4: it is cut off in the middle of an event")
    assert [row["status"] for row in (good, packed)] == ["imported", "imported"]
    assert good["dropped_inputs"] == 1

    (hit,) = until(lambda: [h for h in demo.search(word) if h["source"] == "argv"], what="the hit")
    assert (hit["session"], hit["user"], hit["cluster"], hit["pod"]) == (good["id"], "ann", "old", "db-0")
    row = next(row for row in demo.ls() if row["id"] == good["id"])
    assert (row["started"], row["outcome"], row["duration_seconds"]) == ("2020-09-13T12:26:40Z", "unknown", 1.5)
    assert demo.export(good["id"]) == f"$ echo {word}\r\n{word}\r\n".encode()
    assert b"hidden" not in demo.run("export", good["id"], "--format", "cast2").stdout

    again = json.loads(demo.run("import", "--json", tmp_path / "good.cast").stdout)
    assert [(row["status"], row["id"]) for row in again] == [("already", good["id"])]


def test_an_import_is_told_from_what_a_gateway_saw(demo, tmp_path, page):  # noqa: F811
    word = f"claim{uuid.uuid4().hex[:8]}"
    (tmp_path / "<b>old.cast").write_bytes(cast(word))
    (row,) = json.loads(demo.run("import", "--json", "--cluster", word, "--pod", "db-0", tmp_path).stdout)
    (hit,) = until(lambda: demo.search(word, "--kind", "output"), what="what it shows")
    assert (hit["session"], hit["cluster"]) == (row["id"], word)
    page.goto(f"{demo.web}/sessions/{row['id']}")
    notice = page.locator(".notice", has_text="No gateway saw this session.").inner_text()
    assert "<b>old.cast" in notice and "are what the file or they say" in notice
    facts = page.locator(".details").inner_text()
    assert "Imported from" in facts and "asciicast v2" in facts and "Allowed by" not in facts and "Credential" not in facts
    page.goto(f"{demo.web}/?cluster={word}")
    assert page.locator("li.session .tag").inner_text() == "imported"


def test_what_is_no_file_is_said(demo, tmp_path):
    done = demo.run("import", tmp_path, check=False)
    assert done.returncode == 1 and b"has no files that end in .cast" in done.stderr
    done = demo.run("import", tmp_path / "nowhere.cast", check=False)
    assert done.returncode == 1 and b"cannot read" in done.stderr
