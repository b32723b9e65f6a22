//! Writes how far the journal has come where who can write the storage cannot reach: a file of the auditors' own.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use jiff::Timestamp;
use recording::{JournalHead, UnixMicros};
use serde::{Deserialize, Serialize};
use storage::signing::Signer;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Anchors;

/// A line of the file: a head of a journal, and when it was one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchoredHead {
    /// The journal's newest object then.
    #[serde(flatten)]
    pub head: JournalHead,
    /// By the gateway's clock; `None` in what `verify --save-heads` writes.
    #[serde(rename = "micros", default, skip_serializing_if = "Option::is_none")]
    pub time: Option<UnixMicros>,
}

/// Appends the journal's head to the file, again and again, as long as it moves. A file that cannot be written is logged each
/// time; nothing else waits for it.
///
/// # Cancel safety
/// If the future is dropped a line is written whole or not at all.
pub async fn anchor(signer: Arc<Signer>, anchors: Anchors) {
    let mut ticks = interval(anchors.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: Option<JournalHead> = None;
    loop {
        ticks.tick().await;
        let Some(head) = signer.journal_head().filter(|head| last.as_ref() != Some(head)) else { continue };
        let line = AnchoredHead { head: head.clone(), time: Some(Timestamp::now().into()) };
        let file = anchors.file.clone();
        let written = tokio::task::spawn_blocking(move || append(&file, &line)).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(()) => last = Some(head),
            Err(error) => {
                let file = anchors.file.display();
                tracing::error!(%file, %error, "cannot write how far the journal has come (anchors.file)");
            }
        }
    }
}

fn append(file: &Path, head: &AnchoredHead) -> io::Result<()> {
    let mut line = serde_json::to_vec(head)?;
    line.push(b'\n');
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(file)?;
    file.write_all(&line)?;
    file.sync_data()
}

/// Reads heads: those that [`anchor`] wrote, one a line, or a list of them, as `verify --save-heads` writes it. The last line may
/// be cut off: it was being written.
///
/// # Errors
/// It is neither.
pub fn parse(text: &str) -> serde_json::Result<Vec<AnchoredHead>> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text);
    }
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter(|line| !line.is_empty()).map(serde_json::from_str).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn head(seq: u64) -> JournalHead {
        JournalHead { gateway: "gw".to_owned(), seq, sha256: "00".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn each_head_is_appended_once_and_a_file_that_cannot_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let (away, file) = (folder.path().join("not yet"), folder.path().join("not yet/heads.jsonl"));
        let signer = Arc::new(Signer::generate().unwrap());
        let anchors = Anchors { file: file.clone(), every: Duration::from_secs(3600) };
        let running = tokio::spawn(anchor(signer.clone(), anchors));
        let hour = async || {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            // The write is on a thread of its own.
            while running_writes(&file) {
                tokio::task::yield_now().await;
            }
        };
        hour().await;
        signer.set_journal_head(head(1));
        hour().await;
        assert!(!file.exists());
        std::fs::create_dir(&away).unwrap();
        for next in [1, 1, 2, 2, 5] {
            signer.set_journal_head(head(next));
            hour().await;
        }
        running.abort();
        let seen: Vec<u64> = read(&file).iter().map(|line| line.head.seq).collect();
        assert_eq!(seen, [1, 2, 5]);
        assert!(read(&file).iter().all(|line| line.time.is_some()));
    }

    fn read(file: &Path) -> Vec<AnchoredHead> {
        parse(&std::fs::read_to_string(file).unwrap()).unwrap()
    }

    /// Whether a line is half written.
    fn running_writes(file: &Path) -> bool {
        std::fs::read(file).is_ok_and(|bytes| bytes.last().is_some_and(|&last| last != b'\n'))
    }

    #[test]
    fn lines_and_lists_are_read_and_the_line_that_was_being_written_is_left_out() {
        let line = r#"{"gateway":"gw","seq":1,"sha256":"00","micros":7}"#;
        let anchored = AnchoredHead { head: head(1), time: Some(UnixMicros::new(7)) };
        assert_eq!(parse(&format!("{line}\n{line}\n{{\"gate")).unwrap(), [anchored.clone(), anchored.clone()]);
        assert_eq!(parse(&format!("[{line}]")).unwrap(), [anchored]);
        assert_eq!(parse(r#" [{"gateway":"gw","seq":1,"sha256":"00"}]"#).unwrap()[0].time, None);
        assert_eq!(parse("").unwrap(), []);
        assert!(parse("nonsense\n").is_err());
    }
}
