//! `[spool]`: what may wait for storage.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{
    quantity::{HumanDuration, HumanSize},
    raw,
    reader::Reader,
    running::Spool,
};

/// Room for a header with the longest URL, and what is read at once.
const SMALLEST_SPOOL: u64 = 4 << 20;

impl Reader<'_> {
    /// `at_once`: how many sessions the gateway accepts.
    pub(super) fn spool(
        &self,
        raw: raw::Spool,
        sync: Option<HumanDuration>,
        state: &Path,
        at_once: usize,
    ) -> Result<Spool> {
        let usual = spool::SpoolLimits::default();
        let bounds = spool::SpoolLimits {
            session_bytes: raw.session_bytes.map_or(usual.session_bytes, |size| size.0),
            total_bytes: raw.total_bytes.map_or(usual.total_bytes, |size| size.0),
            sessions: raw.sessions.unwrap_or(usual.sessions.max(at_once)),
            disk_floor: raw.disk_floor.map_or(usual.disk_floor, |size| size.0),
            sync: sync.map_or(usual.sync, |span| span.0),
        };
        ensure!(
            bounds.session_bytes >= SMALLEST_SPOOL,
            "{}: a session needs room for {} at least",
            self.at("spool.session_bytes"),
            HumanSize(SMALLEST_SPOOL)
        );
        ensure!(
            bounds.total_bytes >= bounds.session_bytes,
            "{}: must hold at least one session ({})",
            self.at("spool.total_bytes"),
            HumanSize(bounds.session_bytes)
        );
        ensure!(
            bounds.sessions >= at_once,
            "{}: those under way count as well, and limits.sessions is {at_once}",
            self.at("spool.sessions")
        );
        Ok(Spool { dir: raw.dir.map_or_else(|| state.join("spool"), |dir| self.path(dir)), bounds })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn a_spool_has_room_for_the_sessions_that_are_let_in() {
        let read = |text: &str| Config::new(Path::new("/d/k.toml"), text, toml::from_str(text).unwrap());
        let error = read("[spool]\nsessions = 5\n").unwrap_err().to_string();
        assert!(error.contains("k.toml, line 2") && error.contains("limits.sessions is 4000"), "{error}");
        assert_eq!(read("[spool]\nsessions = 5\n[limits]\nsessions = 5\n").unwrap().spool.bounds.sessions, 5);
        let many = "[limits]\nsessions = 50000\nconnections = 50000\n";
        assert_eq!(read(many).unwrap().spool.bounds.sessions, 50_000);
    }
}
