use std::fmt;

use askama::FastWritable;

/// Text that somebody else wrote, made visible: characters that would be invisible, or would reorder what stands around
/// them, are replaced by their names. Templates still escape it.
///
/// | characters | shown as |
/// |---|---|
/// | C0 controls, DEL | their names: `⟨ESC⟩` (few fonts have the Unicode pictures) |
/// | C1 controls, bidirectional controls, zero-width characters, line and paragraph separators, tags | `⟨U+202E⟩` |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VisibleText(String);

impl VisibleText {
    pub(crate) fn new(text: &str) -> Self {
        let mut visible = String::with_capacity(text.len());
        text.chars().for_each(|c| push_visible(c, &mut visible));
        Self(visible)
    }

    /// Text of several lines: line ends stay what they are.
    pub(crate) fn lines(text: &str) -> Self {
        let lines: Vec<String> = text.split('\n').map(|line| Self::new(line).0).collect();
        Self(lines.join("\n"))
    }

    /// Text cut after `limit` characters; a cut one ends in `…`.
    pub(crate) fn clipped(text: &str, limit: usize) -> Self {
        match text.char_indices().nth(limit) {
            Some((end, _)) => {
                let mut visible = Self::new(&text[..end]);
                visible.0.push('…');
                visible
            }
            None => Self::new(text),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for VisibleText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FastWritable for VisibleText {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(dest.write_str(&self.0)?)
    }
}

/// The names of U+0000 to U+001F (ISO 646).
const CONTROLS: [&str; 32] = [
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "TAB", "LF", "VT", "FF", "CR", "SO", "SI", "DLE",
    "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
];

fn push_visible(c: char, visible: &mut String) {
    match c {
        '\0'..='\u{1f}' => {
            visible.push('⟨');
            visible.push_str(CONTROLS[c as usize]);
            visible.push('⟩');
        }
        '\u{7f}' => visible.push_str("⟨DEL⟩"),
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => visible.push_str(&format!("⟨U+{:04X}⟩", u32::from(c))),
        _ => visible.push(c),
    }
}

/// What a session or request was aimed at, for a page.
pub(crate) struct TargetText {
    pub(crate) cluster: VisibleText,
    pub(crate) namespace: VisibleText,
    pub(crate) pod: VisibleText,
    pub(crate) container: VisibleText,
}

impl TargetText {
    pub(crate) fn new(cluster: &str, namespace: &str, pod: &str, container: &str) -> Self {
        // A Kubernetes name has 253 bytes at most.
        let clipped = |text| VisibleText::clipped(text, 260);
        Self {
            cluster: clipped(cluster),
            namespace: clipped(namespace),
            pod: clipped(pod),
            container: clipped(container),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_and_reordering_characters_become_visible() {
        assert_eq!(VisibleText::new("ls\u{1b}[2J\r\n").as_str(), "ls⟨ESC⟩[2J⟨CR⟩⟨LF⟩");
        assert_eq!(VisibleText::lines("total 0\n\u{1b}c\n").as_str(), "total 0\n⟨ESC⟩c\n");
        assert_eq!(VisibleText::new("a\u{202e}b\u{2066}c\u{200b}").as_str(), "a⟨U+202E⟩b⟨U+2066⟩c⟨U+200B⟩");
        assert_eq!(VisibleText::new("naïve 日本 <b>").as_str(), "naïve 日本 <b>");
        assert_eq!(VisibleText::clipped("日本語", 2).as_str(), "日本…");
        assert_eq!(VisibleText::clipped("日本", 2).as_str(), "日本");
    }
}
