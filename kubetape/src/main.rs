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
mod output;
mod recorded;
mod running;
mod service;
mod signing;
mod spool_watch;
mod time;
mod timelines;
mod wiring;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
