//! `[limits]`: how much the gateway accepts, and how long it waits.

use std::{ops::RangeInclusive, time::Duration};

use anyhow::{Result, ensure};
use gateway::Limits;

use super::{quantity::HumanDuration, raw, reader::Reader};

/// Most connections or sessions: each takes descriptors and memory, and no machine has them for more.
const MOST: usize = 1_000_000;
/// One person has a tenth of sessions and connections by default, so that a leaked credential does not shut everybody out.
const PER_PERSON: usize = 10;
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
        let usual_per_person = (sessions / PER_PERSON).max(1);
        let sessions_per_person = self.count("sessions_per_person", raw.sessions_per_person, usual_per_person)?;
        ensure!(
            sessions_per_person <= sessions,
            "{}: limits.sessions, of all people together, is {sessions}",
            self.at("limits.sessions_per_person")
        );
        let usual_connections = (connections / PER_PERSON).saturating_add(sessions_per_person).min(connections);
        let connections_per_person =
            self.count("connections_per_person", raw.connections_per_person, usual_connections)?;
        ensure!(
            (sessions_per_person..=connections).contains(&connections_per_person),
            "{}: each session is a connection: it is from limits.sessions_per_person, {sessions_per_person}, to \
             limits.connections, {connections}",
            self.at("limits.connections_per_person")
        );
        let unauthenticated_per_address = self.count(
            "unauthenticated_per_address",
            raw.unauthenticated_per_address,
            usual.unauthenticated_per_address.min(connections),
        )?;
        ensure!(
            unauthenticated_per_address <= connections,
            "{}: limits.connections, of all addresses together, is {connections}",
            self.at("limits.unauthenticated_per_address")
        );
        Ok(Limits {
            connections,
            connections_per_person,
            unauthenticated_per_address,
            sessions,
            sessions_per_person,
            head: self.time("handshake", raw.handshake, usual.head, SHORTEST..=LONGEST)?,
            idle: self.time("idle", raw.idle, usual.idle, SHORTEST..=LONGEST)?,
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::{Config, raw};

    fn limits(text: &str) -> anyhow::Result<gateway::Limits> {
        let text = format!("{text}\n[gateway]\nname = \"g\"\n");
        Ok(Config::new(Path::new("/k.toml"), &text, toml::from_str::<raw::File>(&text)?)?.limits)
    }

    #[test]
    fn one_person_has_a_tenth_of_the_sessions() {
        let usual = limits("").unwrap();
        assert_eq!((usual.sessions, usual.sessions_per_person), (4_000, 400));
        assert_eq!(limits("[limits]\nsessions = 50").unwrap().sessions_per_person, 5);
        assert_eq!(limits("[limits]\nsessions = 5").unwrap().sessions_per_person, 1);
        assert_eq!(limits("[limits]\nsessions = 5\nsessions_per_person = 5").unwrap().sessions_per_person, 5);
    }

    #[test]
    fn one_person_has_a_tenth_of_the_connections_beside_their_sessions() {
        assert_eq!(limits("").unwrap().connections_per_person, 1_400);
        assert_eq!(limits("[limits]\nsessions_per_person = 3000").unwrap().connections_per_person, 4_000);
        assert_eq!(limits("[limits]\nconnections = 50\nsessions = 50").unwrap().connections_per_person, 10);
        let error = limits("[limits]\nconnections_per_person = 399").unwrap_err().to_string();
        assert!(error.contains("limits.sessions_per_person, 400"), "{error}");
    }

    #[test]
    fn one_address_has_no_more_connections_than_there_are() {
        assert_eq!(limits("").unwrap().unauthenticated_per_address, 1_000);
        assert_eq!(limits("[limits]\nconnections = 70\nsessions = 7").unwrap().unauthenticated_per_address, 70);
        let error = limits("[limits]\nunauthenticated_per_address = 10001").unwrap_err().to_string();
        assert!(error.contains("limits.connections") && error.contains("is 10000"), "{error}");
    }
}
