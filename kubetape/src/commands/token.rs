//! `kubetape token`

use anyhow::{Context, Result};
use identity::Tokens;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli,
    config::{Config, quantity::HumanDuration},
    output::{self, Table, Tone, line},
    time, wiring,
};

pub fn run(config: &Config, command: &cli::Token) -> Result<()> {
    let tokens = wiring::tokens(config)?;
    match command {
        cli::Token::Create { user, groups, expires } => Ok(line(create(&tokens, user, groups, *expires)?)?),
        cli::Token::Ls { json } => list(&tokens, *json),
        cli::Token::Revoke { id } => {
            tokens.revoke(id).context("see `kubetape token ls` for the ids")?;
            eprintln!("token {id} is revoked");
            Ok(())
        }
    }
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
