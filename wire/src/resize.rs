//! Terminal sizes: a stream of JSON values, read as Go's `json.Decoder` reads it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::{Anomaly, Event, Size, Stream};

/// Most bytes of a value. Real ones have 25; behind a longer one no size is read.
const MAX_VALUE_BYTES: usize = 4 << 10;

/// Reads sizes from the resize stream. Message boundaries mean nothing: a value may be split over messages, and one
/// message may hold two. After the first value that is not a size nothing is read any more, like in the server's loop,
/// which returns at the first error (`handleResizeEvents` in
/// `k8s.io/kubelet/pkg/cri/streaming/remotecommand/httpstream.go`).
pub(crate) struct ResizeDecoder {
    value: Vec<u8>,
    position: JsonPosition,
    failed: bool,
}

/// The position in a JSON value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JsonPosition {
    Between,
    /// Inside this many braces.
    Object(u32),
    Text(u32),
    /// Behind a backslash.
    Escape(u32),
}

impl ResizeDecoder {
    pub(crate) fn new() -> Self {
        ResizeDecoder { value: Vec::new(), position: JsonPosition::Between, failed: false }
    }

    /// The bytes as events: Data, with each Resize right behind the brace that completes it, however the bytes are cut. At
    /// `offset` is the frame that they came in.
    pub(crate) fn events(&mut self, id: u32, offset: u64, mut bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        while !bytes.is_empty() {
            let failed = self.failed;
            let (length, size) = self.value(bytes);
            let (data, rest) = bytes.split_at(length);
            sink(Event::Data { id, stream: Stream::Resize, data });
            if let Some(size) = size {
                sink(Event::Resize(size));
            }
            // The server reads no more of the stream, and of a WebSocket nothing at all once the next size has come.
            if self.failed && !failed {
                let what = "a terminal size that the server cannot read";
                sink(Event::Anomaly(Anomaly::Wire { offset, what }));
            }
            bytes = rest;
        }
    }

    /// Reads up to the end of the first complete value, or of what is none, or all of `bytes`. Returns how many bytes it
    /// read.
    fn value(&mut self, bytes: &[u8]) -> (usize, Option<Size>) {
        if self.failed {
            return (bytes.len(), None);
        }
        for (at, &byte) in bytes.iter().enumerate() {
            let size = self.step(byte);
            if size.is_some() || self.failed {
                return (at + 1, size);
            }
        }
        (bytes.len(), None)
    }

    fn step(&mut self, byte: u8) -> Option<Size> {
        let blank = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        if self.position == JsonPosition::Between && blank {
            return None;
        }
        match self.position.next(byte) {
            Some(position) if self.value.len() < MAX_VALUE_BYTES => self.position = position,
            _ => {
                self.fail();
                return None;
            }
        }
        self.value.push(byte);
        if self.position != JsonPosition::Between {
            return None;
        }
        let parsed = serde_json::from_slice::<TerminalSizeJson>(&self.value);
        self.value.clear();
        self.failed = parsed.is_err();
        parsed.ok().map(|parsed_size| parsed_size.size)
    }

    fn fail(&mut self) {
        self.failed = true;
        self.value = Vec::new();
    }
}

impl JsonPosition {
    /// The position behind `byte`. `None` if the value is not an object, and so no size.
    fn next(self, byte: u8) -> Option<JsonPosition> {
        Some(match (self, byte) {
            (JsonPosition::Between, b'{') => JsonPosition::Object(1),
            (JsonPosition::Between, _) => return None,
            (JsonPosition::Object(depth), b'{') => JsonPosition::Object(depth + 1),
            (JsonPosition::Object(1), b'}') => JsonPosition::Between,
            (JsonPosition::Object(depth), b'}') => JsonPosition::Object(depth - 1),
            (JsonPosition::Object(depth), b'"') => JsonPosition::Text(depth),
            (JsonPosition::Text(depth), b'"') => JsonPosition::Object(depth),
            (JsonPosition::Text(depth), b'\\') => JsonPosition::Escape(depth),
            (JsonPosition::Escape(depth), _) => JsonPosition::Text(depth),
            (stays, _) => stays,
        })
    }
}

/// `remotecommand.TerminalSize` as Go decodes it: names in any case, the last value of a name counts, null changes
/// nothing, other names are ignored, a missing value is 0.
struct TerminalSizeJson {
    size: Size,
}

impl<'de> Deserialize<'de> for TerminalSizeJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TerminalSizeVisitor)
    }
}

struct TerminalSizeVisitor;

impl<'de> Visitor<'de> for TerminalSizeVisitor {
    type Value = TerminalSizeJson;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a terminal size")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<TerminalSizeJson, M::Error> {
        let mut size = Size { width: 0, height: 0 };
        while let Some(key) = map.next_key::<String>()? {
            let field = match key.to_ascii_lowercase().as_str() {
                "width" => &mut size.width,
                "height" => &mut size.height,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if let Some(value) = map.next_value::<Option<u16>>()? {
                *field = value;
            }
        }
        Ok(TerminalSizeJson { size })
    }
}

#[cfg(test)]
mod tests {
    use super::ResizeDecoder;
    use crate::Event;

    fn sizes(messages: &[&str]) -> Vec<(u16, u16)> {
        let (mut resize, mut sizes) = (ResizeDecoder::new(), Vec::new());
        for message in messages {
            resize.events(4, 0, message.as_bytes(), &mut |event| {
                if let Event::Resize(size) = event {
                    sizes.push((size.width, size.height));
                }
            });
        }
        sizes
    }

    #[test]
    fn kubectl_node_and_blanks() {
        assert_eq!(sizes(&["{\"Width\":80,\"Height\":24}\n"]), [(80, 24)]);
        assert_eq!(sizes(&[r#"{"height":24,"width":80}"#]), [(80, 24)]);
        assert_eq!(sizes(&[" \t{ \"WIDTH\" : 80 , \"Height\":24 } \r\n"]), [(80, 24)]);
    }

    #[test]
    fn split_over_messages_and_two_in_one() {
        assert_eq!(sizes(&[r#"{"Wid"#, r#"th":80,"Hei"#, r#"ght":24}"#]), [(80, 24)]);
        assert_eq!(sizes(&[r#"{"Width":1,"Height":2}{"Width":3,"Height":4}"#]), [(1, 2), (3, 4)]);
    }

    #[test]
    fn what_gos_decoder_makes_of_odd_objects() {
        assert_eq!(sizes(&["{}"]), [(0, 0)]);
        assert_eq!(sizes(&[r#"{"Width":1,"width":2,"Height":null,"x":{"y":["}",1]}}"#]), [(2, 0)]);
        assert_eq!(sizes(&[r#"{"a\"}":0,"Width":65535}"#]), [(65535, 0)]);
    }

    #[test]
    fn nothing_is_read_after_the_first_error() {
        let good = r#"{"Width":80,"Height":24}"#;
        for bad in [
            "x",
            "}",
            "[]",
            "\"\"",
            "{bad}",
            "{,}",
            r#"{"Width":80.0}"#,
            r#"{"Width":-1}"#,
            r#"{"Width":65536}"#,
            r#"{"Width":"80"}"#,
        ] {
            assert_eq!(sizes(&[good, bad, good]), [(80, 24)], "{bad}");
        }
    }

    #[test]
    fn an_endless_value_is_not_kept() {
        let mut resize = ResizeDecoder::new();
        assert_eq!(resize.value(b"{\""), (2, None));
        for _ in 0..100 {
            resize.value(&[b'x'; 1024]);
        }
        assert!(resize.failed && resize.value.capacity() == 0);
    }
}
