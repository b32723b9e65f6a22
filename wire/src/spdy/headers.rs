//! Header blocks: one zlib stream per direction for the whole connection, flushed after every block.
//!
//! ```text
//! count:32 | length:32, name, length:32, value | …        (before compression)
//! ```

use flate2::{Decompress, FlushDecompress};

/// SPDY/3's dictionary (SPDY protocol draft 3, section 2.6.10.1): 1423 bytes, Adler-32 e3c6a7c2.
const DICTIONARY: &[u8] = include_bytes!("spdy3.dict");
/// Most bytes of an inflated block. Real ones have some 60 bytes, and 1 KiB can inflate to 1 MiB. A larger one ends the
/// decoding of its direction.
const MAX_BLOCK_BYTES: usize = 64 << 10;
/// Most bytes of the buffer that is kept between blocks.
const KEPT_BYTES: usize = 1 << 10;
const INFLATE_STEP: usize = 1 << 10;
/// `invalidReqHeaders` in `github.com/moby/spdystream/spdy/types.go`: the framer fails at them.
const REFUSED_NAMES: [&[u8]; 5] = [b"connection", b"host", b"keep-alive", b"proxy-connection", b"transfer-encoding"];

/// Most bytes of a block as it comes; real ones have some 60. Go's inflater reads 4 KiB at a time, and takes what is behind a
/// longer block's headers for an error or not, by how the bytes arrived.
const MAX_COMPRESSED_BYTES: usize = 4 << 10;
/// The end of each block: an empty stored block (RFC 1951, section 3.2.4), as a flush writes it.
const FLUSHED: &[u8] = &[0, 0, 0xff, 0xff];

/// One direction's header blocks.
pub(super) struct HeaderBlocks {
    /// Made for the first block: it is most of a connection's memory.
    inflate: Option<Decompress>,
    compressed: Vec<u8>,
    block: Vec<u8>,
}

/// The headers of a stream that Kubernetes uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StreamHeaders {
    pub(super) stream_type: Option<Vec<u8>>,
    pub(super) port: Option<u16>,
    pub(super) request_id: Option<u32>,
}

impl HeaderBlocks {
    pub(super) fn new() -> Self {
        HeaderBlocks { inflate: None, compressed: Vec::new(), block: Vec::new() }
    }

    /// Keeps a part of a block.
    pub(super) fn push(&mut self, compressed: &[u8]) -> Result<(), &'static str> {
        if self.compressed.len() + compressed.len() > MAX_COMPRESSED_BYTES {
            return Err("a header block of more than 4 KiB");
        }
        self.compressed.extend_from_slice(compressed);
        Ok(())
    }

    /// The block is complete: inflates it, and reads its headers. Go's inflater gives up at a block that is not flushed, but
    /// only when the next one comes.
    pub(super) fn finish(&mut self) -> Result<StreamHeaders, &'static str> {
        let compressed = std::mem::take(&mut self.compressed);
        let (rest, flushed) = compressed.split_at(compressed.len().saturating_sub(FLUSHED.len()));
        self.inflate(rest)?;
        let whole = self.block.len();
        self.inflate(flushed)?;
        let headers = describe(&self.block)?;
        if flushed != FLUSHED || self.block.len() > whole {
            return Err("a header block that is not flushed");
        }
        self.compressed = compressed;
        self.compressed.clear();
        self.compressed.shrink_to(KEPT_BYTES);
        self.block.clear();
        self.block.shrink_to(KEPT_BYTES);
        Ok(headers)
    }

    fn inflate(&mut self, mut compressed: &[u8]) -> Result<(), &'static str> {
        let inflate = self.inflate.get_or_insert_with(|| Decompress::new(true));
        let mut out = [0; INFLATE_STEP];
        loop {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let result = inflate.decompress(compressed, &mut out, FlushDecompress::Sync);
            let read = (inflate.total_in() - read) as usize;
            let written = (inflate.total_out() - written) as usize;
            compressed = &compressed[read..];
            // Checked first: a block may be both too large and broken, and the error must not depend on where it is
            // cut.
            if self.block.len() + written > MAX_BLOCK_BYTES {
                return Err("a header block of more than 64 KiB");
            }
            match result {
                Ok(_) => {}
                Err(error) if error.needs_dictionary().is_some() => {
                    inflate.set_dictionary(DICTIONARY).map_err(|_| "a header block with another dictionary")?;
                    continue;
                }
                Err(_) => return Err("a header block that does not inflate"),
            }
            self.block.extend_from_slice(&out[..written]);
            match (compressed.is_empty(), written < INFLATE_STEP) {
                (true, true) => return Ok(()),
                (false, _) if read == 0 && written == 0 => {
                    return Err("a header block behind the end of the zlib stream");
                }
                _ => {}
            }
        }
    }
}

/// Of several values, and of several headers with one name, Go's framer takes the first.
fn describe(block: &[u8]) -> Result<StreamHeaders, &'static str> {
    let mut block = block;
    let mut headers = StreamHeaders::default();
    for _ in 0..number(&mut block)? {
        let (name, value) = (text(&mut block)?, text(&mut block)?);
        // The framer refuses what `strings.ToLower` changes: upper case of all scripts, and what is no UTF-8.
        if name.iter().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii()) || REFUSED_NAMES.contains(&name) {
            return Err("a header that the server refuses");
        }
        let value = value.split(|&byte| byte == 0).next().unwrap_or_default();
        headers.take(name, value);
    }
    if block.is_empty() { Ok(headers) } else { Err("a header block with bytes behind its headers") }
}

impl StreamHeaders {
    fn take(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"streamtype" => {
                self.stream_type.get_or_insert_with(|| value.to_vec());
            }
            b"port" => self.port = self.port.or_else(|| decimal(value)),
            b"requestid" => self.request_id = self.request_id.or_else(|| decimal(value)),
            _ => {}
        }
    }
}

/// As `strconv.ParseUint` reads it: without a sign.
fn decimal<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn number(block: &mut &[u8]) -> Result<u32, &'static str> {
    let (number, rest) = block.split_first_chunk().ok_or("a header block that is cut off")?;
    *block = rest;
    Ok(u32::from_be_bytes(*number))
}

fn text<'a>(block: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let length = number(block)? as usize;
    let (text, rest) = block.split_at_checked(length).ok_or("a header block that is cut off")?;
    *block = rest;
    Ok(text)
}
