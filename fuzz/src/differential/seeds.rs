//! Real traffic: the inputs that fuzz/seed writes for the target `wire`.
//!
//! ```text
//! shape │ cut │ (side and length: 2 bytes, bytes)*
//! ```

use std::{fs, io};

use crate::readers::Reader;

/// Longer ones teach nothing that shorter ones do not.
const MOST: usize = 4096;

/// The inputs of each reader, by its number.
pub(crate) fn read(folder: &str) -> io::Result<[Vec<Vec<u8>>; Reader::ALL.len()]> {
    let mut seeds = [const { Vec::new() }; Reader::ALL.len()];
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    // The order of a folder differs from machine to machine, and a seed must say the same on all.
    paths.sort();
    for path in paths {
        let bytes = fs::read(path)?;
        let [shape, _cut, records @ ..] = &bytes[..] else { continue };
        let (client, server) = sides(records);
        for reader in readers(*shape) {
            let sent = if reader.sender() == wire::Side::Client { &client } else { &server };
            seeds[*reader as usize].push(sent[..sent.len().min(MOST)].to_vec());
        }
    }
    Ok(seeds)
}

fn sides(mut records: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut client, mut server) = (Vec::new(), Vec::new());
    while let [first, second, rest @ ..] = records {
        let length = usize::from(u16::from_be_bytes([first & 0x7f, *second])).min(rest.len());
        let (bytes, later) = rest.split_at(length);
        if first & 0x80 == 0 { &mut client } else { &mut server }.extend_from_slice(bytes);
        records = later;
    }
    (client, server)
}

/// Shapes are those of recorder/src/fuzzing.rs.
fn readers(shape: u8) -> &'static [Reader] {
    match shape {
        0 | 1 => &[Reader::SpdyExecServer, Reader::SpdyClient],
        3 | 4 | 9 => &[Reader::ChannelServerV5, Reader::KubectlChannels, Reader::XnetChannels],
        5 => &[Reader::ChannelServerV4, Reader::KubectlChannels],
        6 => &[Reader::ChannelServerBase64],
        10 => &[Reader::SpdyForwardServer],
        11 => &[Reader::TunnelServer, Reader::TunnelClient],
        12 => &[Reader::ChannelServerPorts],
        _ => &[],
    }
}
