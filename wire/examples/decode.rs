//! Decodes capture folders and prints the events as JSON lines.

#[path = "../tests/capture/mod.rs"]
mod capture;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use capture::Slices;
use serde::Serialize;
use wire::{Anomaly, Event, Side, Status, Stream};

const HELP: &str = "\
Decodes capture folders and prints what they say as JSON lines.

    cargo run -p wire --example decode -- --slices whole|timeline|1 FOLDER…

A folder holds request.txt, response.txt, client.bin, server.bin and timeline.jsonl, and the same with -2 before
the dot for the run's second upgrade. A folder whose requests were not upgraded prints nothing.

--slices says how the decoder is fed; what is printed for a direction is the same:
    whole       each direction at once, the client's first (the default)
    timeline    as the bytes were read
    1           byte by byte, the client's first

Adjacent data of a stream is joined, up to 32 KiB a line:
    {\"event\":\"data\",\"capture\":…,\"upgrade\":1,\"from\":\"client\",\"stream\":\"stdin\",\"id\":0,\"data\":\"<base64>\"}
Other events: opened, resize, half-closed, reset, status, ping, pong, close, anomaly.
";

const LONGEST_DATA: usize = 32 << 10;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("decode: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Some((slices, folders)) = arguments()? else {
        print!("{HELP}");
        return Ok(());
    };
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    for folder in folders {
        decode(&folder, slices, &mut out).with_context(|| folder.display().to_string())?;
    }
    Ok(out.flush()?)
}

/// `None` if help is requested.
fn arguments() -> Result<Option<(Slices, Vec<PathBuf>)>> {
    let (mut slices, mut folders) = (Slices::Whole, Vec::new());
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        let value = match argument.to_str() {
            Some("-h" | "--help") => return Ok(None),
            Some("--slices") => arguments.next().context("--slices needs whole, timeline or 1")?,
            Some(flag) if flag.starts_with("--slices=") => flag["--slices=".len()..].into(),
            Some(flag) if flag.starts_with('-') => bail!("there is no option {flag}; try --help"),
            _ => {
                folders.push(PathBuf::from(argument));
                continue;
            }
        };
        slices = match value.to_str() {
            Some("whole") => Slices::Whole,
            Some("timeline") => Slices::Timeline,
            Some("1") => Slices::One,
            _ => bail!("--slices is whole, timeline or 1, not {}", value.display()),
        };
    }
    if folders.is_empty() {
        bail!("no folder given; try --help");
    }
    Ok(Some((slices, folders)))
}

fn decode(folder: &std::path::Path, slices: Slices, out: &mut dyn Write) -> Result<()> {
    let name = folder.canonicalize().with_context(|| "no such folder")?;
    let capture = name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned();
    for upgrade in capture::read_folder(folder)? {
        let mut printer = Printer { out, capture: &capture, upgrade: upgrade.number, data: None, result: Ok(()) };
        upgrade.decode(slices, &mut |from, event| printer.event(from, event));
        printer.flush();
        printer.result?;
    }
    Ok(())
}

/// Data that is joined with more of its stream.
struct Data {
    from: Side,
    id: u32,
    stream: Stream,
    bytes: Vec<u8>,
}

struct Printer<'a> {
    out: &'a mut dyn Write,
    capture: &'a str,
    upgrade: usize,
    data: Option<Data>,
    result: io::Result<()>,
}

/// An output line; fields that an event does not have are omitted.
#[derive(Default, Serialize)]
struct EventLine<'a> {
    event: &'a str,
    capture: &'a str,
    upgrade: usize,
    from: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    what: Option<&'a str>,
    /// For an anomaly: the decoder gave up.
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<bool>,
}

impl Printer<'_> {
    fn event(&mut self, from: Side, event: Event<'_>) {
        let Event::Data { id, stream, data } = event else {
            self.flush();
            return self.print(from, line(&event));
        };
        match &mut self.data {
            Some(held) if (held.from, held.id, held.stream) == (from, id, stream) => held.bytes.extend_from_slice(data),
            _ => {
                self.flush();
                self.data = Some(Data { from, id, stream, bytes: data.to_vec() });
            }
        }
        self.print_full_lines();
    }

    fn print_full_lines(&mut self) {
        while let Some(data) = self.data.as_mut().filter(|data| data.bytes.len() >= LONGEST_DATA) {
            let rest = data.bytes.split_off(LONGEST_DATA);
            let (from, id, stream) = (data.from, data.id, data.stream);
            self.flush();
            self.data = Some(Data { from, id, stream, bytes: rest });
        }
    }

    fn flush(&mut self) {
        if let Some(data) = self.data.take().filter(|data| !data.bytes.is_empty()) {
            let line = EventLine {
                event: "data",
                stream: Some(stream_name(data.stream)),
                id: Some(data.id),
                data: Some(STANDARD.encode(&data.bytes)),
                ..EventLine::default()
            };
            self.print(data.from, line);
        }
    }

    fn print(&mut self, from: Side, line: EventLine<'_>) {
        let from = match from {
            Side::Client => "client",
            Side::Server => "server",
        };
        let line = EventLine { capture: self.capture, upgrade: self.upgrade, from, ..line };
        if self.result.is_ok() {
            self.result = serde_json::to_writer(&mut *self.out, &line)
                .map_err(io::Error::from)
                .and_then(|()| self.out.write_all(b"\n"));
        }
    }
}

fn line<'a>(event: &'a Event<'_>) -> EventLine<'a> {
    let none = EventLine::default();
    match event {
        Event::Opened { id, stream, port, connection } => EventLine {
            event: "opened",
            stream: Some(stream_name(*stream)),
            id: Some(*id),
            port: *port,
            connection: *connection,
            ..none
        },
        Event::Data { .. } => none,
        Event::Resize(size) => {
            EventLine { event: "resize", width: Some(size.width), height: Some(size.height), ..none }
        }
        Event::HalfClosed { id, stream } => {
            EventLine { event: "half-closed", stream: Some(stream_name(*stream)), id: Some(*id), ..none }
        }
        Event::Reset { id, stream, code } => {
            EventLine { event: "reset", stream: Some(stream_name(*stream)), id: Some(*id), code: Some(*code), ..none }
        }
        Event::Status(status) => status_line(status),
        Event::Ping => EventLine { event: "ping", ..none },
        Event::Pong => EventLine { event: "pong", ..none },
        Event::Close { code, reason } => EventLine { event: "close", code: *code, reason: Some(reason), ..none },
        Event::Anomaly(anomaly) => EventLine {
            event: "anomaly",
            offset: Some(anomaly.offset()),
            what: Some(anomaly.what()),
            lost: Some(matches!(anomaly, Anomaly::Lost { .. })),
            ..none
        },
    }
}

fn status_line(status: &Status) -> EventLine<'_> {
    let line = EventLine { event: "status", ..EventLine::default() };
    match status {
        Status::Success => EventLine { status: Some("success"), ..line },
        Status::ExitCode(code) => EventLine { status: Some("exit-code"), exit_code: Some(*code), ..line },
        Status::Failure { message, code } => {
            EventLine { status: Some("failure"), message: Some(message), code: code.map(u32::from), ..line }
        }
    }
}

fn stream_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdin => "stdin",
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
        Stream::Error => "error",
        Stream::Resize => "resize",
        Stream::PortData => "port-data",
        Stream::PortError => "port-error",
    }
}
