//! SIGHUP: the policy is read again, and exchanged while the gateway serves.

use std::path::PathBuf;

use anyhow::{Context, Result};
use control::ConfigurationChanges;
use gateway::Gateway;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{self, Config, Written},
    wiring,
};

/// Reads the policy again and exchanges it. Everything else in the configuration takes effect at the next start.
pub struct PolicyReload {
    file: PathBuf,
    state: PathBuf,
    /// The configuration that the process runs with.
    written: Written,
    gateway: Gateway,
}

/// The SIGHUPs that come from now on. They do not end the process any more.
pub fn hangups() -> Result<Signal> {
    signal(SignalKind::hangup()).context("cannot handle SIGHUP")
}

impl PolicyReload {
    /// Reads the policy from the file that `config` was read from.
    pub fn new(config: &Config, gateway: Gateway) -> Self {
        Self { file: config.file.clone(), state: config.state.clone(), written: config.written.clone(), gateway }
    }

    /// Reads the policy at each signal, until `ended`. A policy that cannot be used changes nothing, and the log says so.
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

    /// Returns whether the policy had changed.
    async fn exchange(&self) -> Result<bool> {
        let config = config::load(Some(&self.file), &config::environment_of_process())?;
        let policy = wiring::policy(&config)?;
        let written = self.written.with_rules(&policy)?;
        let changes = ConfigurationChanges::since_last_start(&self.state, &written)?;
        let changed = changes.changed.clone().unwrap_or_else(|| vec!["policy".to_owned()]);
        if changed.is_empty() {
            return Ok(false);
        }
        self.gateway.exchange_policy(policy, changed).await?;
        changes.remember()?;
        Ok(true)
    }
}
