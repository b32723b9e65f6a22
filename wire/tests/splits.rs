//! Properties: any cut gives the same events, and no bytes make the decoder panic.

mod transcript;

use proptest::collection::vec;
use proptest::prelude::*;
use transcript::frames::{head, masked, plain};
use transcript::spdy::{Frames, control, data, go_away, ping, reset};
use transcript::{Script, Upgraded};
use wire::Side::{self, Client, Server};
use wire::Subresource::{Exec, PortForward};

fn upgraded() -> impl Strategy<Value = Upgraded> {
    let query = "stdin=1&stdout=1&tty=1&ports=80,443";
    prop::sample::select(vec![
        Upgraded::new(Exec, query, "websocket", ""),
        Upgraded::new(Exec, query, "websocket", "v4.channel.k8s.io"),
        Upgraded::new(Exec, query, "websocket", "v5.channel.k8s.io"),
        Upgraded::new(Exec, query, "websocket", "v4.base64.channel.k8s.io"),
        Upgraded::new(Exec, query, "SPDY/3.1", "v4.channel.k8s.io"),
        Upgraded::new(Exec, query, "SPDY/3.1", ""),
        Upgraded::new(PortForward, query, "SPDY/3.1", "portforward.k8s.io"),
        Upgraded::new(PortForward, query, "websocket", "v4.channel.k8s.io"),
        Upgraded::new(PortForward, query, "websocket", "SPDY/3.1+portforward.k8s.io"),
    ])
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..200),
        (0..6u8, "[ -~]{0,40}").prop_map(|(channel, text)| [&[channel], text.as_bytes()].concat()),
        (b'0'..b'6', "[A-Za-z0-9+/=\n]{0,40}").prop_map(|(channel, text)| [&[channel], text.as_bytes()].concat()),
        "\\{\"Width\":[0-9]{1,6},\"height\":[0-9]{1,3}\\}?\n?".prop_map(|text| [&[4], text.as_bytes()].concat()),
        vec(prop::sample::select(vec![255u8, 0, 1, 4, 5]), 0..4),
    ]
}

fn websocket_frame(side: Side) -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![4 => Just(0x82u8), 1 => Just(0x81), 1 => Just(0x02), 1 => Just(0x80), 1 => any::<u8>()];
    (first, payload(), 0..50u8).prop_map(move |(first, payload, odd)| match (side, odd) {
        (_, 0) => head(first, 0x80, u64::MAX),
        (Client, 1) | (Server, 2..) => plain(first, &payload),
        (Client, _) | (Server, _) => masked(first, &payload),
    })
}

/// Frames of one direction, written in order, since they share a zlib state.
#[derive(Clone, Debug)]
enum Spdy {
    Stream(u32, &'static str),
    Reply(u32),
    Headers(u32),
    Data(u32, u8, Vec<u8>),
    Reset(u32),
    Ping(u32),
    GoAway,
    Odd(u16, u8, Vec<u8>),
}

fn spdy_frame() -> impl Strategy<Value = Spdy> {
    let kinds = vec!["error", "stdin", "stdout", "stderr", "resize", "data", "x"];
    prop_oneof![
        4 => (0..20u32, prop::sample::select(kinds)).prop_map(|(id, kind)| Spdy::Stream(id, kind)),
        1 => (0..20u32).prop_map(Spdy::Reply),
        1 => (0..20u32).prop_map(Spdy::Headers),
        8 => (0..20u32, 0..4u8, payload()).prop_map(|(id, flags, payload)| Spdy::Data(id, flags, payload)),
        1 => (0..20u32).prop_map(Spdy::Reset),
        1 => (0..20u32).prop_map(Spdy::Ping),
        1 => Just(Spdy::GoAway),
        1 => (0..12u16, 0..3u8, vec(any::<u8>(), 0..30)).prop_map(|(kind, flags, rest)| Spdy::Odd(kind, flags, rest)),
    ]
}

fn spdy_bytes(frames: &[Spdy]) -> Vec<u8> {
    let mut writer = Frames::new();
    let bytes = frames.iter().map(|frame| match frame {
        Spdy::Stream(id, kind) => writer.syn_stream(*id, &[("streamtype", kind), ("port", "80"), ("requestid", "1")]),
        Spdy::Reply(id) => writer.syn_reply(*id),
        Spdy::Headers(id) => writer.headers(*id, &[("a", "b")]),
        Spdy::Data(id, flags, payload) => data(*id, *flags, payload),
        Spdy::Reset(id) => reset(*id),
        Spdy::Ping(id) => ping(*id),
        Spdy::GoAway => go_away(),
        Spdy::Odd(kind, flags, rest) => control(*kind, *flags, &[rest]),
    });
    bytes.collect::<Vec<_>>().concat()
}

/// One direction's bytes: frames of either form, or noise.
fn bytes(side: Side) -> impl Strategy<Value = Vec<u8>> {
    let messages = vec(websocket_frame(side), 0..12).prop_map(|frames| frames.concat());
    let spdy = || vec(spdy_frame(), 0..20).prop_map(|frames| spdy_bytes(&frames));
    let tunnelled = (spdy(), 1..40usize).prop_map(move |(bytes, size)| {
        let message = |chunk| if side == Client { masked(0x82, chunk) } else { plain(0x82, chunk) };
        bytes.chunks(size).map(message).collect::<Vec<_>>().concat()
    });
    prop_oneof![3 => messages, 3 => spdy(), 2 => tunnelled, 1 => vec(any::<u8>(), 0..400)]
}

fn script() -> impl Strategy<Value = Script> {
    (bytes(Client), bytes(Server)).prop_map(|(client, server)| vec![(Client, client), (Server, server)])
}

/// Cuts each piece at these places, of thousand.
fn cut(script: &Script, places: &[usize]) -> Script {
    let mut pieces = Script::new();
    for (side, bytes) in script {
        let mut places: Vec<_> = places.iter().map(|place| place * bytes.len() / 1000).collect();
        places.sort_unstable();
        let mut from = 0;
        for to in places.into_iter().chain([bytes.len()]) {
            pieces.push((*side, bytes[from..to].to_vec()));
            from = to;
        }
    }
    pieces
}

fn listen(upgraded: &Upgraded, script: &Script) -> Vec<String> {
    upgraded.listen(script.iter().map(|(side, bytes)| (*side, &bytes[..])))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cut_gives_the_same_events(
        upgraded in upgraded(),
        script in script(),
        places in vec(0..1000usize, 0..8),
    ) {
        let whole = listen(&upgraded, &script);
        prop_assert_eq!(listen(&upgraded, &cut(&script, &places)), whole.clone());
        let bytes = script.iter().flat_map(|(side, bytes)| bytes.chunks(1).map(|byte| (*side, byte)));
        prop_assert_eq!(upgraded.listen(bytes), whole);
    }

    /// A reported boundary comes nearer byte by byte; at a boundary, a termination can be read.
    #[test]
    fn borders_and_terminations_fit(upgraded in upgraded(), script in script()) {
        let mut decoder = upgraded.decoder();
        for (side, bytes) in &script {
            for byte in bytes {
                let before = decoder.bytes_to_frame_boundary(*side).unwrap_or(0);
                decoder.feed(*side, &[*byte], &mut |_| {});
                let after = decoder.bytes_to_frame_boundary(*side);
                prop_assert!(before == 0 || after.is_none_or(|after| after == before - 1), "{before}, then {after:?}");
            }
        }
        if decoder.bytes_to_frame_boundary(Server) == Some(0) {
            let mut lost = false;
            let end = decoder.termination("ended", "Forbidden", 403);
            decoder.feed(Server, &end, &mut |event| lost |= format!("{event:?}").contains("Lost"));
            prop_assert!(!lost, "the termination cannot be read");
        }
    }
}
