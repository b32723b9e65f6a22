//! Kubetape records, replays and makes searchable what people do with kubectl.
//!
//! The program: configuration, and one file per subcommand that wires the crates together.

mod changes;
mod cli;
mod commands;
mod config;
mod control;
mod demo;
mod descriptors;
mod leases;
mod log;
mod lookup;
mod metrics;
mod output;
mod recorded;
mod reload;
mod running;
mod service;
mod signing;
mod spool_watch;
mod time;
mod timelines;
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
        // `kubetape ls | head`: whoever read has seen enough.
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
