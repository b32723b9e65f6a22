//! What a decoder must report, by `decoded.txt` and the raw bytes that it points at.

mod line;

use anyhow::{Context as _, Result, bail, ensure};
use line::{DecodedLine, LineKind};
use serde_json::Value;
use wire::{Side, Size, Status, Stream, Subresource, Transport};

use crate::capture::Upgrade;

/// What the frames of a direction say, in order; adjacent data of a stream is joined.
#[derive(Debug, PartialEq)]
pub enum Said {
    Data(u32, Vec<u8>),
    HalfClosed(u32),
    Reset(u32, u32),
    Ping,
    Pong,
    Close(Option<u32>, String),
}

pub fn say_data(said: &mut Vec<Said>, id: u32, data: &[u8]) {
    match said.last_mut() {
        Some(Said::Data(of, bytes)) if *of == id => bytes.extend_from_slice(data),
        _ if data.is_empty() => {}
        _ => said.push(Said::Data(id, data.to_vec())),
    }
}

/// What one direction must report.
#[derive(Default)]
pub struct Truth {
    pub said: Vec<Said>,
    pub opened: Vec<(u32, Stream, Option<u16>, Option<u32>)>,
    pub sizes: Vec<Size>,
    pub statuses: Vec<Status>,
    /// Bytes of the resize stream and of the error stream.
    resize: Vec<u8>,
    error: Vec<u8>,
    /// Streams that sent FIN, and channels whose port has come.
    ended: Vec<u32>,
    ported: Vec<u32>,
    /// Streams that the client's direction opened, for the server's direction.
    streams: Vec<(u32, Stream)>,
}

pub fn read(decoded: &str, upgrade: &Upgrade) -> Result<[Truth; 2]> {
    let sections = line::sections(decoded)?;
    let mut truth = [Truth::default(), Truth::default()];
    if let Transport::Channels { .. } = upgrade.negotiated.transport {
        truth[0].open_channels(upgrade);
    }
    for side in [Side::Client, Side::Server] {
        truth[1].streams = truth[0].opened.iter().map(|&(id, stream, ..)| (id, stream)).collect();
        let section = |what: &str| {
            let name = format!("{side:?} {what}").to_lowercase();
            sections.iter().find(|(title, _)| *title == name).map(|(_, lines)| lines).context(name)
        };
        let (raw, truth) = (upgrade.bytes(side), &mut truth[side as usize]);
        match upgrade.negotiated.transport {
            Transport::Spdy => truth.spdy(section("SPDY frames")?, raw)?,
            Transport::Channels { .. } => truth.channels(section("WebSocket frames")?, raw, side, upgrade)?,
            Transport::Tunnel => {
                let frames = section("WebSocket frames")?;
                let tunnelled = tunnelled(frames, raw)?;
                truth.spdy(section("tunnelled SPDY frames")?, &tunnelled)?;
                truth.keep_alive(frames)?;
            }
        }
        truth.conclude(upgrade.negotiated.json_status)?;
    }
    Ok(truth)
}

impl Truth {
    fn spdy(&mut self, lines: &[DecodedLine<'_>], raw: &[u8]) -> Result<()> {
        for line in lines {
            match &line.kind {
                LineKind::SynStream => self.syn_stream(line)?,
                LineKind::SynReply => {}
                LineKind::Data => {
                    let bytes = raw.get(line.offset + 8..).context("an offset behind the end")?;
                    let id = line.number("stream")?;
                    self.data(id, line.payload(bytes)?);
                    if line.rest.contains(" FIN ") {
                        self.end(id);
                    }
                }
                LineKind::RstStream => self.said.push(Said::Reset(line.number("stream")?, status(line)?)),
                LineKind::GoAway => self.said.push(Said::Close(Some(line.number("status")?), String::new())),
                LineKind::Ping if line.number("id")? % 2 == 1 => self.ping(&line.direction),
                LineKind::Ping => self.pong(&line.direction),
                other => bail!("{other:?} in SPDY"),
            }
        }
        Ok(())
    }

    /// A PING with an odd id is the client's; the server's is its answer.
    fn ping(&mut self, direction: &str) {
        self.said.push(if direction == "client" { Said::Ping } else { Said::Pong });
    }

    fn pong(&mut self, direction: &str) {
        self.said.push(if direction == "client" { Said::Pong } else { Said::Ping });
    }

    fn syn_stream(&mut self, line: &DecodedLine<'_>) -> Result<()> {
        let id = line.number("stream")?;
        let json = &line.rest[line.rest.find('{').context("no headers")?..];
        let headers: Value = serde_json::from_str(json)?;
        let value = |name: &str| headers[name][0].as_str();
        let number = |name: &str| value(name).map(str::parse::<u32>).transpose();
        let (port, connection) = (number("port")?, number("requestid")?);
        let stream = match (value("streamtype").context("no streamtype")?, port) {
            ("error", Some(_)) => Stream::PortError,
            ("data", Some(_)) => Stream::PortData,
            ("error", None) => Stream::Error,
            ("stdin", None) => Stream::Stdin,
            ("stdout", None) => Stream::Stdout,
            ("stderr", None) => Stream::Stderr,
            ("resize", None) => Stream::Resize,
            (other, _) => bail!("streamtype {other}"),
        };
        self.opened.push((id, stream, port.map(u16::try_from).transpose()?, connection));
        self.streams.push((id, stream));
        if line.number("flags")? & 1 != 0 {
            self.end(id);
        }
        Ok(())
    }

    fn open_channels(&mut self, upgrade: &Upgrade) {
        let request = &upgrade.request;
        if request.subresource == Subresource::PortForward {
            for (pair, port) in (0..).zip(&request.ports) {
                self.opened.push((2 * pair, Stream::PortData, Some(*port), Some(pair)));
                self.opened.push((2 * pair + 1, Stream::PortError, Some(*port), Some(pair)));
            }
            return;
        }
        let streams = [
            (request.stdin, 0, Stream::Stdin),
            (request.stdout, 1, Stream::Stdout),
            (request.stderr && !request.tty, 2, Stream::Stderr),
            (true, 3, Stream::Error),
            (request.tty, 4, Stream::Resize),
        ];
        let wanted = streams.into_iter().filter(|(wanted, ..)| *wanted);
        self.opened.extend(wanted.map(|(_, id, stream)| (id, stream, None, None)));
        self.streams = vec![(0, Stream::Stdin), (4, Stream::Resize)];
    }

    fn channels(&mut self, lines: &[DecodedLine<'_>], raw: &[u8], side: Side, upgrade: &Upgrade) -> Result<()> {
        self.streams.extend([(3, Stream::Error)]);
        let forward = upgrade.request.subresource == Subresource::PortForward;
        let mut channel = None;
        for line in lines {
            let payload = unmask(line, raw)?;
            match (&line.kind, &payload[..]) {
                (LineKind::Binary | LineKind::Text, [byte, ..]) => {
                    ensure!(line.number("chan")? == u32::from(*byte), "@{}: another channel", line.offset);
                    channel = Some(u32::from(*byte));
                    self.message(u32::from(*byte), line.payload(&payload[1..])?, side, forward)?;
                }
                (LineKind::Continuation, bytes) => self.data(channel.context("no message")?, bytes),
                (LineKind::Binary | LineKind::Text, []) => {}
                (LineKind::WsPing, _) => self.said.push(Said::Ping),
                (LineKind::WsPong, _) => self.said.push(Said::Pong),
                (LineKind::Close, _) => self.said.push(close(line)?),
                other => bail!("{other:?} in WebSocket"),
            }
        }
        Ok(())
    }

    fn message(&mut self, channel: u32, data: &[u8], side: Side, forward: bool) -> Result<()> {
        match (side, channel) {
            (Side::Client, 255) => self.end(data.first().copied().context("FF alone")?.into()),
            (Side::Server, 5..) if !forward => {}
            (Side::Server, _) if forward && !self.ported.contains(&channel) => {
                ensure!(data.len() == 2, "a channel that does not begin with its port");
                self.ported.push(channel);
            }
            _ => self.data(channel, data),
        }
        Ok(())
    }

    fn keep_alive(&mut self, frames: &[DecodedLine<'_>]) -> Result<()> {
        for frame in frames {
            match frame.kind {
                LineKind::WsPing => self.said.push(Said::Ping),
                LineKind::WsPong => self.said.push(Said::Pong),
                LineKind::Close => self.said.push(close(frame)?),
                _ => {}
            }
        }
        Ok(())
    }

    fn data(&mut self, id: u32, bytes: &[u8]) {
        say_data(&mut self.said, id, bytes);
        match self.streams.iter().find(|(of, _)| *of == id) {
            Some((_, Stream::Resize)) => self.resize.extend_from_slice(bytes),
            Some((_, Stream::Error)) => self.error.extend_from_slice(bytes),
            _ => {}
        }
    }

    fn end(&mut self, id: u32) {
        if !self.ended.contains(&id) {
            self.ended.push(id);
            self.said.push(Said::HalfClosed(id));
        }
    }

    /// Reads sizes and the Status by another JSON parser than the decoder's.
    fn conclude(&mut self, json_status: bool) -> Result<()> {
        for value in serde_json::Deserializer::from_slice(&self.resize).into_iter::<Value>() {
            let value = value?;
            let field = |upper: &str, lower: &str| value[upper].as_u64().or(value[lower].as_u64()).unwrap_or(0) as u16;
            self.sizes.push(Size { width: field("Width", "width"), height: field("Height", "height") });
        }
        // v1 to v3: success is an error stream that the server ends without text.
        let error = |id: &u32| self.streams.contains(&(*id, Stream::Error));
        let reset = |said: &Said| matches!(said, Said::Reset(id, _) if error(id));
        let silent_end = !json_status && (self.ended.iter().any(error) || self.said.iter().any(reset));
        let server = self.opened.is_empty();
        if server && self.error.is_empty() && silent_end {
            self.statuses.push(Status::Success);
        }
        if !self.error.is_empty() {
            self.statuses.push(expected_status(&self.error, json_status)?);
        }
        Ok(())
    }
}

fn expected_status(json: &[u8], json_status: bool) -> Result<Status> {
    if !json_status {
        return Ok(Status::Failure { message: String::from_utf8(json.to_vec())?, code: None });
    }
    let json: Value = serde_json::from_slice(json)?;
    if json["status"] == "Success" {
        return Ok(Status::Success);
    }
    if json["reason"] == "NonZeroExitCode" {
        let code = json["details"]["causes"][0]["message"].as_str().context("no exit code")?;
        return Ok(Status::ExitCode(code.parse()?));
    }
    let message = json["message"].as_str().context("no message")?.to_owned();
    Ok(Status::Failure { message, code: json["code"].as_u64().map(|code| code as u16) })
}

fn status(line: &DecodedLine<'_>) -> Result<u32> {
    match line.field("status")? {
        "PROTOCOL_ERROR" => Ok(1),
        "REFUSED_STREAM" => Ok(3),
        "CANCEL" => Ok(5),
        other => bail!("status {other}"),
    }
}

fn close(line: &DecodedLine<'_>) -> Result<Said> {
    let code = match line.field("code")? {
        "None" => None,
        code => Some(code.parse()?),
    };
    Ok(Said::Close(code, String::from_utf8(line.text()?.0)?))
}

/// The payload of the frame that a line points at, by a simple reading of its header.
fn unmask(line: &DecodedLine<'_>, raw: &[u8]) -> Result<Vec<u8>> {
    let length: usize = line.field("len")?.parse()?;
    let extended = match length {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    let head = line.offset + 2 + extended;
    if line.field("mask")? == "0" {
        return Ok(raw.get(head..head + length).context("a frame is cut off")?.to_vec());
    }
    let key = raw.get(head..head + 4).context("a key is cut off")?;
    let payload = raw.get(head + 4..head + 4 + length).context("a frame is cut off")?;
    Ok(payload.iter().enumerate().map(|(at, byte)| byte ^ key[at % 4]).collect())
}

fn tunnelled(frames: &[DecodedLine<'_>], raw: &[u8]) -> Result<Vec<u8>> {
    let mut spdy = Vec::new();
    for frame in frames {
        if matches!(frame.kind, LineKind::Binary | LineKind::Continuation) {
            let payload = unmask(frame, raw)?;
            spdy.extend_from_slice(frame.payload(&payload)?);
        }
    }
    Ok(spdy)
}
