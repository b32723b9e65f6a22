"""Finding what was typed and shown: while the session goes on, and when it is over. Times are printed, not asserted."""

import time
import uuid

from program import until
from test_browser import browser, log_in, page, shell  # noqa: F401  (fixtures)


def ask(page, demo, query):
    answer = page.context.request.get(f"{demo.web}/api/v1/search", params={"q": query})
    assert answer.ok, answer.text()
    return answer.json()["hits"]


def found(page, demo, query):
    """The hits, once there are some, and the seconds until then."""
    began = time.monotonic()
    hits = until(lambda: ask(page, demo, query), what=query)
    return hits, time.monotonic() - began


def test_a_live_session_is_found_as_it_goes_and_once_when_it_is_over(page, demo, kubectl):  # noqa: F811
    tag, word = f"mark-{uuid.uuid4().hex[:12]}", f"find{uuid.uuid4().hex[:8]}"
    begun = time.monotonic()
    terminal = shell(demo, kubectl, tag)
    (session,) = {hit["session"] for hit in found(page, demo, f"kind:session session:{live(demo, tag)}")[0]}
    typed, shown = [], []
    for number in range(5):
        text = f"{word}{number}"
        # What is shown is not what is typed.
        terminal.type(f"echo {text}''shown\r")
        terminal.expect(f"\n{text}shown")
        said = time.monotonic() - begun
        hits, seconds = found(page, demo, f"source:typed {text} outcome:live")
        assert [hit["session"] for hit in hits] == [session]
        typed.append(seconds)
        hits, more = found(page, demo, f"kind:output {text}shown outcome:live")
        shown.append(seconds + more)
        assert [hit["session"] for hit in hits] == [session]
        # The session began after `begun`: the line's moment cannot be later than it was seen. A second for two clocks.
        assert hits[0]["offset"] <= said + 1
    offsets = [ask(page, demo, f"kind:output {word}{number}shown")[0]["offset"] for number in range(5)]
    assert offsets == sorted(offsets) and offsets[0] < offsets[4]
    print(f"\nlive, from kubectl's screen to a hit: command {summary(typed)}; output {summary(shown)}")

    terminal.type("exit\r")
    assert terminal.end() == 0
    at = time.monotonic()
    _, command = found(page, demo, f"source:typed {word}4 outcome:exited")
    _, output = found(page, demo, f"kind:output {word}4shown outcome:exited")
    until(lambda: page.context.request.get(f"{demo.web}/api/v1/sessions/{session}/player/index.json").ok, what="the player's index")
    print(f"ended: command {command:.2f} s, output {command + output:.2f} s, playable {time.monotonic() - at:.2f} s after kubectl's end")
    for number in range(5):
        assert len(ask(page, demo, f"source:typed {word}{number}")) == 1
        assert len(ask(page, demo, f"kind:output {word}{number}shown")) == 1
    after = [ask(page, demo, f"kind:output {word}{number}shown")[0]["offset"] for number in range(5)]
    assert after == offsets, "the moments are the same"


def live(demo, tag):
    (row,) = until(lambda: demo.sessions(tag), what="the session")
    return row["id"]


def summary(seconds):
    return f"{sorted(seconds)[len(seconds) // 2]:.2f} s (median), {max(seconds):.2f} s at most"


def test_a_short_session_is_found_and_playable_after_its_end(page, demo, kubectl):  # noqa: F811
    times = []
    for _ in range(5):
        tag = f"mark{uuid.uuid4().hex[:12]}"
        argv = ["exec", "shell", "-c", "shell", "--", "sh", "-c", f"echo {tag}''shown"]
        assert f"{tag}shown" in kubectl.run(*argv, check=0).stdout.decode()
        began = time.monotonic()
        (hit,), _ = found(page, demo, f"kind:output {tag}shown outcome:exited exit:0")
        until(lambda hit=hit: page.context.request.get(f"{demo.web}/api/v1/sessions/{hit['session']}/player/index.json").ok, what="playable")
        times.append(time.monotonic() - began)
    print(f"\nended, from kubectl's end to a hit that plays: {summary(times)}")
