//! The program's own log, on stderr.

use tracing_subscriber::EnvFilter;

use crate::config::raw::{Log, LogFormat};

/// Starts it. `level` holds where the configuration names none.
pub fn start(log: &Log, level: &str) -> anyhow::Result<()> {
    let filter = log.level.as_deref().unwrap_or(level);
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| anyhow::anyhow!("log.level: {filter:?} is not such as \"info\": {error}"))?;
    // A log that nobody reads any more is no error: by default a line that cannot be written is told with `eprintln!`,
    // which panics, and what logged it is gone.
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // A second start (`serve` within `demo`) keeps the first.
    let _ = match log.format.unwrap_or_default() {
        LogFormat::Text => lines.with_ansi(colours).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    Ok(())
}
