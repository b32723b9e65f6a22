//! Queries and 101 responses, as the API server and clients read them.

use wire::{Negotiated, NegotiationError, Request, RequestError, Subresource, Transport};

fn exec(query: &str) -> Request {
    Request::parse(Subresource::Exec, query).unwrap()
}

fn ports(query: &str) -> Result<Vec<u16>, RequestError> {
    Request::parse(Subresource::PortForward, query).map(|request| request.ports)
}

#[test]
fn every_element_of_argv_is_kept() {
    let query = "command=sh&command=-c&command=echo+%22a+b%22+%26+x%3D1%2B2%3B+echo+100%25+%C3%A9%E6%97%A5\
                 &command=&command=second+arg%0Awith+newline&command=--flag%3Dv%26w&container=app&stdin=true";
    let argv = ["sh", "-c", "echo \"a b\" & x=1+2; echo 100% é日", "", "second arg\nwith newline", "--flag=v&w"];
    assert_eq!(exec(query).argv, argv);
    assert_eq!(exec("command=a%20b&command=c").argv, ["a b", "c"]);
    assert_eq!(exec("command&command=").argv, ["", ""]);
    assert_eq!(exec("com%6Dand=x&Command=y").argv, ["x"]);
    assert_eq!(exec("command=%ff").argv, ["\u{fffd}"]);
    assert_eq!(exec("command=a=b").argv, ["a=b"]);
}

#[test]
fn booleans_are_true_unless_0_false_or_absent() {
    for yes in ["true", "True", "1", "yes", "", "no", "00", "+0", "%20false"] {
        assert!(exec(&format!("tty={yes}")).tty, "{yes}");
    }
    for no in ["0", "false", "False", "FALSE", "%30"] {
        assert!(!exec(&format!("tty={no}")).tty, "{no}");
    }
    assert!(exec("tty").tty);
    assert!(!exec("TTY=true").tty);
    assert!(!exec("").tty);
}

#[test]
fn the_first_of_a_scalar_counts() {
    assert_eq!(exec("container=a&container=b").container, "a");
    assert_eq!(exec("container=&container=b").container, "");
    assert!(!exec("tty=0&tty=1").tty);
    assert!(exec("tty=&tty=0").tty);
}

#[test]
fn empty_pairs_and_unknown_names_are_skipped() {
    let request = exec("&stdin=true&&stdout=1&pretty=x&");
    assert!(request.stdin && request.stdout && !request.stderr);
}

#[test]
fn a_terminal_has_no_stderr() {
    let request = exec("stderr=true&tty=true&stdout=true");
    assert!(request.tty && request.stdout && !request.stderr);
    assert!(exec("stderr=true&tty=false").stderr);
}

#[test]
fn queries_that_servers_read_differently_are_refused() {
    let refused = |query| Request::parse(Subresource::Exec, query).unwrap_err();
    for bad in ["command=%", "command=%4", "command=%zz", "command=%4%31", "%=x"] {
        assert!(matches!(refused(bad), RequestError::Encoding(_)), "{bad}");
    }
    assert_eq!(refused("command=a;command=b"), RequestError::Semicolon("command=a;command=b".into()));
}

#[test]
fn attach_has_no_command_and_port_forward_only_ports() {
    let attach = Request::parse(Subresource::Attach, "command=x&stdin=true&tty=true&container=c").unwrap();
    assert!(attach.argv.is_empty() && attach.stdin && attach.tty && attach.container == "c");
    let forward = Request::parse(Subresource::PortForward, "command=x&stdin=true&ports=1").unwrap();
    assert!(forward.argv.is_empty() && !forward.stdin);
}

#[test]
fn ports_are_listed_or_repeated() {
    assert_eq!(ports(""), Ok(vec![]));
    assert_eq!(ports("ports=8080"), Ok(vec![8080]));
    assert_eq!(ports("ports=80,443&ports=22"), Ok(vec![80, 443, 22]));
    for bad in ["", "0", "65536", "+80", "-1", "80,", "http", "8e1", "%2080"] {
        assert!(matches!(ports(&format!("ports={bad}")), Err(RequestError::Port(_))), "{bad:?}");
    }
}

fn negotiate(
    subresource: Subresource,
    upgrade: &str,
    protocol: Option<&str>,
) -> Result<(Transport, bool), NegotiationError> {
    let request = Request::parse(subresource, "").unwrap();
    Negotiated::from_response(&request, upgrade, protocol).map(|it| (it.transport, it.json_status))
}

#[test]
fn the_response_settles_the_transport() {
    let channels = |base64, close_signal| Transport::Channels { base64, close_signal };
    let (exec, forward) = (Subresource::Exec, Subresource::PortForward);
    for (subresource, upgrade, protocol, expected) in [
        (exec, "websocket", "v5.channel.k8s.io", (channels(false, true), true)),
        (exec, "WebSocket", "v4.channel.k8s.io", (channels(false, false), true)),
        (exec, "websocket", "channel.k8s.io", (channels(false, false), false)),
        (exec, "websocket", "", (channels(false, false), false)),
        (exec, "websocket", "base64.channel.k8s.io", (channels(true, false), false)),
        (exec, "websocket", "v4.base64.channel.k8s.io", (channels(true, false), true)),
        (exec, "SPDY/3.1", "v4.channel.k8s.io", (Transport::Spdy, true)),
        (exec, "spdy/3.1", "v3.channel.k8s.io", (Transport::Spdy, false)),
        (exec, "SPDY/3.1", "", (Transport::Spdy, false)),
        (forward, "SPDY/3.1", "portforward.k8s.io", (Transport::Spdy, false)),
        (forward, "websocket", "SPDY/3.1+portforward.k8s.io", (Transport::Tunnel, false)),
        (forward, "websocket", "v4.channel.k8s.io", (channels(false, false), false)),
        (forward, "websocket", "", (channels(false, false), false)),
    ] {
        assert_eq!(negotiate(subresource, upgrade, Some(protocol)), Ok(expected), "{upgrade} {protocol}");
    }
    assert_eq!(negotiate(exec, "SPDY/3.1", None), Ok((Transport::Spdy, false)));
    assert_eq!(negotiate(exec, "websocket", None), Ok((channels(false, false), false)));
}

#[test]
fn what_is_not_known_is_refused() {
    let (exec, forward) = (Subresource::Exec, Subresource::PortForward);
    for upgrade in ["h2c", "", "websocket, h2c", "SPDY/2"] {
        assert!(matches!(negotiate(exec, upgrade, None), Err(NegotiationError::Upgrade(_))), "{upgrade}");
    }
    for (subresource, upgrade, protocol) in [
        (exec, "websocket", "v6.channel.k8s.io"),
        (exec, "websocket", "v3.channel.k8s.io"),
        (exec, "websocket", "SPDY/3.1+portforward.k8s.io"),
        (exec, "websocket", "v4.channel.k8s.io, v5.channel.k8s.io"),
        (exec, "SPDY/3.1", "portforward.k8s.io"),
        (forward, "SPDY/3.1", "v4.channel.k8s.io"),
        (forward, "websocket", "v5.channel.k8s.io"),
    ] {
        let refused = negotiate(subresource, upgrade, Some(protocol));
        assert!(matches!(refused, Err(NegotiationError::Protocol { .. })), "{upgrade} {protocol}");
    }
}
