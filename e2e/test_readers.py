"""What shows a recording says what it is worth: pages, API and program, of recordings that somebody altered."""

import http.client
import json
import time
import urllib.parse

import pytest
import zstandard

from forger import compressed
from kubectl import Kubectl
from program import Demo, until


class Pages:
    """A browser without a screen: logged in by the demo's link."""

    def __init__(self, demo):
        self.host = demo.web.removeprefix("http://")
        answer, _ = self.ask("POST", urllib.parse.urlparse(demo.link).path, {})
        self.cookie = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}

    def ask(self, method, address, headers):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request(method, address, headers=headers)
        answer = connection.getresponse()
        return answer, answer.read().decode()

    def text(self, address):
        answer, text = self.ask("GET", address, self.cookie)
        assert answer.status == 200, (address, answer.status, text)
        return text

    def json(self, address):
        return json.loads(self.text(address))


class Altered:
    """A demo that was stopped, altered and started again: one recording with a forged chunk, one whose manifest nobody signed, one as it
    was; and a journal that no gateway wrote."""

    def __init__(self, folder):
        self.demo = demo = Demo(folder / "demo")
        with demo:
            kubectl = Kubectl("1.37", "websocket", demo.kubeconfig)
            for word in ("truth", "second", "third"):
                kubectl.run("exec", "shell", "-c", "shell", "--", "sh", "-c", f"echo {word}", check=0)
            ids = [demo.session(word)["id"] for word in ("truth", "second", "third")]
            for id in ids:
                demo.manifest(id)
        self.forged, self.unsigned, self.right = (next(self.store.glob(f"recordings/*/*/*/{id}")) for id in ids)
        chunk = self.forged / "000001.cast.zst"
        lines = zstandard.ZstdDecompressor().decompressobj().decompress(chunk.read_bytes())
        chunk.write_bytes(zstandard.ZstdCompressor().compress(lines.replace(b"truth", b"FORGED")))
        manifest = self.unsigned / "manifest.json"
        members = json.loads(manifest.read_bytes())
        del members["signature"]
        manifest.write_text(json.dumps(members))
        entry = {"prev": "0" * 64, "micros": time.time_ns() // 1000, "gateway": "invented", "event": "login", "user": "bob", "ok": True, "method": "link"}
        journal = self.store / time.strftime("journal/invented/%Y/%m/%d/000000000000.jsonl.zst", time.gmtime())
        journal.parent.mkdir(parents=True)
        journal.write_bytes(compressed(entry))

    @property
    def store(self):
        return self.demo.folder / "storage"


@pytest.fixture(scope="module")
def altered(tmp_path_factory):
    altered = Altered(tmp_path_factory.mktemp("altered"))
    with altered.demo:
        altered.pages = Pages(altered.demo)
        yield altered


def test_pages_say_what_a_recording_is_worth(altered):
    for folder, words in [
        (altered.forged, ["altered", "000001.cast.zst"]),
        (altered.unsigned, ["unsigned", "manifest.json"]),
    ]:
        for address in (f"/sessions/{folder.name}", f"/sessions/{folder.name}/text"):
            page = altered.pages.text(address)
            assert 'role="alert"' in page and all(word in page for word in [*words, "Do not take it for evidence"]), address
    for address in (f"/sessions/{altered.right.name}", f"/sessions/{altered.right.name}/text"):
        assert "Do not take it" not in altered.pages.text(address)
    assert ">proven<" in altered.pages.text(f"/sessions/{altered.right.name}")


def test_the_journal_says_which_objects_nobody_signed(altered):
    page = altered.pages.text("/journal?gateway=invented")
    assert "not as it was written" in page and "unsigned" in page
    assert "not as it was written" not in altered.pages.text("/journal?gateway=demo")


def test_the_api_says_it_in_fields(altered):
    standing = lambda folder: altered.pages.json(f"/api/v1/sessions/{folder.name}")["evidence"]  # noqa: E731
    assert (standing(altered.forged)["standing"], standing(altered.unsigned)["standing"]) == ("altered", "unsigned")
    assert standing(altered.right) == {"standing": "proven", "findings": [], "all_chunks": True}
    found = until(lambda: (reply := altered.pages.json("/api/v1/search?q=echo"))["total"] and reply, what="hits")
    assert found["evidence"][altered.forged.name] in ("altered", "not verified yet")


def test_the_program_says_it_on_stderr_and_refuses_a_bundle(altered, tmp_path):
    demo = altered.demo
    for words in (["text", altered.forged.name], ["commands", altered.forged.name], ["export", altered.forged.name, "--format", "cast2"]):
        said = demo.run(*words).stderr.decode()
        assert "altered: this recording is not as it was written" in said and "000001.cast.zst" in said, words
    assert b"not as it was written" not in demo.run("text", altered.right.name).stderr
    refused = demo.run("export", altered.forged.name, "--format", "bundle", "--output", tmp_path / "no", check=False)
    assert refused.returncode == 1 and b"--unproven" in refused.stderr and not (tmp_path / "no").exists()
    demo.run("export", altered.forged.name, "--format", "bundle", "--output", tmp_path / "bundle", "--unproven")
    assert (tmp_path / "bundle" / "bundle.json").exists()


def test_lists_say_what_a_recording_is_worth(altered):
    api = until(lambda: fully(altered.pages.json("/api/v1/sessions")), what="the check of all sessions of a list")
    assert (api[altered.forged.name], api[altered.unsigned.name], api[altered.right.name]) == ("altered", "unsigned", "proven")
    page = altered.pages.text("/")
    for folder, word in [(altered.forged, "altered"), (altered.unsigned, "unsigned")]:
        (row,) = [row for row in page.split("<li ") if folder.name in row]
        assert f">{word}</span>" in row
    (row,) = [row for row in page.split("<li ") if altered.right.name in row]
    assert "evidence" not in row


def fully(reply):
    return reply["evidence"] if "not verified yet" not in reply["evidence"].values() else None


def test_ls_checks_what_it_shows(altered):
    rows = {row["id"]: row["evidence"] for row in altered.demo.ls()}
    # A chunk behind the header is no part of a list.
    assert (rows[altered.unsigned.name], rows[altered.right.name], rows[altered.forged.name]) == ("unsigned", "signed", "signed")
    done = altered.demo.run("ls")
    assert f"{altered.unsigned.name}: unsigned".encode() in done.stderr and done.stderr.count(b"kubetape verify") == 1
    assert b"UNSIGNED" in done.stdout


def test_ls_shows_that_no_gateway_made_a_recording_without_an_end(altered):
    id = "0199f1e2-7c3a-7b1e-9d55-2f0c4a6b8e01"
    session = {**altered.demo.manifest(altered.right.name)["session"], "id": id}
    header = {"version": 2, "width": 80, "height": 24, "timestamp": 1760702400, "kubetape": session}
    folder = altered.store / "recordings" / "2025" / "10" / "17" / id
    folder.mkdir(parents=True)
    (folder / "000000.cast.zst").write_bytes(compressed(header))
    rows = {row["id"]: row["evidence"] for row in altered.demo.ls()}
    assert rows[id] == "foreign"
    done = altered.demo.run("ls")
    assert b"FOREIGN" in done.stdout and f"{id}: foreign: no journal knows".encode() in done.stderr


def test_the_gateway_goes_through_the_store_by_itself(altered):
    """A minute after its start, for the last time is a day ago, or never."""

    def verified():
        return [entry for entry in altered.demo.journal() if entry["event"] == "verified" and entry["verdict"] == "wrong"]

    last = until(verified, what="a verification that finds what is wrong")[-1]
    assert last["findings"] >= 3 and last["first"]
    page = until(lambda: text if "things are wrong" in (text := altered.pages.text("/")) else None, what="the pages' foot")
    assert "Storage was verified" in page
    assert (altered.demo.folder / "state" / "verification.json").stat().st_mode & 0o777 == 0o600
