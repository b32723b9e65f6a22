use anyhow::Result;
use crate::{cli::{Cli,ConfigCommand}, config, output};
pub fn run(_cli:&Cli, command: &ConfigCommand) -> Result<()> {
    match command {
        ConfigCommand::Sample => output::line(config::SAMPLE.trim_end())?,
        ConfigCommand::Check => {}
    }
    Ok(())
}
