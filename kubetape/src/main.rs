//! Kubetape records, replays and makes searchable what people do with kubectl.
//!
//! The program: configuration, and one file per subcommand that wires the crates together.

#[cfg(not(target_os = "linux"))]
compile_error!("Kubetape syncs its spool with syncfs and finds its files through /proc: build it for Linux");

mod adapters;
mod anchoring;
mod audit;
mod cli;
mod commands;
mod config;
mod metrics;
mod output;
mod private_state;
mod recorded;
mod reload;
mod running;
mod service;
mod time;
mod verification;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

/// Gives freed pages back, from threads of its own. The system's allocator and mimalloc keep what threads that come and
/// go (for the disk, for the index) have freed: some hundred MiB in an outage of the store, for 30 MiB of recordings.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        // `kubetape ls | head`: the reader has seen enough.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref() {
            // Said already.
            Some(running::Exit(status)) => ExitCode::from(*status),
            None => {
                eprintln!("kubetape: {error:#}");
                ExitCode::FAILURE
            }
        },
    }
}
