//! SPDY/3.1 frames, most of them as clients and servers send them.

use flate2::{Compress, Compression, FlushCompress};

use crate::rng::Rng;

const DICTIONARY: &[u8] = include_bytes!("../../../wire/src/spdy/spdy3.dict");

/// One direction's frames: they share a zlib stream.
pub(crate) struct Frames {
    deflate: Compress,
}

impl Frames {
    pub(crate) fn new() -> Self {
        let mut deflate = Compress::new(Compression::default(), true);
        deflate.set_dictionary(DICTIONARY).expect("a dictionary");
        Frames { deflate }
    }

    pub(crate) fn stream(&mut self, id: u32, kind: &str, request: u32) -> Vec<u8> {
        let request = request.to_string();
        let headers =
            [("streamtype", kind), ("port", "80"), ("requestid", &request)].map(|(a, b)| (a.as_bytes(), b.as_bytes()));
        let block = self.deflate(&plain(&headers), FlushCompress::Sync);
        control(1, 0, &[&id.to_be_bytes(), &[0; 6], &block])
    }

    pub(crate) fn deflate(&mut self, plain: &[u8], flush: FlushCompress) -> Vec<u8> {
        let mut block = Vec::with_capacity(plain.len() + 1024);
        let _ = self.deflate.compress_vec(plain, &mut block, flush);
        block
    }

    /// A header block that is odd now and then.
    fn block_of(&mut self, rng: &mut Rng, headers: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut plain = plain(headers);
        if rng.one_in(40) {
            plain.extend(rng.bytes(6));
        }
        if rng.one_in(40) {
            plain.truncate(rng.below(plain.len() + 1));
        }
        let flush = if rng.one_in(30) {
            rng.pick(&[FlushCompress::Partial, FlushCompress::None, FlushCompress::Full, FlushCompress::Finish])
        } else {
            FlushCompress::Sync
        };
        let mut block = self.deflate(&plain, flush);
        if rng.one_in(60) {
            block.extend_from_slice(rng.pick(&[&b"\0\0\0\xff\xff"[..], b"\x02\x08\x20\x80\0", b"\0\0", b"\x03\0"]));
        }
        block
    }
}

fn plain(headers: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        plain.extend_from_slice(&(text.len() as u32).to_be_bytes());
        plain.extend_from_slice(text);
    }
    plain
}

fn control(kind: u16, flags: u8, parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    let mut frame = [0x80, 3, (kind >> 8) as u8, kind as u8].to_vec();
    frame.extend_from_slice(&(u32::from(flags) << 24 | payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(&payload);
    frame
}

fn data(id: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = id.to_be_bytes().to_vec();
    frame.extend_from_slice(&(u32::from(flags) << 24 | payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// What one side says, frame by frame.
pub(crate) struct Speaker {
    frames: Frames,
    client: bool,
    forwards: bool,
    next: u32,
    ids: Vec<u32>,
}

impl Speaker {
    pub(crate) fn new(client: bool, forwards: bool) -> Self {
        let ids = if client { Vec::new() } else { vec![1, 3, 5, 7] };
        Speaker { frames: Frames::new(), client, forwards, next: 1, ids }
    }

    /// What sessions begin with, mostly.
    pub(crate) fn opening(&mut self, rng: &mut Rng) -> Vec<u8> {
        let mut out = Vec::new();
        for at in 0..4 {
            if rng.one_in(12) {
                continue;
            }
            if self.client {
                let kinds = if self.forwards {
                    ["error", "data", "error", "data"]
                } else {
                    ["error", "stdin", "stdout", "resize"]
                };
                out.extend(self.frames.stream(self.next, kinds[at], self.next / 4));
                self.ids.push(self.next);
                self.next += 2;
            } else {
                let block = self.frames.deflate(&plain(&[]), FlushCompress::Sync);
                out.extend(control(2, 0, &[&self.ids[at].to_be_bytes(), &block]));
            }
        }
        out
    }

    /// A frame; its length does not fit now and then.
    pub(crate) fn frame_of(&mut self, rng: &mut Rng, payload: &[u8]) -> Vec<u8> {
        let mut frame = self.proper_frame(rng, payload);
        if rng.one_in(50) {
            let at = 5 + rng.below(3);
            frame[at] = rng.pick(&[0, 1, 4, 8, 12, 0xff]);
        }
        frame
    }

    fn proper_frame(&mut self, rng: &mut Rng, payload: &[u8]) -> Vec<u8> {
        let id = if self.ids.is_empty() || rng.one_in(30) { rng.below(16) as u32 } else { rng.pick(&self.ids) };
        let flags = if rng.one_in(24) { rng.pick(&[1, 1, 1, 2, 3, 0xff]) } else { 0 };
        match rng.below(30) {
            0 => control(6, flags, &[&(rng.below(9) as u32).to_be_bytes()]),
            1 if rng.one_in(3) => control(3, flags, &[&id.to_be_bytes(), &(rng.below(6) as u32).to_be_bytes()]),
            2 | 3 => self.syn_stream(rng, flags),
            4 if rng.one_in(3) => self.with_block(rng, 2, id, flags),
            5 if rng.one_in(3) => self.with_block(rng, 8, id, flags),
            6 if rng.one_in(10) => control(7, flags, &[&id.to_be_bytes(), &[0; 4]]),
            7 if rng.one_in(3) => control(9, flags, &[&id.to_be_bytes(), &[0, 0, 1, 0]]),
            8 if rng.one_in(3) => control(4, flags, &[&1u32.to_be_bytes(), &rng.bytes(2), &[0; 8]]),
            9 if rng.one_in(10) => control(rng.below(12) as u16, flags, &[&rng.bytes(24)]),
            _ => data(id, flags, payload),
        }
    }

    fn with_block(&mut self, rng: &mut Rng, kind: u16, id: u32, flags: u8) -> Vec<u8> {
        let block = self.frames.block_of(rng, &[]);
        control(kind, flags, &[&id.to_be_bytes(), &block])
    }

    fn syn_stream(&mut self, rng: &mut Rng, flags: u8) -> Vec<u8> {
        let id = match rng.below(12) {
            0 => rng.below(20) as u32,
            1 => self.next + 1,
            2 => self.next | 1 << 31,
            _ => self.next,
        };
        self.next = self.next.max(id & 0x7fff_ffff) + 2;
        self.ids.push(id);
        let kinds: [&[u8]; 8] = if self.forwards {
            [b"data", b"data", b"data", b"error", b"error", b"stdin", b"", b"data\0error"]
        } else {
            [b"stdin", b"stdin", b"resize", b"error", b"stdout", b"video", b"stdin\0stdout", b""]
        };
        let port = if rng.one_in(6) { rng.pick(&[&b"+80"[..], b"0", b"65536", b"", b"080", b"8 0"]) } else { b"80" };
        let name = if rng.one_in(20) {
            rng.pick(&[&b"Streamtype"[..], b"host", b"\xff", "\u{c9}".as_bytes(), b"x y"])
        } else {
            b"note"
        };
        let mut headers =
            vec![(&b"streamtype"[..], rng.pick(&kinds)), (b"port", port), (b"requestid", b"1"), (name, b"x")];
        if rng.one_in(10) {
            headers.push((b"streamtype", rng.pick(&kinds)));
        }
        if rng.one_in(10) {
            headers.remove(rng.below(headers.len()));
        }
        let block = self.frames.block_of(rng, &headers);
        let priority = if rng.one_in(4) { rng.byte() } else { 0 };
        control(1, flags, &[&id.to_be_bytes(), &[0; 4], &[priority, 0], &block])
    }
}
