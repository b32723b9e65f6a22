//! Channel protocols over WebSocket. The tests about frames follow the table in `src/websocket/rules.rs`.

mod transcript;

use transcript::frames::{head, masked, plain};
use transcript::{Script, Upgraded};
use wire::Side::{Client, Server};
use wire::Subresource;

const BIN: u8 = 0x82;
const TEXT: u8 = 0x81;
const CONT: u8 = 0x80;
/// FIN=0
const BIN_MORE: u8 = 0x02;
const CONT_MORE: u8 = 0x00;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

const SUCCESS: &[u8] = br#"{"metadata":{},"status":"Success"}"#;
const EXIT_42: &[u8] = br#"{"metadata":{},"status":"Failure","message":"command terminated","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"42"}]}}"#;

fn on(channel: u8, data: &[u8]) -> Vec<u8> {
    [&[channel], data].concat()
}

fn v4() -> Upgraded {
    Upgraded::websocket("v4.channel.k8s.io")
}

fn v5() -> Upgraded {
    Upgraded::websocket("v5.channel.k8s.io")
}

fn client_says(frames: &[Vec<u8>]) -> Vec<String> {
    v5().says(&[(Client, frames.concat())])
}

fn server_says(frames: &[Vec<u8>]) -> Vec<String> {
    v5().says(&[(Server, frames.concat())])
}

#[test]
fn a_session() {
    let script: Script = vec![
        (Server, plain(BIN, &[1])),
        (Client, masked(BIN, &on(4, b"{\"Width\":80,\"Height\":24}\n"))),
        (Server, plain(BIN, &on(1, b"$ "))),
        (Client, masked(BIN, &on(0, b"exit 42\r"))),
        (Client, masked(PING, b"")),
        (Server, plain(PONG, b"")),
        (Server, plain(BIN, &on(3, EXIT_42))),
        (Server, plain(CLOSE, &[3, 0xe8])),
        (Client, masked(CLOSE, &[3, 0xe8])),
    ];
    assert_eq!(
        v5().says(&script),
        [
            r#"resize 4: {\"Width\":80,\"Height\":24}"#,
            "size 80x24",
            r"resize 4: \n",
            "stdout 1: $ ",
            r"stdin 0: exit 42\r",
            "ping",
            "pong",
            &format!("error 3: {}", EXIT_42.escape_ascii()),
            "exit code 42",
            "close 1000",
            "close 1000",
        ]
    );
}

#[test]
fn the_streams_are_those_of_the_request() {
    let mut opened = Vec::new();
    let query = "command=x&stdin=true&stdout=true&stderr=true";
    let upgraded = Upgraded::new(Subresource::Exec, query, "websocket", "v5.channel.k8s.io");
    upgraded.decoder().feed(Server, &[], &mut |event| opened.push(format!("{event:?}")));
    let expected = ["id: 0, stream: Stdin", "id: 1, stream: Stdout", "id: 2, stream: Stderr", "id: 3, stream: Error"];
    assert_eq!(opened.len(), 4);
    assert!(opened.iter().zip(expected).all(|(event, expected)| event.contains(expected)), "{opened:?}");
}

#[test]
fn each_fragment_of_the_client_has_its_own_channel() {
    let said = client_says(&[masked(BIN_MORE, b"\0ab"), masked(CONT, b"\0cd\n")]);
    assert_eq!(
        said,
        ["odd @0: a fragmented message", "stdin 0: ab", "odd @9: a CONTINUATION frame of the client", r"stdin 0: cd\n"]
    );
}

#[test]
fn a_continuation_with_an_rfc_payload_is_for_channel_0x63() {
    let said = client_says(&[masked(BIN_MORE, b"\0ab"), masked(CONT, b"cd\n")]);
    assert_eq!(said, ["odd @0: a fragmented message", "stdin 0: ab", "odd @9: a CONTINUATION frame of the client"]);
}

#[test]
fn a_channel_byte_alone_in_a_fragment_gives_nothing() {
    let said = client_says(&[masked(BIN_MORE, b"\0"), masked(CONT, b"data\n")]);
    assert_eq!(said, ["odd @0: a fragmented message", "odd @7: a CONTINUATION frame of the client"]);
}

#[test]
fn orphan_continuations_reserved_opcodes_and_rsv_are_data() {
    assert_eq!(client_says(&[masked(CONT, b"\0a")]), ["odd @0: a CONTINUATION frame of the client", "stdin 0: a"]);
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        assert_eq!(client_says(&[masked(0x80 | opcode, b"\0a")]), ["odd @0: a reserved opcode", "stdin 0: a"]);
    }
    for rsv in [0x40, 0x20, 0x10] {
        let said = client_says(&[masked(BIN | rsv, b"\0a")]);
        assert_eq!(said, ["odd @0: a reserved bit without an extension", "stdin 0: a"]);
    }
}

#[test]
fn text_is_data_also_when_it_is_no_utf_8() {
    assert_eq!(client_says(&[masked(TEXT, b"\0ls\n"), masked(TEXT, b"\0\xff")]), [r"stdin 0: ls\n\xff"]);
}

#[test]
fn lengths_that_are_not_minimal_are_odd_and_read() {
    let long = [&[BIN, 0x80 | 127][..], &3u64.to_be_bytes(), &[0; 4], b"\0ab"].concat();
    let medium = [&[BIN, 0x80 | 126][..], &3u16.to_be_bytes(), &[0; 4], b"\0cd"].concat();
    let odd = |at| format!("odd @{at}: a length that is not in its shortest form");
    let expected = [odd(0), "stdin 0: ab".to_owned(), odd(17), "stdin 0: cd".to_owned()];
    assert_eq!(client_says(&[long, medium]), expected);
    let long = [&[BIN, 127][..], &3u64.to_be_bytes(), b"\x01ab"].concat();
    assert_eq!(server_says(&[long]), [odd(0), "stdout 1: ab".to_owned()]);
}

#[test]
fn a_long_ping_is_odd_and_answered() {
    assert_eq!(client_says(&[masked(PING, &[7; 200])]), ["odd @0: a control frame of more than 125 bytes", "ping"]);
}

#[test]
fn an_unmasked_frame_ends_the_input() {
    let said = client_says(&[masked(BIN, b"\0a"), plain(BIN, b"\0b"), masked(BIN, b"\0c")]);
    assert_eq!(said, ["stdin 0: a", "lost @8: an unmasked frame of the client"]);
}

#[test]
fn a_frame_of_more_than_32_mib_ends_the_input() {
    let said = client_says(&[head(BIN, 0x80, (32 << 20) + 1), vec![0; 40]]);
    assert_eq!(said, ["lost @0: a frame of more than 32 MiB"]);
    let just_right = [head(BIN, 0x80, 32 << 20), vec![0; 4], b"\0ab".to_vec()];
    assert_eq!(client_says(&just_right), ["stdin 0: ab"]);
}

/// Go's x/net drops the length's first bit and reads no payload: the frames behind it would be read by the server alone.
#[test]
fn a_length_of_64_bits_ends_the_session_in_both_directions() {
    let first_bit = |first: u8, mask: u8, length: u64| {
        [&[first, mask | 127][..], &(1 << 63 | length).to_be_bytes(), if mask == 0 { b"" } else { &[0; 4] }].concat()
    };
    let what = "lost @8: a frame length of more than 63 bits";
    for first in [BIN, TEXT, CONT, BIN_MORE, PING, PONG, CLOSE, 0x83, BIN | 0x40] {
        for length in [0, 2, (32 << 20) + 1, i64::MAX as u64] {
            let hidden = [masked(BIN, b"\0a"), first_bit(first, 0x80, length), masked(BIN, b"\0hidden")];
            assert_eq!(client_says(&hidden), ["stdin 0: a", what], "{first:#x}, {length}");
            let hidden = [plain(BIN, b"\x01abc"), plain(PONG, b""), first_bit(first, 0, length), plain(BIN, b"\x01b")];
            let what = "lost @8: a frame length of more than 63 bits";
            assert_eq!(server_says(&hidden), ["stdout 1: abc", "pong", what], "{first:#x}, {length}");
        }
    }
}

#[test]
fn ignored_channels_of_the_client_give_nothing() {
    let frames: Vec<_> = [1, 2, 3, 5, 99, 254].map(|channel| masked(BIN, &on(channel, b"x"))).to_vec();
    assert_eq!(client_says(&frames), [""; 0]);
    assert_eq!(client_says(&[masked(BIN, b""), masked(BIN, b"\0")]), [""; 0]);
}

#[test]
fn stdin_that_was_not_asked_for_is_ignored() {
    let upgraded = Upgraded::new(Subresource::Exec, "command=x&stdout=1", "websocket", "v5.channel.k8s.io");
    assert_eq!(upgraded.says(&[(Client, masked(BIN, b"\0a"))]), [""; 0]);
}

#[test]
fn v5_closes_a_channel_and_v4_ignores_that() {
    let script: Script = vec![(Client, [masked(BIN, b"\0a"), masked(BIN, b"\xff\0"), masked(BIN, b"\0b")].concat())];
    assert_eq!(v5().says(&script), ["stdin 0: a", "half-closed stdin 0"]);
    assert_eq!(v4().says(&script), ["stdin 0: ab"]);
}

#[test]
fn malformed_close_signals_end_the_input() {
    for payload in [&b"\xff"[..], b"\xff\0\x01"] {
        let said = client_says(&[masked(BIN, payload), masked(BIN, b"\0a")]);
        assert_eq!(said, ["lost @0: a close signal that is not exactly FF and a channel"]);
    }
    let said = client_says(&[masked(BIN, b"\xff\x05"), masked(BIN, b"\0a")]);
    assert_eq!(said, ["lost @0: a close signal for a channel that there is not"]);
}

#[test]
fn fragments_of_the_server_are_one_message() {
    let said = server_says(&[
        plain(BIN_MORE, b"\x01hel"),
        plain(PING, b"x"),
        plain(CONT_MORE, b"lo"),
        plain(CONT, b"\n"),
        plain(BIN, &on(3, SUCCESS)),
        plain(CLOSE, &[3, 0xe8]),
    ]);
    assert_eq!(
        said,
        [
            "odd @0: a fragmented message",
            "stdout 1: hel",
            "ping",
            r"stdout 1: lo\n",
            &format!("error 3: {}", SUCCESS.escape_ascii()),
            "success",
            "close 1000"
        ]
    );
}

#[test]
fn what_no_server_sends_is_odd() {
    assert_eq!(server_says(&[plain(BIN, b"")]), ["odd @0: an empty message of the server"]);
    assert_eq!(server_says(&[plain(BIN, b"\x09a")]), ["odd @0: a message on a channel that no client reads"]);
    assert_eq!(server_says(&[plain(TEXT, b"\x01a")]), ["odd @0: a TEXT message of the server", "stdout 1: a"]);
}

/// RFC 6455 has the client drop the connection at each, and those that we know do.
#[test]
fn what_breaks_the_protocol_ends_the_output() {
    let hello = plain(BIN, b"\x01a");
    let cases = [
        ("a CONTINUATION of no message", vec![plain(CONT, b"\x01b")]),
        ("a reserved opcode", vec![plain(0x83, b"\x01b")]),
        ("a reserved opcode", vec![plain(0x8b, b"\x01b")]),
        ("a reserved bit without an extension", vec![plain(BIN | 0x40, b"\x01b")]),
        ("a reserved bit without an extension", vec![plain(PING | 0x10, b"")]),
        ("a masked frame of the server", vec![masked(BIN, b"\x01b")]),
        ("a control frame of more than 125 bytes", vec![plain(PING, &[7; 126])]),
        ("a fragmented control frame", vec![plain(PING & 0x7f, b"")]),
        ("a frame of more than 32 MiB", vec![head(BIN, 0, (32 << 20) + 1)]),
    ];
    for (what, frames) in cases {
        let said = server_says(&[hello.clone(), frames.concat(), hello.clone()]);
        assert_eq!(said, ["stdout 1: a".to_owned(), format!("lost @4: {what}")]);
    }
    let inside = [plain(BIN_MORE, b"\x01a"), plain(BIN, b"\x01b"), plain(CONT, b"c")];
    let expected = ["odd @0: a fragmented message", "stdout 1: a", "lost @4: a message inside a fragmented message"];
    assert_eq!(server_says(&inside), expected);
}

#[test]
fn an_interleaved_fragment_of_the_client_is_a_message() {
    let said = client_says(&[
        masked(BIN_MORE, b"\0a"),
        masked(BIN_MORE, b"\0b"),
        masked(PING & 0x7f, b""),
        masked(CONT, b"\0c"),
    ]);
    assert_eq!(
        said,
        [
            "odd @0: a fragmented message",
            "stdin 0: a",
            "odd @8: a fragmented message",
            "stdin 0: b",
            "odd @16: a fragmented control frame",
            "ping",
            "odd @22: a CONTINUATION frame of the client",
            "stdin 0: c",
        ]
    );
}

#[test]
fn a_status_may_come_in_two_messages_and_before_the_last_output() {
    let (a, b) = SUCCESS.split_at(10);
    let said = server_says(&[plain(BIN, &on(3, a)), plain(BIN, &on(3, b)), plain(BIN, &on(1, b"bye"))]);
    assert_eq!(said, [&format!("error 3: {}", SUCCESS.escape_ascii()), "stdout 1: bye", "success"]);
}

#[test]
fn a_101_is_no_success() {
    assert_eq!(server_says(&[plain(BIN, &[1])]), [""; 0]);
    assert_eq!(server_says(&[plain(CLOSE, &[3, 0xe8])]), ["close 1000"]);
    let json = br#"{"status":"Failure","message":"no such pod","reason":"InternalError","code":500}"#;
    assert_eq!(server_says(&[plain(BIN, &on(3, json))])[1], "failure 500: no such pod");
}

#[test]
fn closes_have_a_code_a_reason_or_nothing() {
    assert_eq!(client_says(&[masked(CLOSE, b"")]), ["close"]);
    assert_eq!(server_says(&[plain(CLOSE, b"\x03\xf0by admin")]), ["close 1008 by admin"]);
}

#[test]
fn messages_behind_close_are_not_read_but_pongs_may_follow() {
    let said = server_says(&[plain(CLOSE, &[3, 0xe8]), plain(PONG, b""), plain(BIN, b"\x01a")]);
    assert_eq!(said, ["close 1000", "pong", "odd @6: a message behind CLOSE, which nobody reads"]);
}

#[test]
fn no_protocol_means_v1_text_errors() {
    for protocol in ["", "channel.k8s.io"] {
        let upgraded = Upgraded::websocket(protocol);
        let frames = [plain(BIN, b"\x03no such file"), plain(CLOSE, &[3, 0xe8])].concat();
        let said = upgraded.says(&[(Server, frames)]);
        assert_eq!(said, ["error 3: no such file", "failure: no such file", "close 1000"]);
        assert_eq!(upgraded.says(&[(Server, plain(CLOSE, &[3, 0xe8]))]), ["success", "close 1000"]);
    }
}

#[test]
fn base64_is_a_digit_and_a_message_of_its_own() {
    let upgraded = Upgraded::websocket("v4.base64.channel.k8s.io");
    let script: Script = vec![
        (Client, [masked(TEXT, b"0bHM="), masked(TEXT, b"0Cg==")].concat()),
        (Server, plain(TEXT, b"1ZmlsZQo=")),
        (Server, plain(TEXT, b"3eyJzdGF0dXMiOiJTdWNjZXNzIn0=")),
    ];
    assert_eq!(
        upgraded.says(&script),
        [r"stdin 0: ls\n", r"stdout 1: file\n", r#"error 3: {\"status\":\"Success\"}"#, "success"]
    );
}

#[test]
fn broken_base64_is_told() {
    let upgraded = Upgraded::websocket("base64.channel.k8s.io");
    let says = |payload: &[u8]| upgraded.says(&[(Client, [masked(TEXT, payload), masked(TEXT, b"0IQ==")].concat())]);
    assert_eq!(says(b"0bHM"), ["odd @0: a message whose base64 is cut off", "stdin 0: !"]);
    assert_eq!(says(b"0b-M="), ["odd @0: a message that is no base64", "stdin 0: !"]);
    assert_eq!(says(b"\0bHM="), ["stdin 0: !"]);
}

#[test]
fn sizes_are_a_stream_of_values() {
    let frames = [&b"\x04{\"Wid"[..], b"\x04th\":1,\"Height\":2}{\"width\":3", b"\x04,\"height\":4}x{\"Width\":9}"];
    let said = client_says(&frames.map(|frame| masked(BIN, frame)));
    let sizes: Vec<_> = said.iter().filter(|line| !line.starts_with("resize")).collect();
    assert_eq!(sizes, ["size 1x2", "size 3x4", "odd @46: a terminal size that the server cannot read"]);
}

#[test]
fn the_border_is_told() {
    let mut decoder = v5().decoder();
    let mut after = |bytes: &[u8]| {
        decoder.feed(Server, bytes, &mut |_| {});
        decoder.bytes_to_frame_boundary(Server)
    };
    assert_eq!(after(b""), Some(0));
    assert_eq!(after(&[BIN]), None);
    assert_eq!(after(&[5]), Some(5));
    assert_eq!(after(b"\x01ab"), Some(2));
    assert_eq!(after(b"cd"), Some(0));
    assert_eq!(after(&plain(BIN_MORE, b"\x01a")), None);
    assert_eq!(after(&plain(CONT, b"b")), Some(0));
    assert_eq!(after(&plain(CLOSE, b"")), None);
}

#[test]
fn a_termination_is_a_status_and_close() {
    let status = br#"{"metadata":{},"status":"Failure","message":"ended by jane","reason":"Forbidden","code":403}"#;
    let expected = [plain(BIN, &on(3, status)), plain(CLOSE, &[3, 0xe8])].concat();
    let termination = |upgraded: &Upgraded| upgraded.decoder().termination("ended by jane", "Forbidden", 403);
    assert_eq!(termination(&v5()), expected);
    assert_eq!(v5().says(&[(Server, expected)])[1..], ["failure 403: ended by jane", "close 1000"]);

    let text = Upgraded::websocket("");
    assert_eq!(text.says(&[(Server, termination(&text))])[1..], ["failure: ended by jane", "close 1000"]);
    let base64 = Upgraded::websocket("v4.base64.channel.k8s.io");
    assert_eq!(base64.says(&[(Server, termination(&base64))])[1..], ["failure 403: ended by jane", "close 1000"]);
}

#[test]
fn a_termination_does_not_write_into_the_servers_own_status() {
    let mut decoder = v5().decoder();
    decoder.feed(Server, &plain(BIN, &on(3, SUCCESS)), &mut |_| {});
    assert_eq!(decoder.termination("late", "Forbidden", 403), plain(CLOSE, &[3, 0xe8]));
}
