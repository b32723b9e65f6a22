#!/usr/bin/env python3
"""Checks what Kubetape stored, from the description in format.md alone; shares nothing with Kubetape's own program.
FOLDER is a store, a copy of a bucket, or with --bundle an export. Needs Python 3.9, `cryptography` and `zstandard`.
Exit status: 0 everything is proven, 1 something is wrong, 3 nothing is wrong and no trusted key was given."""
import argparse, datetime, hashlib, json, os, pathlib, re, sys, uuid, zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
NEVER, ZEROS, LARGEST, TOPS = 1 << 63, "0" * 64, 64 << 20, "keys journal recordings imports leases probe".split()
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
PART = re.compile(rf"(recordings/\d{{4}}/\d\d/\d\d/({UUID})/)(?:(\d{{6}}|[1-9]\d{{6,}})\.cast\.zst|manifest\.json)", re.A)
JOURNAL = re.compile(r"journal/([A-Za-z0-9._-]+)/\d{4}/\d\d/\d\d/(\d{12}|[1-9]\d{12,})\.jsonl\.zst", re.A)

def need(condition, otherwise):
    if not condition: raise AssertionError(otherwise)
def sha256(data): return hashlib.sha256(data).hexdigest()
def folder_of(id):
    day = datetime.datetime.fromtimestamp((uuid.UUID(id).int >> 80) / 1000, datetime.timezone.utc)
    return f"recordings/{day:%Y/%m/%d}/{id}/"
def unpack(frame):  # the lines of one zstd frame with nothing behind it
    need(zstandard.frame_content_size(frame) <= LARGEST, "altered: larger than 64 MiB")
    return zstandard.ZstdDecompressor().decompress(frame, LARGEST, allow_extra_data=False).split(b"\n")[:-1]
def verify(public, message, digits):
    need(re.fullmatch("[0-9a-f]{128}", digits), "altered: no signature")
    Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(digits), message)

class Verifier:
    def __init__(self, objects, trusted=(), heads=(), excerpt=False):
        """`objects`: bytes by name. `trusted`: public keys (32 bytes) or ids. `excerpt`: it is one, the asker says."""
        self.objects, self.heads, self.excerpt, self.findings, self.notes = objects, list(heads), excerpt, [], []
        self.public = {sha256(key)[:32]: key for key in trusted if not isinstance(key, str)}
        self.trusted = {key for key in trusted if isinstance(key, str)} | set(self.public)
        self.stated, self.until, self.pairs = {}, {}, []  # keys by id: statements and ends; who introduced whom
        self.parts, self.sessions = {}, {}  # by a recording's folder: its objects, and what the journal says of it
        self.ends, self.digests = {}, {}  # of journals: the last object (number, digest, last line); all digests
    def run(self):
        for check in (self.key, self.introductions, self.journal, self.part):
            for name in sorted(self.objects):
                self.attempt(name, check, name, *name.split("/"))
        for folder in self.parts.keys() | self.sessions.keys():
            self.attempt(folder, self.recording, folder, self.parts.get(folder), self.sessions.get(folder, set()))
        for head in self.heads:
            found = self.digests.get((head["gateway"], head["seq"]), self.excerpt and head["sha256"])
            self.attempt(f"journal/{head['gateway']}/", need, found == head["sha256"], f"missing or altered: {head}")
        return self.findings
    def attempt(self, name, check, *arguments):
        try:
            check(*arguments)
        except Exception as error:  # whatever cannot be read is not what was written
            self.findings.append((name, str(error) if isinstance(error, AssertionError) else f"altered: {error!r}"))
    def open(self, kind, document, public=None):  # the members of a sealed document, signed by a trusted key in use
        members, message, tail = json.loads(document), document[:-132], document[-132:].decode()
        need("signature" in members, "unsigned")
        signature, id = members["signature"], members["signature"]["key"]
        need(message.endswith(b'"ed25519":"') and tail == signature["ed25519"] + '"}}\n', "altered: its signature")
        need((public := public or self.public.get(id)) and sha256(public)[:32] == id, f"unknown key: {id}")
        verify(public, f"kubetape {kind} 1\n".encode() + message, tail[:128])
        if kind != "key":
            need(not self.trusted or id in self.trusted, f"unknown key: no trusted key vouches for {id}")
            need(id in self.stated, f"missing: keys/{id}.json")
            start, end = self.stated[id]["from_micros"], self.until.get(id, NEVER)
            need(start <= signature["micros"] <= end, f"key not valid: {id} was not in use then")
            self.heads += [signature["journal"]] if "journal" in signature else []
        return members
    def key(self, name, top, *rest):
        need(top in TOPS or self.excerpt and not rest, "foreign: of no store; at the top of exports (--bundle)")
        if top == "keys":
            public = bytes.fromhex(json.loads(self.objects[name])["public"])
            statement, id = self.open("key", self.objects[name], public), sha256(public)[:32]
            need(name == f"keys/{id}.json" and statement["key"] == id, "foreign: the statement of another key")
            self.stated[id], self.public[id] = statement, public
            self.pairs += [(id, statement["introduced_by"]["key"])] if "introduced_by" in statement else []
    def introductions(self, name, *_):
        for id, old in [pair for pair in self.pairs if name == f"keys/{pair[0]}.json"]:
            need(old in self.public, f"missing: keys/{old}.json, which introduced it")
            new, start = self.stated[id], self.stated[id]["from_micros"]
            word = f"kubetape key introduction 1\n{new['public']}\n{new['gateway']}\n{start}\n"
            verify(self.public[old], word.encode(), new["introduced_by"]["ed25519"])
            self.until[old] = min(start, self.until.get(old, NEVER))
        for _ in self.pairs:
            self.trusted.update(*(pair for pair in self.pairs if self.trusted & {*pair}))
        need(not self.trusted or name[:5] != "keys/" or name[5:-5] in self.trusted, "unknown key: not vouched for")
    def journal(self, name, top, gateway="", *_):
        if top == "journal":
            found, object, lines = JOURNAL.fullmatch(name), self.objects[name], []
            need(found, "foreign: nothing of this name belongs to a journal")
            seq, (last, digest, line) = int(found[2]), self.ends.get(gateway, (-1, ZEROS, ZEROS))
            self.attempt(name, self.sealed, name, object, lines, *((digest, line) if seq == last + 1 else (None, None)))
            self.digests[gateway, seq] = digest = sha256(object)
            self.ends[gateway] = seq, digest, sha256(lines[-1]) if lines else ZEROS
            need(seq == last + 1 or self.excerpt and seq > last, f"missing, or foreign: {last + 1} comes here")
    def sealed(self, name, object, lines, digest, previous):
        frame, found, seal = object.rpartition(b"\x50\x2a\x4d\x18")
        lines += unpack(frame if found else object)
        need(found, "unsigned")
        need(int.from_bytes(seal[:4], "little") == len(seal) - 4, "altered: half a seal")
        seal = self.open("journal", seal[4:])
        need(seal["object"] == name, f"re-ordered, or foreign: it was written as {seal['object']}")
        need(seal["sha256"] == sha256(frame) and seal["entries"] == len(lines), "altered: not what was sealed")
        need(digest in (None, seal["previous"]), "re-ordered: not behind the object before it")
        for line in lines:
            entry = json.loads(line)
            need(entry["gateway"] == name.split("/")[1], "foreign: an entry of another gateway")
            need(previous in (None, entry["prev"]), "altered: a line that is not behind the one before it")
            previous = sha256(line)
            if entry["event"] in ("session_opened", "session_ended", "imported"):
                self.sessions.setdefault(folder_of(entry["session"]), set()).add((entry["event"], entry["gateway"]))
    def part(self, name, top, *_):
        found = PART.fullmatch(name)
        need(top != "recordings" or found and found[1] == folder_of(found[2]), "foreign: no part of a recording")
        if found: self.parts.setdefault(found[1], {})[found[3] and int(found[3])] = self.objects[name]
    def recording(self, folder, parts, known):
        need(parts or self.excerpt, "missing: the journal knows of this recording")
        id, previous, parts = folder.split("/")[4], bytes(32), dict(parts or {})
        tellers = {"import" if event == "imported" else gateway for event, gateway in known}  # as a header names them
        if None not in parts:
            need({event for event, _ in known} <= {"session_opened"} or self.excerpt, "missing: the manifest: it ended")
            need(sorted(parts) == list(range(len(parts))), "missing: a chunk")
            first = [json.loads(unpack(parts[number])[0]) for number in sorted(parts)][:1]
            need(all(header["kubetape"]["id"] == id for header in first), "foreign: the header of another recording")
            told = self.excerpt or not known and len(parts) == 1 or first[0]["kubetape"]["gateway"] in tellers
            need(told, "foreign: its gateway's journal has it not")
            return self.notes.append(f"note: {folder} has no manifest: it is live, or its gateway died")
        manifest = self.open("manifest", parts.pop(None))
        need(manifest["session"]["id"] == id, "foreign: the manifest of another recording")
        need(self.excerpt or manifest["session"]["gateway"] in tellers, "foreign: its gateway's journal has it not")
        for number, chunk in enumerate(manifest["chunks"]):
            right = sha256(previous + parts.pop(number, b"")) == chunk["digest"]
            self.attempt(f"{folder}{number:06}.cast.zst", need, right, "missing, altered, cut, re-ordered or foreign")
            previous = bytes.fromhex(chunk["digest"])
        need(not parts, f"foreign: chunks {sorted(parts)}, which the manifest does not know")

def files_of(folder):  # by name; symbolic links are nobody's objects, and are not followed
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "incoming~"]
        for path in (pathlib.Path(at, name) for name in names):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path.read_bytes()
def trust(word):
    path, raw = pathlib.Path(word), (Encoding.Raw, PublicFormat.Raw)
    return load_pem_public_key(path.read_bytes()).public_bytes(*raw) if path.exists() else word

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("--key", action="append", default=[], type=trust, help="that you trust: a PEM file, or a key's id")
    parser.add_argument("--heads", type=argparse.FileType("rb"), help="what `kubetape verify --save-heads` wrote once")
    parser.add_argument("--bundle", action="store_true", help="FOLDER is an export: an excerpt of a store")
    asked = parser.parse_args()
    if asked.bundle and asked.heads: parser.error("--heads is of whole journals, and a bundle has parts of them only")
    verifier = Verifier(dict(files_of(asked.folder)), asked.key, json.load(asked.heads) if asked.heads else [], asked.bundle)
    print(*(f"{name}: {problem}" for name, problem in verifier.run()), *verifier.notes, sep="\n")
    print("WRONG" if verifier.findings else "proven" if asked.key else "not vouched for: no trusted key was given",
          *(["(an excerpt: whether anything was left out of it cannot be told)"] if asked.bundle else []))
    sys.exit(1 if verifier.findings else 0 if asked.key else 3)
