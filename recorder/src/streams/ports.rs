use std::collections::{BTreeMap, HashMap};

use recording::{
    ForwardedPort,
    cast::{PortConnection, PortState},
};
use wire::{Event, Side, Stream};

/// Most forwarded connections that are followed at a time. Further ones are counted in the totals only.
const CONNECTIONS: usize = 4096;
/// Most streams of these connections, which have two each.
const STREAMS: usize = 2 * CONNECTIONS;
/// Most bytes of an error text that are kept.
const ERROR_BYTES: usize = 4 << 10;
/// Most ports that have a sum of their own; further ones are summed up under port 0.
const PORTS: usize = 256;

/// The connections that one port-forward session carries: which port, how many bytes, how they ended. Their bytes are
/// not stored.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    connections: BTreeMap<u32, Connection>,
    /// By stream: its connection.
    streams: HashMap<u32, u32>,
    sums: Sums,
}

/// Connections that ended, by port.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<u16, ForwardedPort>);

impl Sums {
    pub(crate) fn add(&mut self, connection: &PortConnection) {
        let known = self.0.contains_key(&connection.port) || self.0.len() < PORTS;
        let port = if known { connection.port } else { 0 };
        let sum = self.0.entry(port).or_insert(ForwardedPort { port, ..ForwardedPort::default() });
        sum.connections += 1;
        sum.failed += u64::from(!connection.error.is_empty());
        sum.sent = sum.sent.saturating_add(connection.sent);
        sum.received = sum.received.saturating_add(connection.received);
    }

    /// The sums in the ports' order.
    pub(crate) fn list(&self) -> Vec<ForwardedPort> {
        self.0.values().copied().collect()
    }
}

/// Connections by what the lines of a recording say of them.
#[derive(Debug, Default)]
pub(crate) struct ReportedPorts {
    open: BTreeMap<u32, PortConnection>,
    sums: Sums,
}

impl ReportedPorts {
    /// Takes a `p` event. Of an error only whether there is one counts.
    pub(crate) fn take(&mut self, mut connection: PortConnection) {
        connection.error.truncate(connection.error.floor_char_boundary(ERROR_BYTES));
        connection.error.shrink_to_fit();
        match connection.state {
            PortState::Opened if self.open.len() < CONNECTIONS => {
                _ = self.open.insert(connection.connection, connection)
            }
            PortState::Opened => {}
            PortState::Closed | PortState::Failed => {
                self.open.remove(&connection.connection);
                self.sums.add(&connection);
            }
        }
    }

    /// The sums by port. A connection without an end counts with what was last said of it.
    pub(crate) fn sums(mut self) -> Vec<ForwardedPort> {
        self.open.values().for_each(|connection| self.sums.add(connection));
        self.sums.list()
    }
}

#[derive(Debug, Default)]
struct Connection {
    port: u16,
    sent: u64,
    received: u64,
    /// Bytes, not text: a character may come in two pieces.
    error: Vec<u8>,
    client_done: bool,
    server_done: bool,
}

impl Ports {
    /// Takes what a side sent; `report` gets each connection that opened or ended by it.
    pub(crate) fn event(&mut self, from: Side, event: &Event<'_>, report: &mut dyn FnMut(PortConnection)) {
        match event {
            Event::Opened { id, stream, port, connection } => {
                self.opened(*id, *stream, *port, connection.unwrap_or(*id), report);
            }
            Event::Data { id, stream, data } => self.data(from, *id, *stream, data),
            Event::HalfClosed { id, stream: Stream::PortData } => self.half_closed(from, *id, report),
            Event::Reset { id, stream: Stream::PortData, .. } => {
                if let Some(number) = self.streams.get(id).copied() {
                    self.over(number, report);
                }
            }
            _ => {}
        }
    }

    /// Ends every connection, with the session.
    pub(crate) fn end(&mut self, report: &mut dyn FnMut(PortConnection)) {
        while let Some(number) = self.connections.keys().next().copied() {
            self.over(number, report);
        }
    }

    /// Connections that ended, by port.
    pub(crate) fn sums(&self) -> Vec<ForwardedPort> {
        self.sums.list()
    }

    fn opened(
        &mut self,
        id: u32,
        stream: Stream,
        port: Option<u16>,
        number: u32,
        report: &mut dyn FnMut(PortConnection),
    ) {
        let known = self.connections.contains_key(&number);
        if (self.connections.len() >= CONNECTIONS && !known) || self.streams.len() >= STREAMS {
            return;
        }
        self.streams.insert(id, number);
        let connection = self.connections.entry(number).or_default();
        connection.port = port.unwrap_or(connection.port);
        if stream == Stream::PortData {
            report(connection.state(PortState::Opened, number));
        }
    }

    fn data(&mut self, from: Side, id: u32, stream: Stream, data: &[u8]) {
        let Some(connection) = self.streams.get(&id).and_then(|number| self.connections.get_mut(number)) else {
            return;
        };
        match (stream, from) {
            (Stream::PortData, Side::Client) => connection.sent += data.len() as u64,
            (Stream::PortData, Side::Server) => connection.received += data.len() as u64,
            (Stream::PortError, Side::Server) if connection.error.len() < ERROR_BYTES => {
                let room = ERROR_BYTES - connection.error.len();
                connection.error.extend_from_slice(&data[..data.len().min(room)]);
            }
            _ => {}
        }
    }

    fn half_closed(&mut self, from: Side, id: u32, report: &mut dyn FnMut(PortConnection)) {
        let Some(number) = self.streams.get(&id).copied() else { return };
        let Some(connection) = self.connections.get_mut(&number) else { return };
        match from {
            Side::Client => connection.client_done = true,
            Side::Server => connection.server_done = true,
        }
        if connection.client_done && connection.server_done {
            self.over(number, report);
        }
    }

    fn over(&mut self, number: u32, report: &mut dyn FnMut(PortConnection)) {
        if let Some(connection) = self.connections.remove(&number) {
            self.streams.retain(|_, of| *of != number);
            let state = if connection.error.is_empty() { PortState::Closed } else { PortState::Failed };
            let ended = connection.state(state, number);
            self.sums.add(&ended);
            report(ended);
        }
    }
}

impl Connection {
    fn state(&self, state: PortState, connection: u32) -> PortConnection {
        PortConnection {
            state,
            port: self.port,
            connection,
            sent: self.sent,
            received: self.received,
            error: String::from_utf8_lossy(&self.error).into_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(id: u32, stream: Stream, connection: u32) -> Event<'static> {
        Event::Opened { id, stream, port: Some(8080), connection: Some(connection) }
    }

    fn data(id: u32, stream: Stream, data: &[u8]) -> Event<'_> {
        Event::Data { id, stream, data }
    }

    fn reported(events: &[(Side, Event<'_>)]) -> Vec<(PortState, u32, u64, u64, String)> {
        let mut ports = Ports::default();
        let mut reported = Vec::new();
        let mut report = |at: PortConnection| reported.push((at.state, at.connection, at.sent, at.received, at.error));
        for (from, event) in events {
            ports.event(*from, event, &mut report);
        }
        ports.end(&mut report);
        reported
    }

    #[test]
    fn each_connection_is_told_apart() {
        let closed = Event::HalfClosed { id: 3, stream: Stream::PortData };
        let events = [
            (Side::Client, opened(1, Stream::PortError, 0)),
            (Side::Client, opened(3, Stream::PortData, 0)),
            (Side::Client, opened(5, Stream::PortError, 1)),
            (Side::Client, opened(7, Stream::PortData, 1)),
            (Side::Client, data(3, Stream::PortData, b"GET")),
            (Side::Server, data(3, Stream::PortData, b"hello")),
            (Side::Server, closed.clone()),
            (Side::Client, closed),
        ];
        assert_eq!(
            reported(&events),
            [
                (PortState::Opened, 0, 0, 0, String::new()),
                (PortState::Opened, 1, 0, 0, String::new()),
                (PortState::Closed, 0, 3, 5, String::new()),
                (PortState::Closed, 1, 0, 0, String::new()),
            ]
        );
    }

    #[test]
    fn an_error_text_is_the_same_wherever_it_is_cut() {
        let text = "port 80: r\u{e9}fus\u{e9}".as_bytes();
        for cut in 0..=text.len() {
            let events = [
                (Side::Client, opened(1, Stream::PortError, 0)),
                (Side::Server, data(1, Stream::PortError, &text[..cut])),
                (Side::Server, data(1, Stream::PortError, &text[cut..])),
            ];
            let error = "port 80: r\u{e9}fus\u{e9}".to_owned();
            assert_eq!(reported(&events), [(PortState::Failed, 0, 0, 0, error)], "cut at {cut}");
        }
    }

    #[test]
    fn connections_are_summed_up_by_port_and_ports_without_end_under_one() {
        let mut ports = Ports::default();
        for id in 0..1000_u32 {
            let port = Some(u16::try_from(1 + id % 500).unwrap_or(0));
            let opened = Event::Opened { id, stream: Stream::PortData, port, connection: Some(id) };
            ports.event(Side::Client, &opened, &mut |_| {});
            ports.event(Side::Client, &data(id, Stream::PortData, b"GET"), &mut |_| {});
        }
        ports.end(&mut |_| {});
        let sums = ports.sums();
        assert_eq!(sums.len(), PORTS + 1);
        assert_eq!(sums[0], ForwardedPort { port: 0, connections: 488, sent: 3 * 488, ..ForwardedPort::default() });
        assert_eq!(sums[1], ForwardedPort { port: 1, connections: 2, sent: 6, ..ForwardedPort::default() });
    }

    #[test]
    fn streams_without_end_of_one_connection_are_not_all_remembered() {
        let mut ports = Ports::default();
        for id in (1..100_000).step_by(2) {
            ports.event(Side::Client, &opened(id, Stream::PortError, 0), &mut |_| {});
            let reset = Event::Reset { id, stream: Stream::PortError, code: 5 };
            ports.event(Side::Client, &reset, &mut |_| {});
        }
        assert_eq!((ports.connections.len(), ports.streams.len()), (1, STREAMS));
    }

    #[test]
    fn a_refused_connection_failed() {
        let events = [
            (Side::Client, opened(1, Stream::PortError, 0)),
            (Side::Client, opened(3, Stream::PortData, 0)),
            (Side::Server, data(1, Stream::PortError, b"connection refused")),
            (Side::Server, Event::Reset { id: 3, stream: Stream::PortData, code: 5 }),
        ];
        assert_eq!(reported(&events)[1], (PortState::Failed, 0, 0, 0, "connection refused".to_owned()));
    }
}
