//! What `fuzz/` drives: compiled with `--cfg fuzzing` only.

use crate::request::{head, path::Path};

/// Checks that a path that is accepted has one spelling, which is read as the same path.
///
/// # Panics
/// If it is not so.
pub fn path(raw: &str) {
    let Ok(path) = Path::parse(raw) else { return };
    let mut written = String::new();
    path.write(&mut written);
    let again = Path::parse(&written).expect("a path of ours");
    assert_eq!(again.segments(), path.segments());
    let mut twice = String::new();
    again.write(&mut twice);
    assert_eq!(twice, written);
    assert!(!path.segments().iter().any(|segment| segment.contains('/') || matches!(&**segment, "" | "." | "..")));
}

/// Parses a request's head.
///
/// # Panics
/// If its length is beyond the bytes.
pub fn head(bytes: &[u8]) {
    if let Ok(head) = head::request(bytes) {
        assert!(head.length <= bytes.len());
        let _ = head::unambiguous_length(&head.headers);
        let (path_part, _) = head.target.split_once('?').unwrap_or((&head.target, ""));
        path(path_part);
    }
}
