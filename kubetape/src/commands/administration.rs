//! Journals what an administrator does with the program: who gave whom a credential, took one back, or replaced a key.

use anyhow::{Context, Result};
use control::{Administration, Request};
use jiff::Timestamp;
use recording::journal::{CredentialAction, CredentialChange, CredentialKind};

use super::viewing;
use crate::config::Config;

/// Journals it, through the gateway that runs here or else in the program's own journal. Before the first start of the gateway
/// there is no key to sign a journal with, and nothing is journalled.
///
/// # Errors
/// A gateway runs here and does not take the entry.
pub async fn note(config: &Config, done: Administration) -> Result<()> {
    if config.signing.public_key()?.is_none() {
        return Ok(());
    }
    let noted = viewing::journal_event(config, Request::Administered(done.clone()), done.into()).await;
    noted.context("this is not in the journal")
}

/// A credential that was given to somebody. `id` is empty for passwords and links.
pub fn issued(
    kind: CredentialKind,
    subject: &str,
    id: &str,
    groups: &[String],
    until: Option<Timestamp>,
) -> Administration {
    Administration::Credential(CredentialChange {
        action: CredentialAction::Issued,
        kind,
        subject: subject.to_owned(),
        id: id.to_owned(),
        groups: groups.to_vec(),
        until: until.map(Into::into),
    })
}

/// A credential that was taken back.
pub fn revoked(kind: CredentialKind, subject: &str, id: &str) -> Administration {
    Administration::Credential(CredentialChange {
        action: CredentialAction::Revoked,
        kind,
        subject: subject.to_owned(),
        id: id.to_owned(),
        groups: Vec::new(),
        until: None,
    })
}
