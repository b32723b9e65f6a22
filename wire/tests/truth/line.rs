//! The lines of `decoded.txt`:
//!
//! ```text
//! --- client WebSocket frames (7) protocol=v5.channel.k8s.io
//! @0       BINARY fin=1 rsv=0 mask=1 len=26 chan=4 b'{"Width":80,"Height":24}\n'
//! ```

use anyhow::{Context as _, Result, bail, ensure};

#[derive(Debug, PartialEq)]
pub enum LineKind {
    SynStream,
    SynReply,
    RstStream,
    GoAway,
    Data,
    Ping,
    Binary,
    Text,
    Continuation,
    Close,
    WsPing,
    WsPong,
}

#[derive(Debug)]
pub struct DecodedLine<'a> {
    /// `client` or `server`.
    pub direction: String,
    pub offset: usize,
    pub kind: LineKind,
    /// What stands behind the kind.
    pub rest: &'a str,
}

/// Titles, without number and protocol, and their lines.
pub fn sections(decoded: &str) -> Result<Vec<(String, Vec<DecodedLine<'_>>)>> {
    let mut sections: Vec<(String, Vec<DecodedLine<'_>>)> = Vec::new();
    let mut announced = Vec::new();
    for text in decoded.lines().filter(|line| !line.is_empty()) {
        if let Some(title) = text.strip_prefix("--- ") {
            let (title, rest) = title.split_once(" (").context("a title without number")?;
            announced.push(rest.split(')').next().context("no number")?.parse::<usize>()?);
            sections.push((title.to_lowercase(), Vec::new()));
        } else {
            let (title, lines) = sections.last_mut().context("a line before the first title")?;
            lines.push(line(title, text).with_context(|| text.to_owned())?);
        }
    }
    for ((title, lines), announced) in sections.iter().zip(announced) {
        ensure!(lines.len() == announced, "{title}: {} lines, {announced} announced", lines.len());
    }
    Ok(sections)
}

fn line<'a>(title: &str, text: &'a str) -> Result<DecodedLine<'a>> {
    let text = text.strip_prefix('@').context("no offset")?;
    let (offset, text) = text.split_once(' ').context("no kind")?;
    let (kind, rest) = text.trim_start().split_once(' ').context("no fields")?;
    let websocket = title.ends_with("websocket frames");
    let kind = match kind {
        "SYN_STREAM" => LineKind::SynStream,
        "SYN_REPLY" => LineKind::SynReply,
        "RST_STREAM" => LineKind::RstStream,
        "GOAWAY" => LineKind::GoAway,
        "DATA" => LineKind::Data,
        "PING" if websocket => LineKind::WsPing,
        "PONG" => LineKind::WsPong,
        "PING" => LineKind::Ping,
        "BINARY" => LineKind::Binary,
        "TEXT" => LineKind::Text,
        "CONT" => LineKind::Continuation,
        "CLOSE" => LineKind::Close,
        other => bail!("unknown kind {other}"),
    };
    let direction = title.split(' ').next().unwrap_or_default().to_owned();
    Ok(DecodedLine { direction, offset: offset.parse()?, kind, rest })
}

impl<'a> DecodedLine<'a> {
    pub fn field(&self, name: &str) -> Result<&'a str> {
        let mut words = self.rest.split(' ');
        words.find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).with_context(|| format!("no {name}"))
    }

    pub fn number(&self, name: &str) -> Result<u32> {
        Ok(self.field(name)?.parse()?)
    }

    /// The payload at the beginning of `bytes`. Its length and its beginning must be those of the line.
    pub fn payload<'b>(&self, bytes: &'b [u8]) -> Result<&'b [u8]> {
        let (text, more) = self.text()?;
        let payload = bytes.get(..text.len() + more).with_context(|| format!("@{}: too few bytes", self.offset))?;
        ensure!(payload.starts_with(&text), "@{}: other bytes than the list's", self.offset);
        let length: usize = self.field("len")?.parse()?;
        let channel = usize::from(self.field("chan").is_ok());
        ensure!(payload.len() + channel == length, "@{}: another length than the list's", self.offset);
        Ok(payload)
    }

    /// The Python literal, and how many bytes `...(+N)` stands for.
    pub fn text(&self) -> Result<(Vec<u8>, usize)> {
        let at = self.rest.find(" b'").or(self.rest.find(" b\"")).or(self.rest.find("=b'")).context("no literal")?;
        let literal = &self.rest[at + 2..];
        let quote = literal.chars().next().context("no quote")?;
        let (bytes, rest) = unquote(&literal[1..], quote)?;
        let more = match rest.strip_prefix("...(+") {
            Some(more) => more.trim_end_matches(')').parse()?,
            None => 0,
        };
        Ok((bytes, more))
    }
}

fn unquote(literal: &str, quote: char) -> Result<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    let mut rest = literal;
    loop {
        let mut chars = rest.chars();
        let next = chars.next().context("no closing quote")?;
        rest = chars.as_str();
        match next {
            '\\' => {
                let escape = chars.next().context("nothing behind a backslash")?;
                rest = chars.as_str();
                bytes.push(match escape {
                    'n' => b'\n',
                    'r' => b'\r',
                    't' => b'\t',
                    'x' => {
                        let (digits, behind) = rest.split_at_checked(2).context("half an escape")?;
                        rest = behind;
                        u8::from_str_radix(digits, 16)?
                    }
                    other => u8::try_from(other)?,
                });
            }
            end if end == quote => return Ok((bytes, rest)),
            other => bytes.push(u8::try_from(other)?),
        }
    }
}
