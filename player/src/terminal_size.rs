use recording::cast::Header;
use serde::{Deserialize, Serialize};

/// Most columns that a terminal is emulated with. A recording may claim any size, and 65535 by 65535 cells would take
/// 4 GiB.
const MAX_COLS: u16 = 1000;
/// Most rows that a terminal is emulated with.
const MAX_ROWS: u16 = 500;

/// A terminal's size in character cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Columns
    pub cols: u16,
    /// Rows
    pub rows: u16,
}

impl TerminalSize {
    /// The nearest size that a terminal emulator can be made of: 1 to 1000 columns, 1 to 500 rows.
    pub fn clamped(cols: u16, rows: u16) -> Self {
        Self { cols: cols.clamp(1, MAX_COLS), rows: rows.clamp(1, MAX_ROWS) }
    }

    /// The size before the recording's first `r` event. For a session without a terminal it is one in which log lines
    /// are not wrapped.
    pub(crate) fn at_start(header: &Header) -> Self {
        match (header.width, header.height) {
            _ if !header.kubetape.tty => Self { cols: 120, rows: 30 },
            (0, _) | (_, 0) => Self { cols: 80, rows: 24 },
            (cols, rows) => Self::clamped(cols, rows),
        }
    }
}
