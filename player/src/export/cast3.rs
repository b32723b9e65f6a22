use recording::cast::{Code, Header, events, write_event};
use serde_json::json;

use super::{
    Out, Source,
    cast2::{DAMAGED, missing, unreadable},
};
use crate::{
    PlayerError,
    timeline::{Next, next},
};

/// asciicast v3: times are relative to the event before, and the size is in `term`. Our own codes are kept; v3 readers
/// ignore what they do not know, but add its time.
pub(super) async fn write(mut source: Source, out: &mut Out<'_>) -> Result<(), PlayerError> {
    let size = source.chunks.manifest().map(|manifest| (manifest.width, manifest.height));
    out.write(&header(&source.header, size)).await?;
    let mut now = 0;
    loop {
        let mut lines = Vec::new();
        match next(&mut source.chunks).await? {
            Next::End => return Ok(()),
            Next::Lines(_, stored) => relative(&stored, &mut now, &mut lines),
            Next::Gap(from, to) => write_event(&mut lines, 0, Code::Gap, &missing(from, to)),
            Next::Unreadable(number) => write_event(&mut lines, 0, Code::Gap, &unreadable(number)),
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

fn relative(stored: &[u8], now: &mut u64, out: &mut Vec<u8>) {
    for event in events(stored) {
        match event {
            Ok(event) => {
                let time = event.micros.max(*now);
                write_event(out, time - *now, event.code, &event.data);
                *now = time;
            }
            Err(_) => write_event(out, 0, Code::Gap, DAMAGED),
        }
    }
}
