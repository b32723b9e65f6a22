//! What passed in a session, beyond its bytes: the manifest's fields that a recorder fills from the streams.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Micros, annotation::seconds};

/// What a session's streams carried. A manifest leaves out what is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// SHA-256 of each stream; `None` in a manifest of somebody who did not see the streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digests: Option<StreamDigests>,
    /// What a tar stream in stdin or stdout carried, as `kubectl cp` makes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied: Option<Copied>,
    /// The forwarded connections, by the pod's port, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ForwardedPort>,
    /// What the output limit left out of the lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<Omission>,
}

/// SHA-256 of all bytes of each stream, whether stored or not; lower-case hexadecimal. For port-forward `stdin` is what the
/// client sent and `stdout` what it received, over all connections in the order in which the bytes passed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamDigests {
    /// SHA-256 of stdin.
    pub stdin: String,
    /// SHA-256 of stdout.
    pub stdout: String,
    /// SHA-256 of stderr.
    pub stderr: String,
}

/// Which way files went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into the container: the archive was in stdin.
    ToPod,
    /// Out of it: the archive was in stdout.
    FromPod,
}

/// What a tar stream carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Into the container or out of it.
    pub direction: Direction,
    /// Entries in the archive's order, up to a bound.
    pub files: Vec<CopiedFile>,
    /// Entries behind the bound.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unlisted: u64,
    /// Bytes of all files' contents, listed or not.
    pub bytes: u64,
    /// Whether the archive's own end was seen.
    pub complete: bool,
    /// Why the archive was not followed to its end; empty where it was, or where the stream just ended.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
}

/// What an entry of an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A file with contents.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// Another name of an earlier entry.
    Hardlink,
    /// A device, a pipe, or what only its archiver knows.
    Other,
}

/// An entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedFile {
    /// As the archive has it; bytes that are not UTF-8 are U+FFFD.
    pub name: String,
    /// What it is.
    pub kind: FileKind,
    /// Bytes of contents that the archive announces.
    pub size: u64,
    /// SHA-256 of the contents that came, lower-case hexadecimal; empty for a kind without contents.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// What a link names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub link: String,
    /// Announced bytes that did not come: the stream ended before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing: u64,
    /// Size and digest are those of the archive's compact form of a file with holes.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sparse: bool,
}

/// All connections to one port of the pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardedPort {
    /// The pod's port; 0 for all that are beyond the bound.
    pub port: u16,
    /// How many connections.
    pub connections: u64,
    /// Those of them that the other end refused, or that ended with an error.
    pub failed: u64,
    /// Bytes from the client.
    pub sent: u64,
    /// Bytes to the client.
    pub received: u64,
}

/// Bytes of a stream that are not in the lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omission {
    /// `stdin`, `stdout` or `stderr`.
    pub stream: String,
    /// Place in the stream of the first of them, counted from 0.
    pub from_byte: u64,
    /// How many.
    pub bytes: u64,
    /// SHA-256 of them, lower-case hexadecimal.
    pub sha256: String,
    /// When the first of them passed.
    #[serde(rename = "from_micros")]
    pub first: Micros,
    /// When the last of them passed.
    #[serde(rename = "to_micros")]
    pub last: Micros,
}

/// As the `g` line has it.
impl fmt::Display for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "omitted {} bytes of {} from byte {}, which passed from {} s to {} s, sha256 {}",
            self.bytes,
            self.stream,
            self.from_byte,
            seconds(self.first),
            seconds(self.last),
            self.sha256
        )
    }
}

impl Omission {
    /// Reads what a `g` line says; `None` for any other annotation.
    pub fn parse(annotation: &str) -> Option<Self> {
        let words: Vec<&str> = annotation.split(' ').collect();
        let [
            "omitted",
            bytes,
            "bytes",
            "of",
            stream,
            "from",
            "byte",
            from_byte,
            "which",
            "passed",
            "from",
            from,
            "s",
            "to",
            to,
            "s,",
            "sha256",
            sha256,
        ] = *words
        else {
            return None;
        };
        let time = |seconds: &str| {
            let (whole, millionths) = seconds.split_once('.').filter(|(_, millionths)| millionths.len() == 6)?;
            whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(millionths.parse().ok()?).map(Micros::new)
        };
        Some(Self {
            stream: stream.to_owned(),
            from_byte: from_byte.strip_suffix(',')?.parse().ok()?,
            bytes: bytes.parse().ok()?,
            sha256: sha256.to_owned(),
            first: time(from)?,
            last: time(to)?,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_omission_is_read_from_its_annotation_and_from_no_other() {
        let omission = Omission {
            stream: "stdout".to_owned(),
            from_byte: 67_108_864,
            bytes: 5,
            sha256: "ab".repeat(32),
            first: Micros::new(1_000_001),
            last: Micros::new(12_345_678),
        };
        let annotation = omission.to_string();
        assert_eq!(Omission::parse(&annotation), Some(omission));
        for end in 0..annotation.len() - 64 {
            assert_eq!(Omission::parse(&annotation[..end]), None, "{end}");
        }
        for other in ["omitted nothing of stdout from byte 3 on", "omitting stdout from byte 3 on, but for its end", ""]
        {
            assert_eq!(Omission::parse(other), None);
        }
    }
}
