"""A store of evidence, what an auditor was given, and the pens of those who could forge it."""

import functools
import hashlib
import importlib.util
import json
import subprocess
import sys
import time

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from kubectl import Kubectl
from program import ROOT, Demo, binary, until

SECOND = ROOT / "docs" / "verify.py"


@functools.cache
def second_verifier():
    spec = importlib.util.spec_from_file_location("verify", SECOND)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def compressed(*lines):
    whole = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return zstandard.ZstdCompressor(write_checksum=True).compress(whole)


def raw_lines(object):
    """The lines of a journal object, seal or not."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(object).splitlines()


class Pen:
    """Signs what a gateway signs, as docs/format.md has it, with the private key of a demo."""

    def __init__(self, key):
        self.key, self.public = key, key.public_key().public_bytes_raw()
        self.id = sha256(self.public)[:32]

    def statement(self, gateway, micros=1, **more):
        """What a gateway says of this key, by its object's name."""
        members = {"format": 2, "key": self.id, "public": self.public.hex(), "gateway": gateway, "from_micros": micros, **more}
        return {f"keys/{self.id}.json": self.seal("key", members)}

    def introduces(self, other, gateway, micros, journals):
        """The next key's statement, by its object's name, with this one's word for it."""
        words = ["kubetape key introduction 2", other.public.hex(), gateway, str(micros)]
        words += [f"{head['gateway']} {head['seq']} {head['sha256']}" for head in journals]
        signed = self.key.sign("".join(f"{word}\n" for word in words).encode()).hex()
        return other.statement(gateway, micros, introduced_by={"key": self.id, "journals": journals, "ed25519": signed})

    def seal(self, kind, members, micros=None):
        signature = {"key": self.id, "micros": micros or time.time_ns() // 1000}
        message = json.dumps({**members, "signature": signature})[:-2].encode() + b',"ed25519":"'
        return message + self.key.sign(f"kubetape {kind} 1\n".encode() + message).hex().encode() + b'"}}\n'

    def journal(self, gateway, *entries):
        """A whole journal, by its only object's name."""
        name = f"journal/{gateway}/2025/10/17/000000000000.jsonl.zst"
        return {name: self.journal_object(name, [{**entry, "gateway": gateway} for entry in entries])}

    def journal_object(self, name, entries, before=b"", micros=None):
        """An object of a journal behind the one with the bytes `before`."""
        lines, previous = [], sha256(raw_lines(before)[-1]) if before else "0" * 64
        for entry in entries:
            lines.append({"prev": previous, **{key: value for key, value in entry.items() if key != "prev"}})
            previous = sha256(json.dumps(lines[-1]).encode())
        frame = compressed(*lines)
        members = {"format": 2, "object": name, "previous": sha256(before) if before else "0" * 64}
        root = second_verifier().root([json.dumps(line).encode() for line in lines])
        document = self.seal("journal", {**members, "entries": len(lines), "sha256": sha256(frame), "root": root}, micros)
        return frame + b"\x50\x2a\x4d\x18" + len(document).to_bytes(4, "little") + document

    def recording(self, id, gateway, like):
        """A recording's objects: a header that names that gateway, and a manifest, which is `like` in all else."""
        folder, session = f"recordings/2025/10/17/{id}/", {**like["session"], "id": id, "gateway": gateway}
        lines = {"version": 2, "width": 80, "height": 24, "timestamp": 1760702400, "kubetape": session}
        chunk = compressed(lines)
        listed = {"number": 0, "size": len(chunk), "uncompressed": len(json.dumps(lines)) + 1, "first_micros": 0, "last_micros": 0}
        manifest = {**like, "session": session, "chunks": [{**listed, "digest": sha256(bytes(32) + chunk)}]}
        del manifest["signature"]
        return {folder + "000000.cast.zst": chunk, folder + "manifest.json": self.seal("manifest", manifest)}


class Evidence:
    """A store of two lives of a gateway, the key replaced between them; what an auditor was given; no gateway."""

    def __init__(self, folder):
        demo = Demo(folder / "demo")
        self.pens = []
        for code in (0, 3):
            with demo:
                kubectl = Kubectl("1.37", "websocket", demo.kubeconfig)
                done = kubectl.run("exec", "shell", "-c", "shell", "--", "sh", "-c", f"echo out; echo err >&2; exit {code}")
                assert done.returncode == code
                until(lambda: all(row["ended"] for row in demo.ls()), what="the end of all sessions")
            (key,) = demo.folder.glob("**/signing/key.pem")
            self.pens.append(Pen(load_pem_private_key(key.read_bytes(), None)))
            demo.run("key", "rotate")
        self.demo, self.store = demo, demo.folder / "storage"
        self.key, self.heads = folder / "kubetape.pub", folder / "heads.json"
        self.key.write_bytes(demo.run("key", "show").stdout)
        demo.run("verify", "--save-heads", self.heads, "--grace", "0s")
        files = (path for path in self.store.rglob("*") if path.is_file())
        objects = {path.relative_to(self.store).as_posix(): path.read_bytes() for path in files}
        self.objects = {name: data for name, data in objects.items() if not name.startswith(("probe/", "leases/"))}

    def manifest(self):
        """The newest manifest's name: the second life's."""
        return max(name for name in self.objects if name.endswith("manifest.json"))

    def journal(self):
        return {name: data for name, data in self.objects.items() if name.startswith("journal/")}

    def asked(self):
        return ["--key", self.key, "--heads", self.heads]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    return Evidence(tmp_path_factory.mktemp("evidence"))


@pytest.fixture(scope="module")
def second(evidence):
    """Runs the second verifier on objects in memory; its findings. What it unpacked or found right once, it remembers."""
    module = second_verifier()
    module.verify, module.unpack = functools.cache(module.verify), functools.cache(module.unpack)
    key, heads = module.trust(str(evidence.key)), json.loads(evidence.heads.read_text())
    return lambda objects: module.Verifier(objects, [key], heads).run()


def kubetape_verify(folder, *words):
    # The sessions ended just now: without this their manifests may be on their way.
    return subprocess.run([binary("kubetape"), "verify", folder, "--grace", "0s", *words], capture_output=True, text=True, timeout=60)


def python_verify(folder, *words):
    return subprocess.run([sys.executable, SECOND, folder, "--grace", "0", *words], capture_output=True, text=True, timeout=60)
