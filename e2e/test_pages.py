"""Every page: fits the window, light and dark, narrow and wide; says nothing to an accessibility checker; hostile content."""

import json
import pathlib
import re
import uuid

import pytest

from program import until
from test_browser import browser, log_in, page  # noqa: F401  (fixtures)

HERE = pathlib.Path(__file__).parent
AXE = HERE / ".cache" / "axe" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture(scope="module")
def hostile(demo, tmp_path_factory):
    """A recording in which everything is hostile; its id."""
    folder = tmp_path_factory.mktemp("hostile")
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    header = {"version": 2, "width": 65535, "height": 65535, "timestamp": 1700000000, "title": evil, "command": f"echo '{evil}'"}
    events = [
        [0.1, "o", f"\x1b]0;{evil}\x07\x1b[6n\x1b[?1000h{evil}\r\n"],
        [0.2, "r", "1x1"], [0.3, "o", "one by one"], [0.4, "r", "65535x65535"], [0.5, "o", "x" * 1_000_000],
        [0.6, "o", "\u202etxt.exe\u2066\ufffd\x00\x07\x9b31m"], [0.7, "r", "0x0"], [1.0, "o", f"last {uuid.uuid4()}\r\n"],
    ]  # fmt: skip
    file = folder / "hostile.cast"
    file.write_text("".join(json.dumps(line) + "\n" for line in [header, *events]))
    done = demo.run("import", "--json", "--user", evil, "--pod", f"pod{evil}", "--cluster", "\x1b[31mred", file)
    return json.loads(done.stdout)[0]["id"]


def addresses(demo, hostile):
    ended = next(row for row in demo.ls() if row["tty"] and row["ended"] and row["id"] != hostile)
    return {
        "sessions": "/", "sessions-empty": "/?user=nobody", "search": "/search", "search-hits": "/search?q=sh",
        "search-none": "/search?q=nothinglikethis",
        "search-unclear": "/search?q=kubectl+exit:x", "search-narrowed": "/search?q=sh&user=ada", "requests": "/requests", "journal": "/journal",
        "session": f"/sessions/{ended['id']}", "text": f"/sessions/{ended['id']}/text", "hostile": f"/sessions/{hostile}",
        "missing": "/nothing-here",
    }  # fmt: skip


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark"), (3840, "light")])
def test_every_page_fits_and_axe_finds_nothing(browser, demo, hostile, screenshots, scheme, width):  # noqa: F811
    assert AXE.exists(), f"{AXE} is missing: e2e/setup"
    context = browser.new_context(viewport={"width": width, "height": 2160 if width > 2000 else 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()  # noqa: F811
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    log_in(page, demo)
    complaints = []
    for name, path in addresses(demo, hostile).items():
        page.goto(demo.web + path)
        if "session" in name or name == "hostile":
            page.locator("#deck:not([hidden])").wait_for(state="attached") if page.locator("#deck").count() else None
        page.wait_for_timeout(300)  # fonts and the first frame, for the picture only
        page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png", full_page=name not in ("missing", "text", "hostile"))
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if overflow > 0:
            complaints.append(f"{name} is {overflow} px wider than the window")
        page.add_script_tag(path=str(AXE))
        found = page.evaluate("axe.run(document, {exclude: [['.ap-player']]}).then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | ').slice(0, 300)))")
        complaints += [f"{name}: {complaint}" for complaint in found]
    context.close()
    assert complaints == []


def test_hostile_content_is_shown_and_runs_nowhere(page, demo, hostile):  # noqa: F811
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    for path in (f"/sessions/{hostile}", f"/sessions/{hostile}/text", "/", "/journal", "/search?q=alert"):
        page.goto(demo.web + path)
        assert page.locator("main script, main img").count() == 0, path
    page.goto(f"{demo.web}/sessions/{hostile}?t=1")
    until(lambda: "last " in page.locator(".ap-player").inner_text(), what="the end of the recording")
    assert "alert(1)" in page.locator("h1").inner_text()


def test_journal_and_requests_tell_what_was_done(page, demo, kubectl):  # noqa: F811
    kubectl.run("get", "pods", check=0)
    page.goto(demo.web + "/requests")
    runs = page.locator("li.hit .line", has_text="kubectl get pods -n default")
    until(lambda: (page.reload(), runs.count() > 0)[1], what="the run")
    page.goto(demo.web + "/search?q=get+pods")
    page.get_by_role("link", name="API requests").click()
    runs.first.wait_for()
    # It is said that the line was rebuilt, and of what.
    first = page.locator("li.hit", has_text="kubectl get pods -n default").first
    assert first.locator(".tag").inner_text() == "request, rebuilt"
    first.locator("summary").click()
    requests = first.locator(".requests li")
    requests.first.wait_for()
    # Of whichever run came last here: one that was refused as well.
    assert all(re.match(r"list pods -n default: (200|403)", text) for text in requests.all_inner_texts()), requests.all_inner_texts()
    kubectl.run("exec", "shell", "-c", "shell", "--", "true", check=0)
    page.goto(demo.web + "/journal")
    until(lambda: (page.reload(), "session opened" in page.locator("main").inner_text())[1], what="the session's entry")
