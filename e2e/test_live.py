"""Watching a kubectl session from the browser while it goes on."""

import re
import socket
import time
import uuid

from kubectl import Kubectl
from program import Process, binary, until
from test_browser import browser, log_in, page, screen, shell, type_lines  # noqa: F401  (fixtures)
from test_s3 import Serve, cluster  # noqa: F401  (a fixture)
from test_spool import Faults, bucket  # noqa: F401  (a fixture)


def stalled_viewer(demo, page, session):
    """Somebody who opens the stream and never reads it, with the least buffer the kernel gives."""
    (cookie,) = [c for c in page.context.cookies() if "kubetape" in c["name"] or "session" in c["name"].lower()]
    host, port = re.match(r"http://([^:/]+):(\d+)", demo.web).groups()
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.connect((host, int(port)))
    request = f"GET /api/v1/sessions/{session}/live HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie['name']}={cookie['value']}\r\n\r\n"
    connection.sendall(request.encode())
    assert connection.recv(12) == b"HTTP/1.1 200"
    return connection


def views(demo, session):
    """How the journal says that it was viewed."""
    return [entry["how"] for entry in demo.journal() if entry["event"] == "viewed" and entry.get("session") == session]


def test_a_session_is_watched_as_it_goes_on_and_a_stalled_viewer_holds_nobody_up(page, demo, kubectl, screenshots):  # noqa: F811
    word, tag = f"watch{uuid.uuid4().hex[:8]}", f"mark-{uuid.uuid4().hex[:12]}"
    terminal = shell(demo, kubectl, tag)
    type_lines(terminal, [f"echo {word}before"])
    row = demo.begun(tag)
    page.goto(f"{demo.web}/sessions/{row['id']}")
    until(lambda: f"{word}before" in screen(page), what="what was there before")
    stalled = stalled_viewer(demo, page, row["id"])

    delays = []
    for number in range(5):
        text = f"{word}{number}"
        terminal.type(f"echo {text}\r")
        terminal.expect(f"\n{text}")
        at = time.monotonic()
        until(lambda text=text: f"\n{text}" in screen(page), what=f"{text} on the viewer's screen")
        delays.append(time.monotonic() - at)
    print(f"\nfrom kubectl's screen to the viewer's: {sorted(delays)[2] * 1000:.0f} ms (median), {max(delays) * 1000:.0f} ms at most")
    page.screenshot(path=screenshots / "live.png")

    # 2 MB that the stalled viewer does not read: neither the session nor the other viewer waits for it.
    type_lines(terminal, ["seq 1 300000", f"echo {word}after"])
    until(lambda: f"\n{word}after" in screen(page), 60, what="what came after the flood")
    terminal.type("exit\r")
    assert terminal.end() == 0
    page.get_by_text("The session has ended.").wait_for()
    stalled.close()

    until(lambda: "live" in views(demo, row["id"]), what="the viewing in the journal")
    page.get_by_role("link", name="Watch the recording").click()
    until(lambda: page.locator(".ap-player").count() == 1, what="the recording")


def test_what_was_so_far_is_played_and_then_what_goes_on(page, demo, kubectl):  # noqa: F811
    word, tag = f"both{uuid.uuid4().hex[:8]}", f"mark-{uuid.uuid4().hex[:12]}"
    terminal = shell(demo, kubectl, tag)
    type_lines(terminal, [f"echo {word}before"])
    row = demo.begun(tag)
    until(lambda: f"{word}before" in demo.run("text", row["id"]).stdout.decode(), what="what is stored")
    page.goto(f"{demo.web}/sessions/{row['id']}?t=0")
    page.locator("#deck:not([hidden])").wait_for()
    assert word not in screen(page), "it begins at the beginning"
    page.get_by_label("Speed").select_option("16")
    page.locator(".ap-player").click()
    page.get_by_text("You see what is on the screen now.").wait_for()
    until(lambda: f"{word}before" in screen(page), what="the live screen")
    type_lines(terminal, [f"echo {word}after"])
    until(lambda: f"\n{word}after" in screen(page), what="what goes on")
    terminal.type("exit\r")
    assert terminal.end() == 0


def test_a_session_is_watched_while_storage_is_away(browser, tmp_path, cluster, bucket):  # noqa: F811
    faults = Faults(bucket.port)
    with Serve(tmp_path, cluster, faults) as served:
        context = browser.new_context()
        page = context.new_page()  # noqa: F811
        log_in(page, served)
        faults.mode = "away"
        kubectl = Kubectl("1.37", "websocket", served.kubeconfig)
        tag = f"mark-{uuid.uuid4().hex[:12]}"
        terminal = shell(served, kubectl, tag)
        type_lines(terminal, ["echo away"])
        # The bucket has nothing of it.
        page.goto(served.web)
        until(lambda: (page.reload(), page.get_by_role("link", name=tag).count())[1], what="the session in the list")
        page.get_by_role("link", name=tag).click()
        until(lambda: "\naway" in screen(page), what="the screen")
        page.locator("#steps").get_by_text("echo away", exact=True).wait_for()
        type_lines(terminal, ["echo further"])
        until(lambda: "\nfurther" in screen(page), what="what goes on")
        assert "away" in faults.hit
        faults.mode = "fair"
        terminal.type("exit\r")
        assert terminal.end() == 0
        assert served.session(tag)["outcome"] == "exited"
        context.close()


def test_a_session_is_ended_from_its_page_with_a_reason(page, demo, kubectl, screenshots):  # noqa: F811
    tag, reason = f"mark-{uuid.uuid4().hex[:12]}", "change freeze until <b>Monday</b>"
    terminal = shell(demo, kubectl, tag)
    type_lines(terminal, ["echo working"])
    row = demo.begun(tag)
    page.goto(f"{demo.web}/sessions/{row['id']}")
    until(lambda: "working" in screen(page), what="the live screen")
    box, button = page.locator("#ending").get_by_label("Reason"), page.get_by_role("button", name="End the session")
    assert not button.is_visible()
    page.get_by_text("End this session…").click()

    # A reason that is none: it says so, and the session goes on.
    box.fill("   ")
    button.click()
    page.get_by_role("alert").get_by_text("say why", exact=False).wait_for()
    page.complaints.clear()  # the browser's line about the answer 400
    type_lines(terminal, ["echo still here"])
    page.screenshot(path=screenshots / "end-session.png")

    box.fill(reason)
    button.click()
    assert terminal.end() == 1
    assert f"session ended by an administrator: {reason}".encode() in terminal.seen
    by = page.locator(".who").inner_text()
    # It is over: the page says by whom and why, and has no button any more.
    page.get_by_text(f"by {by}: session ended by an administrator: {reason}").wait_for()
    assert page.get_by_text("End this session…").count() == 0
    manifest = demo.manifest(row["id"])
    assert (manifest["outcome"], manifest["by"]) == ("ended_by_gateway", by)
    told = lambda: [e for e in demo.journal() if e["event"] == "terminated" and e["session"] == row["id"]]  # noqa: E731
    (entry,) = until(told, what="the journal's entry")
    assert (entry["user"], entry["reason"]) == (by, reason)


def test_a_session_that_is_over_meanwhile_is_not_ended(page, demo, kubectl):  # noqa: F811
    tag = f"mark-{uuid.uuid4().hex[:12]}"
    terminal = shell(demo, kubectl, tag)
    row = demo.begun(tag)
    page.goto(f"{demo.web}/sessions/{row['id']}?t=0")
    page.get_by_text("End this session…").click()
    terminal.type("exit\r")
    assert terminal.end() == 0
    demo.session(tag)
    page.locator("#ending").get_by_label("Reason").fill("too late")
    page.get_by_role("button", name="End the session").click()
    page.get_by_role("alert").get_by_text("may have ended a moment ago", exact=False).wait_for()
    page.complaints.clear()  # the browser's line about the answer 400
    assert page.get_by_text("End this session…").count() == 0
    assert demo.manifest(row["id"])["outcome"] != "ended_by_gateway"


def test_the_program_follows_a_session_to_its_end(demo, kubectl):
    word, tag = f"follow{uuid.uuid4().hex[:8]}", f"mark-{uuid.uuid4().hex[:12]}"
    terminal = shell(demo, kubectl, tag)
    type_lines(terminal, [f"echo {word}before"])
    row = demo.begun(tag)
    # What was said before is stored within the chunks' age.
    until(lambda: f"{word}before" in demo.run("text", row["id"]).stdout.decode(), what="what is stored")
    player = Process([binary("kubetape"), "--config", demo.config, "play", row["id"], "--follow"])
    player.wait_for(f"^{word}before")
    type_lines(terminal, [f"echo {word}after"])
    player.wait_for(f"^{word}after")
    terminal.type("exit\r")
    assert terminal.end() == 0
    assert player.process.wait(30) == 0
    until(lambda: "live" in views(demo, row["id"]), what="the viewing in the journal")
