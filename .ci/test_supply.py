#!/usr/bin/env python3
"""What the programs about other people's code do: the copy of advisories, the vendored files, the bill of materials. Needs Python,
git, and cargo for the last."""

import datetime
import importlib.machinery
import importlib.util
import json
import pathlib
import re
import subprocess
import tarfile
import tempfile
import tomllib
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


def script(name):
    """A program without an ending, as a module."""
    loader = importlib.machinery.SourceFileLoader(name, str(HERE / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


advisories, vendored, sbom = script("advisories"), script("vendored"), script("sbom")

ADVISORY = """```toml
[advisory]
id = "RUSTSEC-2021-0124"
package = "tokio"
date = "2021-11-16"

[versions]
patched = [">= 1.13.1"]
```

# A title

Prose, with ``` in it.
"""


class Folder(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = pathlib.Path(made.name)


class Advisories(Folder):
    def clone(self, text=ADVISORY, when="2026-08-21T08:00:00Z"):
        clone = self.folder / "clone"
        (clone / "crates" / "tokio").mkdir(parents=True)
        (clone / "crates" / "tokio" / "RUSTSEC-2021-0124.md").write_text(text)
        (clone / "README.md").write_text("not an advisory")
        env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
        who = ["-c", "user.name=x", "-c", "user.email=x@localhost"]
        for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "x"]):
            subprocess.run(["git", "-C", clone, *words], check=True, env=env)
        return clone

    def test_a_copy_has_the_facts_of_its_day_and_no_prose(self):
        copies = self.folder / "copies"
        copies.mkdir()
        (copies / "2020-01-01.tar.xz").write_bytes(b"the one before")
        path = advisories.make(self.clone(), copies)
        self.assertEqual([each.name for each in copies.iterdir()], ["2026-08-21.tar.xz"])
        with tarfile.open(path) as archive:
            (entry,) = archive
            text = archive.extractfile(entry).read().decode()
        self.assertEqual(entry.name, "crates/tokio/RUSTSEC-2021-0124.md")
        self.assertTrue(text.endswith('patched = [">= 1.13.1"]\n```\n\n# RUSTSEC-2021-0124\n'), text)
        self.assertNotIn("Prose", text)

    def test_an_advisory_of_another_form_is_no_copy(self):
        with self.assertRaises(advisories.Unusable):
            advisories.make(self.clone(text="# Only a title\n"), self.folder / "copies")

    def test_a_copy_that_is_too_old_or_not_there_is_none(self):
        copies = self.folder / "copies"
        with self.assertRaisesRegex(advisories.Unusable, "has no copy.*\n.*advisories make"):
            advisories.newest(copies, datetime.date(2026, 1, 1))
        advisories.make(self.clone(), copies)
        youngest, oldest = datetime.date(2026, 8, 21), datetime.date(2026, 8, 21) + advisories.OLDEST
        for today in (youngest, oldest):
            self.assertEqual(advisories.newest(copies, today).name, "2026-08-21.tar.xz")
        with self.assertRaisesRegex(advisories.Unusable, "181 days old.*\n.*advisories make"):
            advisories.newest(copies, oldest + datetime.timedelta(days=1))

    def test_what_is_unpacked_is_a_repository_with_what_was_planted(self):
        copy = advisories.make(self.clone(), self.folder / "copies")
        self.assertEqual(advisories.unpack(copy, self.folder / "plain"), 1)
        self.assertEqual(advisories.unpack(copy, self.folder / "planted", "serde"), 2)
        listed = subprocess.run(["git", "-C", self.folder / "planted", "ls-tree", "-r", "--name-only", "main"], capture_output=True, check=True)
        self.assertEqual(listed.stdout.split(), [b"crates/serde/RUSTSEC-2000-0001.md", b"crates/tokio/RUSTSEC-2021-0124.md"])

    def test_the_copy_in_the_tree_is_whole(self):
        (copy,) = advisories.COPIES.glob("*.tar.xz")
        with tarfile.open(copy) as archive:
            texts = {entry.name: archive.extractfile(entry).read().decode() for entry in archive}
        self.assertGreater(len(texts), 1000)
        for name, text in texts.items():
            front = tomllib.loads(text.removeprefix("```toml\n").partition("\n```\n")[0])
            self.assertEqual(name, f"crates/{front['advisory']['package']}/{front['advisory']['id']}.md")
            self.assertIn("patched", front["versions"])


class Vendored(Folder):
    PACKAGES = {"player": {"version": "1.0", "license": "MIT", "files": {"a.js": {"in": "dist/a.js", "sha256": vendored.digest(b"a")}}}}

    def complaints(self, **files):
        (self.folder / "player-1.0").mkdir(exist_ok=True)
        for name, text in files.items():
            (self.folder / "player-1.0" / f"{name}.js").write_text(text)
        return vendored.complaints(self.folder, self.PACKAGES)

    def test_every_file_is_as_it_is_written_down(self):
        self.assertEqual(self.complaints(a="a"), [])

    def test_a_file_that_changed_came_or_went_is_named(self):
        self.assertEqual(self.complaints(), ["player-1.0/a.js: is missing"])
        self.assertEqual(self.complaints(a="b"), ["player-1.0/a.js: has another SHA-256 than vendored.json"])
        self.assertEqual(self.complaints(a="a", b="b"), ["player-1.0/b.js: is not in vendored.json"])

    def test_a_package_that_has_something_else_is_named(self):
        package = self.PACKAGES["player"]
        self.assertEqual(vendored.differences(package, {"dist/a.js": b"a", "other": b""}), [])
        self.assertEqual(vendored.differences(package, {"dist/a.js": b"b"}), ["a.js: the package's dist/a.js has another SHA-256"])
        self.assertEqual(vendored.differences(package, {}), ["a.js: the package has no dist/a.js"])

    def test_what_is_vendored_in_the_tree_is_as_it_is_written_down(self):
        self.assertEqual(vendored.complaints(vendored.VENDOR, json.loads(vendored.DIGESTS.read_text())), [])


class Sbom(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.said = subprocess.run([HERE / "sbom"], check=True, capture_output=True).stdout
        cls.made = json.loads(cls.said)
        cls.parts = {each["bom-ref"]: each for each in cls.made["components"]}

    def test_it_has_what_cyclonedx_requires(self):
        self.assertEqual((self.made["bomFormat"], self.made["specVersion"], self.made["version"]), ("CycloneDX", "1.5", 1))
        self.assertRegex(self.made["serialNumber"], r"\Aurn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
        self.assertEqual(self.made["metadata"]["component"]["name"], "kubetape")
        for part in [self.made["metadata"]["component"], *self.made["components"]]:
            self.assertIn(part["type"], ("application", "library"))
            self.assertTrue(part["name"] and part["version"] and part["licenses"][0]["expression"], part)
            self.assertRegex(part["purl"], r"\Apkg:(cargo|npm)/[^@]+@[^@]+\Z")
            for each in part.get("hashes", []):
                self.assertEqual(each["alg"], "SHA-256")
                self.assertRegex(each["content"], r"\A[0-9a-f]{64}\Z")

    def test_each_reference_is_of_one_part_and_each_part_has_its_dependencies(self):
        program = self.made["metadata"]["component"]["bom-ref"]
        self.assertEqual(len(self.parts), len(self.made["components"]))
        known = {*self.parts, program}
        self.assertEqual({each["ref"] for each in self.made["dependencies"]}, known)
        self.assertLessEqual({on for each in self.made["dependencies"] for on in each["dependsOn"]}, known)

    def test_it_is_what_the_lock_pins_and_nothing_that_only_tests_use(self):
        lock = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
        pinned = {f"pkg:cargo/{each['name']}@{each['version'].replace('+', '%2B')}": each.get("checksum") for each in lock}
        crates = {ref: part for ref, part in self.parts.items() if ref.startswith("pkg:cargo/")}
        self.assertGreater(len(crates), 200)
        for ref, part in crates.items():
            self.assertEqual(part.get("hashes", [{"content": None}])[0]["content"], pinned[ref], ref)
        names = {part["name"] for part in crates.values()}
        self.assertLessEqual({"gateway", "tokio", "rustls", "serde", "cc"}, names)
        # Of benches, of fuzzing, and what no feature of the program asks for.
        self.assertEqual(names & {"ring", "criterion", "bench", "fuzz", "libfuzzer-sys"}, set())

    def test_what_is_vendored_is_in_it(self):
        (player,) = [part for part in self.parts.values() if part["name"] == "asciinema-player"]
        self.assertEqual({each["hashes"][0]["alg"] for each in player["components"]}, {"SHA-256"})

    def test_the_same_tree_gives_the_same_document(self):
        self.assertEqual(subprocess.run([HERE / "sbom"], check=True, capture_output=True).stdout, self.said)

    def test_nothing_of_this_machine_is_in_it(self):
        self.assertIsNone(re.search(re.escape(str(ROOT)).encode(), self.said))


if __name__ == "__main__":
    unittest.main()
