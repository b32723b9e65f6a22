use recording::cast::{SessionKind, SessionMetadata};
use serde_json::Value;

/// What a file's header says, by whichever program wrote it. Nothing of it is believed; it is what the recording will
/// say that the file says.
#[derive(Clone, Debug)]
pub(crate) struct ForeignHeader {
    pub(crate) version: u8,
    /// Columns and rows; `None` if there was no terminal, or the file does not say.
    pub(crate) size: Option<(u16, u16)>,
    /// Seconds since 1970.
    pub(crate) timestamp: Option<f64>,
    pub(crate) command: String,
    pub(crate) title: String,
    /// Of a recording of ours that was exported.
    pub(crate) kubetape: Option<SessionMetadata>,
    pub(crate) tailscale: Tailscale,
    /// As it was; of v1 without the output.
    pub(crate) whole: Value,
}

/// What Tailscale's recorders add to asciicast v2 (`CastHeader` of `tailscale.com/sessionrecording`): who connected,
/// and for `kubectl exec` through its API server proxy the pod. Earlier releases wrote the pod's fields one level up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tailscale {
    /// `srcNodeUser`, or the tags of a node that is nobody's.
    pub(crate) user: String,
    /// `srcNode`: the name of the node that connected.
    pub(crate) node: String,
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) kind: Option<SessionKind>,
    pub(crate) command: String,
}

impl ForeignHeader {
    /// Reads a header that is a JSON object with a version.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn new(whole: Value) -> Result<Self, String> {
        let version = match whole.get("version").and_then(Value::as_u64) {
            Some(version @ 1..=3) => version as u8,
            Some(other) => return Err(format!("it says asciicast version {other}; 1, 2 and 3 are read")),
            None => return Err("it is no asciicast header: a JSON object with \"version\" is expected".to_owned()),
        };
        let (columns, rows) = if version == 3 { ("/term/cols", "/term/rows") } else { ("/width", "/height") };
        Ok(Self {
            version,
            size: size(number(&whole, columns), number(&whole, rows)),
            timestamp: whole.get("timestamp").and_then(Value::as_f64),
            command: text(&whole, "/command"),
            title: text(&whole, "/title"),
            kubetape: whole.get("kubetape").and_then(|session| serde_json::from_value(session.clone()).ok()),
            tailscale: Tailscale::new(&whole),
            whole,
        })
    }

    /// Whether a terminal was recorded. Tailscale writes 0 by 0 if there was none; our own headers say so.
    pub(crate) fn tty(&self) -> bool {
        self.kubetape.as_ref().map_or(self.size.is_some(), |session| session.tty)
    }
}

impl Tailscale {
    fn new(whole: &Value) -> Self {
        let either = |now: &str, before: &str| {
            Some(text(whole, now)).filter(|t| !t.is_empty()).unwrap_or_else(|| text(whole, before))
        };
        let tags = whole.get("srcNodeTags").and_then(Value::as_array);
        let tags = tags.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
        let user = text(whole, "/srcNodeUser");
        Self {
            user: if user.is_empty() { tags } else { user },
            node: text(whole, "/srcNode"),
            namespace: either("/kubernetes/Namespace", "/namespace"),
            pod: either("/kubernetes/PodName", "/pod"),
            container: either("/kubernetes/Container", "/container"),
            kind: match text(whole, "/kubernetes/SessionType").as_str() {
                "attach" => Some(SessionKind::Attach),
                "exec" => Some(SessionKind::Exec),
                _ => None,
            },
            command: text(whole, "/ExecCommand"),
        }
    }
}

/// A size that a terminal can have; 0 means that there was none, and more than 65535 counts as 65535.
pub(crate) fn size(columns: Option<u64>, rows: Option<u64>) -> Option<(u16, u16)> {
    let side = |length: u64| u16::try_from(length).unwrap_or(u16::MAX);
    match (columns, rows) {
        (Some(columns @ 1..), Some(rows @ 1..)) => Some((side(columns), side(rows))),
        _ => None,
    }
}

fn number(whole: &Value, pointer: &str) -> Option<u64> {
    whole.pointer(pointer).and_then(Value::as_u64)
}

fn text(whole: &Value, pointer: &str) -> String {
    whole.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_of_several_programs() {
        let asciinema = ForeignHeader::new(json!({"version": 3, "term": {"cols": 100, "rows": 50, "type": "xterm"},
            "timestamp": 1_700_000_000, "command": "zsh", "env": {"SHELL": "/bin/zsh"}}))
        .unwrap();
        assert_eq!((asciinema.size, asciinema.tty(), asciinema.command.as_str()), (Some((100, 50)), true, "zsh"));
        let tailscale = ForeignHeader::new(json!({"version": 2, "width": 0, "height": 0, "timestamp": 1_700_000_000,
            "command": "ls", "srcNode": "laptop.example.ts.net", "srcNodeUser": "ada@example.com",
            "kubernetes": {"PodName": "web-0", "Namespace": "shop", "Container": "app", "SessionType": "attach"}}))
        .unwrap();
        assert!(!tailscale.tty());
        let Tailscale { user, node, namespace, pod, container, kind, .. } = tailscale.tailscale;
        assert_eq!(
            [user, node, namespace, pod, container],
            ["ada@example.com", "laptop.example.ts.net", "shop", "web-0", "app"]
        );
        assert_eq!(kind, Some(SessionKind::Attach));
        let tagged =
            ForeignHeader::new(json!({"version": 2, "width": 80, "height": 24, "srcNodeTags": ["tag:ci", "tag:prod"],
            "pod": "old-0", "namespace": "old"}))
            .unwrap();
        assert_eq!(
            [tagged.tailscale.user, tagged.tailscale.pod, tagged.tailscale.namespace],
            ["tag:ci,tag:prod", "old-0", "old"]
        );
    }

    #[test]
    fn what_is_no_header_is_said() {
        for (header, said) in [
            (json!({"version": 4}), "version 4"),
            (json!({"width": 80}), "no asciicast header"),
            (json!([1, 2]), "no asciicast header"),
            (json!({"version": "2"}), "no asciicast header"),
        ] {
            let error = ForeignHeader::new(header).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_hostile_size_is_one_that_fits() {
        assert_eq!(size(Some(1), Some(1)), Some((1, 1)));
        assert_eq!(size(Some(u64::MAX), Some(65_536)), Some((65_535, 65_535)));
        assert_eq!(size(Some(0), Some(24)), None);
        assert_eq!(size(None, Some(24)), None);
    }
}
