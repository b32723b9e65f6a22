use super::control::{ControlFrame, ControlKind};
use super::frame::{SpdyFrameHeader, SpdyFrameItem, SpdyFrameReader, write_go_away, write_last_data};
use super::headers::{HeaderBlocks, StreamHeaders};
use super::streams::{StreamEntry, StreamTable};
use crate::resize::ResizeDecoder;
use crate::status::ErrorStream;
use crate::termination;
use crate::{Anomaly, Event, Side, Stream, Subresource};

/// Most resize streams that are read. The server reads one of them, and it is not known which.
const MAX_RESIZE_STREAMS: usize = 4;
/// spdystream handles a connection's frames in five queues by priority: one for a stream that it does not know can be overtaken
/// by the SYN_STREAM behind it, and is then read.
const NOT_OPEN_YET: &str = "a frame of a stream that is not open yet";

/// Both directions of a SPDY connection.
pub(crate) struct SpdyConnection {
    client: Direction,
    server: Direction,
    shared: SharedState,
}

/// One direction's frames.
struct Direction {
    side: Side,
    reader: SpdyFrameReader,
    headers: HeaderBlocks,
    frame: OpenFrame,
    /// This direction is read no further.
    lost: bool,
}

/// The frame whose payload is arriving.
#[derive(Clone, Copy)]
enum OpenFrame {
    /// DATA. `stream` is `None` if the receiving end drops it.
    Data {
        id: u32,
        stream: Option<Stream>,
        fin: bool,
    },
    Control(ControlFrame),
}

/// The state that both directions share.
struct SharedState {
    forwarding: bool,
    json_status: bool,
    streams: StreamTable,
    error: ErrorStream,
    /// The server ended an error stream itself.
    error_ended: bool,
    resizes: Vec<(u32, ResizeDecoder)>,
    /// The client sent GOAWAY: the server reads no further.
    client_gone: bool,
}

impl SpdyConnection {
    pub(crate) fn new(subresource: Subresource, json_status: bool) -> Self {
        SpdyConnection {
            client: Direction::new(Side::Client),
            server: Direction::new(Side::Server),
            shared: SharedState {
                forwarding: subresource == Subresource::PortForward,
                json_status,
                streams: StreamTable::default(),
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
        direction.feed(bytes, &mut self.shared, sink);
    }

    pub(crate) fn end(&mut self, from: Side, sink: &mut dyn FnMut(Event<'_>)) {
        let shared = &mut self.shared;
        if from == Side::Server
            && !shared.forwarding
            && let Some(status) = shared.error.connection_over(shared.error_ended)
        {
            sink(Event::Status(status));
        }
    }

    pub(crate) fn bytes_to_frame_boundary(&self, from: Side) -> Option<u64> {
        let direction = match from {
            Side::Client => &self.client,
            Side::Server => &self.server,
        };
        if direction.lost { None } else { direction.reader.bytes_to_frame_boundary() }
    }

    /// FIN on every stream that the server has not ended, the message on the error streams, and GOAWAY.
    pub(crate) fn termination(&self, message: &str, reason: &str, code: u16) -> Vec<u8> {
        let shared = &self.shared;
        let text = termination::error_text(shared.json_status, message, reason, code);
        let mut out = Vec::new();
        for entry in shared.streams.unfinished(Side::Server) {
            match entry.stream {
                Some(Stream::Stdout | Stream::Stderr | Stream::PortData) => write_last_data(&mut out, entry.id, b""),
                Some(Stream::Error) if shared.error.is_empty() => write_last_data(&mut out, entry.id, &text),
                Some(Stream::Error) => write_last_data(&mut out, entry.id, b""),
                Some(Stream::PortError) => write_last_data(&mut out, entry.id, message.as_bytes()),
                Some(Stream::Stdin | Stream::Resize) | None => {}
            }
        }
        write_go_away(&mut out, shared.streams.last());
        out
    }
}

impl Direction {
    fn new(side: Side) -> Self {
        let frame = OpenFrame::Data { id: 0, stream: None, fin: false };
        Direction { side, reader: SpdyFrameReader::new(), headers: HeaderBlocks::new(), frame, lost: false }
    }

    #[inline]
    fn feed(&mut self, mut bytes: &[u8], shared: &mut SharedState, sink: &mut dyn FnMut(Event<'_>)) {
        while !self.lost {
            let Some(piece) = self.reader.next(&mut bytes) else { return };
            if let Err(what) = self.piece(piece, shared, sink) {
                self.lost = true;
                sink(Event::Anomaly(Anomaly::Lost { offset: self.reader.offset(), what }));
            }
        }
    }

    #[inline]
    fn piece(
        &mut self,
        piece: SpdyFrameItem<'_>,
        shared: &mut SharedState,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), &'static str> {
        match piece {
            SpdyFrameItem::Header(SpdyFrameHeader::Data { id: 0, .. }) => return Err("a frame with id 0"),
            SpdyFrameItem::Header(SpdyFrameHeader::Data { id, fin, empty }) => {
                let stream = self.data(id, empty, shared, sink);
                self.frame = OpenFrame::Data { id, stream, fin };
            }
            SpdyFrameItem::Header(SpdyFrameHeader::Control { kind, flags, length }) => {
                self.frame = OpenFrame::Control(ControlFrame::begin(kind, flags, length)?);
            }
            SpdyFrameItem::Payload(payload) => match &mut self.frame {
                OpenFrame::Data { id, stream: Some(stream), .. } => {
                    shared.payload(*id, *stream, self.reader.offset(), payload, sink);
                }
                OpenFrame::Data { stream: None, .. } => {}
                OpenFrame::Control(control) => {
                    let rest = control.take(payload);
                    control.check_count()?;
                    if control.has_block() {
                        self.headers.push(rest)?;
                    }
                }
            },
            SpdyFrameItem::End => match self.frame {
                OpenFrame::Data { id, fin, .. } if fin => shared.half_close(self.side, id, sink),
                OpenFrame::Data { .. } => {}
                OpenFrame::Control(control) => self.control(control, shared, sink)?,
            },
        }
        Ok(())
    }

    /// The stream that a DATA frame's payload belongs to. `None` if the other end drops it.
    #[inline]
    fn data(&self, id: u32, empty: bool, shared: &mut SharedState, sink: &mut dyn FnMut(Event<'_>)) -> Option<Stream> {
        if let Some(what) = shared.data_fault(self.side, id, empty) {
            self.odd(what, sink);
        }
        shared.receiver(self.side, id)
    }

    fn odd(&self, what: &'static str, sink: &mut dyn FnMut(Event<'_>)) {
        sink(Event::Anomaly(Anomaly::Wire { offset: self.reader.offset(), what }));
    }

    /// A control frame is complete.
    fn control(
        &mut self,
        control: ControlFrame,
        shared: &mut SharedState,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), &'static str> {
        let headers = if control.has_block() { self.headers.finish()? } else { StreamHeaders::default() };
        control.check()?;
        let (id, side) = (control.first(), self.side);
        let (has_stream, on_client) = (control.has_stream(), side == Side::Client);
        match control.kind {
            ControlKind::SynStream if on_client => {
                if let Some(what) = shared.open(id, control.fin, &headers, sink)? {
                    self.odd(what, sink);
                }
            }
            ControlKind::SynStream => self.odd("a stream opened by the server", sink),
            _ if has_stream && on_client && shared.streams.is_to_come(id) => self.odd(NOT_OPEN_YET, sink),
            // The server has replied already, and ignores it, FIN included.
            ControlKind::SynReply if on_client => self.odd("a SYN_REPLY of the client", sink),
            ControlKind::SynReply => shared.reply(id, control.fin, sink),
            // spdystream waits for somebody who reads the headers, and handles no frame of a fifth of all streams meanwhile.
            ControlKind::Headers if shared.streams.find(id).is_some() => {
                return Err("a HEADERS frame, which nobody reads");
            }
            ControlKind::RstStream => shared.reset(side, id, control.second(), sink),
            // Each side numbers its own PINGs: the client uses odd ids.
            ControlKind::Ping if (id % 2 == 1) == (side == Side::Client) => sink(Event::Ping),
            ControlKind::Ping => sink(Event::Pong),
            ControlKind::GoAway => {
                shared.client_gone |= side == Side::Client;
                sink(Event::Close { code: Some(control.second()), reason: String::new() });
            }
            ControlKind::Headers | ControlKind::Settings | ControlKind::WindowUpdate => {}
        }
        Ok(())
    }
}

impl SharedState {
    /// Opens a stream if the server does. Returns what is odd about it.
    fn open(
        &mut self,
        id: u32,
        fin: bool,
        headers: &StreamHeaders,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<&'static str>, &'static str> {
        if self.client_gone || !self.streams.accepts(id) {
            return Ok(None);
        }
        let stream = self.stream(headers);
        let again = !self.forwarding && stream.is_some() && self.streams.iter().any(|entry| entry.stream == stream);
        self.streams.add(StreamEntry::new(id, stream))?;
        if let Some(stream) = stream {
            if stream == Stream::Resize && self.resizes.len() < MAX_RESIZE_STREAMS {
                self.resizes.push((id, ResizeDecoder::new()));
            }
            let connection = self.connection(id, stream, headers);
            let port = if self.forwarding { headers.port } else { None };
            sink(Event::Opened { id, stream, port, connection });
        }
        if fin {
            self.half_close(Side::Client, id, sink);
        }
        // The server reads the one that came last before the process was started.
        Ok(again.then_some("a second stream of one kind"))
    }

    /// What a stream carries, by its header and never by its number. `None` for those that the server ignores or refuses
    /// (`httpStreamReceived` in `k8s.io/kubelet/pkg/cri/streaming/portforward/httpstream.go`).
    fn stream(&self, headers: &StreamHeaders) -> Option<Stream> {
        if self.forwarding && headers.port.is_none_or(|port| port == 0) {
            return None;
        }
        match (self.forwarding, headers.stream_type.as_deref()?) {
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

    /// The number of a forwarded connection. Very old clients send no `requestid`: the server pairs a data stream with
    /// the error stream before it.
    fn connection(&self, id: u32, stream: Stream, headers: &StreamHeaders) -> Option<u32> {
        match stream {
            _ if !self.forwarding => None,
            Stream::PortData => headers.request_id.or(id.checked_sub(2)),
            _ => headers.request_id.or(Some(id)),
        }
    }

    /// What is odd about DATA on a stream. An empty frame only says FIN, which either side may say of the streams that it
    /// reads, too.
    #[inline]
    fn data_fault(&mut self, from: Side, id: u32, empty: bool) -> Option<&'static str> {
        let to_come = self.streams.is_to_come(id);
        let entry = self.streams.find(id);
        let stream = entry.as_ref().and_then(|entry| entry.stream);
        match (from, stream) {
            (Side::Client, _) if to_come => Some(NOT_OPEN_YET),
            (Side::Client, Some(Stream::Stdin | Stream::Resize | Stream::PortData)) => None,
            // spdystream waits for somebody who reads it, as with HEADERS.
            (Side::Client, _) => entry
                .filter(|entry| !empty && !entry.is_over(Side::Client))
                .map(|_| "DATA of the client on a stream that the server does not read"),
            (Side::Server, None | Some(Stream::Stdin | Stream::Resize)) => {
                (!empty).then_some("DATA of the server on a stream that it has not to write")
            }
            // Clients drop it.
            (Side::Server, _) => {
                entry.filter(|entry| !entry.is_replied()).map(|_| "DATA of the server before its SYN_REPLY")
            }
        }
    }

    fn reply(&mut self, id: u32, fin: bool, sink: &mut dyn FnMut(Event<'_>)) {
        if let Some(entry) = self.streams.find(id) {
            entry.reply();
        }
        if fin {
            self.half_close(Side::Server, id, sink);
        }
    }

    /// What the other end takes DATA for. The server drops what follows a FIN, a RST_STREAM or a GOAWAY, and does not
    /// read its output streams. Of the server's direction all is kept: v1 servers write their error behind the
    /// RST_STREAM.
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
    fn payload(&mut self, id: u32, stream: Stream, offset: u64, data: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        if stream == Stream::Resize
            && let Some((_, resize)) = self.resizes.iter_mut().find(|(of, _)| *of == id)
        {
            return resize.events(id, offset, data, sink);
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
