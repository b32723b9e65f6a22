#!/usr/bin/env python3
"""Checks what Kubetape stored, from the description in format.md alone; shares nothing with Kubetape's own program.
FOLDER is a store, a copy of a bucket, or with --bundle an export. Needs Python 3.9, `cryptography` and `zstandard`.
Exit status: 0 everything is proven, 1 something is wrong, 3 nothing is wrong and no trusted key was given."""
import argparse, datetime, hashlib, json, os, pathlib, re, sys, time, uuid, zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
NEVER, ZEROS, LARGEST, TOPS = 1 << 63, "0" * 64, 64 << 20, "keys journal recordings imports leases probe".split()
PART = re.compile(r"(recordings/\d{4}/\d\d/\d\d/([0-9a-f-]{36})/)(?:(\d{6}|[1-9]\d{6,})\.cast\.zst|manifest\.json)", re.A)
JOURNAL = re.compile(r"journal/([A-Za-z0-9._-]+)/\d{4}/\d\d/\d\d/(\d{12}|[1-9]\d{12,})\.jsonl\.zst", re.A)

def need(condition, otherwise):
    if not condition: raise AssertionError(otherwise)
def sha256(data): return hashlib.sha256(data).hexdigest()
def folder_of(id):
    need(str(uuid.UUID(id)) == id, f"foreign: {id} is not how an id is written")
    day = datetime.datetime.fromtimestamp((uuid.UUID(id).int >> 80) / 1000, datetime.timezone.utc)
    return f"recordings/{day:%Y/%m/%d}/{id}/"
def unpack(frame):  # the lines of one zstd frame with nothing behind it
    need(zstandard.frame_content_size(frame) <= LARGEST, "altered: larger than 64 MiB")
    return zstandard.ZstdDecompressor().decompress(frame, LARGEST, allow_extra_data=False).split(b"\n")[:-1]
def verify(public, message, digits):
    need(re.fullmatch("[0-9a-f]{128}", digits), "altered: no signature")
    Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(digits), message)

class Verifier:
    def __init__(self, objects, trusted=(), heads=(), excerpt=False, grace=0.0):
        """`objects`: bytes by name. `trusted`: keys (32 bytes) or ids. `excerpt`: the asker says so. `grace`: in seconds."""
        self.objects, self.heads, self.excerpt, self.settled = objects, list(heads), excerpt, (time.time() - grace) * 1e6
        self.public = {sha256(key)[:32]: key for key in trusted if not isinstance(key, str)}
        self.trusted = {key for key in trusted if isinstance(key, str)} | set(self.public)
        self.stated, self.after, self.pairs = {}, {}, []  # keys by id: statements, and the ones that come after; pairs
        self.parts, self.sessions = {}, {}  # by a recording's folder: its objects, and what journals say of it
        self.ends, self.digests = {}, {}  # of journals: the last object (number, digest, last line); all digests
        self.formats, self.undigested, self.findings, self.notes = {}, 0, [], []  # journals' formats; recordings undigested
    def run(self):
        for check in (self.key, self.introductions, self.trust, self.journal, self.part):
            for name in sorted(self.objects):
                self.attempt(name, check, name, *name.split("/"))
        for folder in self.parts.keys() | self.sessions.keys():
            self.attempt(folder, self.recording, folder, self.parts.get(folder), self.sessions.get(folder, []))
        self.notes += [f"note: {self.undigested} recordings are of before journals had digests"] if self.undigested else []
        for head in self.heads:
            found = self.digests.get((head["gateway"], head["seq"]), self.excerpt and head["sha256"])
            self.attempt(f"journal/{head['gateway']}/", need, found == head["sha256"], f"missing or altered: {head}")
        return self.findings
    def attempt(self, name, check, *arguments):
        try:
            check(*arguments)
        except Exception as error:  # whatever cannot be read is not what was written
            self.findings.append((name, str(error) if isinstance(error, AssertionError) else f"altered: {error!r}"))
    def open(self, kind, document, public=None, journal=None, seq=None):  # the members of a sealed document, rightly signed
        members, message, tail = json.loads(document), document[:-132], document[-132:].decode()
        need((signature := members.get("signature", {})) and (id := signature["key"]), "unsigned")
        need(message.endswith(b'"ed25519":"') and tail == signature["ed25519"] + '"}}\n', "altered: its signature")
        need((public := public or self.public.get(id)) and sha256(public)[:32] == id, f"unknown key: {id}")
        verify(public, f"kubetape {kind} 1\n".encode() + message, tail[:128])
        if kind != "key":
            need(not self.trusted or id in self.trusted, f"unknown key: no trusted key vouches for {id}")
            need(id in self.stated, f"missing: keys/{id}.json")
            self.in_use(signature, journal or self.stated[id]["gateway"], seq)
            self.heads += [signature["journal"]] if "journal" in signature else []
        return members
    def in_use(self, signature, journal, seq):  # the key, at that time, in that journal, and at that place of it
        mine, later = self.stated[id := signature["key"]], [self.stated[key] for key in self.after.get(id, [])]
        need(journal in journals_of(mine["gateway"]), f"foreign: {id} is the key of the gateway {mine['gateway']}")
        end = min([NEVER, *(key["from_micros"] for key in later)])
        need(mine["from_micros"] <= signature["micros"] <= end, f"key not valid: {id} was not in use then")
        if seq is not None:
            first = border(mine, journal) if any(new == id for _, new in self.pairs) else 0
            right = first <= seq < min([NEVER, *(border(key, journal, NEVER) for key in later)])
            need(right, f"key not valid: {id} was not in use at this place of the journal")
    def key(self, name, top, *rest):
        need(top in TOPS or self.excerpt and not rest, "foreign: of no store; at the top of exports (--bundle)")
        if top == "keys":
            public = bytes.fromhex(json.loads(self.objects[name])["public"])
            statement, id = self.open("key", self.objects[name], public), sha256(public)[:32]
            need(name == f"keys/{id}.json" and statement["key"] == id, "foreign: the statement of another key")
            self.stated[id], self.public[id] = statement, public
    def introductions(self, name, top, file="", *_):
        id, new = file[:-5], self.stated.get(file[:-5], {}) if top == "keys" else {}
        if "introduced_by" in new:
            old, journals = new["introduced_by"]["key"], new["introduced_by"].get("journals")
            need(old in self.stated, f"missing: keys/{old}.json, which introduced it")
            word = [f"kubetape key introduction {1 if journals is None else 2}", new["public"], new["gateway"]]
            word += [str(new["from_micros"]), *(f"{head['gateway']} {head['seq']} {head['sha256']}" for head in journals or [])]
            verify(self.public[old], "".join(f"{line}\n" for line in word).encode(), new["introduced_by"]["ed25519"])
            need(self.stated[old]["gateway"] == new["gateway"], "foreign: introduced by the key of another gateway")
            self.pairs, self.heads = [*self.pairs, (old, id)], self.heads + (journals or [])
            self.after.setdefault(old, []).append(id)
            need(self.after[old] == [id], f"foreign: {old} introduced another key as well")
    def trust(self, name, *_):
        for _ in self.pairs: self.trusted.update(*(pair for pair in self.pairs if self.trusted & {*pair}))
        need(not self.trusted or name[:5] != "keys/" or name[5:-5] in self.trusted, "unknown key: not vouched for")
    def journal(self, name, top, gateway="", *_):
        if top == "journal":
            found, object, lines = JOURNAL.fullmatch(name), self.objects[name], []
            need(found, "foreign: nothing of this name belongs to a journal")
            seq, (last, digest, line) = int(found[2]), self.ends.get(gateway, (-1, ZEROS, ZEROS))
            self.attempt(name, self.sealed, name, seq, object, lines, *((digest, line) if seq == last + 1 else (None, None)))
            self.digests[gateway, seq] = digest = sha256(object)
            self.ends[gateway] = seq, digest, sha256(lines[-1]) if lines else ZEROS
            need(seq == last + 1 or self.excerpt and seq > last, f"missing, or foreign: {last + 1} comes here")
    def sealed(self, name, seq, object, lines, digest, previous):
        (frame, found, seal), gateway = object.rpartition(b"\x50\x2a\x4d\x18"), name.split("/")[1]
        lines += unpack(frame if found else object)
        need(found, "unsigned")
        need(int.from_bytes(seal[:4], "little") == len(seal) - 4, "altered: half a seal")
        seal = self.open("journal", seal[4:], journal=gateway, seq=seq)
        need(seal["object"] == name, f"re-ordered, or foreign: it was written as {seal['object']}")
        need((seal["sha256"], seal["entries"]) == (sha256(frame), len(lines)), "altered: not what was sealed")
        need(digest in (None, seal["previous"]), "re-ordered: not behind the object before it")
        need(seal["format"] >= self.formats.get(gateway, 1), "altered: an older format than the object before it")
        self.formats[gateway] = seal["format"]
        for line in lines:
            entry = json.loads(line)
            need(entry["gateway"] == gateway, "foreign: an entry of another gateway")
            need(previous in (None, entry["prev"]), "altered: a line that is not behind the one before it")
            previous = sha256(line)
            if entry["event"] in ("session_opened", "session_ended", "session_stored", "imported"):
                place = {"journal": gateway, "seq": seq, "format": seal["format"]}
                self.sessions.setdefault(folder_of(entry["session"]), []).append({**entry, **place})
    def part(self, name, top, *_):
        found = PART.fullmatch(name)
        need(top != "recordings" or found and found[1] == folder_of(found[2]), "foreign: no part of a recording")
        if found: self.parts.setdefault(found[1], {})[found[3] and int(found[3])] = self.objects[name]
    def recording(self, folder, parts, known):  # `known`: the journals' entries of it, in order
        recent = any(entry["micros"] > self.settled for entry in known)
        id, previous, parts = folder.split("/")[4], bytes(32), dict(parts or {})
        need(parts or self.excerpt or recent, "missing: the journal knows of this recording")
        if None not in parts: return parts and self.unfinished(folder, id, parts, known, recent)
        manifest, digest = self.open("manifest", parts[None]), sha256(parts.pop(None))
        need(manifest["session"]["id"] == id, "foreign: the manifest of another recording")
        for number, chunk in enumerate(manifest["chunks"]):
            right = sha256(previous + parts.pop(number, b"")) == chunk["digest"]
            self.attempt(f"{folder}{number:06}.cast.zst", need, right, "missing, altered, cut, re-ordered or foreign")
            previous = bytes.fromhex(chunk["digest"])
        need(not parts, f"foreign: chunks {sorted(parts)}, which the manifest does not know")
        stored = {entry["manifest_sha256"] for entry in known if entry["event"] == "session_stored"}
        need(stored <= {digest}, "altered: not the manifest that the journal vouches for")
        self.excerpt or self.vouched(manifest, known, recent)
    def vouched(self, manifest, known, recent):  # that a journal vouches for the manifest, and which may
        gateway, signature = manifest["session"]["gateway"], manifest["signature"]
        signer = self.stated[signature["key"]]["gateway"]
        journal = journals_of(signer)[2] if gateway == "import" else signer
        mine = [entry for entry in known if entry["journal"] == journal]
        need(is_of(gateway, known), "foreign: its gateway's journal has it not")
        if gateway not in ("import", signer):
            need(any(entry["event"] == "session_ended" for entry in mine), f"foreign: {signer} has not finalized it")
            need(manifest["outcome"] in ("interrupted", "exited"), f"foreign: {signer} cannot know how it ended")
            twice = any((entry["journal"], entry["event"]) == (gateway, "session_stored") for entry in known)
            need(not twice, f"foreign: {gateway} has stored a manifest of its own")
        if "session_stored" not in {entry["event"] for entry in mine}:
            told = ([entry for entry in mine if entry["event"] != "session_opened"] or mine)[:1]
            old = any(entry["format"] < 2 for entry in told)
            need(old or recent, f"missing: the journal of {journal} has no digest of the manifest")
            self.undigested += old and not self.in_use(signature, journal, told[0]["seq"])  # by the key of where it ended
    def unfinished(self, folder, id, parts, known, recent):
        ended = {"session_ended", "imported"} & {entry["event"] for entry in known}
        need(not ended or recent or self.excerpt, "missing: the manifest: it ended")
        need(sorted(parts) == list(range(len(parts))), "missing: a chunk")
        (header, *more), *_ = [unpack(parts[number]) for number in sorted(parts)]
        header, start = json.loads(header)["kubetape"], (uuid.UUID(id).int >> 80) * 1e3
        need(not more and header["id"] == id, "altered, or foreign: not the header of this recording alone")
        new = not known and self.settled < start <= self.settled + 86400e6
        need(self.excerpt or new or is_of(header["gateway"], known), "foreign: its gateway's journal has it not")
        self.notes.append(f"note: {folder} has no manifest: it is live, or its gateway died")

def journals_of(gateway): return gateway, gateway[:59] + "-cli", gateway[:50] + "-import"
def border(key, journal, unknown=0):  # the first object of a journal that an introduced key signs
    heads = key["introduced_by"].get("journals")
    return unknown if heads is None else max([head["seq"] + 1 for head in heads if head["gateway"] == journal], default=0)
def is_of(gateway, known):  # whether the journal of the gateway that a header names has it
    told = {(gateway if entry["journal"] == gateway else entry["journal"][-7:], entry["event"]) for entry in known}
    return told & ({("-import", "imported")} if gateway == "import" else {(gateway, "session_opened"), (gateway, "session_ended")})
def files_of(folder):  # by name; symbolic links are nobody's objects, and are not followed
    for at, folders, names in os.walk(folder):
        folders[:] = set(folders) - {"incoming~"}
        paths = [path for path in (pathlib.Path(at, name) for name in names) if path.is_file() and not path.is_symlink()]
        yield from ((path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths)
def heads(path): return json.loads(pathlib.Path(path).read_bytes())
def trust(word):
    path, raw = pathlib.Path(word), (Encoding.Raw, PublicFormat.Raw)
    return load_pem_public_key(path.read_bytes()).public_bytes(*raw) if path.exists() else word

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("--key", action="append", default=[], type=trust, help="that you trust: a PEM file, or a key's id")
    parser.add_argument("--heads", type=heads, default=[], help="what `kubetape verify --save-heads` wrote once")
    parser.add_argument("--grace", type=float, default=300, help="seconds in which what was just written may be on its way")
    parser.add_argument("--bundle", action="store_true", help="FOLDER is an export: an excerpt of a store")
    asked = parser.parse_args()
    if asked.bundle and asked.heads: parser.error("--heads is of whole journals, and a bundle has parts of them only")
    verifier = Verifier(dict(files_of(asked.folder)), asked.key, asked.heads, asked.bundle, asked.grace)
    print(*(f"{name}: {problem}" for name, problem in verifier.run()), *verifier.notes, sep="\n")
    print("WRONG" if verifier.findings else "proven" if asked.key else "not vouched for: no trusted key was given",
          *(["(an excerpt: whether anything was left out of it cannot be told)"] if asked.bundle else []))
    sys.exit(1 if verifier.findings else 0 if asked.key else 3)
