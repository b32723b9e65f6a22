//! The PROXY protocol, versions 1 and 2: how a balancer that hands on connections without reading them says whose they are
//! (haproxy.org, `proxy-protocol.txt`, revision of 2020/03/05).
//!
//! Nothing beyond the header is read, so that what follows it is the connection's first byte. TLVs are skipped.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest line of version 1, its CRLF included (section 2.1).
const LONGEST_LINE: usize = 107;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What version 2 may have behind its addresses. The specification's 65,535 bytes are for TLVs; balancers write some hundred.
const MOST: usize = 4 << 10;

/// Why a trusted proxy's connection does not begin as it should.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// It ended or broke inside of the header.
    #[error("the connection ended in its PROXY header")]
    Read(#[from] io::Error),
    /// It begins otherwise.
    #[error("no PROXY header: the balancer has to send one, or is not to be among the trusted proxies")]
    Missing,
    /// It begins as one and is none.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
}

/// Reads the header that a connection begins with, in either version. Returns the address that the person came from; `None`
/// if the proxy says nothing of it, for connections of its own (`LOCAL`, health checks) and of unknown kinds.
///
/// The caller bounds the time.
///
/// # Errors
/// [`HeaderError`]; the connection is of no use any more.
///
/// # Cancel safety
/// Not cancel safe: a part of the header may have been read.
pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    // Both versions are longer than this.
    let mut start = [0; SIGNATURE.len()];
    stream.read_exact(&mut start).await?;
    if &start == SIGNATURE {
        return version_2(stream).await;
    }
    if !start.starts_with(b"PROXY ") {
        return Err(HeaderError::Missing);
    }
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == LONGEST_LINE {
            return Err(HeaderError::Malformed("its line is too long"));
        }
        // One by one: what follows the line is not ours.
        line.push(stream.read_u8().await?);
    }
    let line = str::from_utf8(&line[..line.len() - 2]).map_err(|_| HeaderError::Malformed("its line is not ASCII"))?;
    version_1(line)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443`
fn version_1(line: &str) -> Result<Option<SocketAddr>, HeaderError> {
    let mut words = line.split(' ');
    // "PROXY", which the caller has seen.
    words.next();
    let is_v6 = match words.next() {
        Some("TCP4") => false,
        Some("TCP6") => true,
        // What follows is to be ignored.
        Some("UNKNOWN") => return Ok(None),
        _ => return Err(HeaderError::Malformed("it is neither TCP4, TCP6 nor UNKNOWN")),
    };
    let malformed = || HeaderError::Malformed("its line is not two addresses and two ports");
    let mut address = || {
        let address: IpAddr = words.next()?.parse().ok()?;
        (address.is_ipv6() == is_v6).then_some(address)
    };
    let (source, _destination) = (address().ok_or_else(malformed)?, address().ok_or_else(malformed)?);
    let mut port = || words.next().and_then(port);
    let (source_port, _destination_port) = (port().ok_or_else(malformed)?, port().ok_or_else(malformed)?);
    if words.next().is_some() {
        return Err(malformed());
    }
    Ok(Some(canonical(source, source_port)))
}

/// Digits only, and no leading zero: Rust would take `+80`.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

async fn version_2(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<SocketAddr>, HeaderError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let [version_and_command, family, high, low] = head;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > MOST {
        return Err(HeaderError::Malformed("it is longer than 4 KiB"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match version_and_command {
        // LOCAL: whatever follows is to be ignored.
        0x20 => Ok(None),
        0x21 => addresses(family, &rest),
        _ => Err(HeaderError::Malformed("its version or command is unknown")),
    }
}

fn addresses(family: u8, rest: &[u8]) -> Result<Option<SocketAddr>, HeaderError> {
    let short = HeaderError::Malformed("it is too short for its addresses");
    match family {
        // TCP over IPv4: two addresses, two ports.
        0x11 => {
            let [a, b, c, d, _, _, _, _, high, low, _, _, tlvs @ ..] = rest else { return Err(short) };
            whole_tlvs(tlvs)?;
            Ok(Some(canonical(Ipv4Addr::new(*a, *b, *c, *d).into(), u16::from_be_bytes([*high, *low]))))
        }
        // TCP over IPv6.
        0x21 => {
            let Some((addresses, tlvs)) = rest.split_at_checked(36) else { return Err(short) };
            whole_tlvs(tlvs)?;
            let source: [u8; 16] = addresses[..16].try_into().map_err(|_| short)?;
            Ok(Some(canonical(Ipv6Addr::from(source).into(), u16::from_be_bytes([addresses[32], addresses[33]]))))
        }
        // UNSPEC.
        0x00 => Ok(None),
        _ => Err(HeaderError::Malformed("it is neither of TCP nor unspecified")),
    }
}

/// That the lengths of what stands behind the addresses add up. What it says is not read.
fn whole_tlvs(mut tlvs: &[u8]) -> Result<(), HeaderError> {
    while let [_kind, high, low, rest @ ..] = tlvs {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        tlvs = rest.get(length..).ok_or(HeaderError::Malformed("a TLV is longer than the header"))?;
    }
    if tlvs.is_empty() { Ok(()) } else { Err(HeaderError::Malformed("a TLV is cut")) }
}

fn canonical(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a header that has `next` behind it. Returns what it says, and what was left.
    async fn parse(bytes: &[u8], next: &[u8]) -> (Result<Option<String>, HeaderError>, Vec<u8>) {
        let all = [bytes, next].concat();
        let mut stream = all.as_slice();
        let read = read(&mut stream).await.map(|address| address.map(|address| address.to_string()));
        (read, stream.to_vec())
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    const V4: [u8; 12] = [198, 51, 100, 7, 10, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb];

    fn v6() -> Vec<u8> {
        let address = |text: &str| text.parse::<Ipv6Addr>().unwrap().octets();
        [&address("2001:db8::7")[..], &address("::1"), &[0xdc, 0x04, 0x01, 0xbb]].concat()
    }

    /// Headers that are good, and what they say.
    fn good() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let crc = [0x03, 0, 4, 1, 2, 3, 4];
        vec![
            (b"PROXY TCP4 198.51.100.7 10.0.0.1 56324 443\r\n".to_vec(), Some("198.51.100.7:56324")),
            (b"PROXY TCP6 2001:db8::7 ::1 56324 443\r\n".to_vec(), Some("[2001:db8::7]:56324")),
            (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 56324 443\r\n".to_vec(), Some("198.51.100.7:56324")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN 198.51.100.7 and more\r\n".to_vec(), None),
            (v2(0x21, 0x11, &V4), Some("198.51.100.7:56324")),
            (v2(0x21, 0x11, &[&V4[..], &crc, &[0x04, 0, 0]].concat()), Some("198.51.100.7:56324")),
            (v2(0x21, 0x21, &v6()), Some("[2001:db8::7]:56324")),
            (v2(0x21, 0x00, b"ignored"), None),
            (v2(0x20, 0x00, b""), None),
            (v2(0x20, 0x11, &V4), None),
        ]
    }

    #[tokio::test]
    async fn a_header_says_whose_the_connection_is_and_what_follows_stays() {
        for (header, says) in good() {
            let (read, left) = parse(&header, b"\x16\x03\x01 hello").await;
            assert_eq!(read.unwrap().as_deref(), says, "{header:?}");
            assert_eq!(left, b"\x16\x03\x01 hello", "{header:?}");
        }
    }

    #[tokio::test]
    async fn a_header_that_is_cut_anywhere_says_nothing() {
        for (header, _) in good() {
            for cut in 0..header.len() {
                let (read, _) = parse(&header[..cut], b"").await;
                assert!(read.is_err(), "{:?} gives {read:?}", &header[..cut]);
            }
        }
    }

    /// A flipped bit may give another address. It never makes the reader take more than the header, and a header whose form is
    /// broken is none.
    #[tokio::test]
    async fn a_flipped_bit_is_refused_or_read_within_the_header() {
        let next = [0xaa; 8 << 10];
        for (header, _) in good() {
            for bit in 0..header.len() * 8 {
                let mut flipped = header.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let (read, left) = parse(&flipped, &next).await;
                if read.is_ok() && flipped.starts_with(b"PROXY ") {
                    assert!(next.starts_with(&left), "{flipped:?}");
                    assert!(header.len() + next.len() - left.len() <= LONGEST_LINE);
                } else if read.is_ok() {
                    let length = usize::from(u16::from_be_bytes([flipped[14], flipped[15]]));
                    assert_eq!(header.len() + next.len() - left.len(), 16 + length, "{flipped:?}");
                }
                if bit / 8 < 6 {
                    assert!(read.is_err(), "the signature of {flipped:?} is broken");
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(200));
        for bytes in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello"[..],
            b"GET / HTTP/1.1\r\n\r\n",
            b"PROXY TCP4 198.51.100.7 10.0.0.1 56324\r\n",
            b"PROXY TCP4 198.51.100.7 10.0.0.1 56324 443 9\r\n",
            b"PROXY TCP4 198.51.100.7  10.0.0.1 56324 443\r\n",
            b"PROXY TCP4 2001:db8::7 ::1 56324 443\r\n",
            b"PROXY TCP6 198.51.100.7 10.0.0.1 56324 443\r\n",
            b"PROXY TCP4 198.51.100.7 10.0.0.1 +80 443\r\n",
            b"PROXY TCP4 198.51.100.7 10.0.0.1 080 443\r\n",
            b"PROXY TCP4 198.51.100.7 10.0.0.1 65536 443\r\n",
            b"PROXY TCP4 198.51.100.007 10.0.0.1 80 443\r\n",
            b"PROXY tcp4 198.51.100.7 10.0.0.1 80 443\r\n",
            b"PROXY UDP4 198.51.100.7 10.0.0.1 80 443\r\n",
            b"PROXY TCP4 198.51.100.7 10.0.0.1 80 443\n and no carriage return before the line feed of that line, and on and on",
            b"PROXY TCP4 \xff98.51.100.7 10.0.0.1 80 443\r\n",
            long.as_bytes(),
            &v2(0x11, 0x11, &V4),
            &v2(0x22, 0x11, &V4),
            &v2(0x21, 0x12, &V4),
            &v2(0x21, 0x31, &[0; 216]),
            &v2(0x21, 0x11, &V4[..11]),
            &v2(0x21, 0x21, &V4),
            &v2(0x21, 0x11, &[&V4[..], &[3, 0]].concat()),
            &v2(0x21, 0x11, &[&V4[..], &[3, 0, 5, 1, 2, 3, 4]].concat()),
            &v2(0x20, 0x00, &[0; 5000]),
        ] {
            let (read, _) = parse(bytes, &[0; 128]).await;
            assert!(read.is_err(), "{bytes:?} gives {read:?}");
        }
    }
}
