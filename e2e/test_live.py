"""Watching a kubectl session from the browser while it goes on."""

import re
import socket
import time
import uuid

from program import until
from test_browser import browser, log_in, page, screen, shell, type_lines  # noqa: F401  (fixtures)


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


def test_a_session_is_watched_as_it_goes_on_and_a_stalled_viewer_holds_nobody_up(page, demo, kubectl, screenshots):  # noqa: F811
    word, tag = f"watch{uuid.uuid4().hex[:8]}", f"mark-{uuid.uuid4().hex[:12]}"
    terminal = shell(demo, kubectl, tag)
    type_lines(terminal, [f"echo {word}before"])
    (row,) = demo.sessions(tag)
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

    watched = [entry for entry in demo.journal() if entry["event"] == "viewed" and entry.get("session") == row["id"]]
    assert "live" in [entry["how"] for entry in watched]
    page.get_by_role("link", name="Watch the recording").click()
    until(lambda: page.locator(".ap-player").count() == 1, what="the recording")
