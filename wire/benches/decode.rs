//! How fast bytes are decoded, on one core: `cargo bench -p wire`.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use wire::{Decoder, Event, Negotiated, Request, Side, Subresource};

/// Bytes of payload in each run.
const TOTAL: usize = 4 << 20;
/// The size of a gateway's reads.
const READ: usize = 64 << 10;
const SIZES: [usize; 2] = [32 << 10, 64];

fn main() {
    divan::main();
}

fn decoder(upgrade: &str, protocol: &str) -> Decoder {
    let request = Request::parse(Subresource::Exec, "command=sh&stdin=1&stdout=1").expect("a query");
    let negotiated = Negotiated::from_response(&request, upgrade, Some(protocol)).expect("a protocol");
    Decoder::new(&negotiated, &request)
}

/// Decodes and copies the data out: without the copy, the bytes of a large frame would not even be read.
fn run(bencher: Bencher, from: Side, bytes: &[u8], opened: impl Fn() -> Decoder) {
    let mut out = Vec::with_capacity(READ);
    bencher.counter(BytesCount::new(bytes.len())).with_inputs(opened).bench_local_refs(|decoder| {
        let mut decoded = 0;
        for read in bytes.chunks(READ) {
            out.clear();
            decoder.feed(from, read, &mut |event| {
                if let Event::Data { data, .. } = event {
                    out.extend_from_slice(data);
                }
            });
            decoded += black_box(&out).len();
        }
        assert!(decoded >= TOTAL);
    });
}

fn head(out: &mut Vec<u8>, mask: u8, length: usize) {
    out.push(0x82);
    if length < 126 {
        out.push(mask | length as u8);
    } else {
        out.push(mask | 126);
        out.extend_from_slice(&(length as u16).to_be_bytes());
    }
}

#[divan::bench(args = SIZES)]
fn websocket_server(bencher: Bencher, size: usize) {
    let mut bytes = Vec::new();
    for _ in 0..TOTAL / size {
        head(&mut bytes, 0, size + 1);
        bytes.push(1);
        bytes.resize(bytes.len() + size, b'x');
    }
    run(bencher, Side::Server, &bytes, || decoder("websocket", "v5.channel.k8s.io"));
}

#[divan::bench(args = SIZES)]
fn websocket_client(bencher: Bencher, size: usize) {
    let mut bytes = Vec::new();
    for _ in 0..TOTAL / size {
        head(&mut bytes, 0x80, size + 1);
        // The key's first byte is the masked channel 0.
        bytes.extend_from_slice(b"\x37\xfa\x21\x3d\x37");
        bytes.resize(bytes.len() + size, b'x');
    }
    run(bencher, Side::Client, &bytes, || decoder("websocket", "v5.channel.k8s.io"));
}

/// The SYN_STREAM of a stdout stream with id 1, as kubectl writes it for its first stream.
fn open_stdout() -> Vec<u8> {
    let dictionary = include_bytes!("../src/spdy/spdy3.dict");
    let mut deflate = flate2::Compress::new(flate2::Compression::default(), true);
    deflate.set_dictionary(dictionary).expect("a dictionary");
    let plain = b"\0\0\0\x01\0\0\0\x0astreamtype\0\0\0\x06stdout";
    let mut block = Vec::with_capacity(256);
    deflate.compress_vec(plain, &mut block, flate2::FlushCompress::Sync).expect("a block");
    let mut frame = vec![0x80, 3, 0, 1, 0, 0, 0, 10 + block.len() as u8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    frame.extend_from_slice(&block);
    frame
}

#[divan::bench(args = SIZES)]
fn spdy_server(bencher: Bencher, size: usize) {
    let mut bytes = Vec::new();
    for _ in 0..TOTAL / size {
        bytes.extend_from_slice(&[0, 0, 0, 1]);
        bytes.extend_from_slice(&(size as u32).to_be_bytes());
        bytes.resize(bytes.len() + size, b'x');
    }
    let open = open_stdout();
    run(bencher, Side::Server, &bytes, || {
        let mut decoder = decoder("SPDY/3.1", "v4.channel.k8s.io");
        decoder.feed(Side::Client, &open, &mut |_| {});
        decoder
    });
}
