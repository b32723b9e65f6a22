//! `kubetape end`

use anyhow::{Context, Result, bail, ensure};
use recording::{Outcome, RecordingId};
use storage::RecordingReader;

use crate::{cli, config::Config, output::line, recorded, time, wiring};
use control::{Answer, Request};

pub async fn run(config: &Config, options: &cli::End) -> Result<()> {
    let reason = options.reason.clone();
    match (&options.id, &options.user) {
        (Some(id), _) => one(config, id, reason).await,
        (None, user) => all_of(config, user.clone().unwrap_or_default(), reason).await,
    }
}

async fn one(config: &Config, id: &str, reason: String) -> Result<()> {
    let recordings = wiring::recordings(config).await?;
    let session = recorded::find(&recordings, id).await?;
    let answer = control::ask(&config.state, &Request::EndSession { session, reason }).await?;
    let Answer::Ended { over, ending } = answer else { bail!("the gateway gave another answer") };
    if over.is_empty() && ending.is_empty() {
        bail!(why_not_live(&recordings, session, config).await?);
    }
    print_ended(&over, &ending)
}

async fn all_of(config: &Config, user: String, reason: String) -> Result<()> {
    let answer = control::ask(&config.state, &Request::EndSessionsOf { user: user.clone(), reason }).await?;
    let Answer::Ended { over, ending } = answer else { bail!("the gateway gave another answer") };
    ensure!(!over.is_empty() || !ending.is_empty(), "{user:?} has no live session at this gateway");
    print_ended(&over, &ending)
}

fn print_ended(over: &[RecordingId], ending: &[RecordingId]) -> Result<()> {
    for id in over {
        line(format_args!("ended {id}"))?;
    }
    ensure!(
        ending.is_empty(),
        "not over yet: {}",
        ending.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    );
    Ok(())
}

/// Why a session is not live at this gateway.
async fn why_not_live(recordings: &RecordingReader, id: RecordingId, config: &Config) -> Result<String> {
    let summary = match recordings.summary(id).await {
        Ok(summary) => summary,
        Err(error) if error.is_not_found() => return Ok(format!("there is no recording {id}: see `kubetape ls`")),
        Err(error) => return Err(error).with_context(|| format!("cannot read the recording {id}")),
    };
    let gateway = summary.header.kubetape.gateway;
    Ok(match summary.manifest {
        Some(manifest) => {
            let ended = time::clock(time::timestamp(manifest.ended));
            format!("{id} is over already: it ended {ended} ({})", outcome_name(&manifest.outcome))
        }
        None if gateway == config.gateway.name => {
            format!("{id} is not live, and has no recorded end: its gateway died, or is still opening it")
        }
        None => format!("{id} is recorded by the gateway {gateway:?}: run this where that one runs"),
    })
}

fn outcome_name(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited { exit_code } => format!("exit {exit_code}"),
        Outcome::Ended => "ended".to_owned(),
        Outcome::FailedToStart { .. } => "failed to start".to_owned(),
        Outcome::EndedByGateway { .. } => "ended by the gateway".to_owned(),
        Outcome::ClientGone => "client gone".to_owned(),
        Outcome::UpstreamGone => "upstream gone".to_owned(),
        Outcome::Interrupted => "interrupted".to_owned(),
        Outcome::Unknown => "end unknown".to_owned(),
    }
}
