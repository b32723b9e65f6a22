//! `kubetape key`

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Serialize;
use storage::signing::{KeyStatement, statements};

use crate::{
    cli,
    config::Config,
    output::{self, Table, Tone, line},
    signing, time, wiring,
};

pub async fn run(config: &Config, command: &cli::Key) -> Result<()> {
    match command {
        cli::Key::Ls { json } => list(config, *json).await,
        cli::Key::Show => show(config),
        cli::Key::Rotate => {
            let next = signing::rotate(config)?;
            line(next.id())?;
            eprintln!("the key {} is used from the next start of `kubetape serve` on", next.id());
            Ok(())
        }
    }
}

fn show(config: &Config) -> Result<()> {
    let key = signing::own_public_key(config)?.context("there is no key yet: the first `kubetape serve` makes one")?;
    eprintln!("key {}", key.id());
    Ok(line(key.to_pem().trim_end())?)
}

/// A key as scripts see it.
#[derive(Serialize)]
struct Shown {
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
    let own = signing::own_public_key(config)?.map(|key| key.id());
    let mut found = Vec::new();
    for (key, statement) in statements(&store).await.context("cannot read the keys")? {
        match statement {
            Ok(statement) => found.push(statement),
            Err(error) => eprintln!("{key} is passed over: {error}"),
        }
    }
    let shown: Vec<Shown> = found.iter().map(|key| shown(key, &found, own.as_ref() == Some(&key.key))).collect();
    if json {
        return output::json(&shown);
    }
    let mut table = Table::new(["KEY", "GATEWAY", "FROM", "UNTIL", "INTRODUCED BY"]);
    for key in shown {
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

fn shown(key: &KeyStatement, all: &[KeyStatement], in_use: bool) -> Shown {
    let at = |micros| Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH);
    let next = all.iter().filter(|other| other.is_introduced_by(&key.public)).map(|other| other.from_micros).min();
    Shown {
        key: key.key.to_string(),
        public: key.public.to_hex(),
        gateway: key.gateway.clone(),
        valid_from: at(key.from_micros),
        valid_until: next.map(at),
        introduced_by: key.introduced_by.as_ref().map(|introduction| introduction.key.to_string()),
        in_use,
    }
}
