//! SIGHUP: the policy is read again, and exchanged while the gateway serves.

use std::path::PathBuf;

use anyhow::{Context, Result};
use gateway::Gateway;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    changes::{Changes, Running},
    config::{self, Config},
    wiring,
};

/// Reads the policy again. Everything else in the configuration takes effect at the next start.
pub struct PolicyReload {
    file: PathBuf,
    running: Running,
    gateway: Gateway,
}

/// SIGHUPs from now on, which do not end the process any more.
pub fn hangups() -> Result<Signal> {
    signal(SignalKind::hangup()).context("cannot handle SIGHUP")
}

impl PolicyReload {
    /// Reads it from where it was read.
    pub fn new(config: &Config, gateway: Gateway) -> Self {
        Self { file: config.file.clone(), running: Running::new(config), gateway }
    }

    /// Does so at each signal, until `ended`. A policy that cannot be used changes nothing, which the log says.
    pub async fn run(self, mut hangups: Signal, ended: CancellationToken) {
        loop {
            tokio::select! {
                () = ended.cancelled() => return,
                _ = hangups.recv() => {}
            }
            match self.exchange().await {
                Ok(true) => {}
                Ok(false) => tracing::info!("SIGHUP: the policy is as it was"),
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::error!(error, "SIGHUP: the policy is not exchanged, the one before stays in use");
                }
            }
        }
    }

    /// Whether it was another one.
    async fn exchange(&self) -> Result<bool> {
        let config = config::load(Some(&self.file), &config::environment_of_process())?;
        let policy = wiring::policy(&config)?;
        let changes = Changes::of_policy(&self.running, &policy)?;
        let changed = changes.changed.clone().unwrap_or_else(|| vec!["policy".to_owned()]);
        if changed.is_empty() {
            return Ok(false);
        }
        self.gateway.exchange_policy(policy, changed).await?;
        changes.keep()?;
        Ok(true)
    }
}
