//! `[limits]`: how much the gateway accepts, and how long it waits.

use std::{ops::RangeInclusive, time::Duration};

use anyhow::{Result, ensure};
use gateway::Limits;

use super::{quantity::HumanDuration, raw, reader::Reader};

/// Most connections or sessions: each takes descriptors and memory, and no machine has them for more.
const MOST: usize = 1_000_000;
/// Shortest time: with less, clients over slow links never get in.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(3600);

impl Reader<'_> {
    pub(super) fn limits(&self, raw: &raw::Limits) -> Result<Limits> {
        let usual = Limits::default();
        let connections = self.count("connections", raw.connections, usual.connections)?;
        let sessions = self.count("sessions", raw.sessions, usual.sessions.min(connections))?;
        ensure!(
            sessions <= connections,
            "{}: each session is a connection, and limits.connections is {connections}",
            self.at("limits.sessions")
        );
        let sessions_per_person = self.count("sessions_per_person", raw.sessions_per_person, sessions)?;
        ensure!(
            sessions_per_person <= sessions,
            "{}: limits.sessions, of all people together, is {sessions}",
            self.at("limits.sessions_per_person")
        );
        Ok(Limits {
            connections,
            sessions,
            sessions_per_person,
            head: self.time("handshake", raw.handshake, usual.head, SHORTEST..=LONGEST)?,
            connect: self.time("connect", raw.connect, usual.connect, SHORTEST..=LONGEST)?,
            answer: self.time("answer", raw.answer, usual.answer, SHORTEST..=LONGEST)?,
            image: self.time("image", raw.image, usual.image, Duration::ZERO..=LONGEST)?,
            fallback: self.time("fallback", raw.fallback, usual.fallback, Duration::ZERO..=LONGEST)?,
            linger: self.time("linger", raw.linger, usual.linger, SHORTEST..=LONGEST)?,
            shutdown: self.time("shutdown", raw.shutdown, usual.shutdown, SHORTEST..=LONGEST)?,
        })
    }

    fn count(&self, key: &str, given: Option<usize>, usual: usize) -> Result<usize> {
        let count = given.unwrap_or(usual);
        ensure!((1..=MOST).contains(&count), "{}: is from 1 to {MOST}", self.at(&format!("limits.{key}")));
        Ok(count)
    }

    fn time(
        &self,
        key: &str,
        given: Option<HumanDuration>,
        usual: Duration,
        of: RangeInclusive<Duration>,
    ) -> Result<Duration> {
        let time = given.map_or(usual, |span| span.0);
        let (shortest, longest) = (HumanDuration(*of.start()), HumanDuration(*of.end()));
        ensure!(of.contains(&time), "{}: is from {shortest} to {longest}", self.at(&format!("limits.{key}")));
        Ok(time)
    }
}
