use avt::{Parser, Terminal, observer::Transcript, parser::Function};

use super::{ExportSource, ExportWriter};
use crate::{
    PlayerError,
    blocking::blocking,
    chunk_read::{ChunkRead, read_chunk},
    projector::{ProjectedEvent, Projector, positioned_events},
    terminal_size::TerminalSize,
};

pub(super) async fn write(mut source: ExportSource, out: &mut ExportWriter<'_>) -> Result<(), PlayerError> {
    let mut projector = Projector::new(&source.header);
    let size = TerminalSize::at_start(&source.header);
    let mut renderer = if source.header.kubetape.tty {
        let terminal = Terminal::new(size.cols.into(), size.rows.into()).map_err(|_| PlayerError::Stopped)?;
        TextRenderer::Terminal(Box::new(terminal), Transcript::new())
    } else {
        TextRenderer::Plain(Box::default())
    };
    loop {
        let events = match read_chunk(&mut source.chunks).await? {
            ChunkRead::End => break,
            ChunkRead::Lines(number, lines) => {
                positioned_events(number, &lines, 0).filter_map(|(_, event)| projector.project(&event)).collect()
            }
            ChunkRead::Gap(from, to) => vec![projector.gap(from, to)],
            ChunkRead::Unreadable(number) => vec![projector.unreadable(number)],
        };
        let text;
        (renderer, text) = blocking(move || {
            let mut text = String::new();
            events.iter().for_each(|event| renderer.push(event, &mut text));
            (renderer, text)
        })
        .await?;
        out.write(text.as_bytes()).await?;
    }
    out.write(renderer.finish().as_bytes()).await
}

/// Turns events into the text a person could have read.
enum TextRenderer {
    Terminal(Box<Terminal>, Transcript),
    Plain(Box<PlainText>),
}

impl TextRenderer {
    fn push(&mut self, event: &ProjectedEvent, text: &mut String) {
        match self {
            Self::Terminal(terminal, transcript) => {
                let lines = match event {
                    ProjectedEvent::Output(output) => terminal.feed_with(output.as_str(), transcript),
                    ProjectedEvent::Resize(size) => {
                        terminal.resize_with(size.cols.into(), size.rows.into(), transcript)
                    }
                    ProjectedEvent::Marker(_) => return,
                };
                append(text, &lines);
            }
            Self::Plain(plain) => {
                if let ProjectedEvent::Output(output) = event {
                    output.chars().for_each(|c| plain.push(c, text));
                }
            }
        }
    }

    fn finish(self) -> String {
        let mut text = String::new();
        if let Self::Terminal(terminal, transcript) = self {
            append(&mut text, &transcript.finish(&terminal));
        }
        text
    }
}

fn append(text: &mut String, lines: &[String]) {
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
}

/// Removes escape sequences. A carriage return alone ends a line: each state of a progress bar becomes a line.
#[derive(Default)]
struct PlainText {
    parser: Parser,
    returned: bool,
}

impl PlainText {
    fn push(&mut self, c: char, text: &mut String) {
        let printed = match self.parser.feed(c) {
            Some(Function::Cr) => return self.returned = true,
            Some(Function::Lf | Function::Nel) => '\n',
            Some(Function::Print(c)) => c,
            Some(Function::Ht) => '\t',
            _ => return,
        };
        if std::mem::take(&mut self.returned) && printed != '\n' {
            text.push('\n');
        }
        text.push(printed);
    }
}
