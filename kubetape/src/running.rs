//! The program's own running: a runtime, and the signals that end it in good order.

use std::future::Future;

use anyhow::{Context, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The program ends with this status, and everything has been said.
#[derive(Debug)]
pub struct Exit(pub u8);

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit status {}", self.0)
    }
}

impl std::error::Error for Exit {}

/// Threads that wait for the disk. A thousand sessions that end together queue for these; with tokio's 512 they
/// took 270 MiB for stacks and heaps, and were no faster.
const BLOCKING_THREADS: usize = 64;

/// Runs to the end.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("cannot start threads")?;
    let result = runtime.block_on(work);
    // A thread that waits for stdin must not keep the process.
    runtime.shutdown_background();
    result
}

/// Cancelled by SIGTERM or SIGINT. A second signal ends the process at once.
pub fn shutdown_on_signal() -> Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let ended = token.clone();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" };
        let name = next().await;
        ended.cancel();
        tracing::info!(signal = name, "ending");
        let name = next().await;
        tracing::warn!(signal = name, "ending at once");
        std::process::exit(130);
    });
    Ok(token)
}
