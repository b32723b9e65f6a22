"""A person with a browser: log in, search, land in the player at that second."""

import re
import uuid

import pytest
from playwright.sync_api import expect, sync_playwright

from program import until
from terminal import Terminal

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page(browser, demo):
    """Logged in through a one-time link; any complaint of the browser (CSP, script, missing file) fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda line: page.complaints.append(line.text) if line.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    log_in(page, demo)
    yield page
    assert page.complaints == []
    context.close()


def log_in(page, demo):
    link = re.search(r"/login/link/\S+", demo.run("login-link").stdout.decode())[0]
    page.goto(demo.web + link)
    if button := page.query_selector("main form button"):
        button.click()
    page.wait_for_url(re.compile(re.escape(demo.web) + r"/?$|.*/sessions.*"))


def shell(demo, kubectl, tag):
    words = ["exec", "-it", "shell", "-c", "shell", "--", "sh", "-c", "PS1='$ ' exec sh", tag]
    terminal = Terminal(kubectl.argv(*words), kubectl.env)
    terminal.expect("$ ")
    return terminal


def type_lines(terminal, lines):
    at = len(terminal.seen)
    for line in lines:
        terminal.type(line + "\r")
        at = terminal.expect("\n$ ", after=at)


def search_and_open(page, demo, word):
    page.goto(demo.web + "/search")
    box = page.locator("main input[name=q]")
    box.fill(word)
    box.press("Enter")
    hit = page.locator(f'main a[href*="?t="]:has-text("{word}"), main li:has-text("{word}") a[href*="t="]').first
    target = hit.get_attribute("href")
    hit.click()
    return float(re.search(r"[?&]t=([\d.]+)", target)[1])


def screen(page):
    return page.locator(".ap-player, .ap-terminal").first.inner_text()


def test_a_search_lands_in_the_player_at_that_second(page, demo, kubectl, screenshots):
    word, tag = f"needle{uuid.uuid4().hex[:8]}", f"mark-{uuid.uuid4().hex[:12]}"
    terminal = shell(demo, kubectl, tag)
    type_lines(terminal, ["echo first", "sleep 2", f"echo {word}", "sleep 1", "echo last"])
    terminal.type("exit\r")
    assert terminal.end() == 0
    row = demo.session(tag)
    until(lambda: [hit for hit in demo.search(word) if hit["source"] == "typed"], what="the hit")
    at = search_and_open(page, demo, word)
    assert row["id"] in page.url
    assert 2 <= at <= 30
    terminal_text = page.locator(".ap-player")
    expect(terminal_text).to_be_visible()
    until(lambda: word in screen(page), what=f"{word} on the player's screen")
    page.screenshot(path=screenshots / "replay.png")


def test_a_live_session_is_found_and_opens(page, demo, kubectl):
    word, tag = f"live{uuid.uuid4().hex[:8]}", f"mark-{uuid.uuid4().hex[:12]}"
    terminal = shell(demo, kubectl, tag)
    type_lines(terminal, [f"echo {word}"])
    until(lambda: [hit for hit in demo.search(word) if hit["source"] == "typed"], 30, "the live hit")
    row = demo.begun(tag)
    assert row["ended"] is None
    search_and_open(page, demo, word)
    assert row["id"] in page.url
    until(lambda: word in screen(page), what=f"{word} on the player's screen")
    terminal.type("exit\r")
    assert terminal.end() == 0


def test_what_a_container_prints_is_never_markup(page, demo, kubectl):
    attack = f"<img src=x onerror=alert(1)>{uuid.uuid4().hex[:8]}"
    kubectl.run("exec", "shell", "-c", "shell", "--", "echo", attack, "\x1b]0;<script>alert(2)</script>\x07", check=0)
    row = demo.session(attack)
    until(lambda: demo.search(attack[-8:]), what="the hit")
    for path in ("/", f"/sessions/{row['id']}", f"/search?q={attack[-8:]}"):
        page.goto(demo.web + path)
        assert page.locator("img[src=x]").count() == 0
        assert attack in page.locator("main").inner_text()


def test_a_password_opens_the_door_and_a_wrong_one_does_not(browser, demo):
    demo.run("user", "add", "auditor", "--password-stdin", input=b"correct horse battery\n")
    context = browser.new_context()
    page = context.new_page()
    page.goto(demo.web + "/search?q=x")
    expect(page).to_have_url(re.compile(r"/login"))
    for password, enters in (("wrong", False), ("correct horse battery", True)):
        page.fill("input[type=text], input[name=user], input[name=name]", "auditor")
        page.fill("input[type=password]", password)
        page.press("input[type=password]", "Enter")
        if enters:
            expect(page).to_have_url(re.compile(r"/search\?q=x"))
        else:
            expect(page.locator("main")).to_contain_text(re.compile("wrong|not|incorrect", re.I))
    context.close()


def test_a_link_works_once(browser, demo):
    link = re.search(r"/login/link/\S+", demo.run("login-link").stdout.decode())[0]
    for enters in (True, False):
        context = browser.new_context()
        page = context.new_page()
        page.goto(demo.web + link)
        if button := page.query_selector("main form button"):
            button.click()
            page.wait_for_load_state()
        page.goto(demo.web + "/")
        assert ("/login" not in page.url) is enters
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_fits_the_window(browser, demo, screenshots, scheme, width):
    row = demo.ls()[-1]
    context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme)
    page = context.new_page()
    pages = {"login": "/login"}
    for name, path in pages.items():
        page.goto(demo.web + path)
        page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png")
    log_in(page, demo)
    pages = {"sessions": "/", "search": "/search?q=echo", "session": f"/sessions/{row['id']}", "missing": "/nothing-here"}
    for name, path in pages.items():
        page.goto(demo.web + path)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.screenshot(path=screenshots / f"{name}-{width}-{scheme}.png", full_page=name != "missing")
        assert overflow <= 0, f"{name} is {overflow} px wider than a window of {width} px"
    context.close()


def position(page):
    """Seconds at which the player stands, as the timeline says."""
    return float(page.locator("#strip").get_attribute("aria-valuenow"))


def test_the_players_keys_find_speed_and_links(page, demo, kubectl):
    word, tag = f"hit{uuid.uuid4().hex[:8]}", f"mark-{uuid.uuid4().hex[:12]}"
    terminal = shell(demo, kubectl, tag)
    type_lines(terminal, ["sleep 1", "sleep 6", f"echo {word}; sleep 1", f"echo {word} again; sleep 1", "sleep 2", "echo last; sleep 1"])
    terminal.type("exit\r")
    assert terminal.end() == 0
    row = demo.session(tag)
    demo.manifest(row["id"])
    page.goto(f"{demo.web}/sessions/{row['id']}?t=0.1")
    strip = page.locator("#strip")
    strip.wait_for()

    # Find: two commands and what each printed; a place is one click away.
    box = page.get_by_label("Find in this recording")
    box.fill(word.upper())
    box.press("Enter")
    page.get_by_text("4 lines have it.").wait_for()
    page.locator("#places a").last.click()
    until(lambda: f"{word} again" in screen(page), what="the place that was found")
    assert position(page) >= 6
    box.fill("nothing like this")
    box.press("Enter")
    page.get_by_text("0 lines have it.").wait_for()

    # Keys: the timeline's, and from command to command.
    strip.focus()
    page.keyboard.press("Home")
    until(lambda: position(page) == 0 and word not in screen(page), what="the start")
    page.keyboard.press("End")
    until(lambda: "echo last" in screen(page), what="the end")
    page.keyboard.press("Home")
    until(lambda: word not in screen(page), what="the start again")
    current = page.locator("#steps a[aria-current]")
    page.locator("#steps a", has_text="sleep 1").first.click()
    expect(current.locator("code")).to_have_text("sleep 1")
    for command in ("sleep 6", f"echo {word}; sleep 1", f"echo {word} again; sleep 1"):
        page.keyboard.press(";")
        expect(current.locator("code")).to_have_text(command)
    page.keyboard.press(",")
    expect(current.locator("code")).to_have_text(f"echo {word}; sleep 1")

    # The link leads to that moment.
    strip.focus()
    page.keyboard.press("End")
    until(lambda: "echo last" in screen(page), what="the end")
    moment = page.locator("#moment").get_attribute("href")
    page.goto(demo.web + moment)
    until(lambda: "echo last" in screen(page), what="the moment of the link")

    # At 16 times, idle time skipped, ten seconds go by in a moment.
    page.goto(f"{demo.web}/sessions/{row['id']}?t=0.1")
    strip.wait_for()
    page.get_by_label("Speed").select_option("16")
    page.get_by_label("Skip idle").check()
    page.locator(".ap-player").click()
    until(lambda: "echo last" in screen(page), what="the end, played")

    # What is on the screen can be taken as text.
    page.evaluate("getSelection().selectAllChildren(document.querySelector('.ap-term'))")
    assert word in page.evaluate("getSelection().toString()")


def test_a_search_is_narrowed_by_what_its_hits_have_in_common_and_ordered(page, demo, kubectl):
    mark = f"narrow-{uuid.uuid4().hex[:8]}"
    first = ["exec", "shell", "-c", "shell", "--", "sh", "-c", f"echo {mark} one"]
    second = ["exec", "web", "-c", "app", "--", "sh", "-c", f"echo {mark} two"]
    for words in (first, second):
        kubectl.run(*words)
    until(lambda: len(demo.search(mark, "--kind", "command")) >= 2, 20, "both in the index")
    page.goto(f"{demo.web}/search?q={mark}&kind=command")
    hits = page.locator("li.hit .line")
    texts = lambda: hits.all_inner_texts()  # noqa: E731
    assert len(texts()) == 2 and "two" in texts()[0], "newest first"

    page.get_by_role("navigation", name="Order").get_by_role("link", name="Oldest").click()
    expect(hits.first).to_contain_text("one")
    pods = page.get_by_role("region", name="Pod")
    expect(pods.get_by_role("link")).to_have_count(2)
    expect(page.get_by_role("region", name="Person")).to_have_count(0)  # the same of both
    pods.get_by_role("link", name="web").click()
    expect(hits).to_have_count(1)
    expect(hits.first).to_contain_text("two")
    assert "order=oldest" in page.url and "pod=web" in page.url
    pods.get_by_role("link", name="web").click()
    expect(hits).to_have_count(2)
    assert "pod=" not in page.url


def test_a_search_that_cannot_be_read_shows_where(page, demo):
    page.goto(f"{demo.web}/search?q=" + "kubectl AND (get OR exit:x) pods".replace(" ", "+"))
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("character 26")
    expect(alert.locator("code")).to_have_text("kubectl AND (get OR exit:x) pods")
    expect(alert.locator("mark")).to_have_text("x")
    answer = page.request.get(f"{demo.web}/api/v1/search?q=a+exit:x")
    assert answer.status == 400 and answer.json()["place"] == {"start": 7, "end": 8}
    page.complaints.clear()  # the browser tells of the 400
