//! A tar stream, followed as its bytes pass: which files, how large, and the SHA-256 of each.
//!
//! ```text
//!            ┌──────────── zeros, header of a file ─────────────┐
//!            ▼                                                  │
//!  bytes ─▶ Header ── x, g, L, K ─▶ Note (kept, ≤ 64 KiB) ──▶ Padding
//!            │  └─── S with "more" ─▶ Map ─┐                    ▲
//!            │                             ▼                    │
//!            └──────────────────────────▶ Body (digested) ──────┘
//!            └─ no header ─▶ Over
//! ```
//!
//! Tar programs differ in what they make of odd archives. Where they do, the follower does not guess: it follows the archive no
//! further, and the list says so. It lists headers behind the archive's end all the same, since `tar -i` goes on there.

mod header;
mod pax;

use header::{BLOCK, Header, Wrong};
use pax::Pax;
use recording::{Copied, CopiedFile, Direction, FileKind, hex};
use sha2::{Digest, Sha256};

/// Longest pax header, GNU long name or long link. `PATH_MAX` is 4 KiB; pax headers also hold ACLs.
const NOTE: usize = 64 << 10;
/// Most entries that are listed; later ones are counted.
const LISTED: usize = 1000;
/// Most bytes of all listed names and links.
const NAMES: usize = 128 << 10;

/// Follows one stream. It keeps a block, a note, and the list.
pub(crate) struct Tar {
    state: TarState,
    block: Box<[u8; BLOCK]>,
    filled: usize,
    /// A note's text, as far as it came.
    note: Vec<u8>,
    pax: Pax,
    global: Pax,
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    zeros: u32,
    names: usize,
    copied: Copied,
    /// The file that is passing.
    current: Option<PassingFile>,
}

struct PassingFile {
    file: CopiedFile,
    digest: Sha256,
    listed: bool,
}

/// What the next bytes are.
enum TarState {
    Header,
    /// Text about the next entry.
    Note {
        kind: u8,
        left: u64,
        padding: u64,
    },
    /// Further blocks of a sparse map.
    Map {
        size: u64,
    },
    Body {
        left: u64,
        padding: u64,
    },
    Padding {
        left: u64,
    },
    /// Nothing more is looked at.
    Over,
}

impl Tar {
    pub(crate) fn new(direction: Direction) -> Self {
        Self {
            state: TarState::Header,
            block: Box::new([0; BLOCK]),
            filled: 0,
            note: Vec::new(),
            pax: Pax::default(),
            global: Pax::default(),
            long_name: None,
            long_link: None,
            zeros: 0,
            names: 0,
            copied: Copied {
                direction,
                files: Vec::new(),
                unlisted: 0,
                bytes: 0,
                complete: false,
                problem: String::new(),
            },
            current: None,
        }
    }

    /// Whether the stream began as an archive does.
    pub(crate) fn recognised(&self) -> bool {
        self.current.is_some() || !self.copied.files.is_empty() || self.copied.unlisted > 0
    }

    /// Whether further bytes make no difference: it is no archive, or it was followed as far as it can be.
    pub(crate) fn over(&self) -> bool {
        matches!(self.state, TarState::Over)
    }

    /// Takes the stream's next bytes, cut anywhere.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                TarState::Over => return,
                TarState::Header | TarState::Map { .. } => self.fill(bytes),
                TarState::Note { left, .. } => {
                    let taken = part(*left, bytes);
                    *left -= taken.len() as u64;
                    self.note.extend_from_slice(taken);
                    taken.len()
                }
                TarState::Body { left, .. } => {
                    let taken = part(*left, bytes);
                    *left -= taken.len() as u64;
                    if let Some(current) = &mut self.current {
                        current.digest.update(taken);
                    }
                    taken.len()
                }
                TarState::Padding { left } => {
                    let taken = part(*left, bytes);
                    *left -= taken.len() as u64;
                    taken.len()
                }
            };
            bytes = &bytes[taken..];
            self.turn();
        }
    }

    /// Ends the stream. Returns what it carried; `None` if it was no archive.
    pub(crate) fn finish(mut self) -> Option<Copied> {
        let left = match self.state {
            TarState::Body { left, .. } => left,
            TarState::Map { size } => size,
            _ => 0,
        };
        self.end_file(left);
        (self.recognised()).then_some(self.copied)
    }

    fn fill(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(BLOCK - self.filled);
        self.block[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
        self.filled += taken;
        taken
    }

    /// Goes on to the next states while one is complete.
    fn turn(&mut self) {
        loop {
            match self.state {
                TarState::Header if self.filled == BLOCK => self.header(),
                TarState::Map { size } if self.filled == BLOCK => {
                    self.filled = 0;
                    if self.block[504] == 0 {
                        self.state = body(size);
                    }
                }
                TarState::Note { kind, left: 0, padding } => {
                    self.noted(kind);
                    if !self.over() {
                        self.state = TarState::Padding { left: padding };
                    }
                }
                TarState::Body { left: 0, padding } => {
                    self.end_file(0);
                    self.state = TarState::Padding { left: padding };
                }
                TarState::Padding { left: 0 } => self.state = TarState::Header,
                TarState::Header
                | TarState::Map { .. }
                | TarState::Note { .. }
                | TarState::Body { .. }
                | TarState::Padding { .. }
                | TarState::Over => return,
            }
        }
    }

    fn header(&mut self) {
        self.filled = 0;
        if self.block.iter().all(|&byte| byte == 0) {
            self.zeros += 1;
            self.copied.complete |= self.zeros >= 2 && self.recognised();
            // An archive does not begin with its end.
            if !self.recognised() {
                self.state = TarState::Over;
            }
            return;
        }
        match Header::parse(&self.block) {
            Ok(header) => self.entry(header),
            // What stands behind the end is padding, whatever it is.
            Err(_) if self.copied.complete => self.state = TarState::Over,
            Err(Wrong::Checksum) if !self.recognised() => self.state = TarState::Over,
            Err(Wrong::Checksum) => self.stop("a block that is no header stands where one must be"),
            Err(Wrong::Size) => self.stop("a size that is no number, or beyond 63 bits"),
        }
    }

    fn entry(&mut self, header: Header) {
        self.zeros = 0;
        match header.kind {
            b'x' | b'X' | b'g' | b'L' | b'K' => {
                if header.size > NOTE as u64 {
                    return self.stop("a header's text is longer than 64 KiB");
                }
                self.note.clear();
                self.state = TarState::Note { kind: header.kind, left: header.size, padding: padding(header.size) };
            }
            kind => self.file(kind, header),
        }
    }

    fn file(&mut self, kind: u8, header: Header) {
        let pax = std::mem::take(&mut self.pax).or(&self.global);
        let name = pax.path.or_else(|| self.long_name.take()).unwrap_or(header.name);
        let link = pax.link.or_else(|| self.long_link.take()).unwrap_or(header.link);
        (self.long_name, self.long_link) = (None, None);
        let size = pax.size.unwrap_or(header.size);
        let kind = match kind {
            // Old archives know folders by the end of their name.
            b'0' | 0 if name.ends_with(b"/") => FileKind::Directory,
            b'0' | 0 | b'7' | b'S' => FileKind::File,
            b'1' => FileKind::Hardlink,
            b'2' => FileKind::Symlink,
            b'5' => FileKind::Directory,
            _ => FileKind::Other,
        };
        let file = CopiedFile {
            name: String::from_utf8_lossy(&name).into_owned(),
            kind,
            size,
            sha256: String::new(),
            link: if matches!(kind, FileKind::Hardlink | FileKind::Symlink) {
                String::from_utf8_lossy(&link).into_owned()
            } else {
                String::new()
            },
            missing: 0,
            sparse: pax.sparse || header.kind == b'S',
        };
        let bodiless = matches!(kind, FileKind::Hardlink | FileKind::Symlink | FileKind::Directory);
        self.begin_file(file);
        if bodiless && size > 0 {
            // Go takes the size for 0, others skip so many bytes: each of them reads another archive behind it.
            self.end_file(size);
            return self.stop("a link or folder announces contents, which tar programs read differently");
        }
        self.state = if header.extended { TarState::Map { size } } else { body(size) };
    }

    fn begin_file(&mut self, file: CopiedFile) {
        let length = file.name.len() + file.link.len();
        let listed = self.copied.files.len() < LISTED && self.names + length <= NAMES;
        if listed {
            self.names += length;
        }
        self.current = Some(PassingFile { file, digest: Sha256::new(), listed });
    }

    fn end_file(&mut self, missing: u64) {
        let Some(PassingFile { mut file, digest, listed }) = self.current.take() else { return };
        file.missing = missing;
        self.copied.bytes = self.copied.bytes.saturating_add(file.size - missing.min(file.size));
        if !listed {
            self.copied.unlisted += 1;
            return;
        }
        if matches!(file.kind, FileKind::File | FileKind::Other) {
            file.sha256 = hex(digest.finalize().into());
        }
        self.copied.files.push(file);
    }

    /// Takes a note that is complete.
    fn noted(&mut self, kind: u8) {
        let note = std::mem::take(&mut self.note);
        let text = || note.split(|&byte| byte == 0).next().unwrap_or_default().to_vec();
        match kind {
            b'L' => self.long_name = Some(text()),
            b'K' => self.long_link = Some(text()),
            kind => match Pax::parse(&note) {
                Some(pax) if kind == b'g' => self.global = pax,
                Some(pax) => self.pax = pax,
                None => self.stop("a pax header whose records are not what they say"),
            },
        }
    }

    fn stop(&mut self, why: &str) {
        why.clone_into(&mut self.copied.problem);
        self.state = TarState::Over;
    }
}

fn part(left: u64, bytes: &[u8]) -> &[u8] {
    &bytes[..usize::try_from(left).unwrap_or(bytes.len()).min(bytes.len())]
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

fn body(size: u64) -> TarState {
    TarState::Body { left: size, padding: padding(size) }
}

#[cfg(test)]
mod tests;
