//! A store with a few recordings in it, written as the recorder writes them.

use std::sync::Arc;

use access::{Credential, Impersonation, InputRecording, Principal, Target};
use jiff::Timestamp;
use recording::{
    Command, CommandSource, Key, Manifest, Micros, Outcome, RecordingId, StreamTotals, UnixMicros,
    cast::{self, Code, Header, SessionKind, SessionMetadata},
};
use storage::{Memory, RecordingWriter, Store, StoredChunk, signing::Signer};
use uuid::{NoContext, Timestamp as IdTime, Uuid};

/// A recording to be written. [`Recording::exec`] has the plain one; change what matters.
pub struct Recording {
    pub started: Timestamp,
    pub user: String,
    pub kind: SessionKind,
    pub target: Target,
    pub argv: Vec<String>,
    pub tty: bool,
    pub input: InputRecording,
    /// Milliseconds, code, data.
    pub events: Vec<(u64, Code, String)>,
    /// Milliseconds, text.
    pub typed: Vec<(u64, String)>,
    /// None: live.
    pub outcome: Option<Outcome>,
    pub anomalies: Vec<String>,
    pub size: (u16, u16),
}

impl Recording {
    /// `ada` runs something without a terminal in `default/web-0/app` on `demo`, and it ends with 0.
    pub fn exec(started: &str, argv: &[&str]) -> Self {
        Self {
            started: started.parse().unwrap(),
            user: "ada@example.com".to_owned(),
            kind: SessionKind::Exec,
            target: target("demo", "default", "web-0", "app"),
            argv: argv.iter().map(ToString::to_string).collect(),
            tty: false,
            input: InputRecording::Never,
            events: Vec::new(),
            typed: Vec::new(),
            outcome: Some(Outcome::Exited { exit_code: 0 }),
            anomalies: Vec::new(),
            size: (80, 24),
        }
    }

    /// The same, with a terminal.
    pub fn terminal(started: &str, argv: &[&str]) -> Self {
        Self { tty: true, ..Self::exec(started, argv) }
    }

    /// Adds what was printed at a moment.
    pub fn prints(mut self, millis: u64, text: &str) -> Self {
        self.events.push((millis, Code::Output, text.to_owned()));
        self
    }

    /// Adds a command that is typed at a prompt, with its echo and what it prints.
    pub fn types(mut self, millis: u64, command: &str, printed: &str) -> Self {
        self.events.push((millis, Code::Output, "\u{1b}[32m/ $\u{1b}[0m ".to_owned()));
        let mut at = millis;
        for c in command.chars() {
            at += 90;
            self.events.push((at, Code::Output, c.to_string()));
        }
        self.events.push((at + 100, Code::Marker, command.to_owned()));
        self.events.push((at + 100, Code::Output, "\r\n".to_owned()));
        self.events.push((at + 150, Code::Output, printed.replace('\n', "\r\n")));
        self.typed.push((at + 100, command.to_owned()));
        self
    }

    /// Writes it: header, one chunk of events, and the manifest unless it is live.
    pub async fn store(self, store: &Arc<dyn Store>) -> RecordingId {
        let id = id_at(self.started);
        let header = self.header(id).to_line();
        let mut lines = Vec::new();
        for (millis, code, data) in &self.events {
            cast::write_event(&mut lines, Micros::from_millis(*millis), *code, data);
        }
        if let Some(Outcome::Exited { exit_code }) = self.outcome {
            cast::write_event(&mut lines, self.length(), Code::Exit, &exit_code.to_string());
        }
        let writer = RecordingWriter::new(Arc::clone(store), Arc::new(Signer::generate().unwrap()));
        let (mut chunks, mut digest) = (Vec::new(), [0; 32]);
        for (number, lines) in (0..).zip([header, lines]) {
            let stored = writer.put_chunk(id, number, lines, digest).await.unwrap().stored().unwrap();
            digest = stored.digest;
            chunks.push(stored);
        }
        if let Some(manifest) = self.manifest(id, &chunks) {
            let bytes = serde_json::to_vec(&manifest).unwrap();
            store.put_new(&Key::manifest(id), bytes.into()).await.unwrap();
        }
        id
    }

    fn length(&self) -> Micros {
        Micros::from_millis(self.events.iter().map(|(millis, ..)| *millis).max().unwrap_or(0) + 200)
    }

    fn header(&self, id: RecordingId) -> Header {
        Header {
            version: 2,
            width: self.size.0,
            height: self.size.1,
            timestamp: self.started.as_second(),
            command: self.argv.join(" "),
            title: format!("{}@{}", self.user, self.target.cluster),
            kubetape: self.session(id),
        }
    }

    fn session(&self, id: RecordingId) -> SessionMetadata {
        SessionMetadata {
            id,
            kind: self.kind,
            started: self.started.into(),
            gateway: "gateway-1".to_owned(),
            principal: Principal {
                name: self.user.clone(),
                groups: vec!["platform".to_owned()],
                credential: Credential::Token,
                credential_id: "t-7f3a".to_owned(),
            },
            target: self.target.clone(),
            impersonation: Impersonation { user: self.user.clone(), groups: vec!["developers".to_owned()] },
            rule: "engineers".to_owned(),
            input: self.input,
            argv: self.argv.clone(),
            tty: self.tty,
            stdin: self.tty,
            client: "192.0.2.17:51844".to_owned(),
            user_agent: "kubectl/v1.33.1 (linux/amd64) kubernetes/8adc0f0".to_owned(),
            kubectl_command: "kubectl exec".to_owned(),
            kubectl_session: "5ad3c7a1-0d0f-4a0e-9f53-1d3f7a5d8a11".to_owned(),
            imported: None,
        }
    }

    fn manifest(&self, id: RecordingId, chunks: &[StoredChunk]) -> Option<Manifest> {
        let length = self.length();
        let out = self.events.iter().filter(|(_, code, _)| *code == Code::Output);
        let argv = (!self.argv.is_empty()).then(|| command(0, CommandSource::Argv, &self.argv.join(" ")));
        let typed = self.typed.iter().map(|(millis, text)| command(*millis, CommandSource::Typed, text));
        let listed = chunks
            .iter()
            .map(|chunk| chunk.listed(Micros::ZERO, if chunk.number == 0 { Micros::ZERO } else { length }));
        Some(Manifest {
            format: 1,
            session: self.session(id),
            ended: UnixMicros::from(self.started) + length,
            duration: length,
            outcome: self.outcome.clone()?,
            width: self.size.0,
            height: self.size.1,
            totals: StreamTotals { stdin: 42, stdout: out.map(|(_, _, data)| data.len() as u64).sum(), stderr: 0 },
            contents: recording::Contents::default(),
            chunks: listed.collect(),
            commands: argv.into_iter().chain(typed).collect(),
            anomalies: self.anomalies.clone(),
            transport: "websocket v5.channel.k8s.io".to_owned(),
            image: String::new(),
        })
    }
}

pub fn target(cluster: &str, namespace: &str, pod: &str, container: &str) -> Target {
    Target {
        cluster: cluster.to_owned(),
        namespace: namespace.to_owned(),
        resource: "pods".to_owned(),
        name: pod.to_owned(),
        subresource: "exec".to_owned(),
        container: container.to_owned(),
    }
}

fn command(millis: u64, source: CommandSource, text: &str) -> Command {
    Command { time: Micros::from_millis(millis), source, text: text.to_owned(), typed: None }
}

fn id_at(started: Timestamp) -> RecordingId {
    let seconds = started.as_second().try_into().unwrap();
    let nanos = started.subsec_nanosecond().try_into().unwrap();
    RecordingId(Uuid::new_v7(IdTime::from_unix(NoContext, seconds, nanos)))
}

/// An empty store.
pub fn empty() -> Arc<dyn Store> {
    Arc::new(Memory::new())
}
