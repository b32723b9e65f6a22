//! `kubetape key`

use anyhow::{Context, Result, bail};
use control::Administration;
use jiff::Timestamp;
use serde::Serialize;
use storage::signing::{KeyFileError, KeyStatement, PublicKey};

use super::administration;
use crate::{
    cli,
    config::Config,
    output::{self, Table, Tone, line},
    time, wiring,
};

pub async fn run(config: &Config, command: &cli::Key) -> Result<()> {
    match command {
        cli::Key::Ls { json } => list(config, *json).await,
        cli::Key::Show => show(config),
        cli::Key::Rotate => {
            let next = rotate(config)?;
            administration::note(config, Administration::KeyRotated(next.id())).await?;
            line(next.id())?;
            eprintln!("the key {} is used from the next start of `kubetape serve` on", next.id());
            Ok(())
        }
    }
}

fn rotate(config: &Config) -> Result<PublicKey> {
    match config.signing.rotate() {
        Err(KeyFileError::NotOwn) => bail!(
            "the key is given (signing.key): name the new one there, and the old one as signing.previous_key, which \
             vouches for it"
        ),
        other => Ok(other?),
    }
}

fn show(config: &Config) -> Result<()> {
    let key = config.signing.public_key()?.context("there is no key yet: the first `kubetape serve` makes one")?;
    eprintln!("key {}", key.id());
    Ok(line(key.to_pem().trim_end())?)
}

/// A key in the output of `--json`.
#[derive(Serialize)]
struct KeyRow {
    key: String,
    public: String,
    gateway: String,
    valid_from: Timestamp,
    valid_until: Option<Timestamp>,
    introduced_by: Option<String>,
    in_use: bool,
}

async fn list(config: &Config, json: bool) -> Result<()> {
    let store = wiring::store_to_read(config).await?;
    let own = config.signing.public_key()?.map(|key| key.id());
    let mut statements = Vec::new();
    for (key, statement) in storage::signing::statements(&store).await.context("cannot read the keys")? {
        match statement {
            Ok(statement) => statements.push(statement),
            Err(error) => eprintln!("{key} is left out: {error}"),
        }
    }
    let rows: Vec<KeyRow> =
        statements.iter().map(|key| row(key, &statements, own.as_ref() == Some(&key.key))).collect();
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(["KEY", "GATEWAY", "FROM", "UNTIL", "INTRODUCED BY"]);
    for key in rows {
        let until = key.valid_until.map_or_else(|| if key.in_use { "in use" } else { "" }.to_owned(), time::clock);
        let plain = |text| (text, Tone::Plain);
        table.row([
            plain(key.key),
            plain(key.gateway),
            plain(time::clock(key.valid_from)),
            plain(until),
            plain(key.introduced_by.unwrap_or_else(|| "itself".to_owned())),
        ]);
    }
    Ok(table.print()?)
}

fn row(key: &KeyStatement, all: &[KeyStatement], in_use: bool) -> KeyRow {
    let next = all.iter().filter(|other| other.is_introduced_by(&key.public)).map(|other| other.from).min();
    KeyRow {
        key: key.key.to_string(),
        public: key.public.to_hex(),
        gateway: key.gateway.clone(),
        valid_from: time::timestamp(key.from),
        valid_until: next.map(time::timestamp),
        introduced_by: key.introduced_by.as_ref().map(|introduction| introduction.key.to_string()),
        in_use,
    }
}
