"""Manipulations that nobody listed: drawn at random, and judged by both verifiers, which have to find every one.

KUBETAPE_MANIPULATIONS says how many (300); KUBETAPE_SEED repeats the draw that a failure names.
"""

import json
import os
import random
import shutil
import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from forger import Pen, evidence, kubetape_verify, raw_lines, second_verifier, sha256  # noqa: F401

ROUNDS = int(os.environ.get("KUBETAPE_MANIPULATIONS", "300"))


class Forger:
    """Has the bucket, and every key that ever signed: this gateway's two, one of another gateway, one of nobody."""

    def __init__(self, evidence, seed):
        self.random = random.Random(seed)
        other = Pen(Ed25519PrivateKey.generate())
        self.pens = [*evidence.pens, other, Pen(Ed25519PrivateKey.generate())]
        self.other = other
        stopped = {"micros": 1, "event": "stopped"}
        journal = other.journal("other", stopped)
        self.objects = {**evidence.objects, **other.statement("other", micros=2), **journal}
        (object,) = journal.values()
        self.heads = [*json.loads(evidence.heads.read_text()), {"gateway": "other", "seq": 0, "sha256": sha256(object)}]

    def forged(self):
        """A store in which one to three things were done, and what they were."""
        while True:
            objects, done = dict(self.objects), []
            for _ in range(self.random.randint(1, 3)):
                act = self.random.choice(self.acts())
                done.append(f"{act.__name__}: {act(objects)}")
            if objects != self.objects:
                return objects, done

    def acts(self):
        return [
            self.remove, self.swap, self.copy, self.flip, self.cut, self.sign_manifest, self.sign_journal,
            self.write_journal_anew, self.state_key, self.invent_recording, self.invent_journal,
        ]  # fmt: skip

    def pick(self, objects, ending=""):
        names = sorted(name for name in objects if name.endswith(ending))
        return self.random.choice(names) if names else None

    def micros(self, objects):
        """A time that is in the period of one of the keys, or at its border."""
        starts = [json.loads(data)["from_micros"] for name, data in self.objects.items() if name.startswith("keys/")]
        return self.random.choice([*starts, *(start - 1 for start in starts), time.time_ns() // 1000])

    def remove(self, objects):
        name = self.pick(objects)
        del objects[name]
        return name

    def swap(self, objects):
        one, two = self.pick(objects), self.pick(objects)
        objects[one], objects[two] = objects[two], objects[one]
        return one, two

    def copy(self, objects):
        name = self.pick(objects)
        chunk = self.pick(objects, ".cast.zst") or name
        other = self.random.choice([
            chunk.replace("/00000", "/000000"), chunk[:-15] + "000077.cast.zst", f"{name}.copy", f"x{name}",
            name.replace("/demo/", "/more/"), name.replace(name.split("/")[-2], name.split("/")[-2].upper()),
        ])  # fmt: skip
        objects[other] = objects[name]
        return name, other

    def flip(self, objects):
        name = self.pick(objects)
        at = self.random.randrange(len(objects[name]))
        objects[name] = objects[name][:at] + bytes([objects[name][at] ^ 1 << self.random.randrange(8)]) + objects[name][at + 1 :]
        return name, at

    def cut(self, objects):
        name = self.pick(objects)
        length = self.random.randrange(len(objects[name]))
        objects[name] = objects[name][:length] or b" "
        return name, length

    def sign_manifest(self, objects):
        """Signed again by one of the keys, as it was or with something else in it."""
        name, pen = self.pick(objects, "manifest.json"), self.random.choice(self.pens)
        try:
            members = json.loads(objects[name])
            del members["signature"]
        except (KeyError, TypeError, ValueError):
            return "no manifest is left that can be read"
        if self.random.random() < 0.5:
            members[self.random.choice(["commands", "totals", "outcome", "session", "image"])] = self.random.choice([
                [], {"stdin": 0, "stdout": 0, "stderr": 0}, "interrupted", members["session"], "registry/evil",
            ])  # fmt: skip
        objects[name] = pen.seal("manifest", members, self.micros(objects))
        return name, pen.id

    def sign_journal(self, objects):
        """One object, with its entries or others, chained to what is before it, and signed by one of the keys."""
        name, pen = self.pick(objects, ".jsonl.zst"), self.random.choice(self.pens)
        if name is None:
            return "no journal is left"
        objects[name] = self.anew(objects, name, pen) or b" "
        return name, pen.id

    def write_journal_anew(self, objects):
        """From one object on, all of them: the chain is whole again."""
        names, pen = sorted(name for name in objects if name.startswith("journal/demo/")), self.random.choice(self.pens)
        first = self.random.randrange(len(names)) if names else 0
        for name in names[first:]:
            objects[name] = self.anew(objects, name, pen) or objects[name]
        return names[first:], pen.id

    def anew(self, objects, name, pen):
        before = max((other for other in objects if other < name and other.rsplit("/", 4)[0] == name.rsplit("/", 4)[0]), default=None)
        try:
            entries = [json.loads(line) for line in raw_lines(objects[name])]
            return pen.journal_object(name, self.altered(entries), objects[before] if before else b"", self.micros(objects))
        except Exception:  # an earlier act has left nothing that can be read
            return None

    def altered(self, entries):
        entries = [dict(entry) for entry in entries]
        what = self.random.randrange(4)
        if what == 1 and len(entries) > 1:
            entries.pop(self.random.randrange(len(entries)))
        if what == 2:
            self.random.choice(entries)["user"] = "somebody else"
        if what == 3:
            entries.append({**self.random.choice(entries)})
        return entries

    def state_key(self, objects):
        """Another statement of a key: another gateway, time, introduction; or a key of the forger's own."""
        pen, by = self.random.choice(self.pens), self.random.choice(self.pens)
        gateway = self.random.choice(["demo", "other", "more"])
        if self.random.random() < 0.5:
            objects |= pen.statement(gateway, self.micros(objects))
        else:
            journals = self.random.choice([[], [{"gateway": "demo", "seq": self.random.randrange(4), "sha256": "00" * 32}]])
            objects |= by.introduces(pen, gateway, self.micros(objects), journals)
        return pen.id, by.id, gateway

    def invent_recording(self, objects):
        """One that no gateway made, with or without a manifest, and without a word in a journal."""
        like = json.loads(next(data for name, data in self.objects.items() if name.endswith("manifest.json")))
        pen, gateway = self.random.choice(self.pens), self.random.choice(["demo", "other", "import", "more"])
        made = pen.recording("0199f1e2-7c3a-7b1e-9d55-2f0c4a6b8e01", gateway, like)
        alone = self.random.random() < 0.5
        objects |= {name: data for name, data in made.items() if not alone or name.endswith(".zst")}
        return gateway, pen.id, alone

    def invent_journal(self, objects):
        pen, gateway = self.random.choice(self.pens), self.random.choice(["more", "demo-cli", "other-import"])
        objects |= pen.journal(gateway, {"micros": 1, "event": "login", "user": "eve", "ok": True, "method": "password"})
        return gateway, pen.id


def is_harmless(objects, forger):
    """Whether nothing was done but what the owner of a key may do, and what nobody has kept a head of: a new journal of the
    program's own, or the statement of a first key, said once more and with another beginning."""
    changed = {name: data for name, data in objects.items() if forger.objects.get(name) != data}
    return set(objects) >= set(forger.objects) and all(harmless(name, data, forger) for name, data in changed.items())


def harmless(name, data, forger):
    if name.split("/")[1] in ("demo-cli", "other-import"):
        return True
    if not name.startswith("keys/") or name not in forger.objects:
        return False
    try:
        was, now = json.loads(forger.objects[name]), json.loads(data)
    except ValueError:
        return False
    own = {"signature": 0, "from_micros": 0, "format": 0}
    return {**was, **own} == {**now, **own}


def test_no_manipulation_is_proven_by_either_verifier(evidence, tmp_path):  # noqa: F811
    seed = int(os.environ.get("KUBETAPE_SEED", str(random.randrange(1 << 32))))
    forger, module = Forger(evidence, seed), second_verifier()
    heads = tmp_path / "heads.json"
    heads.write_text(json.dumps(forger.heads))
    keys = [module.trust(str(evidence.key)), forger.other.id]
    assert module.Verifier(forger.objects, keys, forger.heads).run() == []
    folder = tmp_path / "store"
    for round in range(ROUNDS):
        objects, done = forger.forged()
        if is_harmless(objects, forger):
            continue
        what = f"KUBETAPE_SEED={seed}, round {round}: {done}"
        assert module.Verifier(objects, keys, forger.heads).run(), f"docs/verify.py proves it: {what}"
        write_only(folder, objects)
        judged = kubetape_verify(folder, "--key", evidence.key, "--heads", heads, "--key", forger.other.id)
        assert judged.returncode == 1, f"kubetape verify, {judged.returncode}: {what}\n{judged.stdout}"


def write_only(folder, objects):
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in objects.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            path.write_bytes(data)
