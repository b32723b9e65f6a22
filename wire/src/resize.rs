//! Terminal sizes: a stream of JSON values, read as Go's `json.Decoder` reads it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::{Event, Size, Stream};

/// The longest value that is kept. Real ones have 25 bytes; behind a longer one no size is read.
const LONGEST: usize = 4 << 10;

/// Message borders mean nothing: a value may be split over messages, and two may stand in one. After the first
/// value that is no size nothing is read any more, as in the server's loop, which leaves at the first error.
pub(crate) struct Resize {
    value: Vec<u8>,
    place: Place,
    dead: bool,
}

/// Where in a value the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Between,
    /// Inside this many braces.
    Object(u32),
    Text(u32),
    /// Behind a backslash.
    Escape(u32),
}

impl Resize {
    pub(crate) fn new() -> Self {
        Resize { value: Vec::new(), place: Place::Between, dead: false }
    }

    /// The bytes as events: their Data, with each Resize right behind the brace that makes it whole, however the
    /// bytes are cut.
    pub(crate) fn events(&mut self, id: u32, mut bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        while !bytes.is_empty() {
            let (length, size) = self.value(bytes);
            let (data, rest) = bytes.split_at(length);
            sink(Event::Data { id, stream: Stream::Resize, data });
            if let Some(size) = size {
                sink(Event::Resize(size));
            }
            bytes = rest;
        }
    }

    /// Reads up to the end of the first whole value, or all there is.
    fn value(&mut self, bytes: &[u8]) -> (usize, Option<Size>) {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.dead {
                break;
            }
            if let Some(size) = self.step(byte) {
                return (at + 1, Some(size));
            }
        }
        (bytes.len(), None)
    }

    fn step(&mut self, byte: u8) -> Option<Size> {
        let blank = matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
        if self.place == Place::Between && blank {
            return None;
        }
        match self.place.next(byte) {
            Some(place) if self.value.len() < LONGEST => self.place = place,
            _ => {
                self.die();
                return None;
            }
        }
        self.value.push(byte);
        if self.place != Place::Between {
            return None;
        }
        let parsed = serde_json::from_slice::<Wanted>(&self.value);
        self.value.clear();
        self.dead = parsed.is_err();
        parsed.ok().map(|wanted| wanted.size)
    }

    fn die(&mut self) {
        self.dead = true;
        self.value = Vec::new();
    }
}

impl Place {
    /// None: a value that is no object, which is no size.
    fn next(self, byte: u8) -> Option<Place> {
        Some(match (self, byte) {
            (Place::Between, b'{') => Place::Object(1),
            (Place::Between, _) => return None,
            (Place::Object(depth), b'{') => Place::Object(depth + 1),
            (Place::Object(1), b'}') => Place::Between,
            (Place::Object(depth), b'}') => Place::Object(depth - 1),
            (Place::Object(depth), b'"') => Place::Text(depth),
            (Place::Text(depth), b'"') => Place::Object(depth),
            (Place::Text(depth), b'\\') => Place::Escape(depth),
            (Place::Escape(depth), _) => Place::Text(depth),
            (stays, _) => stays,
        })
    }
}

/// `remotecommand.TerminalSize`: keys in any case, the last of a name counts, null leaves as it is, others are
/// ignored, a missing one is 0.
struct Wanted {
    size: Size,
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Wanted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a terminal size")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Wanted, M::Error> {
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
        Ok(Wanted { size })
    }
}

#[cfg(test)]
mod tests {
    use super::Resize;
    use crate::Event;

    fn sizes(messages: &[&str]) -> Vec<(u16, u16)> {
        let (mut resize, mut sizes) = (Resize::new(), Vec::new());
        for message in messages {
            resize.events(4, message.as_bytes(), &mut |event| {
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
    fn dead_after_the_first_error() {
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
        let mut resize = Resize::new();
        assert_eq!(resize.value(b"{\""), (2, None));
        for _ in 0..100 {
            assert_eq!(resize.value(&[b'x'; 1024]), (1024, None));
        }
        assert!(resize.dead && resize.value.capacity() == 0);
    }
}
