use recording::{
    Annotation,
    cast::{Code, Header, events},
};

use super::{
    Out, Source, StreamName,
    cast2::{DAMAGED, missing, unreadable},
};
use crate::{
    PlayerError,
    timeline::{Next, next},
};

/// The exact bytes of one stream. Where some are missing the rest is written, and then the error says so: a script
/// sees it by the exit status.
pub(super) async fn write(mut source: Source, stream: StreamName, out: &mut Out<'_>) -> Result<(), PlayerError> {
    let wanted = match stream {
        StreamName::Stdin => stored_input(&source.header)?,
        StreamName::Stdout => Code::Output,
        StreamName::Stderr => Code::Stderr,
    };
    let mut gathering = Gathering { wanted, bytes: Vec::new(), held: None, lost: None };
    loop {
        match next(&mut source.chunks).await? {
            Next::End => break,
            Next::Lines(_, lines) => gathering.lines(&lines),
            Next::Gap(from, to) => gathering.lose(missing(from, to)),
            Next::Unreadable(number) => gathering.lose(unreadable(number)),
        }
        out.write(&gathering.bytes).await?;
        gathering.bytes.clear();
    }
    gathering.lost.or(gathering.held).map_or(Ok(()), |lost| Err(PlayerError::Incomplete(lost)))
}

/// Input that was not asked for is empty; input that was not stored is an error.
fn stored_input(header: &Header) -> Result<Code, PlayerError> {
    let session = &header.kubetape;
    if session.stores_input() || !session.stdin {
        Ok(Code::Input)
    } else {
        Err(PlayerError::NotRecorded { rule: session.rule.clone() })
    }
}

struct Gathering {
    wanted: Code,
    bytes: Vec<u8>,
    /// Its end is held back, and nothing has said yet what became of it.
    held: Option<String>,
    lost: Option<String>,
}

impl Gathering {
    fn lines(&mut self, lines: &[u8]) {
        for event in events(lines) {
            let Ok(event) = event else {
                self.lose(DAMAGED.to_owned());
                continue;
            };
            match event.bytes() {
                Some((stream, bytes)) if stream == self.wanted => self.bytes.extend_from_slice(&bytes),
                Some(_) => {}
                None if event.code == Code::Bytes => self.lose(DAMAGED.to_owned()),
                None if event.code == Code::Gap => self.annotation(event.data),
                None => {}
            }
        }
    }

    fn annotation(&mut self, text: String) {
        match Annotation::parse(&text) {
            Annotation::Omitting(stream) if stream == self.wanted => self.held = Some(text),
            Annotation::OmittedNothing(stream) if stream == self.wanted => self.held = None,
            Annotation::Omitted(stream) | Annotation::Missing(Some(stream)) if stream == self.wanted => self.lose(text),
            Annotation::Missing(None) => self.lose(text),
            _ => {}
        }
    }

    /// The first loss is the one that is reported.
    fn lose(&mut self, what: String) {
        self.lost.get_or_insert(what);
    }
}
