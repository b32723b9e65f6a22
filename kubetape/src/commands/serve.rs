//! `kubetape serve`

use std::io::IsTerminal;

use anyhow::Result;

use super::login_link;
use crate::{
    config::{Config, Web, quantity::HumanDuration},
    output::line,
    running::{Readers, allow_open_files, forbid_core_dumps, shutdown_on_signal},
    service::{Listeners, Service},
    wiring,
};

/// How long the first login link may be used.
const FIRST_LOGIN: HumanDuration = HumanDuration(std::time::Duration::from_secs(3600));

pub async fn run(config: &mut Config, readers: Readers) -> Result<()> {
    forbid_core_dumps()?;
    allow_open_files(&config.limits)?;
    let shutdown = shutdown_on_signal()?;
    let listeners = Listeners::bind(config, &readers).await?;
    config.set_bound(listeners.gateway()?, listeners.web()?);
    let hint = "kubectl --kubeconfig FILE exec -it POD -- sh".to_owned();
    let mut service = Service::start(config, listeners, hint, shutdown, &readers).await?;
    service.reload_policy_on_hangup(config)?;
    announce(config)?;
    service.run().await
}

fn announce(config: &Config) -> Result<()> {
    line(format_args!("gateway  {} (listening on {})", config.gateway.public_url, config.gateway.listen))?;
    if let Some(web) = &config.web {
        line(format_args!("web      {} (listening on {})", web.public_url, web.listen))?;
        first_login(config, web)?;
    }
    line("ready")?;
    Ok(())
}

/// Prints a login link if nobody has a password yet: otherwise nobody could log in. Only to a terminal: what is printed elsewhere
/// is kept by whoever collects logs, and a link there logs in whoever reads them first.
fn first_login(config: &Config, web: &Web) -> Result<()> {
    if !wiring::users(config)?.names()?.is_empty() {
        return Ok(());
    }
    if !std::io::stdout().is_terminal() {
        let file = config.file.display();
        line("nobody has a password yet: make a link that logs in once, beside this process,")?;
        line(format_args!("         kubetape --config {file} login-link"))?;
        line(format_args!("         or give people a password: kubetape --config {file} user add NAME"))?;
        return Ok(());
    }
    let link = login_link::create(&wiring::links(config)?, web, "admin", FIRST_LOGIN)?;
    line(format_args!("nobody has a password yet: log in with {link} (once, within {FIRST_LOGIN})"))?;
    line("         and give people one: kubetape user add NAME")?;
    Ok(())
}
