//! The files that the process may have open at once: connections are such, and the spool's files.

use anyhow::{Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What everything but connections and sessions takes: the index, storage, the web's connections, and second files of sessions
/// that say something just now.
const OTHERS: u64 = 1_024;

/// Sees to it that as many as `limits` need can be open. Most systems start a process with 1,024, and allow it far more.
///
/// # Errors
/// It is not allowed that many.
pub fn allow(limits: &gateway::Limits) -> Result<()> {
    let needed = needed(limits);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    ensure!(
        maximum.is_none_or(|maximum| maximum >= needed),
        "this process may have {} files open, and limits.connections = {} with limits.sessions = {} take up to {needed}: \
         allow it more (`ulimit -Hn`, or LimitNOFILE= of its systemd unit), or set smaller limits",
        maximum.unwrap_or(u64::MAX),
        limits.connections,
        limits.sessions
    );
    setrlimit(Resource::Nofile, Rlimit { current: maximum.or(Some(needed)), maximum })?;
    Ok(())
}

/// A connection is one, and a session has two more: to the cluster, and its file in the spool.
fn needed(limits: &gateway::Limits) -> u64 {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    count(limits.connections).saturating_add(count(limits.sessions).saturating_mul(2)).saturating_add(OTHERS)
}
