use std::time::{SystemTime, UNIX_EPOCH};

use recording::{
    RecordingId,
    cast::{Header, SessionKind, SessionMetadata},
};

/// What a request asked for, beyond what its permit says.
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
    /// `Kubectl-SessionMetadata`, as the client claimed.
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
            started_micros: unix_micros(now),
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

/// The header: written before any size is known, so always 80x24. The first real size comes as an `r` event and
/// stands in the manifest.
pub(crate) fn header(session: &SessionMetadata) -> Header {
    Header {
        version: 2,
        width: 80,
        height: 24,
        timestamp: session.started_micros.div_euclid(1_000_000),
        command: quoted(&session.argv),
        title: title(session),
        kubetape: session.clone(),
    }
}

pub(crate) fn unix_micros(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
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

/// argv as one line that a POSIX shell would split into the same elements.
pub(crate) fn quoted(argv: &[String]) -> String {
    argv.iter().map(|element| quote(element)).collect::<Vec<_>>().join(" ")
}

fn quote(element: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
    if !element.is_empty() && element.bytes().all(plain) {
        return element.to_owned();
    }
    format!("'{}'", element.replace('\'', r"'\''"))
}

#[cfg(test)]
pub(crate) mod tests {
    use access::{Credential, Impersonation, InputRecording, Principal, Target};

    use super::*;

    /// An exec's.
    pub(crate) fn session() -> SessionMetadata {
        let (name, credential_id) = ("ada".to_owned(), String::new());
        SessionMetadata {
            id: RecordingId(uuid::Uuid::nil()),
            kind: SessionKind::Exec,
            started_micros: 0,
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

    #[test]
    fn argv_is_quoted_only_where_a_shell_needs_it() {
        let argv = ["sh", "-c", "echo \"it's\"", "", "a\nb", "x=1"].map(str::to_owned);
        assert_eq!(quoted(&argv), "sh -c 'echo \"it'\\''s\"' '' 'a\nb' x=1");
    }
}
