use recording::{
    Annotation,
    cast::{Code, Header, events},
};

use super::{
    ExportSource, ExportWriter, StreamName,
    cast2::{DAMAGED, missing, unreadable},
};
use crate::{
    PlayerError,
    chunk_read::{ChunkRead, read_chunk},
};

/// Writes the exact bytes of one stream. If some are missing, the rest is written and then an error is returned: a script
/// sees it by the exit status.
pub(super) async fn write(
    mut source: ExportSource,
    stream: StreamName,
    out: &mut ExportWriter<'_>,
) -> Result<(), PlayerError> {
    let code = match stream {
        StreamName::Stdin => stored_input(&source.header)?,
        StreamName::Stdout => Code::Output,
        StreamName::Stderr => Code::Stderr,
    };
    let mut extractor = StreamExtractor { code, bytes: Vec::new(), held_back: None, lost: None };
    loop {
        match read_chunk(&mut source.chunks).await? {
            ChunkRead::End => break,
            ChunkRead::Lines(_, lines) => extractor.lines(&lines),
            ChunkRead::Gap(from, to) => extractor.lose(missing(from, to)),
            ChunkRead::Unreadable(number) => extractor.lose(unreadable(number)),
        }
        out.write(&extractor.bytes).await?;
        extractor.bytes.clear();
    }
    extractor.lost.or(extractor.held_back).map_or(Ok(()), |lost| Err(PlayerError::Incomplete(lost)))
}

/// The code of stored input. A session that did not ask for stdin has none, so its input is empty.
///
/// # Errors
/// [`PlayerError::NotRecorded`] if the session had stdin and policy did not store it.
fn stored_input(header: &Header) -> Result<Code, PlayerError> {
    let session = &header.kubetape;
    if session.stores_input() || !session.stdin {
        Ok(Code::Input)
    } else {
        Err(PlayerError::NotRecorded { rule: session.rule.clone() })
    }
}

struct StreamExtractor {
    code: Code,
    bytes: Vec<u8>,
    /// The recorder held the stream's end back, and no annotation has said yet what became of it.
    held_back: Option<String>,
    /// The first loss, which is the one that is reported.
    lost: Option<String>,
}

impl StreamExtractor {
    fn lines(&mut self, lines: &[u8]) {
        for event in events(lines) {
            let Ok(event) = event else {
                self.lose(DAMAGED.to_owned());
                continue;
            };
            match event.bytes() {
                Some((stream, bytes)) if stream == self.code => self.bytes.extend_from_slice(&bytes),
                Some(_) => {}
                None if event.code == Code::Bytes => self.lose(DAMAGED.to_owned()),
                None if event.code == Code::Gap => self.annotation(event.data),
                None => {}
            }
        }
    }

    fn annotation(&mut self, text: String) {
        match Annotation::parse(&text) {
            Annotation::Omitting(stream) if stream == self.code => self.held_back = Some(text),
            Annotation::OmittedNothing(stream) if stream == self.code => self.held_back = None,
            Annotation::Omitted(stream) | Annotation::Missing(Some(stream)) if stream == self.code => self.lose(text),
            Annotation::Missing(None) => self.lose(text),
            _ => {}
        }
    }

    fn lose(&mut self, what: String) {
        self.lost.get_or_insert(what);
    }
}
