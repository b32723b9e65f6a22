use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use thiserror::Error;

use super::{Code, Event, Header};
use crate::Micros;

/// Why a line is not what it should be.
#[derive(Debug, Error)]
pub enum CastError {
    /// The header line is not a header of ours.
    #[error("the first line is not the header of a recording")]
    Header(#[source] serde_json::Error),
    /// A header of another version.
    #[error("the header says asciicast version {0}; only 2 is read")]
    Version(u8),
    /// Not `[time, "code", "data"]`: damaged, or cut off in the middle.
    #[error("a line is not an event: it is damaged or cut off")]
    Syntax(#[source] serde_json::Error),
    /// A time below zero or beyond what a recording can last.
    #[error("an event's time {0} is out of range")]
    Time(f64),
    /// A code that this version does not know. [`events`] skips such lines.
    #[error("event code {0:?} is not known")]
    UnknownCode(String),
}

#[derive(Deserialize)]
struct EventLine<'a>(f64, #[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Cow<'a, str>);

impl Header {
    /// Reads the header line; a `\n` at its end may be there or not.
    ///
    /// # Errors
    /// [`CastError::Header`] or [`CastError::Version`].
    pub fn parse(line: &[u8]) -> Result<Self, CastError> {
        let header: Self = serde_json::from_slice(line).map_err(CastError::Header)?;
        if header.version == 2 { Ok(header) } else { Err(CastError::Version(header.version)) }
    }
}

impl Event {
    /// Reads one event line; a `\n` at its end may be there or not.
    ///
    /// # Errors
    /// [`CastError::Syntax`], [`CastError::Time`] or [`CastError::UnknownCode`].
    pub fn parse(line: &[u8]) -> Result<Self, CastError> {
        let EventLine(seconds, name, data) = serde_json::from_slice(line).map_err(CastError::Syntax)?;
        let micros = (seconds * 1e6).round();
        // 2^53: beyond it a double no longer tells microseconds apart.
        if !(0.0..9_007_199_254_740_992.0).contains(&micros) {
            return Err(CastError::Time(seconds));
        }
        let code = Code::from_name(&name).ok_or_else(|| CastError::UnknownCode(name.clone().into_owned()))?;
        Ok(Self { time: Micros::new(micros as u64), code, data: data.into_owned() })
    }

    /// The stream and its exact bytes, for the events that carry any: `o`, `e`, `i` and well-formed `b`.
    pub fn bytes(&self) -> Option<(Code, Cow<'_, [u8]>)> {
        match self.code {
            Code::Output | Code::Stderr | Code::Input => Some((self.code, Cow::Borrowed(self.data.as_bytes()))),
            Code::Bytes => {
                let (name, encoded) = self.data.split_once(' ')?;
                let stream = Code::from_name(name)?;
                let stored = matches!(stream, Code::Output | Code::Stderr | Code::Input);
                stored.then(|| STANDARD.decode(encoded).ok())?.map(|bytes| (stream, Cow::Owned(bytes)))
            }
            Code::Resize | Code::Marker | Code::Exit | Code::Port | Code::Gap => None,
        }
    }

    /// Columns and rows of an `r` event; `None` for another event, or if the data is not a size.
    pub fn size(&self) -> Option<(u16, u16)> {
        if self.code != Code::Resize {
            return None;
        }
        let (width, height) = self.data.split_once('x')?;
        Some((width.parse().ok()?, height.parse().ok()?))
    }
}

/// Reads the events of whole lines (a chunk's content). Empty lines and codes of later versions are skipped; a damaged line
/// is an error in its place, and the lines after it are still read.
pub fn events(lines: &[u8]) -> impl Iterator<Item = Result<Event, CastError>> {
    lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(Event::parse).filter(known)
}

fn known(event: &Result<Event, CastError>) -> bool {
    !matches!(event, Err(CastError::UnknownCode(_)))
}
