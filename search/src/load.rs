//! Documents that come from no store: for measuring. Masked, cut and indexed like any other.

use recording::{CommandSource, Outcome, RecordingId, cast::SessionKind};
use transcript::{Line, Stream};

use crate::{
    Index, Result, SessionRow,
    documents::origin::Origin,
    documents::output::passages,
    documents::session::time,
    documents::{Command, Stored},
    ingest::checkpoint::State,
};

/// A session with what was typed and shown in it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its id.
    pub id: RecordingId,
    /// Microseconds since 1970.
    pub started: i64,
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

impl Index {
    /// Adds the documents of a session. Several threads may.
    ///
    /// # Errors
    /// The index's.
    #[doc(hidden)]
    pub fn load(&self, sample: Sample) -> Result<usize> {
        let masks = self.masks();
        let row = SessionRow {
            id: sample.id,
            kind: SessionKind::Exec,
            user: sample.user,
            cluster: sample.cluster,
            namespace: sample.namespace,
            pod: sample.pod,
            container: "app".to_owned(),
            image: "registry.example.com/team/web:1.27".to_owned(),
            argv: vec!["sh".to_owned()],
            command: "sh".to_owned(),
            tty: true,
            started: time(sample.started),
            ended: Some(time(sample.started + 60_000_000)),
            duration_micros: Some(60_000_000),
            outcome: Some(Outcome::Exited { exit_code: 0 }),
            gateway: "gateway".to_owned(),
            client: String::new(),
        };
        let of = Origin::of(&row);
        let mut documents = Vec::with_capacity(sample.said.len() + 1);
        documents.push(Stored::session(&row));
        let mut number = 0;
        for (second, said) in (0u64..).zip(sample.said) {
            let offset = second * 3_000_000;
            match said {
                Said::Command(text) => documents.push(Stored::Command(Command {
                    of: of.clone(),
                    offset,
                    source: CommandSource::Typed,
                    text: masks.masked(&text),
                })),
                Said::Output(lines) => {
                    let lines = lines.into_iter().map(|text| Line { micros: offset, stream: Stream::Stdout, text });
                    documents.extend(passages(&of, &mut number, lines, &masks));
                }
            }
        }
        self.add(&documents)?;
        Ok(documents.len())
    }

    /// Makes what was loaded durable and visible.
    ///
    /// # Errors
    /// The index's.
    #[doc(hidden)]
    pub fn loaded(&self) -> Result<()> {
        self.commit(&State::default())
    }

    /// Waits until nothing is merged any more, and closes the index.
    ///
    /// # Errors
    /// The index's.
    #[doc(hidden)]
    pub fn settle(self) -> Result<()> {
        self.close()
    }
}
