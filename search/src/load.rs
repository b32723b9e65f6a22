//! Documents that come from no store: for measurements. They are masked, cut and indexed like any other.

use std::sync::Arc;

use recording::{CommandSource, Micros, Outcome, RecordingId, UnixMicros, cast::SessionKind};
use transcript::{Line, Stream};

use crate::{
    backend::Batch,
    documents::{
        CommandDocument, Document,
        mask::Masks,
        output::passages,
        session::{SessionContext, SessionRow, time},
    },
};

const LENGTH: Micros = Micros::from_secs(60);

/// A session with what was typed and shown in it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its id.
    pub id: RecordingId,
    /// Start.
    pub started: UnixMicros,
    /// Who.
    pub user: String,
    /// Where.
    pub cluster: String,
    /// Where.
    pub namespace: String,
    /// Where.
    pub pod: String,
    /// Commands and lines, in order.
    pub said: Vec<Said>,
}

/// A command, or the lines that followed each other in one go: each becomes a document.
#[derive(Clone, Debug)]
pub enum Said {
    /// What was typed.
    Command(String),
    /// What was shown.
    Output(Vec<String>),
}

impl Sample {
    /// The session's documents.
    pub fn into_batch(self, masks: &Arc<Masks>) -> Batch {
        let row = SessionRow {
            id: self.id,
            kind: SessionKind::Exec,
            user: self.user,
            cluster: self.cluster,
            namespace: self.namespace,
            pod: self.pod,
            container: "app".to_owned(),
            image: "registry.example.com/team/web:1.27".to_owned(),
            argv: vec!["sh".to_owned()],
            command: "sh".to_owned(),
            tty: true,
            started: time(self.started),
            ended: Some(time(self.started + LENGTH)),
            duration: Some(LENGTH),
            outcome: Some(Outcome::Exited { exit_code: 0 }),
            gateway: "gateway".to_owned(),
            client: String::new(),
        };
        let session = SessionContext::of(&row);
        let mut batch = Batch::default();
        batch.add([Document::session(&row)]);
        let mut number = 0;
        for (second, said) in (0u64..).zip(self.said) {
            let offset = Micros::from_secs(second * 3);
            match said {
                Said::Command(text) => {
                    let (session, text) = (session.clone(), masks.masked(&text));
                    let command = CommandDocument { session, offset, source: CommandSource::Typed, text };
                    batch.add([Document::Command(command)]);
                }
                Said::Output(lines) => {
                    let lines = lines.into_iter().map(|text| Line { time: offset, stream: Stream::Stdout, text });
                    batch.add(passages(&session, &mut number, lines, masks));
                }
            }
        }
        batch
    }
}
