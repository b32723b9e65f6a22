"""The newest part of a journal is removed with everything that was signed after it: what was written elsewhere shows it."""

import json
import shutil

from forger import kubetape_verify, python_verify
from kubectl import Kubectl
from program import until
from test_s3 import cluster  # noqa: F401 (a fixture)
from test_spool import POD, Gateway, disk


def entry_of(gateway, event, session=None):
    """The journal's entry of that event, once it is stored."""
    found = lambda: [entry for entry in gateway.journal() if entry["event"] == event and session in (None, entry.get("session"))]  # noqa: E731
    return until(found, what=f"an entry {event}")[0]


def test_what_was_removed_together_with_all_that_was_signed_later_is_missed_by_the_anchors(tmp_path, cluster):  # noqa: F811
    anchors, folder = tmp_path / "heads.jsonl", tmp_path / "gateway"
    more = f'[anchors]\nfile = "{anchors}"\nevery = "200ms"\n[journal]\nobject_age = "200ms"\n'
    gateway = Gateway(folder, cluster, disk(folder) + more)
    store = folder / "store"
    journal = lambda: sorted(store.glob("journal/gw/*/*/*/*.zst"))  # noqa: E731
    heads = lambda: [json.loads(line) for line in anchors.read_text().splitlines()] if anchors.exists() else []  # noqa: E731
    gateway.start()
    client = Kubectl("1.37", "websocket", gateway.kubeconfig)

    def recorded(word):
        client.run("exec", *POD, "--", "echo", word, check=0)
        session = gateway.session(word)["id"]
        entry_of(gateway, "session_stored", session)
        return session

    recorded("kept")
    before = len(journal())
    removed = recorded("removed")
    until(lambda: heads() and heads()[-1]["seq"] >= before, what="an anchor behind it")
    key = tmp_path / "kubetape.pub"
    key.write_bytes(gateway.run("key", "show").stdout)
    gateway.end()
    assert anchors.stat().st_mode & 0o777 == 0o600
    assert [head["seq"] for head in heads()] == sorted({head["seq"] for head in heads()})
    for verify in (kubetape_verify, python_verify):
        done = verify(store, "--key", key, "--heads", anchors)
        assert done.returncode == 0, done.stdout
    assert "known elsewhere up to object" in kubetape_verify(store, "--key", key, "--heads", anchors).stdout

    for path in journal()[before:]:
        path.unlink()
    (recording,) = store.glob(f"recordings/*/*/*/{removed}")
    shutil.rmtree(recording)
    for verify in (kubetape_verify, python_verify):
        alone = verify(store, "--key", key)
        assert alone.returncode == 0, "nothing in the store shows it: " + alone.stdout
        done = verify(store, "--key", key, "--heads", anchors)
        assert done.returncode == 1 and "missing" in done.stdout, done.stdout
