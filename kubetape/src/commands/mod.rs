//! One file per subcommand.

mod administration;
mod bundle;
mod certificate;
#[expect(clippy::module_inception, reason = "named for the subcommand")]
mod commands;
mod compare_audit;
mod config;
mod demo;
mod end;
mod evidence;
mod export;
mod import;
mod key;
pub(crate) mod kubeconfig;
mod lock;
mod login_link;
mod ls;
mod play;
mod rbac;
mod reindex;
mod search;
mod serve;
mod text;
pub(crate) mod token;
mod user;
mod verify;
mod viewing;

use anyhow::Result;

use crate::{
    cli::{Cli, Command},
    config::{Config, environment_of_process, load, raw},
    running::{block_on, block_on_with_readers, start_log},
};

/// Runs the subcommand.
pub fn run(cli: Cli) -> Result<()> {
    let configured = |level| configured(&cli, level);
    match &cli.command {
        Command::Serve => {
            let mut config = configured("info")?;
            block_on_with_readers(|readers| serve::run(&mut config, readers))
        }
        Command::Search(search) => block_on(search::run(&configured("warn")?, search)),
        Command::Reindex => block_on(reindex::run(&configured("warn")?)),
        Command::Ls(ls) => block_on(ls::run(&configured("warn")?, ls)),
        Command::Play(play) => block_on(play::run(&configured("warn")?, play)),
        Command::Export(export) => block_on(export::run(&configured("warn")?, export)),
        Command::Commands(wanted) => block_on(commands::run(&configured("warn")?, wanted)),
        Command::Text(wanted) => block_on(text::run(&configured("warn")?, wanted)),
        Command::End(wanted) => block_on(end::run(&configured("warn")?, wanted)),
        Command::Import(import) => block_on(import::run(&configured("warn")?, import)),
        Command::Verify(wanted) => block_on(verify::run(wanted, || configured("warn"))),
        Command::CompareAudit(wanted) => block_on(compare_audit::run(&configured("warn")?, wanted)),
        Command::Key(key) => block_on(key::run(&configured("warn")?, key)),
        Command::Token(token) => block_on(token::run(&configured("warn")?, token)),
        Command::Certificate(certificate) => block_on(certificate::run(&configured("warn")?, certificate)),
        Command::Kubeconfig(wanted) => block_on(kubeconfig::run(&configured("warn")?, wanted)),
        Command::Lock(wanted) => block_on(lock::run(&configured("warn")?, wanted)),
        Command::Unlock(wanted) => block_on(lock::unlock(&configured("warn")?, wanted)),
        Command::User(user) => block_on(user::run(&configured("warn")?, user)),
        Command::LoginLink(link) => block_on(login_link::run(&configured("warn")?, link)),
        Command::Config(command) => config::run(command, || configured("warn")),
        Command::Demo(demo) => {
            start_log(&raw::Log::default(), "warn")?;
            block_on_with_readers(|readers| demo::run(demo, readers))
        }
    }
}

/// Reads the configuration, and starts the log as it says. `level` is the log's if the configuration names none.
fn configured(cli: &Cli, level: &str) -> Result<Config> {
    // What is said about the environment is said before the log's own settings are known.
    let early = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).finish();
    let config = tracing::subscriber::with_default(early, || load(cli.config.as_deref(), &environment_of_process()))?;
    start_log(&config.log, level)?;
    Ok(config)
}
