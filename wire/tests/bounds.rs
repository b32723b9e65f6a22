//! Memory stays bounded, whatever a peer declares or sends. One test, alone in its process: it measures that.
#![cfg(target_os = "linux")]

mod transcript;

use transcript::Upgraded;
use transcript::frames::head;
use transcript::spdy::{Frames, control, data};
use wire::Side::{self, Client, Server};
use wire::Subresource::PortForward;

const MIB: usize = 1 << 20;

/// The most memory that this process has held, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn feed(upgraded: &Upgraded, side: Side, first: &[u8], then: &[u8], times: usize) {
    let mut decoder = upgraded.decoder();
    decoder.feed(side, first, &mut |_| {});
    (0..times).for_each(|_| decoder.feed(side, then, &mut |_| {}));
    decoder.end(side, &mut |_| {});
}

#[test]
fn memory_is_bounded() {
    let v5 = Upgraded::websocket("v5.channel.k8s.io");
    let base64 = Upgraded::websocket("v4.base64.channel.k8s.io");
    let spdy = Upgraded::spdy("v4.channel.k8s.io");
    let tunnel = Upgraded::new(PortForward, "", "websocket", "SPDY/3.1+portforward.k8s.io");
    let many = Upgraded::new(PortForward, "", "SPDY/3.1", "portforward.k8s.io");
    let chunk = vec![b'A'; MIB];
    let before = peak();

    // The largest frame, from either side, on the status, in base64, as a CLOSE and as a PING.
    let endless = |first, mask, channel: &[u8]| [head(first, mask, 32 << 20), channel.to_vec()].concat();
    feed(&v5, Server, &endless(0x82, 0, b"\x01"), &chunk, 16);
    feed(&v5, Server, &endless(0x82, 0, b"\x03"), &chunk, 16);
    feed(&v5, Client, &endless(0x88, 0x80, b"keyX"), &chunk, 16);
    feed(&v5, Server, &endless(0x89, 0, b""), &chunk, 16);
    feed(&base64, Server, &endless(0x81, 0, b"1"), &chunk, 16);
    feed(&tunnel, Client, &endless(0x82, 0x80, b"keyX"), &chunk, 16);
    // All of it, masked, and an endless terminal size.
    feed(&v5, Client, &[head(0x82, 0x80, 32 << 20), b"keyXk".to_vec()].concat(), &chunk, 31);
    feed(&v5, Client, &[head(0x82, 0x80, 32 << 20), vec![0; 4], b"\x04{\"".to_vec()].concat(), &chunk, 31);
    // Header bombs, one after the other.
    let mut frames = Frames::new();
    let bomb = frames.deflate(&vec![0; 60 << 10]);
    feed(&spdy, Client, &control(8, 0, &[&[0, 0, 0, 1], &bomb]), &bomb, 1000);
    // Streams without end, half of them over.
    let mut frames = Frames::new();
    let mut decoder = many.decoder();
    for id in (1..60_001).step_by(2) {
        let open = frames.syn_stream(id, &[("streamtype", "data"), ("port", "80"), ("requestid", "1")]);
        decoder.feed(Client, &[open, data(id, 1, b"")].concat(), &mut |_| {});
        if id % 4 == 1 {
            decoder.feed(Server, &data(id, 1, b""), &mut |_| {});
        }
    }

    let grown = peak() - before;
    assert!(grown < 4 * MIB, "{grown} bytes");
}
