//! `kubetape login-link`

use anyhow::{Context, Result};
use jiff::Timestamp;
use recording::journal::CredentialKind;

use super::administration;
use crate::{
    cli,
    config::{Config, Web, quantity::HumanDuration},
    output::line,
    wiring,
};

pub async fn run(config: &Config, wanted: &cli::LoginLink) -> Result<()> {
    let web =
        config.web.as_ref().with_context(|| format!("the web is off: web.enabled in {}", config.file.display()))?;
    let links = wiring::links(config)?;
    if wanted.revoke {
        let user = &wanted.user;
        let unused = links.revoke(user).with_context(|| format!("cannot take back the login links of {user:?}"))?;
        eprintln!("{unused} unused links of {user} are taken back; who logged in with one is logged out.");
        return administration::note(config, administration::revoked(CredentialKind::LoginLink, user, "")).await;
    }
    let until = Timestamp::now().checked_add(wanted.expires.0).context("--expires is too long")?;
    let done = administration::issued(CredentialKind::LoginLink, &wanted.user, "", &[], Some(until));
    administration::note(config, done).await?;
    line(create(&links, web, &wanted.user, wanted.expires)?)?;
    eprintln!("It logs {} in once, within {}.", wanted.user, wanted.expires);
    Ok(())
}

/// Makes a URL that logs in once.
pub fn create(links: &identity::Links, web: &Web, user: &str, validity: HumanDuration) -> Result<String> {
    let path = links.create(user, validity.0).context("cannot make a login link")?;
    Ok(format!("{}{path}", web.public_url))
}
