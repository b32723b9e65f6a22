//! The bytes of both sides behind a 101, decoded whole and cut: the events are equal. Like `session` without the
//! recording, so that more is tried in the same time.
//!
//! ```text
//! choice │ cut │ (side and length: 2 bytes, bytes)*
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::{Decoder, Event, Negotiated, Request, Side, Subresource};

/// Equal to `SHAPES` in recorder/src/fuzzing.rs.
const SHAPES: [(Subresource, &str, &str, &str); 14] = {
    const EXEC: &str = "command=tar&stdin=true&stdout=true&stderr=true";
    const TERMINAL: &str = "command=sh&stdin=true&stdout=true&tty=true";
    use Subresource as S;
    [
        (S::Exec, EXEC, "SPDY/3.1", "v4.channel.k8s.io"),
        (S::Exec, TERMINAL, "SPDY/3.1", "v4.channel.k8s.io"),
        (S::Exec, EXEC, "SPDY/3.1", "channel.k8s.io"),
        (S::Exec, EXEC, "websocket", "v5.channel.k8s.io"),
        (S::Exec, TERMINAL, "websocket", "v5.channel.k8s.io"),
        (S::Exec, EXEC, "websocket", "v4.channel.k8s.io"),
        (S::Exec, EXEC, "websocket", "v4.base64.channel.k8s.io"),
        (S::Exec, EXEC, "websocket", "base64.channel.k8s.io"),
        (S::Exec, EXEC, "websocket", ""),
        (S::Attach, "stdin=true&stdout=true&tty=true", "websocket", "v5.channel.k8s.io"),
        (S::PortForward, "", "SPDY/3.1", "portforward.k8s.io"),
        (S::PortForward, "", "websocket", "SPDY/3.1+portforward.k8s.io"),
        (S::PortForward, "ports=80&ports=81", "websocket", "v4.channel.k8s.io"),
        (S::PortForward, "ports=80", "websocket", "v4.base64.channel.k8s.io"),
    ]
};

fuzz_target!(|input: &[u8]| {
    let [shape, cut, records @ ..] = input else { return };
    let shape = usize::from(*shape) % SHAPES.len();
    assert_eq!(decoded(shape, records, usize::MAX), decoded(shape, records, 1 + usize::from(*cut)));
});

/// Events as text; adjacent data is joined.
fn decoded(shape: usize, mut records: &[u8], cut: usize) -> Vec<String> {
    let (subresource, query, upgrade, protocol) = SHAPES[shape];
    let request = Request::parse(subresource, query).expect("a request of ours");
    let negotiated = Negotiated::from_response(&request, upgrade, Some(protocol)).expect("a protocol of ours");
    let mut decoder = Decoder::new(&negotiated, &request);
    let mut events = Vec::new();
    let mut last: Option<(Side, u32, usize)> = None;
    let mut bytes_of = Vec::<Vec<u8>>::new();
    while let [first, second, rest @ ..] = records {
        let side = if first & 0x80 == 0 { Side::Client } else { Side::Server };
        let length = usize::from(u16::from_be_bytes([first & 0x7f, *second])).min(rest.len());
        let (bytes, later) = rest.split_at(length);
        for piece in bytes.chunks(cut.min(bytes.len().max(1))) {
            decoder.feed(side, piece, &mut |event| match event {
                Event::Data { data: &[], .. } => {}
                Event::Data { id, data, .. } => match last {
                    Some((of, known, at)) if of == side && known == id => bytes_of[at].extend_from_slice(data),
                    _ => {
                        last = Some((side, id, bytes_of.len()));
                        events.push(format!("{side:?} data {id} #{}", bytes_of.len()));
                        bytes_of.push(data.to_vec());
                    }
                },
                other => {
                    last = None;
                    events.push(format!("{side:?} {other:?}"));
                }
            });
            let _ = decoder.bytes_to_frame_boundary(side);
        }
        records = later;
    }
    let _ = decoder.termination("m", "Forbidden", 403);
    for side in [Side::Server, Side::Client] {
        decoder.end(side, &mut |event| events.push(format!("{side:?} end {event:?}")));
    }
    events.extend(bytes_of.iter().map(|bytes| format!("{bytes:?}")));
    events
}
