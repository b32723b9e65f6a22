use std::time::SystemTime;

use recording::{
    RecordingId,
    cast::{Header, SessionKind, SessionMetadata},
};

use crate::clock::unix_time;

/// What a request asks for, beyond what its permit says.
#[derive(Clone, Debug)]
pub struct OpenRequest {
    /// Which streaming subresource.
    pub kind: SessionKind,
    /// `command=` of the URL, element by element; empty for attach and port-forward.
    pub argv: Vec<String>,
    /// `tty=` of the URL.
    pub tty: bool,
    /// `stdin=` of the URL.
    pub stdin: bool,
    /// Client's address, `ip:port`.
    pub client: String,
    /// `User-Agent`, as the client claimed.
    pub user_agent: String,
    /// `Kubectl-Command`, as the client claimed.
    pub kubectl_command: String,
    /// `Kubectl-Session`, as the client claimed.
    pub kubectl_session: String,
}

impl OpenRequest {
    pub(crate) fn session(
        self,
        id: RecordingId,
        gateway: &str,
        permit: &access::Permit,
        now: SystemTime,
    ) -> SessionMetadata {
        SessionMetadata {
            id,
            kind: self.kind,
            started: unix_time(now),
            gateway: gateway.to_owned(),
            principal: permit.principal().clone(),
            target: permit.target().clone(),
            impersonation: permit.impersonation().clone(),
            rule: permit.rule().to_owned(),
            input: permit.input(),
            argv: self.argv,
            tty: self.tty,
            stdin: self.stdin,
            client: self.client,
            user_agent: self.user_agent,
            kubectl_command: self.kubectl_command,
            kubectl_session: self.kubectl_session,
            imported: None,
        }
    }
}

/// The header. It is written before any size is known, and always says 80x24: the first real size comes as an `r` event, and stands
/// in the manifest.
pub(crate) fn header(session: &SessionMetadata) -> Header {
    Header {
        version: 2,
        width: 80,
        height: 24,
        timestamp: session.started.as_secs(),
        command: recording::shell_quoted(&session.argv),
        title: title(session),
        kubetape: session.clone(),
    }
}

fn title(session: &SessionMetadata) -> String {
    let target = &session.target;
    let mut title = format!("{}@{} {}/{}", session.principal.name, target.cluster, target.namespace, target.name);
    if !target.container.is_empty() {
        title.push('/');
        title.push_str(&target.container);
    }
    title
}

#[cfg(test)]
pub(crate) mod tests {
    use access::{Credential, Impersonation, InputRecording, Principal, Target};
    use recording::UnixMicros;

    use super::*;

    /// The metadata of an exec.
    pub(crate) fn session() -> SessionMetadata {
        let (name, credential_id) = ("ada".to_owned(), String::new());
        SessionMetadata {
            id: RecordingId(uuid::Uuid::nil()),
            kind: SessionKind::Exec,
            started: UnixMicros::EPOCH,
            gateway: String::new(),
            principal: Principal { name, groups: Vec::new(), credential: Credential::Token, credential_id },
            target: Target::default(),
            impersonation: Impersonation { user: String::new(), groups: Vec::new() },
            rule: String::new(),
            input: InputRecording::Never,
            argv: Vec::new(),
            tty: false,
            stdin: false,
            client: String::new(),
            user_agent: String::new(),
            kubectl_command: String::new(),
            kubectl_session: String::new(),
            imported: None,
        }
    }
}
