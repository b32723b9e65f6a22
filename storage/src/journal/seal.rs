//! The end of a journal object: what chains it to the one before it, signed.
//!
//! ```text
//! ┌ zstd frame: lines ┐┌ skippable frame: 50 2a 4d 18, length, the sealed document ┐
//! ```
//!
//! zstd's own tools skip it, so `zstdcat` shows the entries and nothing else. It stands outside of what is compressed
//! because it vouches for the object's bytes: the same lines could be compressed in many ways.

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::merkle;
use crate::{
    chunk::{self, ChunkError, MAX_UNCOMPRESSED},
    signing::{DocumentKind, Signer},
};
use recording::{Key, UnixMicros, hex, journal::JOURNAL_FORMAT};

/// Begins a skippable frame ([RFC 8878](https://www.rfc-editor.org/rfc/rfc8878), section 3.1.2). Of the sixteen such
/// numbers the first.
const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// From this format on a seal has a `root`.
const FIRST_WITH_ROOT: u32 = 2;

/// What the next object and its first line are chained to. Zeros before a journal's first object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainLink {
    /// SHA-256 of the newest object's bytes.
    pub object: [u8; 32],
    /// SHA-256 of its last line, without the newline; zeros if it has no line that can be read.
    pub line: [u8; 32],
}

/// What an object says of itself, signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The [`JOURNAL_FORMAT`] of the entries. It never decreases from one object to the next.
    pub format: u32,
    /// The object's own name.
    pub object: String,
    /// SHA-256 of the bytes of the object before it, in hexadecimal; zeros for a journal's first.
    pub previous: String,
    /// Lines in it.
    pub entries: u64,
    /// SHA-256 of the bytes before this frame, in hexadecimal.
    pub sha256: String,
    /// The root of the tree over its lines, in hexadecimal; empty before format 2. With it a line can be proven without the
    /// others.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
}

impl Seal {
    /// Whether objects of its format have a tree over their lines.
    pub fn has_root(&self) -> bool {
        self.format >= FIRST_WITH_ROOT
    }
}

/// Lines that are chained.
struct ChainedLines {
    /// Each with its newline.
    bytes: Vec<u8>,
    /// Of each line, without its newline.
    digests: Vec<[u8; 32]>,
}

/// A journal object's bytes, split into lines and seal. Any bytes can be split: nothing is checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedObject<'a> {
    /// The lines' zstd frame.
    pub frame: &'a [u8],
    /// The signed document; `None` if there is no whole one.
    pub seal: Option<&'a [u8]>,
}

impl<'a> SealedObject<'a> {
    /// Splits any bytes.
    pub fn new(object: &'a [u8]) -> Self {
        // The document is JSON: but for its last byte it has none below 0x20, so the last such number begins its frame.
        let found = object.windows(SKIPPABLE.len()).rposition(|window| window == SKIPPABLE).and_then(|at| {
            let (frame, rest) = object.split_at(at);
            let (length, seal) = rest[SKIPPABLE.len()..].split_first_chunk::<4>()?;
            (usize::try_from(u32::from_le_bytes(*length)) == Ok(seal.len())).then_some((frame, seal))
        });
        match found {
            Some((frame, seal)) => Self { frame, seal: Some(seal) },
            None => Self { frame: object, seal: None },
        }
    }

    /// The lines, at most [`MAX_UNCOMPRESSED`] bytes.
    ///
    /// # Errors
    /// [`ChunkError`], if the frame is damaged or unpacks to more.
    pub fn lines(&self) -> Result<Vec<u8>, ChunkError> {
        chunk::decompress(self.frame, MAX_UNCOMPRESSED)
    }
}

impl ChainLink {
    /// The link behind an object, whatever is in it: a journal goes on after an object that somebody else wrote or
    /// damaged.
    pub fn after(object: &[u8]) -> Self {
        let lines = SealedObject::new(object).lines().unwrap_or_default();
        let last = lines.strip_suffix(b"\n").unwrap_or(&lines).rsplit(|&byte| byte == b'\n').next();
        let line = last.filter(|line| !line.is_empty()).map_or([0; 32], digest);
        Self { object: digest(object), line }
    }
}

/// Chains lines: each gets `prev`, SHA-256 of the line before it, as its first member.
fn chain(lines: &[u8], mut previous: [u8; 32]) -> ChainedLines {
    let mut bytes = Vec::with_capacity(lines.len() + lines.len() / 2);
    let mut digests = Vec::new();
    for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let start = bytes.len();
        bytes.extend_from_slice(b"{\"prev\":\"");
        bytes.extend_from_slice(hex(previous).as_bytes());
        bytes.extend_from_slice(b"\",");
        bytes.extend_from_slice(line.strip_prefix(b"{").unwrap_or(line));
        previous = digest(&bytes[start..]);
        digests.push(previous);
        bytes.push(b'\n');
    }
    ChainedLines { bytes, digests }
}

/// Makes the object `key` of these lines (JSON objects, each ending in `\n`), chained to `previous`. Returns the object and
/// the link behind it. `now` is the time of the signature.
///
/// # Errors
/// Only if zstd has no memory.
pub fn seal(
    signer: &Signer,
    key: &Key,
    previous: ChainLink,
    lines: &[u8],
    now: UnixMicros,
) -> io::Result<(Bytes, ChainLink)> {
    let chained = chain(lines, previous.line);
    let mut object = chunk::compress(&chained.bytes)?;
    let seal = Seal {
        format: JOURNAL_FORMAT,
        object: key.as_str().to_owned(),
        previous: hex(previous.object),
        entries: chained.digests.len() as u64,
        sha256: hex(digest(&object)),
        root: hex(merkle::root(&chained.digests)),
    };
    let document = signer.seal(DocumentKind::Journal, serde_json::to_vec(&seal)?, now);
    let length = u32::try_from(document.len()).map_err(io::Error::other)?;
    object.extend_from_slice(&SKIPPABLE);
    object.extend_from_slice(&length.to_le_bytes());
    object.extend_from_slice(&document);
    let line = chained.digests.last().copied().unwrap_or(previous.line);
    let link = ChainLink { object: digest(&object), line };
    Ok((object.into(), link))
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{journal::decode, signing::SignedDocument};

    const LINES: &[u8] = b"{\"micros\":1,\"gateway\":\"g\",\"event\":\"stopped\"}\n\
                           {\"micros\":2,\"gateway\":\"g\",\"event\":\"stopped\"}\n";

    fn key(seq: u64) -> Key {
        Key::new(format!("journal/g/2026/11/24/{seq:012}.jsonl.zst")).unwrap()
    }

    #[test]
    fn an_object_is_chained_to_the_one_before_it_and_can_be_read() {
        let signer = Signer::generate().unwrap();
        let (first, link) = seal(&signer, &key(0), ChainLink::default(), LINES, UnixMicros::new(3)).unwrap();
        assert_eq!(ChainLink::after(&first), link);
        let (second, _) = seal(&signer, &key(1), link, LINES, UnixMicros::new(4)).unwrap();
        assert_eq!(decode(&key(1), &second).unwrap().len(), 2);

        let split = SealedObject::new(&second);
        let sealed = SignedDocument::open(DocumentKind::Journal, split.seal.unwrap()).unwrap();
        assert!(sealed.is_by(&signer.public()));
        let said: Seal = serde_json::from_slice(split.seal.unwrap()).unwrap();
        assert_eq!((said.object.as_str(), said.entries), (key(1).as_str(), 2));
        assert_eq!(said.previous, hex(digest(&first)));
        assert_eq!(said.sha256, hex(digest(split.frame)));

        let lines = split.lines().unwrap();
        let lines: Vec<&[u8]> = lines.split(|&byte| byte == b'\n').collect();
        assert_eq!(said.root, hex(merkle::root(&[digest(lines[0]), digest(lines[1])])));
        let prev = |line: &[u8]| serde_json::from_slice::<serde_json::Value>(line).unwrap()["prev"].clone();
        assert_eq!(prev(lines[0]), hex(link.line));
        assert_eq!(prev(lines[1]), hex(digest(lines[0])));
    }

    #[test]
    fn anything_can_be_taken_apart() {
        for bytes in [&b""[..], b"rubbish", &SKIPPABLE, &[0x50, 0x2a, 0x4d, 0x18, 9, 0, 0, 0, b'{']] {
            assert_eq!(SealedObject::new(bytes), SealedObject { frame: bytes, seal: None });
            assert_eq!(ChainLink::after(bytes).line, [0; 32]);
        }
        let unsealed = chunk::compress(LINES).unwrap();
        assert_eq!(SealedObject::new(&unsealed).seal, None);
        assert_ne!(ChainLink::after(&unsealed).line, [0; 32]);
    }
}
