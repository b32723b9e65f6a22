"""kubectl exec, by release and transport: what the client got is what the recording gives back, byte for byte."""

import hashlib
import json
import random
import time
import uuid

from terminal import Terminal

POD = ["shell", "-c", "shell"]


def mark():
    """A word that finds the command's session by its argv."""
    return f"mark-{uuid.uuid4().hex[:12]}"


def prompt(terminal):
    """Waits for the next prompt; what is typed before the first would be echoed by the local terminal."""
    terminal.at = terminal.expect("ready> ", after=getattr(terminal, "at", 0))


def transport_name(client):
    return "websocket" if client.transport == "websocket" else "spdy"


def test_without_terminal_streams_stay_apart_and_the_exit_code_is_kept(client, demo):
    tag = mark()
    script = "echo to stdout; echo to stderr >&2; printf 'no newline'; exit 42"
    done = client.run("exec", *POD, "--", "sh", "-c", script, tag)
    row = demo.session(tag)
    assert done.returncode == 42
    assert done.stdout == b"to stdout\nno newline"
    assert done.stderr.startswith(b"to stderr\n")
    assert demo.export(row["id"]) == done.stdout
    # kubectl adds its own last line to stderr.
    assert demo.export(row["id"], "stderr") == b"to stderr\n"
    assert done.stderr.removeprefix(b"to stderr\n") == b"command terminated with exit code 42\n"
    assert (row["outcome"], row["exit_code"], row["tty"]) == ("exited", 42, False)
    assert row["argv"] == ["sh", "-c", script, tag]
    assert (row["cluster"], row["namespace"], row["pod"], row["container"]) == (demo.cluster_name, "default", "shell", "shell")
    assert demo.manifest(row["id"])["transport"].lower().startswith(transport_name(client))


def test_argv_is_kept_element_by_element(client, demo):
    tag = mark()
    argv = ["printf", "%s|", 'a "b" & x=1+2; echo 100% é', "", "second arg\nwith newline", "--flag=v&w", "$(id)", tag]
    done = client.run("exec", *POD, "--", *argv, check=0)
    row = demo.session(tag)
    assert row["argv"] == argv
    assert done.stdout == "".join(word + "|" for word in argv[2:]).encode()
    assert demo.export(row["id"]) == done.stdout


def test_two_megabytes_through_stdin(client, demo):
    tag = mark()
    data = random.Random(2).randbytes(2_000_000)
    done = client.run("exec", "-i", *POD, "--", "sh", "-c", "sha256sum", tag, input=data, check=0)
    row = demo.session(tag)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert demo.export(row["id"]) == done.stdout
    # The demo's policy stores what is piped in.
    assert demo.export(row["id"], "stdin") == data


def test_commands_piped_into_a_shell_are_kept(client, demo):
    """The demo's rule does not name `record_input`: what is piped in is stored by default, and shown by nothing else."""
    tag = mark()
    script = f"id -u >/dev/null; cd / && : {tag}\n".encode()
    done = client.run("exec", "-i", *POD, "--", "sh", "-s", tag, input=script, check=0)
    assert done.stdout == b""
    row = demo.session(tag)
    assert demo.export(row["id"], "stdin") == script
    cast = demo.run("export", row["id"], "--format", "cast2").stdout.decode().splitlines()
    assert "".join(text for _, code, text in map(json.loads, cast[1:]) if code == "i") == script.decode()
    rows = [json.loads(line) for line in demo.run("text", row["id"], "--json").stdout.splitlines()]
    assert [(each["stream"], each["text"]) for each in rows] == [("stdin", script.decode().rstrip())]


def test_twenty_megabytes_of_output(client, demo):
    tag = mark()
    done = client.run("exec", *POD, "--", "sh", "-c", "seq 1 3000000 | head -c 20000000", tag, check=0)
    row = demo.session(tag)
    assert len(done.stdout) == 20_000_000
    assert demo.export(row["id"]) == done.stdout


def test_bytes_that_are_no_text_come_back_exactly(client, demo):
    tag = mark()
    script = "printf '\\377\\376\\000 caf\\303\\251 \\303'; head -c 100000 /dev/urandom"
    done = client.run("exec", *POD, "--", "bash", "-c", script, tag, check=0)
    row = demo.session(tag)
    assert len(done.stdout) > 100_000
    assert demo.export(row["id"]) == done.stdout


def test_terminal_with_resize(client, demo):
    tag = mark()
    terminal = Terminal(client.argv("exec", "-it", *POD, "--", "sh", "-c", "PS1='ready> ' exec sh", tag), client.env, 24, 80)
    prompt(terminal)
    terminal.type("stty size\r")
    terminal.expect("24 80")
    prompt(terminal)
    terminal.resize(40, 120)
    # The new size needs a moment to reach the process: ask until it is there.
    while b"40 120" not in terminal.seen:
        terminal.type("stty size\r")
        prompt(terminal)
    terminal.type("echo caf\u00e9-$((6*7))\r")
    terminal.expect("caf\u00e9-42")
    terminal.type("exit 3\r")
    status = terminal.end()
    row = demo.session(tag)
    assert status == 3
    assert (row["outcome"], row["exit_code"], row["tty"]) == ("exited", 3, True)
    # kubectl prints its own last line once it has given the terminal back.
    own = b"command terminated with exit code 3\r\n"
    assert terminal.seen.endswith(own)
    assert demo.export(row["id"]) == terminal.seen.removesuffix(own)
    # Both sizes, each once, in order; the second within the session and not at its start.
    cast = demo.run("export", row["id"], "--format", "cast2").stdout.decode().splitlines()
    sizes = [(at, size) for at, code, size in map(json.loads, cast[1:]) if code == "r"]
    assert [size for _, size in sizes] == ["80x24", "120x40"]
    assert sizes[0][0] < sizes[1][0]
    manifest = demo.manifest(row["id"])
    assert (manifest["width"], manifest["height"]) == (80, 24)


def test_what_is_typed_in_tmux_is_found_like_any_other_command(client, demo):
    tag = mark()
    terminal = Terminal(client.argv("exec", "-it", *POD, "--", "sh", "-c", "PS1='ready> ' TERM=xterm exec sh", tag), client.env)
    prompt(terminal)
    # The prompt does not stand in what is echoed of this.
    start = f"tmux -u -L {tag} -f /dev/null new \"PS1=in'side> ' sh\""
    terminal.type(f"{start}\r")
    terminal.expect("inside> ")
    # tmux' screen is read while it rests, as it does before a person types.
    time.sleep(0.1)
    terminal.type("echo in-$((6*7))-tmux\r")
    at = terminal.expect("in-42-tmux")
    at = terminal.expect("inside> ", after=at)
    time.sleep(0.1)
    # With its pane tmux is gone, and may not have drawn what was typed last.
    terminal.type("exit")
    terminal.expect("exit", after=at)
    time.sleep(0.1)
    terminal.type("\r")
    terminal.at = terminal.expect("[exited]")
    prompt(terminal)
    terminal.type("exit 4\r")
    assert terminal.end() == 4
    row = demo.session(tag)
    found = json.loads(demo.run("commands", row["id"], "--json").stdout)
    typed = [command["text"] for command in found if command["source"] == "typed"]
    assert typed == [start, "echo in-$((6*7))-tmux", "exit", "exit 4"]


def test_a_command_that_is_not_there(client, demo):
    tag = mark()
    done = client.run("exec", *POD, "--", "no-such-program", tag)
    row = demo.session(tag)
    # What the runtime says of it differs from an exit code: nothing ran.
    assert done.returncode == 1 and b"no-such-program" in done.stderr
    assert (row["outcome"], row["exit_code"]) == ("failed_to_start", None)
    assert "no-such-program" in row["reason"]


def test_input_that_nobody_reads(client, demo):
    tag = mark()
    done = client.run("exec", "-i", *POD, "--", "sh", "-c", "exit 0", tag, input=b"x" * 3_000_000, check=0)
    row = demo.session(tag)
    assert done.stdout == b""
    assert (row["outcome"], row["exit_code"]) == ("exited", 0)
