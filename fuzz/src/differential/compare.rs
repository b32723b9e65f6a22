//! Whether the libraries delivered what our decoder recorded.
//!
//! In strict mode the two must be equal, up to the byte with which a rule ends the session; but the last frame may be cut
//! there, and of such a frame our decoder has told a part that the receiver may not have got. What a server sends behind its
//! own FIN, RST_STREAM, GOAWAY or CLOSE is recorded, and clients may drop it. In lenient mode, where sessions go on behind
//! what is odd, all that was delivered must have been recorded.

use std::io;
use std::time::{Duration, Instant};

use crate::ours::{Mode, Recorded, SIZES, record};
use crate::readers::Reader;
use crate::theirs::Theirs;

/// How long a smaller input is looked for.
const SEARCH: Duration = Duration::from_secs(20);

/// The first difference, in words.
pub(crate) fn difference(theirs: &mut Theirs, reader: Reader, input: &[u8]) -> io::Result<Option<String>> {
    let strict = one(theirs, reader, input, Mode::Strict)?;
    // x/net's client is none that speaks to a server with which lenient mode is used.
    if strict.is_some() || reader == Reader::XnetChannels {
        return Ok(strict);
    }
    one(theirs, reader, input, Mode::Lenient)
}

fn one(theirs: &mut Theirs, reader: Reader, input: &[u8], mode: Mode) -> io::Result<Option<String>> {
    let ours = record(reader, input, mode);
    let forwarded = &input[..ours.forwarded];
    let delivered = theirs.read(reader, forwarded)?;
    let nothing = Recorded::default();
    let ids = ours.streams.keys().chain(delivered.streams.keys());
    for id in ids.filter(|id| reader.reads(**id)) {
        let recorded = ours.streams.get(id).unwrap_or(&nothing);
        let got = delivered.streams.get(id).map(Vec::as_slice).unwrap_or_default();
        let what = match mode {
            Mode::Strict if !recorded.bytes.starts_with(got) => "delivered and not recorded",
            Mode::Strict if got.len() < recorded.certain => "recorded and not delivered",
            // Of a stream in which something odd was, sizes are what the server may have read.
            Mode::Lenient if *id < SIZES && !is_part(got, &recorded.bytes) => "delivered and not recorded",
            Mode::Strict | Mode::Lenient => continue,
        };
        return Ok(Some(format!(
            "{what}, {mode:?}, stream {id:#x}\n  recorded  {}\n  of it whole frames have {} bytes\n  delivered {}\n  \
             anomalies {:?}\n  forwarded {} of {} bytes\n  their end {}",
            recorded.bytes.escape_ascii(),
            recorded.certain,
            got.escape_ascii(),
            ours.anomalies,
            ours.forwarded,
            input.len(),
            delivered.end,
        )));
    }
    Ok(None)
}

/// Whether `all` has the bytes of `part`, in order, with others between them.
fn is_part(part: &[u8], all: &[u8]) -> bool {
    let mut rest = all.iter();
    part.iter().all(|byte| rest.any(|other| other == byte))
}

/// A smaller input with a difference: pieces are left out as long as there is one.
pub(crate) fn smallest(theirs: &mut Theirs, reader: Reader, input: &[u8]) -> io::Result<Vec<u8>> {
    let (mut small, end) = (input.to_vec(), Instant::now() + SEARCH);
    let mut piece = small.len() / 2;
    while piece > 0 && Instant::now() < end {
        let mut at = 0;
        while at < small.len() {
            let without = [&small[..at], &small[(at + piece).min(small.len())..]].concat();
            if difference(theirs, reader, &without)?.is_some() {
                small = without;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    Ok(small)
}
