//! One block of 512 bytes that says what comes.
//!
//! ```text
//!   0 name 100 │ 100 mode, uid, gid │ 124 size 12 │ 136 mtime │ 148 checksum 8 │ 156 type │ 157 link 100
//! 257 magic 6, version 2 │ 265 … │ 345 prefix 155 (ustar only) │ 482 "more follows", in GNU's sparse type
//! ```
//!
//! POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;

/// What a header block says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
    pub(super) size: u64,
    pub(super) kind: u8,
    /// A sparse map goes on in the next block.
    pub(super) extended: bool,
}

/// Why a block is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Checksum,
    Size,
}

impl Header {
    /// Reads a block.
    pub(super) fn parse(block: &[u8; BLOCK]) -> Result<Self, Wrong> {
        let said = octal(&block[148..156]).ok_or(Wrong::Checksum)?;
        if !sums(block).contains(&said) {
            return Err(Wrong::Checksum);
        }
        let size = number(&block[124..136]).ok_or(Wrong::Size)?;
        let mut name = text(&block[..100]).to_vec();
        let prefix = text(&block[345..500]);
        // GNU's own format has other fields there, and says so by another magic.
        if &block[257..263] == b"ustar\0" && !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let kind = block[156];
        Ok(Self { name, link: text(&block[157..257]).to_vec(), size, kind, extended: kind == b'S' && block[482] != 0 })
    }
}

/// The sums of all bytes, with blanks in the place of the checksum: of unsigned bytes, and of signed ones, as old archivers have
/// it.
fn sums(block: &[u8; BLOCK]) -> [u64; 2] {
    let bytes = || block.iter().enumerate().map(|(at, &byte)| if (148..156).contains(&at) { b' ' } else { byte });
    let unsigned = bytes().map(u64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    [unsigned, u64::try_from(signed).unwrap_or(unsigned)]
}

/// A text field: up to the first zero.
fn text(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|&byte| byte == 0).unwrap_or(field.len())]
}

fn octal(field: &[u8]) -> Option<u64> {
    let digits = field.split(|&byte| byte == 0).next().unwrap_or_default().trim_ascii();
    digits.iter().try_fold(0_u64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

/// A number field: octal, or big-endian binary if the first bit is set (GNU, star). `None` if it is negative or beyond 63 bits.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 == 0 {
        return octal(field);
    }
    let first = u64::from(field[0] & 0x7f);
    let value = field[1..].iter().try_fold(first, |value, &byte| value.checked_mul(256)?.checked_add(u64::from(byte)));
    value.filter(|value| i64::try_from(*value).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary_and_never_more_than_63_bits() {
        assert_eq!(number(b"00000000144\0"), Some(100));
        assert_eq!(number(b"        144 "), Some(100));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\0\0\x02\0\0"), Some(0x2_0000));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(number(b"00000000888\0"), None);
        assert_eq!(number(b"\0\0\0\0\0\0\0\0\0\0\0\0"), Some(0));
    }
}
