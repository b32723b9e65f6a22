use crate::{Micros, cast::Code};

/// What a `g` line says about the bytes of a stream (`docs/format.md`, "Floods" and "The manifest").
///
/// Streams are [`Code::Output`], [`Code::Stderr`] and [`Code::Input`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annotation {
    /// From here on the stream is held back, until one of the next two says what became of it.
    Omitting(Code),
    /// Bytes of the stream were left out; the rest of what was held back follows.
    Omitted(Code),
    /// All that was held back of the stream follows.
    OmittedNothing(Code),
    /// Bytes that were forwarded are lost: of this stream, or of any stream if `None`.
    Missing(Option<Code>),
    /// Whatever it says, no byte is lacking because of it.
    Other,
}

impl Annotation {
    /// Reads the line's text.
    pub fn parse(text: &str) -> Self {
        let word = |place| text.split(' ').nth(place).unwrap_or_default();
        let known = |place, annotation: fn(Code) -> Self| stream(word(place)).map_or(Self::Other, annotation);
        match (word(0), word(1), word(2)) {
            ("omitting", _, "from") => known(1, Self::Omitting),
            ("omitted", "nothing", "of") => known(3, Self::OmittedNothing),
            ("omitted", _, "bytes") => known(4, Self::Omitted),
            ("missing:", _, "bytes") | ("missing:", "the", "end") => Self::Missing(stream(word(4))),
            ("missing:", ..) => Self::Missing(None),
            _ => Self::Other,
        }
    }
}

/// Time as annotations have it: seconds with six decimals.
pub fn seconds(time: Micros) -> String {
    let micros = time.get();
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn stream(name: &str) -> Option<Code> {
    Some(match name.trim_end_matches(',') {
        "stdin" => Code::Input,
        "stdout" => Code::Output,
        "stderr" => Code::Stderr,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_the_format_are_told_apart() {
        let digest = "ab".repeat(32);
        for (text, annotation) in [
            ("omitting stdout from byte 7 on, but for its end", Annotation::Omitting(Code::Output)),
            (
                &*format!(
                    "omitted 9 bytes of stderr from byte 7, which passed from 0.000001 s to 2.000000 s, sha256 {digest}"
                ),
                Annotation::Omitted(Code::Stderr),
            ),
            ("omitted nothing of stdin from byte 7 on", Annotation::OmittedNothing(Code::Input)),
            (
                "missing: 5 bytes of stdout from byte 3 on were damaged on the gateway's disk",
                Annotation::Missing(Some(Code::Output)),
            ),
            (
                "missing: the end of stderr, up to byte 9, was damaged on the gateway's disk",
                Annotation::Missing(Some(Code::Stderr)),
            ),
            (
                "missing: what was said from 1.000000 s to 2.000000 s was damaged on the gateway's disk",
                Annotation::Missing(None),
            ),
            (
                "missing: 5 bytes of stdin, which passed before 1.000000 s, were lost on the gateway's disk",
                Annotation::Missing(Some(Code::Input)),
            ),
            ("missing: something that a later version says", Annotation::Missing(None)),
        ] {
            assert_eq!(Annotation::parse(text), annotation, "{text}");
        }
    }

    #[test]
    fn another_annotation_tells_of_no_loss() {
        for text in [
            "",
            "the server's last word was: omitted 9 bytes of stdout",
            "anomaly: the server sent missing: bytes at byte 3",
            "the client announced a terminal of 0x24",
            "omitting nothing",
            "omitted nothing of what",
        ] {
            assert_eq!(Annotation::parse(text), Annotation::Other, "{text}");
        }
    }
}
