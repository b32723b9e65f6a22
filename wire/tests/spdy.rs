//! SPDY/3.1 as spdystream speaks it.

mod transcript;

use transcript::spdy::{FIN, Frames, control, data, go_away, ping, plain, reset};
use transcript::{Script, Upgraded};
use wire::Side::{Client, Server};
use wire::Subresource;

const SUCCESS: &[u8] = br#"{"metadata":{},"status":"Success"}"#;

fn v4() -> Upgraded {
    Upgraded::spdy("v4.channel.k8s.io")
}

fn client_says(frames: &[Vec<u8>]) -> Vec<String> {
    v4().says(&[(Client, frames.concat())])
}

#[test]
fn a_server_may_half_close_what_it_reads_but_not_write_to_it() {
    let mut client = Frames::new();
    let stdin = client.stream(1, "stdin");
    // v1 servers do so at the start.
    let script =
        |bytes: &[u8]| vec![(Client, stdin.clone()), (Server, data(1, FIN, bytes)), (Client, data(1, 0, b"ls"))];
    let v1 = Upgraded::spdy("channel.k8s.io");
    assert_eq!(v1.says(&script(b"")), ["opened stdin 1", "half-closed stdin 1", "stdin 1: ls"]);
    let said = v1.says(&script(b"x"));
    assert!(said[1].starts_with("odd "), "{said:?}");
}

fn replies(ids: &[u32]) -> Vec<u8> {
    let mut server = Frames::new();
    ids.iter().flat_map(|id| server.syn_reply(*id)).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn a_session() {
    let (mut client, mut server) = (Frames::new(), Frames::new());
    let script: Script = vec![
        (Client, client.stream(1, "error")),
        (Server, server.syn_reply(1)),
        (Client, client.stream(3, "stdin")),
        (Client, client.stream(5, "stdout")),
        (Client, client.stream(7, "resize")),
        (Server, [server.syn_reply(3), server.syn_reply(5), server.syn_reply(7)].concat()),
        (Client, data(7, 0, b"{\"Width\":80,\"Height\":24}\n")),
        (Client, data(3, 0, b"ls\r")),
        (Client, ping(1)),
        (Server, ping(1)),
        (Server, data(5, 0, b"file\r\n")),
        (Client, data(3, FIN, b"")),
        (Server, data(5, FIN, b"")),
        (Server, [data(1, 0, SUCCESS), reset(1), reset(3), reset(7), go_away()].concat()),
    ];
    assert_eq!(
        v4().says(&script),
        [
            "opened error 1",
            "opened stdin 3",
            "opened stdout 5",
            "opened resize 7",
            r#"resize 7: {\"Width\":80,\"Height\":24}"#,
            "size 80x24",
            r"resize 7: \n",
            r"stdin 3: ls\r",
            "ping",
            "pong",
            r"stdout 5: file\r\n",
            "half-closed stdin 3",
            "half-closed stdout 5",
            &format!("error 1: {}", SUCCESS.escape_ascii()),
            "reset error 1, code 5",
            "success",
            "reset stdin 3, code 5",
            "reset resize 7, code 5",
            "close 0",
        ]
    );
}

#[test]
fn the_first_bytes_of_a_real_session() {
    let bytes = hex(
        "8003 0001 00 000029 00000001 00000000 0000 78f9 e3c6a7c2 6260606004a7b392a2d4c45c6851c29a0a0a6800000000ffff
         8003 0001 00 000017 00000003 00000000 0000 c22e555c9292990700 0000ffff
         00000003 00 00000a 7374747920 73697a65 0d",
    );
    assert_eq!(client_says(&[bytes]), ["opened error 1", "opened stdin 3", r"stdin 3: stty size\r"]);
}

#[test]
fn streams_are_known_by_header_not_by_number() {
    let mut client = Frames::new();
    let streams = [client.stream(1, "stderr"), client.stream(3, "stdout"), client.stream(9, "error")].concat();
    let script: Script =
        vec![(Client, streams), (Server, replies(&[1, 3])), (Server, data(3, 0, b"out")), (Server, data(1, 0, b"err"))];
    assert_eq!(
        v4().says(&script),
        ["opened stderr 1", "opened stdout 3", "opened error 9", "stdout 3: out", "stderr 1: err"]
    );
}

#[test]
fn headers_and_rejected_streams_advance_the_zlib_state() {
    let mut client = Frames::new();
    let frames = [
        client.stream(5, "stdin"),
        client.headers(3, &[("note", "never sent by kubectl")]),
        client.stream(3, "stdin"),
        client.stream(6, "stdin"),
        client.stream(8, "resize"),
        data(3, 0, b"of the rejected stream"),
        data(6, 0, b"of another"),
        data(5, 0, b"of the first"),
    ];
    assert_eq!(client_says(&frames), ["opened stdin 5", "opened resize 8", "stdin 5: of the first"]);
}

#[test]
fn both_of_two_stdin_streams_are_heard() {
    let mut client = Frames::new();
    let frames =
        [client.stream(1, "stdin"), client.stream(3, "stdin"), data(1, 0, b"a"), data(3, 0, b"b"), data(1, 0, b"c")];
    let odd = format!("odd @{}: a second stream of one kind", frames[0].len());
    let expected = ["opened stdin 1", "opened stdin 3", &odd, "stdin 1: a", "stdin 3: b", "stdin 1: c"];
    assert_eq!(client_says(&frames), expected);
}

#[test]
fn version_2_and_other_data_flags_are_accepted() {
    let mut client = Frames::new();
    let mut syn = client.stream(1, "stdin");
    syn[1] = 2;
    assert_eq!(client_says(&[syn, data(1, 2, b"a")]), ["opened stdin 1", "stdin 1: a"]);
}

#[test]
fn what_the_server_ignores_gives_nothing() {
    let mut client = Frames::new();
    let frames = [
        client.stream(1, "stdout"),
        client.stream(3, "video"),
        client.syn_stream(5, &[]),
        client.stream(7, "stdin"),
        data(1, FIN, b""),
        data(1, 0, b"behind FIN"),
        data(2, 0, b"input on no stream"),
        reset(2),
        control(4, 0, &[&1u32.to_be_bytes(), &[0; 8]]),
        control(9, 0, &[&[0, 0, 0, 7, 0, 0, 0, 1]]),
        data(7, FIN, b"last"),
        data(7, 0, b"behind FIN"),
    ];
    assert_eq!(
        client_says(&frames),
        ["opened stdout 1", "opened stdin 7", "half-closed stdout 1", "stdin 7: last", "half-closed stdin 7"]
    );
}

/// spdystream's queues wait for a reader that there is not, or are overtaken: frames behind such a one are read or not.
#[test]
fn what_the_server_may_get_stuck_with_is_odd() {
    let not_read = "DATA of the client on a stream that the server does not read";
    let too_early = "a frame of a stream that is not open yet";
    let cases: [(&str, u32, Vec<u8>); 7] = [
        (not_read, 1, data(1, 0, b"x")),
        (not_read, 5, data(5, 0, b"x")),
        (too_early, 5, data(9, 0, b"x")),
        (too_early, 5, data(9, FIN, b"")),
        (too_early, 5, reset(9)),
        (too_early, 5, control(8, 0, &[&9u32.to_be_bytes()])),
        (too_early, 5, control(2, FIN, &[&9u32.to_be_bytes()])),
    ];
    for (what, _, frame) in cases {
        let mut client = Frames::new();
        let streams = [client.stream(1, "stdout"), client.stream(3, "stdin"), client.stream(5, "video")].concat();
        let frame = match frame[3] {
            2 | 8 if frame[0] == 0x80 => control(frame[3].into(), frame[4], &[&frame[8..], &client.block(&[])]),
            _ => frame,
        };
        let said = client_says(&[streams.clone(), frame, data(3, 0, b"a")]);
        let expected = ["opened stdout 1", "opened stdin 3", &format!("odd @{}: {what}", streams.len()), "stdin 3: a"];
        assert_eq!(said, expected);
    }
}

/// The server has replied itself, and passes over it, FIN included: what follows is input.
#[test]
fn a_syn_reply_of_the_client_closes_nothing() {
    let mut client = Frames::new();
    let stdin = client.stream(1, "stdin");
    let mut reply = client.syn_reply(1);
    reply[4] = FIN;
    let said = client_says(&[stdin.clone(), reply, data(1, 0, b"rm -rf /")]);
    let odd = format!("odd @{}: a SYN_REPLY of the client", stdin.len());
    assert_eq!(said, ["opened stdin 1", &odd, "stdin 1: rm -rf /"]);
}

#[test]
fn headers_on_an_open_stream_end_the_session() {
    let mut client = Frames::new();
    let stdin = client.stream(1, "stdin");
    let mut headers = client.headers(1, &[]);
    headers[4] = FIN;
    let said = client_says(&[stdin.clone(), headers, data(1, 0, b"ls")]);
    assert_eq!(said, ["opened stdin 1", &format!("lost @{}: a HEADERS frame, which nobody reads", stdin.len())]);
}

#[test]
fn data_of_the_server_before_its_reply_is_odd() {
    let mut client = Frames::new();
    let script: Script = vec![(Client, client.stream(1, "stdout")), (Server, data(1, 0, b"out"))];
    let expected = ["opened stdout 1", "odd @0: DATA of the server before its SYN_REPLY", "stdout 1: out"];
    assert_eq!(v4().says(&script), expected);
}

#[test]
fn nothing_is_read_behind_the_clients_goaway() {
    let mut client = Frames::new();
    let frames = [client.stream(1, "stdin"), go_away(), data(1, 0, b"a"), client.stream(3, "stdin")];
    assert_eq!(client_says(&frames), ["opened stdin 1", "close 0"]);
}

#[test]
fn first_values_and_headers_count() {
    let mut client = Frames::new();
    let frames = [
        client.syn_stream(1, &[("streamtype", "stdin\0stdout")]),
        client.syn_stream(3, &[("streamtype", "stdout"), ("streamtype", "stdin")]),
    ];
    assert_eq!(client_says(&frames), ["opened stdin 1", "opened stdout 3"]);
}

/// Each is followed by a stream that nobody opens any more.
#[test]
fn the_decoder_gives_up_where_the_framer_does() {
    let long = |id: u32| [id.to_be_bytes().to_vec(), vec![0; 8]].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a control frame of an unknown type", control(5, 0, &[])),
        ("a control frame of an unknown type", control(10, 0, &[&[0; 8]])),
        ("a frame with id 0", data(0, 0, b"x")),
        ("a frame with id 0", Frames::new().stream(0, "stdin")),
        ("a frame with id 0", ping(0)),
        ("flags on a frame that has none", control(6, 1, &[&[0, 0, 0, 1]])),
        ("a RST_STREAM with status 0", control(3, 0, &[&[0, 0, 0, 1], &[0; 4]])),
        ("a control frame whose length does not fit its type", control(3, 0, &[&long(1)])),
        ("a control frame whose length does not fit its type", control(1, 0, &[&[0; 9]])),
        ("a SETTINGS frame whose count does not fit its length", control(4, 0, &[&2u32.to_be_bytes(), &[0; 8]])),
        ("a header block that does not inflate", control(1, 0, &[&[0, 0, 0, 1], &[0; 6], &[0xff; 20]])),
        ("a header that the server refuses", Frames::new().syn_stream(1, &[("Streamtype", "stdin")])),
        ("a header that the server refuses", Frames::new().syn_stream(1, &[("host", "x")])),
        ("a header that the server refuses", Frames::new().syn_stream(1, &[("\u{c9}", "x")])),
    ];
    for (what, frame) in cases {
        let said = client_says(&[ping(1), frame, Frames::new().stream(1, "stdin"), data(1, 0, b"a")]);
        assert_eq!(said, ["ping".to_owned(), format!("lost @12: {what}")], "{what}");
    }
}

/// The framer reads no more settings than the count says: what a longer frame hides would be read as frames.
#[test]
fn settings_do_not_wait_for_a_length_that_does_not_fit() {
    for count in [0u32, 1, 2, 1 << 29] {
        let stdin = Frames::new().stream(1, "stdin");
        let settings = [&[0x80, 3, 0, 4, 0, 0xff, 0xff, 0xff], &count.to_be_bytes()[..], &[0; 8]].concat();
        let said = client_says(&[stdin.clone(), settings, data(1, 0, b"rm -rf /")]);
        let what = "a SETTINGS frame whose count does not fit its length";
        assert_eq!(said, ["opened stdin 1", &format!("lost @{}: {what}", stdin.len())], "{count}");
    }
}

#[test]
fn header_blocks_end_where_their_headers_do() {
    let of = |block: &[u8]| control(1, 0, &[&1u32.to_be_bytes(), &[0; 6], block]);
    let syn = |plain: &[u8]| of(&Frames::new().deflate(plain));
    let whole = plain(&[("streamtype", "stdin")]);
    assert_eq!(client_says(&[syn(&whole)]), ["opened stdin 1"]);
    let more = [&whole[..], b"\0\0\0\x01"].concat();
    assert_eq!(client_says(&[syn(&more)]), ["lost @0: a header block with bytes behind its headers"]);
    assert_eq!(client_says(&[syn(&whole[..9])]), ["lost @0: a header block that is cut off"]);
    // Go's inflater gives up at what is not flushed, when the next block comes.
    let flushed = Frames::new().deflate(&whole);
    let open = of(&flushed[..flushed.len() - 5]);
    assert_eq!(client_says(&[open]), ["lost @0: a header block that is not flushed"]);
    // A value that ends like a flush, in a stored block.
    let value = [&whole[..whole.len() - 9], &[0, 0, 0, 4], &[0, 0, 0xff, 0xff]].concat();
    let stored = [&flushed[..6], &[0, value.len() as u8, 0, !value.len() as u8, 0xff], &value[..]].concat();
    assert_eq!(client_says(&[of(&stored)]), ["lost @0: a header block that is not flushed"]);
    assert_eq!(client_says(&[of(&vec![0; 5 << 10])]), ["lost @0: a header block of more than 4 KiB"]);
    let count = [&u32::MAX.to_be_bytes()[..], &whole[4..]].concat();
    assert_eq!(client_says(&[syn(&count)]), ["lost @0: a header block that is cut off"]);
}

#[test]
fn a_header_bomb_is_not_inflated() {
    let bomb = Frames::new().deflate(&vec![0; 1 << 20]);
    let frame = control(1, 0, &[&1u32.to_be_bytes(), &[0; 6], &bomb]);
    assert!(frame.len() < 2048);
    assert_eq!(client_says(&[frame]), ["lost @0: a header block of more than 64 KiB"]);
}

#[test]
fn a_block_too_large_and_broken_is_said_to_be_the_same_wherever_it_is_cut() {
    let large = Frames::new().deflate(&vec![0; (64 << 10) + 10]);
    // A third type of block, which deflate does not have.
    let frame = control(1, 0, &[&1u32.to_be_bytes(), &[0; 6], &large, b"\x07"]);
    // Whole, and byte by byte.
    assert_eq!(client_says(&[frame]), ["lost @0: a header block of more than 64 KiB"]);
}

#[test]
fn data_is_told_before_its_frame_is_whole() {
    let mut decoder = v4().decoder();
    decoder.feed(Client, &Frames::new().stream(1, "stdin"), &mut |_| {});
    let mut said = Vec::new();
    let frame = data(1, 0, &vec![b'x'; 0xff_ffff]);
    decoder.feed(Client, &frame[..9], &mut |event| said.push(format!("{event:?}")));
    assert_eq!(said, ["Data { id: 1, stream: Stdin, data: [120] }"]);
}

#[test]
fn a_session_may_end_anywhere() {
    let (mut client, mut server) = (Frames::new(), Frames::new());
    let script: Script = vec![
        (Client, [client.stream(1, "error"), client.stream(3, "stdout")].concat()),
        (Server, [server.syn_reply(1), data(1, 0, SUCCESS)].concat()),
        (Client, vec![0x80, 0x03]),
    ];
    assert_eq!(v4().says(&script)[2..], [format!("error 1: {}", SUCCESS.escape_ascii()), "success".to_owned()]);
}

#[test]
fn an_abrupt_end_is_no_status() {
    let mut client = Frames::new();
    let script: Script = vec![
        (Client, [client.stream(1, "error"), client.stream(3, "stdout")].concat()),
        (Server, [replies(&[3]), data(3, 0, b"out")].concat()),
    ];
    assert_eq!(v4().says(&script), ["opened error 1", "opened stdout 3", "stdout 3: out"]);
}

/// v1 servers reset the error stream and then write to it.
#[test]
fn text_errors_are_kept_also_behind_the_reset() {
    for protocol in ["", "channel.k8s.io", "v2.channel.k8s.io", "v3.channel.k8s.io"] {
        let mut client = Frames::new();
        let script: Script = vec![
            (Client, client.stream(1, "error")),
            (Server, [reset(1), data(1, 0, b"no such file"), go_away()].concat()),
        ];
        let said = Upgraded::spdy(protocol).says(&script);
        let expected =
            ["opened error 1", "reset error 1, code 5", "error 1: no such file", "close 0", "failure: no such file"];
        assert_eq!(said, expected, "{protocol:?}");
    }
}

#[test]
fn the_server_opens_no_streams_and_writes_no_input() {
    let (mut client, mut server) = (Frames::new(), Frames::new());
    let script: Script = vec![
        (Client, client.stream(1, "stdin")),
        (Server, [server.stream(2, "stdout"), data(1, 0, b"x"), data(9, 0, b"y")].concat()),
    ];
    let said = v4().says(&script);
    assert_eq!(said.len(), 4, "{said:?}");
    assert!(said[1].ends_with("a stream opened by the server"));
    assert!(said[2].contains("DATA of the server") && said[3].contains("DATA of the server"));
}

#[test]
fn the_border_is_told() {
    let mut decoder = v4().decoder();
    let mut after = |bytes: &[u8]| {
        decoder.feed(Server, bytes, &mut |_| {});
        decoder.bytes_to_frame_boundary(Server)
    };
    assert_eq!(after(b""), Some(0));
    assert_eq!(after(&[0, 0, 0]), None);
    assert_eq!(after(&[5, 0, 0, 0, 3]), Some(3));
    assert_eq!(after(b"ab"), Some(1));
    assert_eq!(after(b"c"), Some(0));
    assert_eq!(after(&control(5, 0, &[])), None);
}

#[test]
fn a_termination_ends_all_that_is_open() {
    let mut client = Frames::new();
    let streams =
        [client.stream(1, "error"), client.stream(3, "stdin"), client.stream(5, "stdout"), client.stream(7, "stderr")];
    let mut decoder = v4().decoder();
    decoder.feed(Client, &streams.concat(), &mut |_| {});
    decoder.feed(Server, &data(7, FIN, b""), &mut |_| {});
    let status = br#"{"metadata":{},"status":"Failure","message":"ended","reason":"Forbidden","code":403}"#;
    let end = [data(1, FIN, status), data(5, FIN, b""), control(7, 0, &[&7u32.to_be_bytes(), &[0; 4]])].concat();
    assert_eq!(decoder.termination("ended", "Forbidden", 403), end);

    let script: Script =
        vec![(Client, streams.concat()), (Server, replies(&[1, 3, 5, 7])), (Server, data(7, FIN, b"")), (Server, end)];
    assert_eq!(
        v4().says(&script)[6..],
        ["half-closed error 1", "failure 403: ended", "half-closed stdout 5", "close 0"]
    );
}

#[test]
fn port_forward_has_ports_and_connections_in_its_headers() {
    let upgraded = Upgraded::new(Subresource::PortForward, "", "SPDY/3.1", "portforward.k8s.io");
    let (mut client, mut server) = (Frames::new(), Frames::new());
    let of = |kind: &'static str, id: &'static str| [("streamtype", kind), ("port", "8080"), ("requestid", id)];
    let script: Script = vec![
        (Client, [client.syn_stream(1, &of("error", "0")), data(1, FIN, b"")].concat()),
        (Client, [client.syn_stream(3, &of("data", "0")), data(3, 0, b"GET")].concat()),
        (Server, [server.syn_reply(1), server.syn_reply(3)].concat()),
        (Server, [data(3, 0, b"200"), data(3, FIN, b""), data(1, FIN, b"")].concat()),
        (Client, reset(3)),
        (Client, client.syn_stream(5, &of("error", "1"))),
        (Client, client.syn_stream(7, &of("data", "1"))),
        (Server, server.syn_reply(5)),
        (Server, data(5, 0, b"connection refused")),
        (Client, client.syn_stream(9, &[("streamtype", "error"), ("port", "22")])),
        (Client, client.syn_stream(11, &[("streamtype", "data"), ("port", "22")])),
    ];
    assert_eq!(
        upgraded.says(&script),
        [
            "opened port-error 1, port 8080, connection 0",
            "half-closed port-error 1",
            "opened port-data 3, port 8080, connection 0",
            "port-data 3: GET200",
            "half-closed port-data 3",
            "half-closed port-error 1",
            "reset port-data 3, code 5",
            "opened port-error 5, port 8080, connection 1",
            "opened port-data 7, port 8080, connection 1",
            "port-error 5: connection refused",
            "opened port-error 9, port 22, connection 9",
            "opened port-data 11, port 22, connection 9",
        ]
    );
}
