//! `kubetape lock` and `kubetape unlock`

use anyhow::{Context, Result, bail, ensure};
use control::{Answer, Request};
use gateway::Reason;
use identity::Lock;
use jiff::Timestamp;
use recording::journal::JournalEvent;
use serde::Serialize;

use super::viewing;
use crate::{
    cli,
    config::Config,
    output::{self, Table, Tone, line},
    time, wiring,
};

pub async fn run(config: &Config, options: &cli::Lock) -> Result<()> {
    let Some(person) = &options.person else { return list(config, options.json) };
    let reason = options.reason.clone().context("say why with --reason: the person sees it")?;
    let request = Request::Lock { person: person.clone(), reason: reason.clone() };
    match control::ask_if_there(&config.state, &request).await? {
        Some(Answer::Locked { sessions, streams }) => {
            line(format_args!("{person} is locked out: {sessions} sessions and {streams} open answers were ended"))?;
        }
        Some(_) => bail!("the gateway gave another answer"),
        None => {
            alone(config, person, reason).await?;
            line(format_args!("{person} is locked out. No gateway runs here: nothing had to be ended"))?;
        }
    }
    Ok(())
}

/// Where no gateway runs: the next one reads the file.
async fn alone(config: &Config, person: &str, reason: String) -> Result<()> {
    Reason::parse(&reason)?;
    let by = control::this_account();
    let lock = Lock { by, since: Timestamp::now(), reason: reason.clone() };
    let is_new = wiring::locks(config)?.lock(person, lock)?;
    ensure!(is_new, "{person} is locked out already: see `kubetape lock`");
    let event = JournalEvent::Locked { subject: person.to_owned(), reason, sessions: 0, streams: 0 };
    viewing::journal_alone_or_warn(config, event).await;
    Ok(())
}

pub async fn unlock(config: &Config, options: &cli::Unlock) -> Result<()> {
    let person = &options.person;
    match control::ask_if_there(&config.state, &Request::Unlock { person: person.clone() }).await? {
        Some(Answer::Unlocked) => {}
        Some(_) => bail!("the gateway gave another answer"),
        None => {
            ensure!(wiring::locks(config)?.unlock(person)?, "{person:?} is not locked out");
            viewing::journal_alone_or_warn(config, JournalEvent::Unlocked { subject: person.clone() }).await;
        }
    }
    Ok(line(format_args!("{person} is let in again"))?)
}

/// A lock in the output of `--json`.
#[derive(Serialize)]
struct LockRow {
    user: String,
    by: String,
    since: Timestamp,
    reason: String,
}

fn list(config: &Config, json: bool) -> Result<()> {
    let locks = wiring::locks(config)?.all()?;
    let rows: Vec<LockRow> =
        locks.into_iter().map(|(user, Lock { by, since, reason })| LockRow { user, by, since, reason }).collect();
    if json {
        return output::json(&rows);
    }
    if rows.is_empty() {
        eprintln!("nobody is locked out");
        return Ok(());
    }
    let mut table = Table::new(["USER", "SINCE", "BY", "REASON"]);
    for row in rows {
        let plain = |text| (text, Tone::Plain);
        table.row([plain(row.user), plain(time::clock(row.since)), plain(row.by), plain(row.reason)]);
    }
    Ok(table.print()?)
}
