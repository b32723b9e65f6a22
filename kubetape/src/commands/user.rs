//! `kubetape user`

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail, ensure};
use crossterm::{
    event::{Event, KeyCode, KeyEventKind, KeyModifiers, read},
    terminal::{disable_raw_mode, enable_raw_mode},
};

use recording::journal::CredentialKind;
use serde::Serialize;

use super::administration;
use crate::{
    cli,
    config::Config,
    output::{self, Table, Tone},
    wiring,
};

pub async fn run(config: &Config, command: &cli::User) -> Result<()> {
    match command {
        cli::User::Ls { json } => list(config, *json),
        cli::User::Add { name, password_stdin } => {
            let known = wiring::users(config)?.names()?.contains(name);
            ensure!(!known, "there is a user {name:?} already: change the password with `kubetape user passwd`");
            set_password(config, name, *password_stdin).await
        }
        cli::User::Passwd { name, password_stdin } => {
            let known = wiring::users(config)?.names()?.contains(name);
            ensure!(known, "there is no user {name:?}: see `kubetape user ls`");
            set_password(config, name, *password_stdin).await
        }
        cli::User::Rm { name } => remove(config, name).await,
    }
}

/// A person in the output of `--json`.
#[derive(Serialize)]
struct UserRow {
    user: String,
    locked: bool,
}

fn list(config: &Config, json: bool) -> Result<()> {
    let locks = wiring::locks(config)?.all()?;
    let names = wiring::users(config)?.names()?;
    let rows: Vec<UserRow> =
        names.into_iter().map(|user| UserRow { locked: locks.contains_key(&user), user }).collect();
    if json {
        return output::json(&rows);
    }
    let mut table = Table::new(["USER", ""]);
    for UserRow { user, locked } in rows {
        table.row([(user, Tone::Plain), (if locked { "locked out" } else { "" }.to_owned(), Tone::Bad)]);
    }
    Ok(table.print()?)
}

/// Journals it before the password is set: nobody gets in by one that the journal does not have.
async fn set_password(config: &Config, name: &str, password_stdin: bool) -> Result<()> {
    let users = wiring::users(config)?;
    let password = if password_stdin { first_line()? } else { ask_twice(name)? };
    administration::note(config, administration::issued(CredentialKind::Password, name, "", &[], None)).await?;
    users.set_password(name, &password).with_context(|| format!("cannot set the password of {name:?}"))?;
    eprintln!("{name} can log in to the web with it");
    Ok(())
}

/// The links of a person who has no password are taken back too, so the order does not matter to a second try.
async fn remove(config: &Config, name: &str) -> Result<()> {
    let removed = wiring::users(config)?.remove(name).with_context(|| format!("cannot remove {name:?}"))?;
    wiring::links(config)?.revoke(name).with_context(|| format!("cannot take back the login links of {name:?}"))?;
    ensure!(removed, "there is no user {name:?}; their login links, if there were any, are taken back");
    eprintln!("{name} is removed, and logged out of the web");
    administration::note(config, administration::revoked(CredentialKind::Password, name, "")).await
}

fn first_line() -> Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).context("cannot read the password from stdin")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn ask_twice(name: &str) -> Result<String> {
    ensure!(io::stdin().is_terminal(), "there is no terminal to ask for a password: give it with --password-stdin");
    let password = ask(&format!("Password for {name}: "))?;
    ensure!(ask("Once more: ")? == password, "the two are not the same: nothing was changed");
    Ok(password)
}

/// Asks for a line, and reads it without echo.
fn ask(prompt: &str) -> Result<String> {
    let mut out = io::stderr();
    write!(out, "{prompt}")?;
    out.flush()?;
    enable_raw_mode().context("cannot switch the terminal's echo off")?;
    let line = unseen_line();
    let _ = disable_raw_mode();
    writeln!(out)?;
    line
}

fn unseen_line() -> Result<String> {
    let mut line = String::new();
    loop {
        let Event::Key(key) = read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Enter => return Ok(line),
            KeyCode::Char('c' | 'd') if control => bail!("nothing was changed"),
            KeyCode::Char('u') if control => line.clear(),
            KeyCode::Char(c) if !control => line.push(c),
            KeyCode::Backspace => {
                line.pop();
            }
            _ => {}
        }
    }
}
