//! `fixtures/typed/*.jsonl.zst`: sessions of real programs, with the history that they themselves wrote. See
//! `record.py` there.

use std::path::PathBuf;

use recording::{
    Micros,
    cast::{Code, Event},
};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub struct TypedSession {
    pub name: String,
    pub shell: String,
    pub columns: u16,
    pub rows: u16,
    /// `command`, or `line` if the program's log splits commands into lines.
    pub by: String,
    /// The program's log omits a line that equals the one before.
    pub once: bool,
    pub commands: Vec<String>,
    /// What may be found beside that: it was typed where no log has it.
    pub may: Vec<String>,
    pub secrets: Vec<String>,
    events: Vec<(f64, String, String)>,
}

impl TypedSession {
    /// The events; `keys`: including what was typed.
    pub fn events(&self, keys: bool) -> impl Iterator<Item = Event> {
        let size = format!("{}x{}", self.columns, self.rows);
        let first = Event { time: Micros::ZERO, code: Code::Resize, data: size };
        let rest = self.events.iter().map(|(seconds, code, data)| {
            let code = Code::from_name(code).expect("a known code");
            Event { time: Micros::new((seconds * 1e6) as u64), code, data: data.clone() }
        });
        std::iter::once(first).chain(rest).filter(move |event| keys || event.code != Code::Input)
    }
}

/// The sessions of a set, `tuned` or `heldout`, from the folder in `KUBETAPE_TYPED` if that is set.
pub fn sessions(set: &str) -> Vec<TypedSession> {
    let own = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/typed"));
    let folder = std::env::var_os("KUBETAPE_TYPED").map_or(own, PathBuf::from);
    let path = folder.join(format!("{set}.jsonl.zst"));
    let packed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = zstd::decode_all(packed.as_slice()).expect("zstd");
    let lines = String::from_utf8(lines).expect("UTF-8");
    let only = std::env::var("TYPED_ONLY").unwrap_or_default();
    let sessions = lines.lines().map(|line| serde_json::from_str(line).expect("a session"));
    sessions.filter(|session: &TypedSession| session.name.contains(&only)).collect()
}
