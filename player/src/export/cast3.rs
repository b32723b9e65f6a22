use recording::{
    Micros,
    cast::{Code, Header, events, write_event},
};
use serde_json::json;

use super::{
    ExportSource, ExportWriter,
    cast2::{DAMAGED, missing, unreadable},
};
use crate::{
    PlayerError,
    chunk_read::{ChunkRead, read_chunk},
};

/// Writes asciicast v3: times are with_relative_times to the event before, and the size is in `term`. Kubetape's own codes are kept:
/// v3 readers ignore codes they do not know, but add their times.
pub(super) async fn write(mut source: ExportSource, out: &mut ExportWriter<'_>) -> Result<(), PlayerError> {
    let size = source.chunks.manifest().map(|manifest| (manifest.width, manifest.height));
    out.write(&header(&source.header, size)).await?;
    let mut now = Micros::ZERO;
    loop {
        let mut lines = Vec::new();
        match read_chunk(&mut source.chunks).await? {
            ChunkRead::End => return Ok(()),
            ChunkRead::Lines(_, stored) => with_relative_times(&stored, &mut now, &mut lines),
            ChunkRead::Gap(from, to) => write_event(&mut lines, Micros::ZERO, Code::Gap, &missing(from, to)),
            ChunkRead::Unreadable(number) => write_event(&mut lines, Micros::ZERO, Code::Gap, &unreadable(number)),
        }
        out.write(&lines).await?;
    }
}

fn header(header: &Header, size: Option<(u16, u16)>) -> Vec<u8> {
    let (cols, rows) = size.unwrap_or((header.width, header.height));
    let mut line = json!({
        "version": 3,
        "term": { "cols": cols.max(1), "rows": rows.max(1) },
        "timestamp": header.timestamp,
        "command": header.command,
        "title": header.title,
        "kubetape": header.kubetape,
    })
    .to_string()
    .into_bytes();
    line.push(b'\n');
    line
}

fn with_relative_times(stored: &[u8], now: &mut Micros, out: &mut Vec<u8>) {
    for event in events(stored) {
        match event {
            Ok(event) => {
                let time = event.time.max(*now);
                write_event(out, time.since(*now).into(), event.code, &event.data);
                *now = time;
            }
            Err(_) => write_event(out, Micros::ZERO, Code::Gap, DAMAGED),
        }
    }
}
