use avt::{Parser, Terminal, observer::Transcript, parser::Function};

use super::{Out, Source};
use crate::{
    PlayerError, off,
    projector::{ProjectedEvent, Projector, placed},
    timeline::{self, Next, next},
};

pub(super) async fn write(mut source: Source, out: &mut Out<'_>) -> Result<(), PlayerError> {
    let mut projector = Projector::new(&source.header);
    let size = timeline::starting_size(&source.header);
    let mut page = if source.header.kubetape.tty {
        let terminal = Terminal::new(size.cols.into(), size.rows.into()).map_err(|_| PlayerError::Stopped)?;
        Page::Terminal(Box::new(terminal), Transcript::new())
    } else {
        Page::Plain(Box::default())
    };
    loop {
        let frames = match next(&mut source.chunks).await? {
            Next::End => break,
            Next::Lines(number, lines) => {
                placed(number, &lines, 0).filter_map(|(_, event)| projector.project(&event)).collect()
            }
            Next::Gap(from, to) => vec![projector.gap(from, to)],
            Next::Unreadable(number) => vec![projector.unreadable(number)],
        };
        let text;
        (page, text) = off(move || {
            let mut text = String::new();
            frames.iter().for_each(|shown| page.show(shown, &mut text));
            (page, text)
        })
        .await?;
        out.write(text.as_bytes()).await?;
    }
    out.write(page.finish().as_bytes()).await
}

/// What output is read from.
enum Page {
    Terminal(Box<Terminal>, Transcript),
    Plain(Box<Plain>),
}

impl Page {
    fn show(&mut self, shown: &ProjectedEvent, text: &mut String) {
        match self {
            Self::Terminal(terminal, transcript) => {
                let lines = match shown {
                    ProjectedEvent::Output(output) => terminal.feed_with(output.as_str(), transcript),
                    ProjectedEvent::Resize(size) => {
                        terminal.resize_with(size.cols.into(), size.rows.into(), transcript)
                    }
                    ProjectedEvent::Marker(_) => return,
                };
                append(text, &lines);
            }
            Self::Plain(plain) => {
                if let ProjectedEvent::Output(output) = shown {
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

/// Text without escape sequences. A carriage return alone ends a line: a progress bar becomes lines of its own.
#[derive(Default)]
struct Plain {
    parser: Parser,
    returned: bool,
}

impl Plain {
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
