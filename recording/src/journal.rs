//! The journal: who did what.
//!
//! Objects are `journal/<gateway>/YYYY/MM/DD/<seq>.jsonl.zst`: one zstd frame of whole JSON lines, `seq` a
//! twelve-digit decimal that grows by one for each object of a gateway. The day of a gateway's object is never before
//! that of the object before it, even if the clock was: so names sort like numbers.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize, de::value::MapDeserializer};

use crate::{KeyId, RecordingId, UnixMicros};

/// The format of the entries that this version writes, as the seal of their object says. From 2 on, every session whose
/// end is in the journal also gets a `session_stored`.
pub const JOURNAL_FORMAT: u32 = 2;

/// The journals of what runs beside a gateway and signs with its key, because only the gateway's process writes its own
/// journal: `<gateway>-cli` for commands, `<gateway>-import` for imports.
///
/// Of a long name they have the first 59 and 50 bytes: a journal's name has 63 at most.
pub fn side_journals(gateway: &str) -> [String; 2] {
    [cli_journal(gateway), import_journal(gateway)]
}

/// The journal of commands that show recordings while no gateway runs beside them.
pub fn cli_journal(gateway: &str) -> String {
    gateway.chars().take(59).chain(SIDE_SUFFIXES[0].chars()).collect()
}

/// The journal of imports.
pub fn import_journal(gateway: &str) -> String {
    gateway.chars().take(50).chain(SIDE_SUFFIXES[1].chars()).collect()
}

/// What the names of side journals end with. No gateway may have such a name.
pub const SIDE_SUFFIXES: [&str; 2] = ["-cli", "-import"];

/// How far a gateway's journal has come: its newest object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JournalHead {
    /// Whose journal.
    pub gateway: String,
    /// The object's number.
    pub seq: u64,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// When it happened.
    #[serde(rename = "micros")]
    pub time: UnixMicros,
    /// The gateway or web process that saw it.
    pub gateway: String,
    /// The person; empty if nobody was authenticated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The address from which they did it, where the event has none of its own; empty for accounts of the gateway's machine, and
    /// where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// What happened.
    #[serde(flatten)]
    pub what: JournalEvent,
}

/// Who does something, and from where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The person, or an account of the gateway's machine (`local:…`); empty for the gateway itself.
    pub user: String,
    /// The person's address; empty if it is not known, or says nothing.
    pub from: String,
}

impl From<&str> for Actor {
    fn from(user: &str) -> Self {
        Self { user: user.to_owned(), from: String::new() }
    }
}

impl From<&String> for Actor {
    fn from(user: &String) -> Self {
        user.as_str().into()
    }
}

impl From<&Self> for Actor {
    fn from(actor: &Self) -> Self {
        actor.clone()
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JournalEvent {
    /// A process started.
    Started {
        /// Its version.
        version: String,
        /// SHA-256 of its configuration, policy included and secrets left out; lower-case hexadecimal.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        config: String,
    },
    /// A process started with another configuration than the time before.
    Configured {
        /// Keys whose values are others, or that came or went: names and places only, no values.
        changed: Vec<String>,
    },
    /// A process ended in good order.
    Stopped,
    /// Somebody logged in to the web, or failed to.
    Login {
        /// Whether it worked.
        ok: bool,
        /// How: `password` or `link`.
        method: String,
        /// The person's address; empty if a proxy stands in front and nothing it says is trusted.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        client: String,
        /// The browser, as it calls itself.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        agent: String,
        /// The name that was claimed by somebody who was not logged in; then the entry's `user` is empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        claimed: String,
    },
    /// A request was refused by the gateway.
    Refused(ApiRequest),
    /// A session was permitted and its recording opened.
    SessionOpened {
        /// The recording.
        session: RecordingId,
        /// The request that opened it.
        #[serde(flatten)]
        request: ApiRequest,
        /// Why it was permitted, so that the journal knows that also where the recording is gone. Boxed: it is the largest
        /// part of any event.
        #[serde(flatten)]
        grant: Box<SessionGrant>,
    },
    /// A session ended.
    SessionEnded {
        /// The recording.
        session: RecordingId,
        /// How it ended.
        #[serde(flatten)]
        outcome: crate::Outcome,
    },
    /// A session's manifest is in the store. From here on the journal vouches for its bytes, and so for those of its chunks.
    SessionStored {
        /// The recording.
        session: RecordingId,
        /// SHA-256 of the bytes of its `manifest.json`, in hexadecimal.
        manifest_sha256: String,
        /// How many chunks the manifest lists.
        chunks: u64,
        /// Bytes of their objects.
        bytes: u64,
    },
    /// Somebody ended a session from outside; the entry's `user` is who. Its end comes as [`JournalEvent::SessionEnded`].
    Terminated {
        /// The recording.
        session: RecordingId,
        /// Why, as they wrote it.
        reason: String,
    },
    /// Somebody was given a credential, or it was taken back; the entry's `user` is who did it.
    Credential(CredentialChange),
    /// A person was shut out: their credentials are refused, and what they had under way was ended. The entry's `user` is who
    /// did it.
    Locked {
        /// The person.
        subject: String,
        /// Why, as it was written.
        reason: String,
        /// Recorded sessions that were ended.
        sessions: u64,
        /// Answers that stay open and were ended: watches, logs that are followed.
        streams: u64,
    },
    /// A person is let in again.
    Unlocked {
        /// The person.
        subject: String,
    },
    /// The key that signs was replaced by this one, which is used from the next start on. The entry's `user` is who did it.
    KeyRotated {
        /// The new key's id.
        key: KeyId,
    },
    /// The gateway went through the whole store, and said what is wrong with it.
    Verified {
        /// `proven`, `not_vouched` or `wrong`.
        verdict: String,
        /// Recordings with a manifest.
        recordings: u64,
        /// Journal objects.
        journal_objects: u64,
        /// What is wrong, in number.
        findings: u64,
        /// The first of it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        first: String,
    },
    /// Files went through an exec, as `kubectl cp` sends them; noted when the session ends.
    Copied {
        /// The recording.
        session: RecordingId,
        /// The target, and the kubectl run.
        #[serde(flatten)]
        of: RequestContext,
        /// Which files.
        #[serde(flatten)]
        copied: crate::Copied,
    },
    /// Connections went through a port-forward; noted when the session ends.
    Forwarded {
        /// The recording.
        session: RecordingId,
        /// The target, and the kubectl run.
        #[serde(flatten)]
        of: RequestContext,
        /// Connections and bytes by port; empty if there was no connection.
        ports: Vec<crate::ForwardedPort>,
    },
    /// A bound of the gateway's spool was reached, or left; or the store went away, or came back.
    Spool {
        /// `store`, `total` or `disk`.
        bound: String,
        /// Whether it is reached now.
        reached: bool,
        /// Bytes in the spool.
        bytes: u64,
        /// Sessions in it.
        sessions: u64,
    },
    /// Any other API request.
    Request(ApiRequest),
    /// Somebody opened a recording or exported it, in the web or by the program.
    Viewed {
        /// The recording.
        session: RecordingId,
        /// `play`, `live` or `export`.
        how: String,
    },
    /// Somebody searched, in the web or by the program, and was shown passages of recordings.
    Searched(SearchRequest),
    /// A recording was made of a file.
    Imported {
        /// The recording.
        session: RecordingId,
        /// The file's name.
        file: String,
        /// The file's SHA-256, in hexadecimal.
        sha256: String,
    },
}

impl JournalEvent {
    /// The names of all events, as entries have them. They are those that the enum is read by, so none can be forgotten.
    pub fn names() -> &'static [&'static str] {
        // No event has this name: the error that says so lists those that there are.
        let tag = MapDeserializer::<_, ExpectedNames>::new(std::iter::once(("event", "")));
        Self::deserialize(tag).err().map_or(&[], |expected| expected.0)
    }

    /// The event's name, as the entry has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Configured { .. } => "configured",
            Self::Stopped => "stopped",
            Self::Login { .. } => "login",
            Self::Refused(_) => "refused",
            Self::SessionOpened { .. } => "session_opened",
            Self::SessionEnded { .. } => "session_ended",
            Self::SessionStored { .. } => "session_stored",
            Self::Terminated { .. } => "terminated",
            Self::Credential(_) => "credential",
            Self::Locked { .. } => "locked",
            Self::Unlocked { .. } => "unlocked",
            Self::KeyRotated { .. } => "key_rotated",
            Self::Verified { .. } => "verified",
            Self::Copied { .. } => "copied",
            Self::Forwarded { .. } => "forwarded",
            Self::Spool { .. } => "spool",
            Self::Request(_) => "request",
            Self::Viewed { .. } => "viewed",
            Self::Searched(_) => "searched",
            Self::Imported { .. } => "imported",
        }
    }
}

/// The names that a reader of the enum expected where it found another one.
#[derive(Debug)]
struct ExpectedNames(&'static [&'static str]);

impl fmt::Display for ExpectedNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", self.0.join(", "))
    }
}

impl std::error::Error for ExpectedNames {}

impl serde::de::Error for ExpectedNames {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

/// What joins an entry to the requests of one kubectl run. `kubectl_session` is the client's claim: it joins entries of one
/// person (`user`) only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestContext {
    /// What the session was aimed at.
    pub target: access::Target,
    /// `Kubectl-Command`, as the client claimed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kubectl_command: String,
    /// `Kubectl-Session`, as the client claimed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kubectl_session: String,
}

/// By which rule, and as whom, a session was permitted, and what it was to run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionGrant {
    /// The policy's rule.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// The person's groups, as the source of the identity gave them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What kind of credential was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<access::Credential>,
    /// Which one: a certificate's serial number or a token's id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub credential_id: String,
    /// As whom it reached Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<access::Impersonation>,
    /// SHA-256 of the elements of argv, each behind its length in bytes (8 bytes, little-endian), in hexadecimal; empty for
    /// sessions without argv. Argv itself is in the recording: it may hold secrets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub argv_sha256: String,
}

/// That a credential came to be, or is worth nothing any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialChange {
    /// Which of both.
    pub action: CredentialAction,
    /// What kind of credential.
    pub kind: CredentialKind,
    /// Whose.
    pub subject: String,
    /// Which one: a certificate's serial number or a token's id; empty for a password or a link. Never the secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The person's groups, as the credential gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// When it expires; absent if it never does, or was revoked.
    #[serde(rename = "until_micros", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMicros>,
}

/// What happened to a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialAction {
    /// It was made, or replaced the one before.
    Issued,
    /// It is refused from now on.
    Revoked,
}

/// Kinds of credentials that this program makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A bearer token for kubectl.
    Token,
    /// A client certificate for kubectl.
    Certificate,
    /// A password for the pages.
    Password,
    /// A link that logs in to the pages once. Revoked: all of a person's.
    LoginLink,
}

/// A search whose hits quoted recordings. Pages of one search by one person, within ten minutes, are one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SearchRequest {
    /// What was searched for, as it was written.
    pub query: String,
    /// The kinds of hits that were asked for; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// What else narrowed the search: `user`, `cluster`, `namespace`, `pod`, `container`, `image`, `source`, `outcome`,
    /// `from`, `until`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, String>,
    /// Hits on all pages; 10,000 if there are more.
    pub hits: u64,
}

/// An API request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiRequest {
    /// What it was aimed at.
    pub target: access::Target,
    /// Kubernetes verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`;
    /// for streaming subresources `exec`, `attach`, `portforward`.
    pub verb: String,
    /// HTTP status that the client got; 499 where it went before there was one.
    pub code: u16,
    /// Why the gateway refused, if it did; or what else the code does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// `Kubectl-Command`, as the client claimed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kubectl_command: String,
    /// `Kubectl-Session`, as the client claimed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kubectl_session: String,
    /// `User-Agent`, as the client claimed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user_agent: String,
    /// Client's address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// What of query and headers says what was asked for, as far as [`OPTIONS`] names it. Never what may be secret: no
    /// argv, no token.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// Query parameters that are kept as [`ApiRequest::options`], by their own names. Beside them: `accept`, `table` or
/// `object` where a read asks for one; `patch`, the kind of patch (`apply`, `json`, `merge`, `strategic`); `as`, whom
/// the client asked to be.
pub const OPTIONS: [&str; 15] = [
    "container",
    "dryRun",
    "fieldManager",
    "fieldSelector",
    "follow",
    "force",
    "gracePeriodSeconds",
    "labelSelector",
    "previous",
    "propagationPolicy",
    "sinceSeconds",
    "sinceTime",
    "tailLines",
    "timestamps",
    "watch",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each. A new variant does not compile here before it is in the list.
    fn every_event() -> Vec<JournalEvent> {
        let (session, request) = (RecordingId(uuid::Uuid::nil()), ApiRequest::default());
        let (text, of) = (String::new(), RequestContext::default());
        let copied = crate::Copied {
            direction: crate::Direction::ToPod,
            files: Vec::new(),
            unlisted: 0,
            bytes: 0,
            complete: true,
            problem: String::new(),
        };
        let events = vec![
            JournalEvent::Started { version: text.clone(), config: text.clone() },
            JournalEvent::Configured { changed: Vec::new() },
            JournalEvent::Stopped,
            JournalEvent::Login {
                ok: true,
                method: text.clone(),
                client: text.clone(),
                agent: text.clone(),
                claimed: text.clone(),
            },
            JournalEvent::Refused(request.clone()),
            JournalEvent::SessionOpened { session, request: request.clone(), grant: Box::default() },
            JournalEvent::SessionEnded { session, outcome: crate::Outcome::Interrupted },
            JournalEvent::SessionStored { session, manifest_sha256: text.clone(), chunks: 2, bytes: 300 },
            JournalEvent::Terminated { session, reason: text.clone() },
            JournalEvent::Credential(CredentialChange {
                action: CredentialAction::Issued,
                kind: CredentialKind::LoginLink,
                subject: text.clone(),
                id: text.clone(),
                groups: Vec::new(),
                until: None,
            }),
            JournalEvent::Locked { subject: text.clone(), reason: text.clone(), sessions: 1, streams: 2 },
            JournalEvent::Unlocked { subject: text.clone() },
            JournalEvent::Verified {
                verdict: text.clone(),
                recordings: 1,
                journal_objects: 2,
                findings: 3,
                first: text.clone(),
            },
            JournalEvent::KeyRotated { key: "0123456789abcdef0123456789abcdef".parse().unwrap() },
            JournalEvent::Copied { session, of: of.clone(), copied },
            JournalEvent::Forwarded { session, of, ports: Vec::new() },
            JournalEvent::Spool { bound: text.clone(), reached: true, bytes: 0, sessions: 0 },
            JournalEvent::Request(request),
            JournalEvent::Viewed { session, how: text.clone() },
            JournalEvent::Searched(SearchRequest::default()),
            JournalEvent::Imported { session, file: text.clone(), sha256: text },
        ];
        for event in &events {
            match event {
                JournalEvent::Started { .. } | JournalEvent::Configured { .. } | JournalEvent::Stopped => {}
                JournalEvent::Login { .. } | JournalEvent::Refused(_) | JournalEvent::SessionOpened { .. } => {}
                JournalEvent::SessionEnded { .. } | JournalEvent::Terminated { .. } | JournalEvent::Copied { .. } => {}
                JournalEvent::Forwarded { .. } | JournalEvent::Spool { .. } | JournalEvent::Request(_) => {}
                JournalEvent::Viewed { .. } | JournalEvent::Searched(_) | JournalEvent::Imported { .. } => {}
                JournalEvent::SessionStored { .. } | JournalEvent::KeyRotated { .. } => {}
                JournalEvent::Verified { .. } => {}
                JournalEvent::Credential(_) | JournalEvent::Locked { .. } | JournalEvent::Unlocked { .. } => {}
            }
        }
        events
    }

    #[test]
    fn side_journals_are_named_after_the_gateway() {
        assert_eq!(side_journals("gw-1"), ["gw-1-cli", "gw-1-import"]);
        let long = "g".repeat(63);
        assert!(side_journals(&long).iter().all(|name| name.len() <= 63));
    }

    #[test]
    fn the_name_of_every_event_is_known_and_is_what_entries_have() {
        let events = every_event();
        for event in &events {
            let json = serde_json::to_value(event).unwrap();
            assert_eq!(json["event"], event.name());
            assert!(JournalEvent::names().contains(&event.name()), "{}", event.name());
            assert_eq!(serde_json::from_value::<JournalEvent>(json).unwrap(), *event);
        }
        assert_eq!(JournalEvent::names().len(), events.len());
    }
}
