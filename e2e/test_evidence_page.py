"""A recording taken away as evidence: a page that plays and verifies itself without a network, and a bundle, each with nothing of
anybody else's."""

import base64
import http.client
import io
import json
import pathlib
import random
import re
import tarfile

import pytest
from playwright.sync_api import expect, sync_playwright

from forger import kubetape_verify, python_verify
from kubectl import Kubectl
from program import Demo, until
from test_browser import CHROMIUM, FLAGS
from test_readers import Pages

PACKED = re.compile(r'(<script type="application/json" id="bundle">)(.*?)(</script>)', re.DOTALL)


class Taken:
    """Two sessions of a demo; of the first a page and a bundle, made by the program and by the pages."""

    def __init__(self, folder):
        self.folder, self.demo = folder, Demo(folder / "demo")
        with self.demo as demo:
            kubectl = Kubectl("1.37", "websocket", demo.kubeconfig)
            kubectl.run("exec", "shell", "-c", "shell", "--", "sh", "-c", "echo mine; echo '<b>not bold</b>' >&2; exit 3", check=3)
            kubectl.run("exec", "shell", "-c", "shell", "--", "sh", "-c", "echo somebody-elses", check=0)
            self.id, self.other = (demo.session(word)["id"] for word in ("mine", "somebody-elses"))
            for id in (self.id, self.other):
                demo.manifest(id)
                until(lambda id=id: self.is_vouched_for(id), what="the journal's word for the manifest")
            self.key = folder / "kubetape.pub"
            self.key.write_bytes(demo.run("key", "show").stdout)
            self.stranger = "0123456789abcdef0123456789abcdef"
            self.page = folder / "evidence.html"
            demo.run("export", self.id, "--format", "html", "-o", self.page)
            self.bundle = folder / "bundle"
            demo.run("export", self.id, "--format", "bundle", "-o", self.bundle)
            pages = Pages(demo)
            self.web_page = pages.text(f"/api/v1/sessions/{self.id}/bundle?form=html")
            answer, text = pages.ask("GET", f"/api/v1/sessions/{self.id}/bundle?form=", pages.cookie)
            assert answer.status == 400 and "tar or html" in text
            self.buttons = pages.text(f"/sessions/{self.id}")
            self.archive = raw(pages, f"/api/v1/sessions/{self.id}/bundle?form=tar")
            self.exports = until(lambda: self.exported(4), what="the journal's entries of all exports")

    def is_vouched_for(self, id):
        return any((entry["event"], entry.get("session")) == ("session_stored", id) for entry in self.demo.journal())

    def exported(self, count):
        entries = [entry for entry in self.demo.journal() if entry["event"] == "viewed" and entry["how"] == "export"]
        return entries if len(entries) == count else None


def raw(pages, address):
    connection = http.client.HTTPConnection(pages.host, timeout=60)
    connection.request("GET", address, headers=pages.cookie)
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    return Taken(tmp_path_factory.mktemp("taken"))


@pytest.fixture(scope="module")
def offline():
    """A browser without a network. Any complaint of it (CSP, script) fails the test."""
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda line: page.complaints.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda asked: page.complaints.append(asked.url) if not asked.url.startswith(("file:", "data:", "blob:")) else None)
        yield page
        assert page.complaints == []
        browser.close()


def opened(page, path, key=""):
    page.goto(f"file://{path}")
    expect(page.locator("#verdict strong")).not_to_have_text("being checked")
    if key:
        page.locator("#key").fill(key)
    return page


def verdict(page):
    return page.locator("#verdict strong")


def test_a_page_plays_and_is_proven_by_the_examiners_key_alone(taken, offline):
    opened(offline, taken.page)
    expect(verdict(offline)).to_have_text("not vouched for")
    offline.locator("#key").fill(taken.key.read_text())
    expect(verdict(offline)).to_have_text("proven")
    expect(offline.locator("#findings li")).to_have_count(0)
    expect(offline.locator("#steps .bad")).to_have_count(0)
    assert "its digest is in the journal" in offline.locator("#steps").inner_text()
    assert [row.inner_text().split("\t")[3] for row in offline.locator("#journal tr").all()] == ["session_opened", "session_ended", "session_stored"]
    assert "exited 3" in offline.locator("#facts").inner_text()
    expect(offline.locator("#commands code").first).to_contain_text("echo mine")
    offline.locator("#player .ap-overlay-start, #player .ap-play-button").first.click()
    expect(offline.locator("#player .ap-terminal, #player .ap-term").first).to_contain_text("mine")
    expect(offline.locator("#player .ap-terminal, #player .ap-term").first).to_contain_text("<b>not bold</b>")
    offline.locator("#key").fill(taken.stranger)
    expect(verdict(offline)).to_have_text("WRONG")
    offline.locator("#key").fill("no key at all")
    expect(offline.locator("#key-hint")).to_contain_text("There is no public key")
    expect(verdict(offline)).to_have_text("not vouched for")
    offline.locator("#key-file").set_input_files(taken.key)
    expect(verdict(offline)).to_have_text("proven")


def test_altered_copies_of_a_page_are_never_proven(taken, offline, tmp_path):
    text, chance = taken.page.read_text(), random.Random(7)
    files = {path: base64.b64decode(content) for path, content in json.loads(PACKED.search(text)[2]).items()}
    cases = []
    for path, content in files.items():
        at = chance.randrange(len(content))
        cases.append((f"{path} flipped at {at}", {**files, path: content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]}))
        cases.append((f"{path} cut", {**files, path: content[:-5]}))
    chunks = [path for path in files if path.endswith(".cast.zst")]
    entries = [path for path in files if path.startswith("entries/")]
    for one, other in [chunks[:2], entries[:2]]:
        cases.append((f"{one} and {other} swapped", {**files, one: files[other], other: files[one]}))
    cases.append(("a chunk removed", {path: content for path, content in files.items() if path != chunks[-1]}))
    cases.append(("a chunk added", {**files, chunks[0].replace("000000", "000077"): files[chunks[0]]}))
    for what, altered in cases:
        packed = json.dumps({path: base64.b64encode(content).decode() for path, content in altered.items()})
        path = tmp_path / "altered.html"
        path.write_text(PACKED.sub(lambda found: found[1] + packed + found[3], text))
        opened(offline, path, taken.key.read_text())
        expect(verdict(offline), what).to_have_text("WRONG")
        expect(offline.locator("#findings li").first, what).to_be_visible()


def test_the_pages_give_the_same_page_and_a_bundle_that_both_verifiers_prove(taken, offline, tmp_path):
    page = tmp_path / "web.html"
    page.write_text(taken.web_page)
    opened(offline, page, taken.key.read_text())
    expect(verdict(offline)).to_have_text("proven")
    with tarfile.open(fileobj=io.BytesIO(taken.archive)) as archive:
        archive.extractall(tmp_path, filter="data")
    ours = {path.relative_to(taken.bundle).as_posix(): path.read_bytes() for path in taken.bundle.rglob("*") if path.is_file()}
    theirs = {path.relative_to(tmp_path / taken.id).as_posix(): path.read_bytes() for path in (tmp_path / taken.id).rglob("*") if path.is_file()}
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == {"bundle.json"}, "which has the time in it"
    for verify in (kubetape_verify, python_verify):
        done = verify(tmp_path / taken.id, "--bundle", "--key", taken.key)
        assert done.returncode == 0, done.stdout
    assert taken.buttons.count(f"/api/v1/sessions/{taken.id}/bundle?form=") == 2
    assert {entry["session"] for entry in taken.exports} == {taken.id}


def test_nothing_of_another_session_is_in_what_is_taken_away(taken):
    files = {path: path.read_bytes() for path in taken.bundle.rglob("*") if path.is_file()}
    files |= {pathlib.Path(path): base64.b64decode(content) for path, content in json.loads(PACKED.search(taken.page.read_text())[2]).items()}
    for path, content in files.items():
        assert taken.other.encode() not in content and b"somebody-elses" not in content, path
        if path.parts[-2] not in (taken.id, "keys") and path.suffix == ".json" and path.name != "bundle.json":
            assert json.loads(json.loads(content)["entry"])["session"] == taken.id, path
