//! `kubetape config`

use std::os::unix::fs::DirBuilderExt;

use anyhow::{Context, Result};

use super::rbac;
use crate::{
    cli::ConfigCommand,
    config::{Config, SAMPLE, Storage},
    output::line,
    private_state,
    running::block_on,
    wiring,
};

pub fn run(command: &ConfigCommand, config: impl FnOnce() -> Result<Config>) -> Result<()> {
    match command {
        ConfigCommand::Sample => Ok(line(SAMPLE.trim_end())?),
        ConfigCommand::Rbac(options) => rbac::run(&config()?, options),
        ConfigCommand::Check => {
            let config = config()?;
            block_on(check(&config))
        }
    }
}

/// Reads all that the configuration names, and tries to write where `serve` has to.
async fn check(config: &Config) -> Result<()> {
    let clusters = wiring::clusters(config)?;
    let policy = wiring::policy(config)?;
    certificates(config)?;
    private_state::check_of_its_owner(config)?;
    writable(&config.state).with_context(|| format!("cannot write state.dir {}", config.state.display()))?;
    if config.indexed {
        writable(&config.index).with_context(|| format!("cannot write search.dir {}", config.index.display()))?;
    }
    let store = wiring::store(config).await?;
    wiring::probe(&*store).await?;
    summary(config, &clusters, &policy)?;
    Ok(())
}

fn summary(
    config: &Config,
    clusters: &[gateway::clusters::ClusterSettings],
    policy: &access::Policy,
) -> std::io::Result<()> {
    line(format_args!("{} is good:", config.file.display()))?;
    line(format_args!(
        "  gateway   {} on {} as {}",
        config.gateway.name, config.gateway.listen, config.gateway.public_url
    ))?;
    for cluster in clusters {
        let server = &cluster.server;
        let own = cluster.own_namespace.as_deref();
        let own = own.map_or_else(String::new, |own| format!(", with the gateway itself in namespace {own}"));
        line(format_args!(
            "  cluster   {} at https://{}:{}{}{own}",
            cluster.name, server.host, server.port, server.prefix
        ))?;
    }
    for rule in &policy.rules {
        let who = [rule.users.clone(), rule.groups.iter().map(|group| format!("group {group}")).collect()].concat();
        let groups =
            if rule.as_groups.is_empty() { String::new() } else { format!(" in {}", rule.as_groups.join(", ")) };
        let rule =
            format!("{}: {} on {} as {}{groups}", rule.name, who.join(", "), rule.clusters.join(", "), rule.as_user);
        line(format_args!("  policy    {rule}"))?;
    }
    match &config.storage {
        Storage::Disk(folder) => line(format_args!("  storage   {} (writable)", folder.display()))?,
        Storage::S3(s3) => line(format_args!("  storage   bucket {} (writable)", s3.bucket.as_deref().unwrap_or("")))?,
    }
    match &config.web {
        Some(web) => line(format_args!("  web       on {} as {}", web.listen, web.public_url))?,
        None => line("  web       off (web.enabled)")?,
    }
    if config.indexed {
        line(format_args!("  index     {}", config.index.display()))?;
    } else {
        line(format_args!("  index     off (search.enabled)"))?;
    }
    line(format_args!("  state     {}", config.state.display()))
}

fn certificates(config: &Config) -> Result<()> {
    let web = config.web.as_ref().and_then(|web| web.certificate.as_ref());
    for (section, certificate) in [("gateway", config.gateway.certificate.as_ref()), ("web", web)] {
        if let Some(certificate) = certificate {
            wiring::tls(certificate).with_context(|| format!("{section}.certificate and {section}.key"))?;
        }
    }
    Ok(())
}

/// Makes the folder if it is missing, and a file in it.
fn writable(folder: &std::path::Path) -> Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    tempfile::tempfile_in(folder)?;
    Ok(())
}
