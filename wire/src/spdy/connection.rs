use super::control::{Control, Kind};
use super::frame::{Head, Piece, Reader};
use super::headers::{Described, Headers};
use super::outbound;
use super::streams::{Entry, Streams};
use crate::resize::Resize;
use crate::status::ErrorStream;
use crate::termination;
use crate::{Anomaly, Event, Side, Stream, Subresource};

/// The server reads one resize stream; it is not known which of several.
const MOST_RESIZES: usize = 4;

/// Both directions of a SPDY connection.
pub(crate) struct Connection {
    client: Direction,
    server: Direction,
    session: Session,
}

/// One direction's frames.
struct Direction {
    side: Side,
    reader: Reader,
    headers: Headers,
    frame: Frame,
    /// Not followed any further.
    lost: bool,
}

/// The frame whose payload arrives.
#[derive(Clone, Copy)]
enum Frame {
    /// DATA; `stream` is none where the receiving end drops it.
    Data {
        id: u32,
        stream: Option<Stream>,
        fin: bool,
    },
    Control(Control),
}

/// What the frames of both directions are about.
struct Session {
    forwarding: bool,
    json_status: bool,
    streams: Streams,
    error: ErrorStream,
    /// The server ended an error stream itself.
    error_ended: bool,
    resizes: Vec<(u32, Resize)>,
    /// The client said GOAWAY: the server reads no further.
    client_gone: bool,
}

impl Connection {
    pub(crate) fn new(subresource: Subresource, json_status: bool) -> Self {
        Connection {
            client: Direction::new(Side::Client),
            server: Direction::new(Side::Server),
            session: Session {
                forwarding: subresource == Subresource::PortForward,
                json_status,
                streams: Streams::default(),
                error: ErrorStream::new(json_status),
                error_ended: false,
                resizes: Vec::new(),
                client_gone: false,
            },
        }
    }

    #[inline]
    pub(crate) fn feed(&mut self, from: Side, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        let direction = match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        direction.feed(bytes, &mut self.session, sink);
    }

    pub(crate) fn end(&mut self, from: Side, sink: &mut dyn FnMut(Event<'_>)) {
        let session = &mut self.session;
        if from == Side::Server
            && !session.forwarding
            && let Some(status) = session.error.connection_over(session.error_ended)
        {
            sink(Event::Status(status));
        }
    }

    pub(crate) fn to_border(&self, from: Side) -> Option<u64> {
        let direction = match from {
            Side::Client => &self.client,
            Side::Server => &self.server,
        };
        if direction.lost { None } else { direction.reader.to_border() }
    }

    /// FIN on all that the server has not ended, the message on the error streams, GOAWAY.
    pub(crate) fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        let session = &self.session;
        let text = termination::error_text(session.json_status, message, reason, code);
        let mut out = Vec::new();
        for entry in session.streams.unfinished(Side::Server) {
            match entry.stream {
                Some(Stream::Stdout | Stream::Stderr | Stream::PortData) => {
                    outbound::last_data(&mut out, entry.id, b"")
                }
                Some(Stream::Error) if session.error.is_empty() => outbound::last_data(&mut out, entry.id, &text),
                Some(Stream::Error) => outbound::last_data(&mut out, entry.id, b""),
                Some(Stream::PortError) => outbound::last_data(&mut out, entry.id, message.as_bytes()),
                Some(Stream::Stdin | Stream::Resize) | None => {}
            }
        }
        outbound::go_away(&mut out, session.streams.last());
        out
    }
}

impl Direction {
    fn new(side: Side) -> Self {
        let frame = Frame::Data { id: 0, stream: None, fin: false };
        Direction { side, reader: Reader::new(), headers: Headers::new(), frame, lost: false }
    }

    #[inline]
    fn feed(&mut self, mut bytes: &[u8], session: &mut Session, sink: &mut dyn FnMut(Event<'_>)) {
        while !self.lost {
            let Some(piece) = self.reader.next(&mut bytes) else { return };
            if let Err(what) = self.piece(piece, session, sink) {
                self.lost = true;
                sink(Event::Anomaly(Anomaly::Lost { offset: self.reader.offset(), what }));
            }
        }
    }

    #[inline]
    fn piece(
        &mut self,
        piece: Piece<'_>,
        session: &mut Session,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), &'static str> {
        match piece {
            Piece::Head(Head::Data { id: 0, .. }) => return Err("a frame with id 0"),
            Piece::Head(Head::Data { id, fin, empty }) => {
                let stream = self.data(id, empty, session, sink);
                self.frame = Frame::Data { id, stream, fin };
            }
            Piece::Head(Head::Control { kind, flags, length }) => {
                self.frame = Frame::Control(Control::begin(kind, flags, length)?);
            }
            Piece::Payload(payload) => match &mut self.frame {
                Frame::Data { id, stream: Some(stream), .. } => session.payload(*id, *stream, payload, sink),
                Frame::Data { stream: None, .. } => {}
                Frame::Control(control) => {
                    let rest = control.take(payload);
                    if control.has_block() {
                        self.headers.push(rest)?;
                    }
                }
            },
            Piece::End => match self.frame {
                Frame::Data { id, fin, .. } if fin => session.half_close(self.side, id, sink),
                Frame::Data { .. } => {}
                Frame::Control(control) => self.control(control, session, sink)?,
            },
        }
        Ok(())
    }

    /// What a DATA frame's payload is for; none where the other end drops it.
    #[inline]
    fn data(&self, id: u32, empty: bool, session: &mut Session, sink: &mut dyn FnMut(Event<'_>)) -> Option<Stream> {
        let stream = session.receiver(self.side, id);
        // Without a payload it only says FIN, which a server may as well say of the streams it reads.
        if stream.is_none() && self.side == Side::Server && !empty {
            let (offset, what) = (self.reader.offset(), "DATA of the server on a stream that it has not to write");
            sink(Event::Anomaly(Anomaly::Wire { offset, what }));
        }
        stream
    }

    /// A control frame is whole.
    fn control(
        &mut self,
        control: Control,
        session: &mut Session,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), &'static str> {
        let described = if control.has_block() { self.headers.finish()? } else { Described::default() };
        control.check()?;
        let (id, side) = (control.first(), self.side);
        match control.kind {
            Kind::SynStream if side == Side::Client => session.open(id, control.fin, &described, sink)?,
            Kind::SynStream => {
                let (offset, what) = (self.reader.offset(), "a stream opened by the server");
                sink(Event::Anomaly(Anomaly::Wire { offset, what }));
            }
            Kind::SynReply | Kind::Headers if control.fin => session.half_close(side, id, sink),
            Kind::RstStream => session.reset(side, id, control.second(), sink),
            // Each side numbers its own: the client with odd ids.
            Kind::Ping if (id % 2 == 1) == (side == Side::Client) => sink(Event::Ping),
            Kind::Ping => sink(Event::Pong),
            Kind::GoAway => {
                session.client_gone |= side == Side::Client;
                sink(Event::Close { code: Some(control.second()), reason: String::new() });
            }
            Kind::SynReply | Kind::Headers | Kind::Settings | Kind::WindowUpdate => {}
        }
        Ok(())
    }
}

impl Session {
    fn open(
        &mut self,
        id: u32,
        fin: bool,
        described: &Described,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), &'static str> {
        if self.client_gone || !self.streams.accepts(id) {
            return Ok(());
        }
        let stream = self.stream(described);
        self.streams.add(Entry::new(id, stream))?;
        if let Some(stream) = stream {
            if stream == Stream::Resize && self.resizes.len() < MOST_RESIZES {
                self.resizes.push((id, Resize::new()));
            }
            let connection = self.connection(id, stream, described);
            let port = if self.forwarding { described.port } else { None };
            sink(Event::Opened { id, stream, port, connection });
        }
        if fin {
            self.half_close(Side::Client, id, sink);
        }
        Ok(())
    }

    /// By its header, never by its number. The server ignores other names.
    fn stream(&self, described: &Described) -> Option<Stream> {
        match (self.forwarding, described.stream_type.as_deref()?) {
            (false, b"error") => Some(Stream::Error),
            (false, b"stdin") => Some(Stream::Stdin),
            (false, b"stdout") => Some(Stream::Stdout),
            (false, b"stderr") => Some(Stream::Stderr),
            (false, b"resize") => Some(Stream::Resize),
            (true, b"data") => Some(Stream::PortData),
            (true, b"error") => Some(Stream::PortError),
            _ => None,
        }
    }

    /// Very old clients send no `requestid`: the server pairs a data stream with the error stream before it.
    fn connection(&self, id: u32, stream: Stream, described: &Described) -> Option<u32> {
        match stream {
            _ if !self.forwarding => None,
            Stream::PortData => described.request_id.or(id.checked_sub(2)),
            _ => described.request_id.or(Some(id)),
        }
    }

    /// What the other end takes the DATA for. The server drops what follows a FIN, a RST_STREAM or a GOAWAY and
    /// does not read its output streams. Of the server's direction all is kept: v1 servers write their error
    /// behind the RST_STREAM.
    #[inline]
    fn receiver(&mut self, from: Side, id: u32) -> Option<Stream> {
        let entry = self.streams.find(id)?;
        let stream = entry.stream?;
        match (from, stream) {
            (Side::Client, Stream::Stdin | Stream::Resize | Stream::PortData) => {
                (!self.client_gone && !entry.is_over(Side::Client)).then_some(stream)
            }
            (Side::Client, Stream::Stdout | Stream::Stderr | Stream::Error | Stream::PortError) => None,
            (Side::Server, Stream::Stdin | Stream::Resize) => None,
            (Side::Server, _) => Some(stream),
        }
    }

    #[inline]
    fn payload(&mut self, id: u32, stream: Stream, data: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        if stream == Stream::Resize
            && let Some((_, resize)) = self.resizes.iter_mut().find(|(of, _)| *of == id)
        {
            return resize.events(id, data, sink);
        }
        sink(Event::Data { id, stream, data });
        if stream == Stream::Error {
            self.error.push(data);
        }
    }

    fn half_close(&mut self, side: Side, id: u32, sink: &mut dyn FnMut(Event<'_>)) {
        let Some(entry) = self.streams.find(id) else { return };
        let (news, stream) = (entry.finish(side), entry.stream);
        if let (true, Some(stream)) = (news, stream) {
            sink(Event::HalfClosed { id, stream });
            self.error_over(side, stream, sink);
        }
    }

    fn reset(&mut self, side: Side, id: u32, code: u32, sink: &mut dyn FnMut(Event<'_>)) {
        let Some(entry) = self.streams.find(id) else { return };
        entry.reset(side);
        if let Some(stream) = entry.stream {
            sink(Event::Reset { id, stream, code });
            self.error_over(side, stream, sink);
        }
    }

    fn error_over(&mut self, side: Side, stream: Stream, sink: &mut dyn FnMut(Event<'_>)) {
        if (side, stream) != (Side::Server, Stream::Error) {
            return;
        }
        self.error_ended = true;
        if let Some(status) = self.error.stream_over() {
            sink(Event::Status(status));
        }
    }
}
