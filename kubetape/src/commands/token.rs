//! `kubetape token`

use anyhow::{Context, Result};
use identity::Tokens;
use jiff::Timestamp;
use recording::journal::CredentialKind;
use serde::Serialize;

use super::administration;
use crate::{
    cli,
    config::{Config, quantity::HumanDuration},
    output::{self, Table, Tone, line},
    time, wiring,
};

pub async fn run(config: &Config, command: &cli::Token) -> Result<()> {
    let tokens = wiring::tokens(config)?;
    match command {
        cli::Token::Create { user, groups, expires, never_expires } => {
            let validity = (!never_expires).then_some(*expires);
            Ok(line(create_journalled(config, &tokens, user, groups, validity).await?)?)
        }
        cli::Token::Ls { json } => list(&tokens, *json),
        cli::Token::Revoke { id } => revoke(config, &tokens, id).await,
    }
}

async fn revoke(config: &Config, tokens: &Tokens, id: &str) -> Result<()> {
    let known = tokens.list()?.into_iter().find(|token| token.id == id);
    tokens.revoke(id).context("see `kubetape token ls` for the ids")?;
    let whose = known.map(|token| token.name).unwrap_or_default();
    let done = administration::revoked(CredentialKind::Token, &whose, id);
    administration::note(config, done).await.with_context(|| format!("token {id} is revoked"))?;
    eprintln!("token {id} is revoked");
    Ok(())
}

/// Makes a token, journals that, and returns its secret. A token that the journal does not have is not given to anybody.
pub async fn create_journalled(
    config: &Config,
    tokens: &Tokens,
    user: &str,
    groups: &[String],
    validity: Option<HumanDuration>,
) -> Result<String> {
    let secret = create(tokens, user, groups, validity)?;
    let id = Tokens::id_of(&secret);
    let until = validity.map(from_now).transpose()?;
    let done = administration::issued(CredentialKind::Token, user, id, groups, until);
    if let Err(error) = administration::note(config, done).await {
        tokens.revoke(id)?;
        return Err(error.context("no token was made"));
    }
    Ok(secret)
}

/// Makes a token and returns its secret.
pub fn create(tokens: &Tokens, user: &str, groups: &[String], validity: Option<HumanDuration>) -> Result<String> {
    let expires = validity.map(from_now).transpose()?;
    tokens.create(user, groups, expires).with_context(|| format!("cannot make a token for {user:?}"))
}

fn from_now(validity: HumanDuration) -> Result<Timestamp> {
    Timestamp::now().checked_add(validity.0).context("--expires is too long")
}

/// A token in the output of `--json`.
#[derive(Serialize)]
struct TokenRow {
    id: String,
    user: String,
    groups: Vec<String>,
    created: Timestamp,
    expires: Option<Timestamp>,
    expired: bool,
}

fn list(tokens: &Tokens, json: bool) -> Result<()> {
    let now = Timestamp::now();
    let rows: Vec<TokenRow> = tokens
        .list()?
        .into_iter()
        .map(|token| TokenRow {
            expired: token.expires.is_some_and(|expires| expires <= now),
            id: token.id,
            user: token.name,
            groups: token.groups,
            created: token.created,
            expires: token.expires,
        })
        .collect();
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(["ID", "USER", "GROUPS", "CREATED", "EXPIRES"]);
    for token in rows {
        let (expires, tone) = match token.expires {
            None => ("never".to_owned(), Tone::Plain),
            Some(at) => (time::clock(at), if token.expired { Tone::Bad } else { Tone::Plain }),
        };
        let plain = |text| (text, Tone::Plain);
        table.row([
            plain(token.id),
            plain(token.user),
            plain(token.groups.join(",")),
            plain(time::clock(token.created)),
            (expires, tone),
        ]);
    }
    Ok(table.print()?)
}
