use recording::cast::{CastError, Code, Event, write_event};

use super::{Out, Source};
use crate::{
    PlayerError,
    timeline::{Next, next},
};

/// The stored lines as they are, our own codes and those of later versions included. What is damaged or missing
/// becomes a `g` event, so that every line can be parsed.
pub(super) async fn write(mut source: Source, out: &mut Out<'_>) -> Result<(), PlayerError> {
    let mut header = source.header;
    if let Some(manifest) = source.chunks.manifest() {
        (header.width, header.height) = (manifest.width, manifest.height);
    }
    out.write(&header.to_line()).await?;
    let mut now = 0;
    loop {
        let lines = match next(&mut source.chunks).await? {
            Next::End => return Ok(()),
            Next::Lines(_, lines) => checked(&lines, &mut now),
            Next::Gap(from, to) => note(now, &missing(from, to)),
            Next::Unreadable(number) => note(now, &unreadable(number)),
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

fn checked(lines: &[u8], now: &mut u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(lines.len());
    for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        match Event::parse(line) {
            Ok(event) => {
                *now = event.micros;
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

fn note(now: u64, text: &str) -> Vec<u8> {
    let mut line = Vec::new();
    write_event(&mut line, now, Code::Gap, text);
    line
}
