mod config;

use anyhow::Result;

use crate::cli::{Cli, Command};

pub fn run(cli: Cli) -> Result<()> {
    match &cli.command {
        Command::Config(c) => config::run(&cli, c),
        _ => Ok(()),
    }
}
