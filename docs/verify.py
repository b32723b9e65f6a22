#!/usr/bin/env python3
"""Checks what Kubetape stored, from format.md alone: shares nothing with Kubetape's program. Needs `cryptography`, `zstandard`.
FOLDER: a store, or with --bundle an export. Exit status: 0 all is proven, 1 something is wrong, 3 no trusted key was given."""
import argparse, datetime, hashlib, json, os, pathlib, re, sys, time, uuid, zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
NEVER, ZEROS, LARGEST, OWN = 1 << 63, "0" * 64, 64 << 20, "(keys|journal|recordings|imports|leases|probe)/"
PART = re.compile(r"(recordings/\d{4}/\d\d/\d\d/([0-9a-f-]{36})/)(?:(\d{6}|[1-9]\d{6,})\.cast\.zst|manifest\.json)", re.A)
JOURNAL = re.compile(r"journal/([A-Za-z0-9._-]+)/\d{4}/\d\d/\d\d/(\d{12}|[1-9]\d{12,})\.jsonl\.zst", re.A)
def need(condition, otherwise):
    if not condition: raise AssertionError(otherwise)
def sha256(data): return hashlib.sha256(data).hexdigest()
def folder_of(id):
    need(str(uuid.UUID(id)) == id, f"foreign: {id} is not how an id is written")
    return f"recordings/{datetime.datetime.fromtimestamp((uuid.UUID(id).int >> 80) / 1000, datetime.timezone.utc):%Y/%m/%d}/{id}/"
def unpack(frame):  # the lines of one zstd frame with nothing behind it
    need(zstandard.frame_content_size(frame) <= LARGEST, "altered: larger than 64 MiB")
    return zstandard.ZstdDecompressor().decompress(frame, LARGEST, allow_extra_data=False).split(b"\n")[:-1]
def verify(public, message, digits):
    need(re.fullmatch("[0-9a-f]{128}", digits), "altered: no signature")
    Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(digits), message)
class Verifier:
    def __init__(self, objects, trusted=(), heads=(), excerpt=False, grace=0.0):  # bytes by name; keys or ids; grace in seconds
        self.objects, self.heads, self.excerpt, self.settled = objects, list(heads), excerpt, (time.time() - grace) * 1e6
        self.public = {sha256(key)[:32]: key for key in trusted if not isinstance(key, str)}
        self.trusted = {key for key in trusted if isinstance(key, str)} | set(self.public)
        self.stated, self.pairs, self.parts, self.sessions = {}, [], {}, {}  # keys; introductions; by folder: objects, entries
        self.ends, self.digests, self.formats, self.undigested, self.notes = {}, {}, {}, 0, []  # of journals; of recordings
    def run(self):
        own = re.compile(OWN + "|entries/|[^/]*$" if self.excerpt else OWN)
        self.findings = [(name, "foreign: of no store; at the top of exports (--bundle)") for name in self.objects if not own.match(name)]
        checks = self.key, self.introduction, self.trust, self.journal, self.entry, self.part
        for top, check in zip("keys keys keys journal entries recordings".split(), checks):
            for name in sorted(self.objects):
                if name.startswith(f"{top}/"): self.attempt(name, check, name, self.objects[name])
        for at in self.parts.keys() | self.sessions.keys():
            self.attempt(at, self.recording, at, self.parts.get(at), self.sessions.get(at, []))
        self.notes += [f"note: {self.undigested} recordings are of before journals had digests"] if self.undigested else []
        for at, digest in (((head["gateway"], head["seq"]), head["sha256"]) for head in self.heads):
            self.attempt(f"journal/{at[0]}/", need, self.digests.get(at, self.excerpt and digest) == digest, "missing or altered")
        return self.findings
    def attempt(self, name, check, *arguments):
        try: check(*arguments)
        except Exception as error:  # whatever cannot be read is not what was written
            self.findings.append((name, str(error) if isinstance(error, AssertionError) else f"altered: {error!r}"))
    def open(self, kind, document, public=None, journal=None, seq=None):  # the members of a sealed document, rightly signed
        members, message, tail = json.loads(document), document[:-132], document[-132:].decode()
        need((signature := members.get("signature", {})) and (id := signature["key"]), "unsigned")
        need(message.endswith(b'"ed25519":"') and tail == signature["ed25519"] + '"}}\n', "altered: its signature")
        need((public := public or self.public.get(id)) and sha256(public)[:32] == id, f"unknown key: {id}")
        verify(public, f"kubetape {kind} 1\n".encode() + message, tail[:128])
        if kind != "key":
            right = id in self.stated and (not self.trusted or id in self.trusted)
            need(right, f"unknown key: no trusted key vouches for {id}, or keys/{id}.json is missing")
            self.in_use(signature, journal or self.stated[id]["gateway"], seq)
            self.heads += [signature["journal"]] if "journal" in signature else []
        return members
    def in_use(self, signature, journal, seq):  # the key, at that time, in that journal, and at that place of it
        mine, later = self.stated[id := signature["key"]], [self.stated[new] for old, new in self.pairs if old == id]
        need(journal in journals_of(mine["gateway"]), f"foreign: {id} is the key of the gateway {mine['gateway']}")
        times = mine["from_micros"], signature["micros"], min([NEVER, *(key["from_micros"] for key in later)])
        need(times == tuple(sorted(times)), f"key not valid: {id} was not in use then")
        first = border(mine, journal) if any(new == id for _, new in self.pairs) else 0
        right = seq is None or first <= seq < min([NEVER, *(border(key, journal, NEVER) for key in later)])
        need(right, f"key not valid: {id} was not in use at this place of the journal")
    def key(self, name, object):
        public = bytes.fromhex(json.loads(object)["public"])
        statement, id = self.open("key", object, public), sha256(public)[:32]
        need(name == f"keys/{id}.json" and statement["key"] == id, "foreign: the statement of another key")
        self.stated[id], self.public[id] = statement, public
    def introduction(self, name, _):
        if "introduced_by" in (new := self.stated.get(id := name[5:-5], {})):
            old, journals = new["introduced_by"]["key"], new["introduced_by"].get("journals")
            need(old in self.stated, f"missing: keys/{old}.json, which introduced it")
            word = [f"kubetape key introduction {1 if journals is None else 2}", new["public"], new["gateway"]]
            word += [str(new["from_micros"]), *(f"{head['gateway']} {head['seq']} {head['sha256']}" for head in journals or [])]
            verify(self.public[old], "".join(f"{line}\n" for line in word).encode(), new["introduced_by"]["ed25519"])
            need(self.stated[old]["gateway"] == new["gateway"], "foreign: introduced by the key of another gateway")
            self.pairs, self.heads = [*self.pairs, (old, id)], self.heads + (journals or [])
            need([new for key, new in self.pairs if key == old] == [id], f"foreign: {old} introduced another key as well")
    def trust(self, name, _):
        for _ in self.pairs: self.trusted.update(*(pair for pair in self.pairs if self.trusted & {*pair}))
        need(not self.trusted or name[5:-5] in self.trusted, "unknown key: not vouched for")
    def journal(self, name, object):
        need(found := JOURNAL.fullmatch(name), "foreign: nothing of this name belongs to a journal")
        gateway, seq, lines, (last, digest, line) = found[1], int(found[2]), [], self.ends.get(found[1], (-1, ZEROS, ZEROS))
        self.attempt(name, self.sealed, name, seq, object, lines, *((digest, line) if seq == last + 1 else (None, None)))
        self.digests[gateway, seq] = digest = sha256(object)
        self.ends[gateway] = seq, digest, sha256(lines[-1]) if lines else ZEROS
        need(seq == last + 1 or self.excerpt and seq > last, f"missing, or foreign: {last + 1} comes here")
    def sealed(self, name, seq, object, lines, digest, previous):
        (frame, found, seal), gateway = object.rpartition(b"\x50\x2a\x4d\x18"), name.split("/")[1]
        lines += unpack(frame if found else object)
        need(found and int.from_bytes(seal[:4], "little") == len(seal) - 4, "unsigned, or altered: half a seal")
        seal = self.open("journal", seal[4:], journal=gateway, seq=seq)
        right = (seal["object"], seal["sha256"], seal["entries"]) == (name, sha256(frame), len(lines))
        need(right, f"altered, re-ordered or foreign: its seal is of other bytes, or of {seal['object']}")
        need(digest in (None, seal["previous"]), "re-ordered: not behind the object before it")
        need(seal["format"] >= self.formats.get(gateway, 1), "altered: an older format than the object before it")
        need(seal["format"] < 2 or seal["root"] == root(lines), "altered: not the tree over its lines")
        self.formats[gateway] = seal["format"]
        for line in lines:
            need(previous in (None, self.line(gateway, seq, seal["format"], line)), "altered: not behind the line before it")
            previous = sha256(line)
    def line(self, gateway, seq, format, line):  # takes in what it says of a session
        entry = json.loads(line)
        need(entry["gateway"] == gateway, "foreign: an entry of another gateway")
        if entry["event"] in ("session_opened", "session_ended", "session_stored", "imported"):
            self.sessions.setdefault(folder_of(entry["session"]), []).append({**entry, "journal": gateway, "seq": seq, "format": format})
        return entry["prev"]
    def entry(self, name, proof):  # a line of a journal object that is shown alone
        proof, line = json.loads(proof), json.loads(proof)["entry"].encode()
        _, gateway, seq = (found := JOURNAL.fullmatch(json.loads(proof["seal"])["object"]))[0], found[1], int(found[2])
        seal = self.open("journal", proof["seal"].encode(), journal=gateway, seq=seq)
        need(name == f"entries/{gateway}/{found[2]}-{proof['line']:06}.json", f"re-ordered: it is of {found[0]}")
        need(seal["root"] == climb(line, proof["line"], seal["entries"], proof["path"]), "altered: not a line of its object")
        self.line(gateway, seq, seal["format"], line)
    def part(self, name, object):
        need((found := PART.fullmatch(name)) and found[1] == folder_of(found[2]), "foreign: no part of a recording")
        self.parts.setdefault(found[1], {})[found[3] and int(found[3])] = object
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
        stored = {entry["manifest_sha256"] for entry in known if entry["event"] == "session_stored"}
        need(not parts, f"foreign: chunks {sorted(parts)}, which the manifest does not know")
        need(stored <= {digest}, "altered: not the manifest that the journal vouches for")
        self.excerpt or self.vouched(manifest, known, recent)
    def vouched(self, manifest, known, recent):  # that a journal vouches for the manifest, and which may
        gateway, signature = manifest["session"]["gateway"], manifest["signature"]
        signer = self.stated[signature["key"]]["gateway"]
        journal = journals_of(signer)[2] if gateway == "import" else signer
        mine = [entry for entry in known if entry["journal"] == journal]
        if gateway == signer and not known and self.new(manifest["session"]["id"]): return  # the entries are on their way
        need(is_of(gateway, known), "foreign: its gateway's journal has it not")
        if gateway not in ("import", signer):
            need(any(entry["event"] == "session_ended" for entry in mine), f"foreign: {signer} has not finalized it")
            need(manifest["outcome"] in ("interrupted", "exited"), f"foreign: {signer} cannot know how it ended")
            need((gateway, "session_stored") not in {(entry["journal"], entry["event"]) for entry in known}, "foreign: it stored its own")
        if "session_stored" not in {entry["event"] for entry in mine}:
            told = ([entry for entry in mine if entry["event"] != "session_opened"] or mine)[:1]
            old = any(entry["format"] < 2 for entry in told)
            need(old or recent, f"missing: the journal of {journal} has no digest of the manifest")
            self.undigested += old and not self.in_use(signature, journal, told[0]["seq"])  # by the key of where it ended
    def new(self, id): return self.settled < (uuid.UUID(id).int >> 80) * 1e3 <= self.settled + 86400e6  # it began just now
    def unfinished(self, folder, id, parts, known, recent):
        ended = not recent and not self.excerpt and {"session_ended", "imported"} & {entry["event"] for entry in known}
        need(not ended and sorted(parts) == list(range(len(parts))), "missing: the manifest, since it ended; or a chunk")
        (header, *more), *_ = [unpack(parts[number]) for number in sorted(parts)]
        header = json.loads(header)["kubetape"]
        need(not more and header["id"] == id, "altered, or foreign: not the header of this recording alone")
        need(self.excerpt or not known and self.new(id) or is_of(header["gateway"], known), "foreign: its journal has it not")
        self.notes.append(f"note: {folder} has no manifest: it is live, or its gateway died")
def node(*parts): return hashlib.sha256(bytes([len(parts) > 1]) + b"".join(parts)).digest()  # RFC 9162, section 2.1
def root(lines):  # of the tree over the digests of lines
    level = [node(bytes.fromhex(sha256(line))) for line in lines]
    while level[1:]: level = [node(*level[at:at + 2]) if level[at + 1:] else level[at] for at in range(0, len(level), 2)]
    return level[0].hex()
def climb(line, at, count, path):  # the root to which the hashes beside its way lead from line `at` of `count`
    hash = need(0 <= at < count, "altered: no such line") or node(bytes.fromhex(sha256(line)))
    while count > 1:
        if at ^ 1 < count: hash = node(*((bytes.fromhex(path.pop(0)), hash) if at & 1 else (hash, bytes.fromhex(path.pop(0)))))
        at, count = at >> 1, (count + 1) >> 1
    return need(not path, "altered: its path leads beyond the root") or hash.hex()
def journals_of(gateway): return gateway, gateway[:59] + "-cli", gateway[:50] + "-import"
def border(key, journal, unknown=0):  # the first object of a journal that an introduced key signs
    heads = key["introduced_by"].get("journals")
    return unknown if heads is None else max([head["seq"] + 1 for head in heads if head["gateway"] == journal], default=0)
def is_of(gateway, known):  # whether the journal of the gateway that a header names has it
    told = {(gateway if entry["journal"] == gateway else entry["journal"][-7:], entry["event"]) for entry in known}
    return told & ({("-import", "imported")} if gateway == "import" else {(gateway, "session_opened"), (gateway, "session_ended")})
def files_of(folder):  # by name; symbolic links are nobody's objects, and are not followed
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {name: (folder / name).read_bytes() for name in names if not name.startswith("incoming~/")}
def heads(path):  # a list, or one a line; the last line may be cut off
    return json.loads(text if (text := pathlib.Path(path).read_text())[:1] == "[" else f"[{','.join(text.split(chr(10))[:-1])}]")
def trust(word, raw=(Encoding.Raw, PublicFormat.Raw)):
    return load_pem_public_key(pathlib.Path(word).read_bytes()).public_bytes(*raw) if pathlib.Path(word).exists() else word
if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("--key", action="append", default=[], type=trust, help="that you trust: a PEM file, or a key's id")
    parser.add_argument("--heads", type=heads, default=[], help="what --save-heads or the gateway (anchors.file) wrote")
    parser.add_argument("--grace", type=float, default=300, help="seconds in which what was just written may be on its way")
    parser.add_argument("--bundle", action="store_true", help="FOLDER is an export: an excerpt of a store")
    asked = parser.parse_args()
    if asked.bundle and asked.heads: parser.error("--heads is of whole journals, and a bundle has parts of them only")
    verifier = Verifier(files_of(asked.folder), asked.key, asked.heads, asked.bundle, asked.grace)
    print(*(f"{name}: {problem}" for name, problem in verifier.run()), *verifier.notes, sep="\n")
    print("WRONG" if verifier.findings else "proven" if asked.key else "not vouched for: no trusted key was given",
          *(["(an excerpt: whether anything was left out of it cannot be told)"] if asked.bundle else []))
    sys.exit(1 if verifier.findings else 0 if asked.key else 3)
