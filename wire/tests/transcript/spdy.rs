//! One direction's SPDY frames, including malformed ones.

use flate2::{Compress, Compression, FlushCompress};

const DICTIONARY: &[u8] = include_bytes!("../../src/spdy/spdy3.dict");

pub const FIN: u8 = 1;

pub struct Frames {
    deflate: Compress,
}

impl Frames {
    pub fn new() -> Self {
        let mut deflate = Compress::new(Compression::default(), true);
        deflate.set_dictionary(DICTIONARY).unwrap();
        Frames { deflate }
    }

    pub fn deflate(&mut self, plain: &[u8]) -> Vec<u8> {
        let mut block = Vec::with_capacity(plain.len() + 1024);
        self.deflate.compress_vec(plain, &mut block, FlushCompress::Sync).unwrap();
        block
    }

    pub fn block(&mut self, headers: &[(&str, &str)]) -> Vec<u8> {
        let plain = plain(headers);
        self.deflate(&plain)
    }

    pub fn syn_stream(&mut self, id: u32, headers: &[(&str, &str)]) -> Vec<u8> {
        let block = self.block(headers);
        control(1, 0, &[&id.to_be_bytes(), &[0; 6], &block])
    }

    pub fn stream(&mut self, id: u32, stream_type: &str) -> Vec<u8> {
        self.syn_stream(id, &[("streamtype", stream_type)])
    }

    pub fn syn_reply(&mut self, id: u32) -> Vec<u8> {
        let block = self.block(&[]);
        control(2, 0, &[&id.to_be_bytes(), &block])
    }

    pub fn headers(&mut self, id: u32, headers: &[(&str, &str)]) -> Vec<u8> {
        let block = self.block(headers);
        control(8, 0, &[&id.to_be_bytes(), &block])
    }
}

pub fn plain(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut plain = (headers.len() as u32).to_be_bytes().to_vec();
    for (name, value) in headers {
        for text in [name, value] {
            plain.extend_from_slice(&(text.len() as u32).to_be_bytes());
            plain.extend_from_slice(text.as_bytes());
        }
    }
    plain
}

pub fn control(kind: u16, flags: u8, parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    let mut frame = [0x80, 3, (kind >> 8) as u8, kind as u8].to_vec();
    frame.extend_from_slice(&(u32::from(flags) << 24 | payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(&payload);
    frame
}

pub fn data(id: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = id.to_be_bytes().to_vec();
    frame.extend_from_slice(&(u32::from(flags) << 24 | payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

pub fn reset(id: u32) -> Vec<u8> {
    control(3, 0, &[&id.to_be_bytes(), &5u32.to_be_bytes()])
}

pub fn ping(id: u32) -> Vec<u8> {
    control(6, 0, &[&id.to_be_bytes()])
}

pub fn go_away() -> Vec<u8> {
    control(7, 0, &[&[0; 8]])
}
