"""Whether what was done to a store is found: by `kubetape verify`, and by the second verifier, docs/verify.py."""

import json
import pathlib
import re
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from forger import SECOND, Pen, evidence, kubetape_verify, python_verify, second, sha256  # noqa: F401

VERIFIERS = pytest.mark.parametrize("verify", [kubetape_verify, python_verify])


@VERIFIERS
def test_what_nobody_touched_is_proven(evidence, verify):
    done = verify(evidence.store, *evidence.asked())
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search("^proven", done.stdout, re.MULTILINE)
    by_id = verify(evidence.store, "--key", json.loads(evidence.demo.run("key", "ls", "--json").stdout)[0]["key"])
    assert by_id.returncode == 0, by_id.stdout


@VERIFIERS
def test_keys_that_come_with_the_data_prove_nothing(evidence, verify):
    done = verify(evidence.store)
    assert done.returncode == 3
    assert "not vouched for" in done.stdout


@VERIFIERS
def test_a_key_of_somebody_else_proves_nothing(evidence, verify, tmp_path):
    stranger = tmp_path / "stranger.pub"
    stranger.write_bytes(subprocess.run("openssl genpkey -algorithm ed25519 | openssl pkey -pubout",
                                        shell=True, check=True, capture_output=True).stdout)  # fmt: skip
    done = verify(evidence.store, "--key", stranger)
    assert done.returncode == 1
    assert "unknown key" in done.stdout


def test_every_flipped_byte_is_found_by_the_second_verifier(evidence, second):
    assert second(evidence.objects) == []
    missed = []
    for name, data in evidence.objects.items():
        for at in range(len(data)):
            altered = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
            if not second({**evidence.objects, name: altered}):
                missed.append((name, at))
    assert missed == []


def test_objects_cut_removed_swapped_and_added_are_found_by_the_second_verifier(evidence, second):
    missed = []
    for name, data in evidence.objects.items():
        cases = {f"cut to {length}": {name: data[:length]} for length in range(0, len(data), 7)}
        cases |= {f"with {more!r} behind it": {name: data + more} for more in (b"\0", b"\n", b"}", data)}
        cases |= {
            f"and {other} swapped": {name: content, other: data}
            for other, content in evidence.objects.items()
            if content != data
        }
        cases |= {f"copied to {copy}": {copy: data} for copy in places(evidence, name)}
        for what, change in cases.items():
            if not second({**evidence.objects, **change}):
                missed.append((name, what))
        if not second({other: content for other, content in evidence.objects.items() if other != name}):
            missed.append((name, "removed"))
    assert missed == []


def places(evidence, name):
    """Names that nobody wrote, where an object of this name could be put."""
    chunk = max(name for name in evidence.objects if name.endswith(".cast.zst"))
    return [
        f"{name}.copy",
        chunk.replace("/00000", "/000000"),
        chunk.replace("/00000", "/more/00000"),
        chunk.replace(chunk.split("/")[4], chunk.split("/")[4].upper()),
        chunk.replace("-", "", 1).replace("-7", "--7", 1),
        chunk[: -len("000000.cast.zst")] + "000099.cast.zst",
        "recordings/2026/11/22/0199f1e2-7c3a-7b1e-9d55-2f0c4a6b8e01/manifest.json",
        "journal/demo/2999/01/01/000000000099.jsonl.zst",
        "journal/other/2999/01/01/000000000000.jsonl.zst",
        "keys/0123456789abcdef0123456789abcdef.json",
        "readme",
    ]


def write(folder, objects):
    """The folder, with these objects in it."""
    for name, data in objects.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def entries(object):
    """What a journal object has, seal or not."""
    lines = subprocess.run(["zstdcat"], input=object, capture_output=True, check=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


def named(done, object, problem):
    """Whether a report has this problem with this object."""
    return any(object in line and problem in line for line in done.stdout.splitlines())


@VERIFIERS
def test_both_programs_find_what_was_done_to_each_object(evidence, verify, tmp_path):
    folder = write(tmp_path / "copy", evidence.objects)
    assert verify(folder, *evidence.asked()).returncode == 0
    for name, data in evidence.objects.items():
        path = folder / name
        path.write_bytes(data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :])
        done = verify(folder, *evidence.asked())
        assert done.returncode == 1 and name.rsplit("/", 1)[0] in done.stdout, f"{name}: {done.stdout}"
        path.unlink()
        assert verify(folder, *evidence.asked()).returncode == 1, name
        path.write_bytes(data)


@VERIFIERS
def test_a_name_that_is_spelled_otherwise_is_foreign(evidence, verify, tmp_path):
    name = max(name for name in evidence.objects if name.endswith(".cast.zst"))
    for other in (name.replace("/00000", "/000000"), name.replace(name.split("/")[4], name.split("/")[4].upper())):
        folder = write(tmp_path / str(len(other)), {**evidence.objects, other: evidence.objects[name]})
        done = verify(folder, *evidence.asked())
        assert done.returncode == 1 and named(done, other, "foreign"), done.stdout


@VERIFIERS
def test_a_symbolic_link_is_no_object(evidence, verify, tmp_path):
    folder = write(tmp_path / "store", evidence.objects)
    name = max(name for name in evidence.objects if name.endswith(".cast.zst"))
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    done = verify(folder, *evidence.asked())
    assert done.returncode == 1 and named(done, name.rsplit("/", 1)[0], "missing"), done.stdout


@VERIFIERS
def test_an_export_is_checked_without_the_store(evidence, verify, tmp_path):
    row = evidence.demo.ls("--outcome", "failed")[0]
    folder = tmp_path / "bundle"
    evidence.demo.run("export", row["id"], "--format", "bundle", "-o", folder)
    asked = ["--bundle", "--key", evidence.key]
    done = verify(folder, *asked)
    assert done.returncode == 0, done.stdout
    assert re.search("^proven.*an excerpt.*cannot be told", done.stdout, re.MULTILINE)
    assert "--bundle" in (folder / "README.txt").read_text()
    assert any(json.loads(path.read_text())["exit_code"] == 3 for path in folder.rglob("manifest.json"))
    assert list(folder.glob("entries/*/*.json")) and not list(folder.glob("journal"))
    for path in folder.rglob("*"):
        if path.is_file() and path.parent != folder and path.parent.name != "keys":
            data = path.read_bytes()
            path.write_bytes(data[:-3] + bytes([data[-3] ^ 4]) + data[-2:])
            assert verify(folder, *asked).returncode == 1, path
            path.write_bytes(data)
    again = evidence.demo.run("export", row["id"], "--format", "bundle", "-o", folder, check=False)
    assert again.returncode == 1 and b"not empty" in again.stderr


@VERIFIERS
def test_a_store_that_calls_itself_an_export_is_none(evidence, verify, tmp_path):
    gone = evidence.demo.ls("--outcome", "failed")[0]["id"]
    left = {
        name: data
        for name, data in evidence.objects.items()
        if gone not in name and not (name.startswith("journal/") and gone in json.dumps(entries(data)))
    }
    assert any(name.startswith("journal/") for name in left) and len(left) < len(evidence.objects) - 2
    folder = write(tmp_path / "store", {**left, "bundle.json": json.dumps({"format": 1}).encode()})
    for asked in (evidence.asked(), ["--key", evidence.key]):
        done = verify(folder, *asked)
        assert done.returncode == 1 and "WRONG" in done.stdout, done.stdout
        # The report says what the file is, and how an export is asked about; what is missing it knows from the heads.
        words = ["foreign", "bundle.json", "--bundle"] + ["missing"] * ("--heads" in asked)
        assert all(word in done.stdout for word in words), done.stdout
    # An excerpt is what the auditor calls one; and of an excerpt whole journals are no measure.
    assert verify(folder, "--bundle", "--key", evidence.key).returncode == 0
    refused = verify(folder, "--bundle", *evidence.asked())
    assert refused.returncode == 2 and "--heads is of whole journals" in refused.stderr, refused.stderr


@VERIFIERS
def test_a_manifest_of_somebody_else_or_of_nobody_is_named(evidence, verify, tmp_path):
    name = evidence.manifest()
    members = json.loads(evidence.objects[name])
    del members["signature"]
    recording = name.removesuffix("manifest.json")
    old, new = evidence.pens
    for case, (document, problem) in enumerate([
        (json.dumps(members).encode(), "unsigned"),
        (Pen(Ed25519PrivateKey.generate()).seal("manifest", members), "unknown key"),
        # After it was replaced; and before it was in use.
        (old.seal("manifest", members), "key not valid"),
        (new.seal("manifest", members, micros=1), "key not valid"),
        # Of another kind of document, which the signature's prefix says.
        (new.seal("journal", members), "altered"),
    ]):  # fmt: skip
        done = verify(write(tmp_path / str(case), {**evidence.objects, name: document}), *evidence.asked())
        assert done.returncode == 1 and named(done, recording, problem), (problem, done.stdout)
    # Signed anew by the key in use: the journal vouches for other bytes.
    done = verify(write(tmp_path / "anew", {**evidence.objects, name: new.seal("manifest", members)}), *evidence.asked())
    assert done.returncode == 1 and "vouches for" in done.stdout, done.stdout


@VERIFIERS
def test_journal_objects_that_nobody_signed_are_named(evidence, verify, tmp_path):
    seals = {name: data.rpartition(b"\x50\x2a\x4d\x18")[0] for name, data in evidence.journal().items()}
    done = verify(write(tmp_path / "store", {**evidence.objects, **seals}), *evidence.asked())
    assert done.returncode == 1
    assert seals and all(named(done, name, "unsigned") for name in seals), done.stdout


@VERIFIERS
def test_an_introduction_by_somebody_else_is_named(evidence, verify, tmp_path):
    old, new = evidence.pens
    name = f"keys/{new.id}.json"
    members = json.loads(evidence.objects[name])
    del members["signature"]
    assert members["introduced_by"]["key"] == old.id
    # The new key is sealed by itself all the same, and says that the old one introduced it.
    members["introduced_by"]["ed25519"] = new.key.sign(b"kubetape key introduction 1\n").hex()
    done = verify(write(tmp_path / "store", {**evidence.objects, name: new.seal("key", members)}), *evidence.asked())
    assert done.returncode == 1 and named(done, name, "altered"), done.stdout


@VERIFIERS
def test_a_recording_that_is_gone_is_missed_by_the_journal_and_the_other_way_round(evidence, verify, tmp_path):
    recording = evidence.manifest().removesuffix("manifest.json")
    left = {name: data for name, data in evidence.objects.items() if not name.startswith(recording)}
    done = verify(write(tmp_path / "no recording", left), *evidence.asked())
    assert done.returncode == 1 and named(done, recording, "missing"), done.stdout
    left = {name: data for name, data in evidence.objects.items() if name not in evidence.journal()}
    done = verify(write(tmp_path / "no journal", left), *evidence.asked())
    assert done.returncode == 1 and named(done, recording, "foreign") and named(done, "journal/demo/", "missing"), done.stdout


@VERIFIERS
def test_a_journal_whose_end_is_cut_off_is_missed_by_the_heads(evidence, verify, tmp_path):
    journal = sorted(evidence.journal())
    for left in range(len(journal)):
        objects = {name: data for name, data in evidence.objects.items() if name not in journal[left:]}
        done = verify(write(tmp_path / str(left), objects), *evidence.asked())
        assert done.returncode == 1 and named(done, "journal/demo/", "missing"), (left, done.stdout)


@VERIFIERS
def test_a_recording_is_known_by_the_journal_of_the_gateway_that_its_header_names(evidence, verify, tmp_path):
    id, like = "0199f1e2-7c3a-7b1e-9d55-2f0c4a6b8e01", json.loads(evidence.objects[evidence.manifest()])
    spoken = [entry for data in evidence.journal().values() for entry in entries(data)]
    opened = {**next(entry for entry in spoken if entry["event"] == "session_opened"), "session": id}
    del opened["prev"]
    ended = {"micros": opened["micros"], "event": "session_ended", "session": id, "outcome": "interrupted"}
    pens = {gateway: Pen(Ed25519PrivateKey.generate()) for gateway in ("gone", "other")}
    for case, (by, journals, status) in enumerate([
        ("gone", [("gone", opened, ended, "stored")], 0),
        # Finalized by another gateway; killed between header and entry, and started again.
        ("other", [("gone", opened), ("other", ended, "stored")], 0),
        ("gone", [("gone", ended, "stored")], 0),
        ("gone", [("gone", opened, ended)], "missing"),
        # Header and chunks were put there, and another gateway finalized them.
        ("other", [("other", ended, "stored")], "foreign"),
        ("other", [("other", opened, ended, "stored")], "foreign"),
        # Another gateway's key, and that one has not finalized it; or the first one has stored its own.
        ("other", [("gone", opened, ended), ("other", "stored")], "foreign"),
        ("other", [("gone", opened, ended, "stored"), ("other", ended, "stored")], "foreign"),
        ("gone", [], "foreign"),
    ]):  # fmt: skip
        recording = pens[by].recording(id, "gone", like)
        document = recording[f"recordings/2025/10/17/{id}/manifest.json"]
        stored = {"micros": opened["micros"], "event": "session_stored", "session": id, "manifest_sha256": sha256(document), "chunks": 1, "bytes": 1}
        objects = {**evidence.objects, **recording}
        keys = []
        for gateway, pen in pens.items():
            objects |= pen.statement(gateway)
            keys += ["--key", pen.id]
        for gateway, *told in journals:
            objects |= pens[gateway].journal(gateway, *(stored if entry == "stored" else entry for entry in told))
        done = verify(write(tmp_path / str(case), objects), *evidence.asked(), *keys)
        assert done.returncode == bool(status), (by, journals, done.stdout)
        assert not status or named(done, f"recordings/2025/10/17/{id}/", status), (by, journals, done.stdout)


@VERIFIERS
def test_a_header_that_no_gateway_wrote_is_foreign(evidence, verify, tmp_path):
    like = json.loads(evidence.objects[evidence.manifest()])
    id = "0199f1e2-7c3a-7b1e-9d55-2f0c4a6b8e01"
    header = {name: data for name, data in evidence.pens[0].recording(id, "demo", like).items() if name.endswith(".zst")}
    done = verify(write(tmp_path / "store", {**evidence.objects, **header}), *evidence.asked())
    assert done.returncode == 1 and named(done, f"recordings/2025/10/17/{id}/", "foreign"), done.stdout


def test_the_report_is_for_scripts_too(evidence, tmp_path):
    (report,) = json.loads(evidence.demo.run("verify", "--json", "--grace", "0s").stdout)
    assert (report["verdict"], report["findings"], report["unfinished"]) == ("proven", [], 0)
    assert (report["recordings"], report["excerpt"]) == (len(evidence.demo.ls()), False)
    # Exports since then are in a journal of the program's own.
    gateways = lambda heads: [head for head in heads if not head["gateway"].endswith("-cli")]  # noqa: E731
    assert gateways(report["heads"]) == gateways(json.loads(evidence.heads.read_text()))
    missing = evidence.demo.run("verify", "no-such-place", check=False)
    assert missing.returncode == 2
    assert b"no folder, and no recording" in missing.stderr


def test_the_second_verifier_is_short():
    assert len(SECOND.read_text().splitlines()) < 200
    assert pathlib.Path(SECOND).stat().st_mode & 0o111
