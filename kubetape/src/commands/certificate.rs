//! `kubetape certificate`

use anyhow::{Context, Result};
use jiff::Timestamp;
use recording::journal::CredentialKind;
use serde::Serialize;

use super::administration;
use crate::{
    cli,
    config::Config,
    output::{self, Table, Tone},
    time, wiring,
};

pub async fn run(config: &Config, command: &cli::Certificate) -> Result<()> {
    match command {
        cli::Certificate::Ls { json } => list(config, *json),
        cli::Certificate::Revoke { serial } => revoke(config, serial).await,
    }
}

async fn revoke(config: &Config, serial: &str) -> Result<()> {
    let revoked = wiring::certificates(config)?.revoke(serial, Timestamp::now())?;
    let unknown = || format!("there is no certificate {serial:?} that is in use: see `kubetape certificate ls`");
    let certificate = revoked.with_context(unknown)?;
    let done = administration::revoked(CredentialKind::Certificate, &certificate.name, serial);
    administration::note(config, done).await.with_context(|| format!("{serial} is revoked"))?;
    eprintln!("the certificate {serial} of {} is revoked", certificate.name);
    Ok(())
}

/// A certificate in the output of `--json`.
#[derive(Serialize)]
struct CertificateRow {
    serial: String,
    user: String,
    groups: Vec<String>,
    created: Timestamp,
    expires: Timestamp,
    expired: bool,
    revoked: Option<Timestamp>,
}

fn list(config: &Config, json: bool) -> Result<()> {
    let now = Timestamp::now();
    let known = wiring::certificates(config)?.list()?;
    let rows: Vec<CertificateRow> = known
        .into_iter()
        .map(|known| CertificateRow {
            expired: known.expires <= now,
            serial: known.serial,
            user: known.name,
            groups: known.groups,
            created: known.created,
            expires: known.expires,
            revoked: known.revoked,
        })
        .collect();
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(["SERIAL", "USER", "GROUPS", "CREATED", "EXPIRES"]);
    for row in rows {
        let plain = |text| (text, Tone::Plain);
        let until = match row.revoked {
            Some(at) => (format!("revoked {}", time::clock(at)), Tone::Bad),
            None => (time::clock(row.expires), if row.expired { Tone::Bad } else { Tone::Plain }),
        };
        table.row([
            plain(row.serial),
            plain(row.user),
            plain(row.groups.join(",")),
            plain(time::clock(row.created)),
            until,
        ]);
    }
    Ok(table.print()?)
}
