//! Port-forward over WebSocket: tunnelled SPDY, and the older form with a pair of channels for each port.

mod transcript;

use transcript::frames::{masked, plain};
use transcript::spdy::{FIN, Frames, data, go_away};
use transcript::{Script, Upgraded};
use wire::Side::{Client, Server};
use wire::Subresource::PortForward;

const BIN: u8 = 0x82;
const TEXT: u8 = 0x81;

fn tunnel() -> Upgraded {
    Upgraded::new(PortForward, "", "websocket", "SPDY/3.1+portforward.k8s.io")
}

fn channels(protocol: &str) -> Upgraded {
    Upgraded::new(PortForward, "ports=8080,9090", "websocket", protocol)
}

/// One message per write, as kubectl sends them, with an empty one among them.
fn in_messages(bytes: &[u8]) -> Vec<u8> {
    let mut messages = masked(BIN, b"");
    bytes.chunks(2).for_each(|chunk| messages.extend(masked(BIN, chunk)));
    messages
}

fn streams() -> Vec<u8> {
    let mut client = Frames::new();
    let of = |kind: &'static str| [("streamtype", kind), ("port", "80"), ("requestid", "0")];
    [client.syn_stream(1, &of("error")), data(1, FIN, b""), client.syn_stream(3, &of("data")), data(3, 0, b"PING")]
        .concat()
}

fn replies() -> Vec<u8> {
    let mut server = Frames::new();
    [server.syn_reply(1), server.syn_reply(3)].concat()
}

#[test]
fn a_tunnels_messages_have_no_borders() {
    let answer = [replies(), data(3, 0, b"PONG"), data(3, FIN, b""), go_away()].concat();
    let (a, b) = answer.split_at(5);
    let script: Script = vec![
        (Client, in_messages(&streams())),
        // gorilla: all the data in a frame without FIN, and an empty CONTINUATION.
        (Server, [plain(0x02, a), plain(0x80, b""), plain(BIN, b), plain(0x88, &[3, 0xe8])].concat()),
        (Client, masked(0x88, &[3, 0xe8])),
    ];
    assert_eq!(
        tunnel().says(&script),
        [
            "opened port-error 1, port 80, connection 0",
            "half-closed port-error 1",
            "opened port-data 3, port 80, connection 0",
            "port-data 3: PINGPONG",
            "half-closed port-data 3",
            "close 0",
            "close 1000",
            "close 1000",
        ]
    );
}

#[test]
fn a_tunnel_follows_the_rfc_both_ways() {
    let says = |frames: &[Vec<u8>]| tunnel().says(&[(Client, frames.concat())]);
    assert_eq!(says(&[masked(TEXT, b"\x80\x03")]), ["lost @0: a TEXT message in the tunnel"]);
    assert_eq!(says(&[masked(0x80, b"\x80\x03")]), ["lost @0: a CONTINUATION of no message"]);
    assert_eq!(says(&[plain(BIN, b"\x80\x03")]), ["lost @0: an unmasked frame of the client"]);
    let (a, b) = (streams()[..50].to_vec(), streams()[50..].to_vec());
    assert_eq!(says(&[masked(0x02, &a), masked(0x80, &b)]).len(), 4);
}

#[test]
fn the_border_of_a_tunnel_is_one_of_both_layers() {
    let mut decoder = tunnel().decoder();
    decoder.feed(Client, &in_messages(&streams()), &mut |_| {});
    let mut after = |bytes: &[u8]| {
        decoder.feed(Server, bytes, &mut |_| {});
        decoder.bytes_to_frame_boundary(Server)
    };
    let frame = data(3, 0, b"PONG");
    assert_eq!(after(&plain(BIN, &frame[..5])), None);
    assert_eq!(after(&plain(BIN, &frame[5..9])), None);
    assert_eq!(after(&plain(BIN, &frame[9..])[..2]), Some(3));
    assert_eq!(after(&frame[9..]), Some(0));
}

#[test]
fn a_tunnels_termination_is_an_error_text() {
    let mut decoder = tunnel().decoder();
    let client = in_messages(&streams());
    decoder.feed(Client, &client, &mut |_| {});
    let end = decoder.termination("ended by jane", "Forbidden", 403);
    let said = tunnel().says(&[(Client, client), (Server, plain(BIN, &replies())), (Server, end)]);
    assert_eq!(
        said[4..],
        ["port-error 1: ended by jane", "half-closed port-error 1", "half-closed port-data 3", "close 0", "close 1000",]
    );
}

fn prefixes() -> Vec<u8> {
    [&b"\0\x90\x1f"[..], b"\x01\x90\x1f", b"\x02\x82\x23", b"\x03\x82\x23"].map(|m| plain(BIN, m)).concat()
}

#[test]
fn channels_come_in_pairs_and_begin_with_their_port() {
    let script: Script = vec![
        (Server, prefixes()),
        (
            Client,
            [masked(BIN, b"\0PING"), masked(BIN, b"\x02HEY"), masked(BIN, b"\x01x"), masked(BIN, b"\x04x")].concat(),
        ),
        (Server, [plain(BIN, b"\0PONG"), plain(BIN, b"\x03refused")].concat()),
    ];
    for protocol in ["", "v4.channel.k8s.io"] {
        assert_eq!(
            channels(protocol).says(&script),
            ["port-data 0: PING", "port-data 2: HEY", "port-data 0: PONG", "port-error 3: refused"]
        );
    }
}

#[test]
fn channels_are_opened_with_their_ports() {
    let mut opened = Vec::new();
    channels("").decoder().feed(Server, b"", &mut |event| opened.push(format!("{event:?}")));
    assert_eq!(opened[3], "Opened { id: 3, stream: PortError, port: Some(9090), connection: Some(1) }");
}

#[test]
fn a_prefix_may_be_cut_joined_and_wrong() {
    let says = |frames: &[Vec<u8>]| channels("").says(&[(Server, frames.concat())]);
    assert_eq!(says(&[plain(BIN, b"\0\x90"), plain(BIN, b"\0\x1fdata")]), ["port-data 0: data"]);
    assert_eq!(
        says(&[plain(BIN, b"\0\x91\x1fdata")]),
        ["odd @0: a channel that does not begin with its port", "port-data 0: data"]
    );
    assert_eq!(says(&[plain(BIN, b"\x04xy")]), ["odd @0: a message on a channel that no client reads"]);
}

#[test]
fn base64_channels() {
    let script: Script = vec![
        (Server, [plain(TEXT, b"0kB8="), plain(TEXT, b"0UE9ORw==")].concat()),
        (Client, masked(TEXT, b"0UElORw==")),
    ];
    assert_eq!(channels("v4.base64.channel.k8s.io").says(&script), ["port-data 0: PONGPING"]);
}

#[test]
fn more_ports_than_channels() {
    let ports = (1..=200).map(|port: u32| port.to_string()).collect::<Vec<_>>().join(",");
    let upgraded = Upgraded::new(PortForward, &format!("ports={ports}"), "websocket", "v4.channel.k8s.io");
    let said = upgraded.says(&[(Client, masked(BIN, b"\xfex")), (Server, plain(BIN, b"\xff\x80\0err"))]);
    assert_eq!(said, ["port-data 254: x", "port-error 255: err"]);
    assert!(!upgraded.decoder().termination("x", "y", 1).is_empty());
}

#[test]
fn a_termination_goes_to_every_error_channel() {
    let upgraded = channels("v4.channel.k8s.io");
    let end = upgraded.decoder().termination("ended", "Forbidden", 403);
    assert_eq!(upgraded.says(&[(Server, end)]), ["port-error 1: ended", "port-error 3: ended", "close 1000"]);

    let mut decoder = upgraded.decoder();
    decoder.feed(Server, &prefixes(), &mut |_| {});
    let end = decoder.termination("ended", "Forbidden", 403);
    let said = upgraded.says(&[(Server, prefixes()), (Server, end)]);
    assert_eq!(said, ["port-error 1: ended", "port-error 3: ended", "close 1000"]);
}
