use recording::{
    Command, CommandSource, Micros, StreamTotals,
    cast::{Code, Event},
};
use transcript::Commands;

use crate::{
    ImportError,
    event_reader::{EventReader, Oddities},
    header::ForeignHeader,
};

/// Commands taken from the markers of a recording of ours.
const COMMANDS: usize = 10_000;

/// What the first pass learns of a file.
#[derive(Clone, Debug)]
pub(crate) struct ScanSummary {
    pub(crate) header: ForeignHeader,
    pub(crate) oddities: Oddities,
    /// Events that can be stored.
    pub(crate) events: u64,
    /// Time of the last event.
    pub(crate) duration: Micros,
    /// Bytes by stream, those of input whether they are stored or not.
    pub(crate) totals: StreamTotals,
    /// Input events.
    pub(crate) inputs: u64,
    /// The exit code, if the file has one.
    pub(crate) exit: Option<i64>,
    /// The first size that was announced.
    pub(crate) size: Option<(u16, u16)>,
    /// The commands that were typed: those that a recording of ours has as markers, else what the screen showed.
    pub(crate) typed: Vec<Command>,
}

impl ScanSummary {
    /// Reads the whole file.
    ///
    /// # Errors
    /// The first thing that is broken.
    pub(crate) fn new(mut reader: EventReader) -> Result<Self, ImportError> {
        let header = reader.header.clone();
        let mut summary = Self {
            size: header.size,
            header,
            oddities: Oddities::default(),
            events: 0,
            duration: Micros::ZERO,
            totals: StreamTotals::default(),
            inputs: 0,
            exit: None,
            typed: Vec::new(),
        };
        let mut commands = Commands::new();
        if let Some((columns, rows)) = summary.size {
            commands.resized(Micros::ZERO, columns, rows);
        }
        while let Some(event) = reader.next()? {
            summary.event(&event);
            commands.event(&event);
        }
        if summary.header.kubetape.is_none() {
            summary.typed = commands.finish();
        }
        summary.oddities = reader.oddities;
        Ok(summary)
    }

    fn event(&mut self, event: &Event) {
        self.events += 1;
        self.duration = event.time;
        if let Some((stream, bytes)) = event.bytes() {
            let total = match stream {
                Code::Stderr => &mut self.totals.stderr,
                Code::Input => &mut self.totals.stdin,
                _ => &mut self.totals.stdout,
            };
            *total += bytes.len() as u64;
            self.inputs += u64::from(stream == Code::Input);
        }
        match event.code {
            Code::Exit => self.exit = event.data.trim().parse().ok(),
            Code::Resize => self.size = self.size.or(event.size().filter(|(columns, rows)| *columns > 0 && *rows > 0)),
            Code::Marker if self.header.kubetape.is_some() && self.typed.len() < COMMANDS => {
                let text = event.data.clone();
                self.typed.push(Command { time: event.time, source: CommandSource::Typed, text, typed: None });
            }
            _ => {}
        }
    }
}
