use recording::{
    Micros,
    cast::{CastError, Code, Event, write_event},
};

use super::{ExportSource, ExportWriter};
use crate::{
    PlayerError,
    chunk_read::{ChunkRead, read_chunk},
};

/// Writes the stored lines as they are, with Kubetape's own codes and those of later versions. A damaged line or a missing
/// chunk becomes a `g` event, so that every line can be parsed.
pub(super) async fn write(mut source: ExportSource, out: &mut ExportWriter<'_>) -> Result<(), PlayerError> {
    let mut header = source.header;
    if let Some(manifest) = source.chunks.manifest() {
        (header.width, header.height) = (manifest.width, manifest.height);
    }
    out.write(&header.to_line()).await?;
    let mut now = Micros::ZERO;
    loop {
        let lines = match read_chunk(&mut source.chunks).await? {
            ChunkRead::End => return Ok(()),
            ChunkRead::Lines(_, lines) => with_damage_marked(&lines, &mut now),
            ChunkRead::Gap(from, to) => gap_line(now, &missing(from, to)),
            ChunkRead::Unreadable(number) => gap_line(now, &unreadable(number)),
        };
        out.write(&lines).await?;
    }
}

pub(super) fn missing(from: u32, to: u32) -> String {
    format!("chunks {from} to {to} are missing")
}

pub(super) fn unreadable(number: u32) -> String {
    format!("chunk {number} cannot be read")
}

pub(super) const DAMAGED: &str = "a line is damaged";

fn with_damage_marked(lines: &[u8], now: &mut Micros) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.len());
    for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        match Event::parse(line) {
            Ok(event) => {
                *now = event.time;
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            Err(CastError::UnknownCode(_)) => {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            Err(_) => write_event(&mut out, *now, Code::Gap, DAMAGED),
        }
    }
    out
}

fn gap_line(now: Micros, text: &str) -> Vec<u8> {
    let mut line = Vec::new();
    write_event(&mut line, now, Code::Gap, text);
    line
}
