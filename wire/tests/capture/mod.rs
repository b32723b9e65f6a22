//! A capture folder: heads and bytes of the upgrades of one run of a client.
//!
//! `request.txt`, `response.txt`, `client.bin`, `server.bin`, `timeline.jsonl`, and `decoded.txt` if it was written
//! down what a decoder must see; with `-2` before the dot for the second upgrade of the run, and so on.

#![allow(dead_code)] // the example and each test use their own part of it

use std::path::Path;
use std::{fs, io};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use wire::{Decoder, Event, Negotiated, Request, Side, Subresource};

pub struct Upgrade {
    /// 1 for the first.
    pub number: usize,
    pub request: Request,
    pub negotiated: Negotiated,
    pub client: Vec<u8>,
    pub server: Vec<u8>,
    timeline: Vec<Read>,
    pub decoded: Option<String>,
}

/// One line of `timeline.jsonl`.
#[derive(Deserialize)]
struct Read {
    dir: From,
    ev: What,
    /// Negative in the head.
    off: i64,
    len: i64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum From {
    Client,
    Server,
}

#[derive(Deserialize)]
enum What {
    #[serde(rename = "data")]
    Data,
    #[serde(rename = "EOF")]
    Eof,
    #[serde(rename = "RST")]
    Reset,
}

/// How to cut the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slices {
    /// Each direction at once, the client's first.
    Whole,
    /// As they were read from the sockets.
    Timeline,
    /// Byte by byte, the client's first.
    One,
}

/// A file's bytes, or `None` if there is no such file.
type FileResult = Result<Option<Vec<u8>>>;

/// The upgrades of a folder; empty if none of its requests was upgraded.
pub fn read_folder(folder: &Path) -> Result<Vec<Upgrade>> {
    if !folder.is_dir() {
        bail!("there is no folder {}", folder.display());
    }
    read(&|name| match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{}", folder.join(name).display())),
    })
}

/// As [`read_folder`], from a function that finds the files of a capture by name.
pub fn read(file: &dyn Fn(&str) -> FileResult) -> Result<Vec<Upgrade>> {
    let mut upgrades = Vec::new();
    for number in 1.. {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let optional = |stem: &str, kind: &str| file(&format!("{stem}{suffix}.{kind}"));
        let needed =
            |stem: &str, kind: &str| optional(stem, kind)?.ok_or_else(|| anyhow!("{stem}{suffix}.{kind} is missing"));
        let (Some(request), Some(response)) = (optional("request", "txt")?, optional("response", "txt")?) else {
            return whole(upgrades, number, &optional);
        };
        let (request, response) = (String::from_utf8_lossy(&request), String::from_utf8_lossy(&response));
        let Some(token) = upgrade_token(&response) else { continue };
        let request = parse_request(&request)?;
        let protocol = header(&response, "sec-websocket-protocol").or(header(&response, "x-stream-protocol-version"));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        upgrades.push(Upgrade {
            number,
            negotiated: Negotiated::from_response(&request, token, protocol)?,
            request,
            client: needed("client", "bin")?,
            server: needed("server", "bin")?,
            timeline: timeline(&text(needed("timeline", "jsonl")?))?,
            decoded: optional("decoded", "txt")?.map(text),
        });
    }
    unreachable!("there are not that many upgrades")
}

/// Fails if a part of a further upgrade exists.
fn whole(upgrades: Vec<Upgrade>, number: usize, optional: &dyn Fn(&str, &str) -> FileResult) -> Result<Vec<Upgrade>> {
    for (stem, kind) in [("request", "txt"), ("response", "txt"), ("client", "bin"), ("server", "bin")] {
        if optional(stem, kind)?.is_some() {
            bail!("request or response of upgrade {number} is missing, though there is its {stem}");
        }
    }
    Ok(upgrades)
}

fn timeline(lines: &str) -> Result<Vec<Read>> {
    lines.lines().map(|line| serde_json::from_str(line).context("timeline.jsonl")).collect()
}

/// The upgrade token of a 101. `None` for other answers, and for a 101 without one.
fn upgrade_token(response: &str) -> Option<&str> {
    let status = response.lines().next()?.split(' ').nth(1)?;
    header(response, "upgrade").filter(|_| status == "101")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

fn parse_request(head: &str) -> Result<Request> {
    let target = head.split(' ').nth(1).context("the request has no target")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let subresource = match path.rsplit('/').next() {
        Some("exec") => Subresource::Exec,
        Some("attach") => Subresource::Attach,
        Some("portforward") => Subresource::PortForward,
        _ => bail!("{path} is neither exec, attach nor portforward"),
    };
    Ok(Request::parse(subresource, query)?)
}

impl Upgrade {
    pub fn bytes(&self, side: Side) -> &[u8] {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    /// Feeds both directions and their ends to a new decoder. The client's stream headers are fed before the server's
    /// data.
    pub fn decode(&self, slices: Slices, sink: &mut dyn FnMut(Side, Event<'_>)) {
        let mut sink = |side, event: Event<'_>| {
            let opened = matches!(event, Event::Opened { .. });
            sink(if opened { Side::Client } else { side }, event);
        };
        let mut run =
            Run { decoder: Decoder::new(&self.negotiated, &self.request), upgrade: self, fed: [0; 2], sink: &mut sink };
        match slices {
            Slices::Whole => {}
            Slices::Timeline => self.timeline.iter().for_each(|read| run.read(read)),
            Slices::One => {
                run.byte_by_byte(Side::Client);
                run.byte_by_byte(Side::Server);
            }
        }
        run.finish();
    }
}

struct Run<'a, 'b> {
    decoder: Decoder,
    upgrade: &'a Upgrade,
    fed: [usize; 2],
    sink: &'b mut dyn FnMut(Side, Event<'_>),
}

impl Run<'_, '_> {
    fn read(&mut self, read: &Read) {
        let side = match read.dir {
            From::Client => Side::Client,
            From::Server => Side::Server,
        };
        match read.ev {
            What::Data => self.feed(side, usize::try_from(read.off + read.len).unwrap_or(0)),
            What::Eof | What::Reset => {}
        }
    }

    fn byte_by_byte(&mut self, side: Side) {
        (1..=self.upgrade.bytes(side).len()).for_each(|to| self.feed(side, to));
    }

    fn finish(&mut self) {
        for side in [Side::Client, Side::Server] {
            self.feed(side, self.upgrade.bytes(side).len());
        }
        for side in [Side::Client, Side::Server] {
            self.decoder.end(side, &mut |event| (self.sink)(side, event));
        }
    }

    /// Feeds the bytes up to offset `to`, or all there are.
    fn feed(&mut self, side: Side, to: usize) {
        let bytes = self.upgrade.bytes(side);
        let (from, to) = (self.fed[side as usize], to.min(bytes.len()));
        if from < to {
            self.fed[side as usize] = to;
            self.decoder.feed(side, &bytes[from..to], &mut |event| (self.sink)(side, event));
        }
    }
}
