//! The parts' settings, made of the configuration.

use std::sync::Arc;

use access::Policy;
use gateway::{ForwardLatency, TlsSettings, clusters::ClusterSettings};
use identity::Authenticator;
use journal::{Journal, JournalSettings};
use listener::HeadBudget;
use recorder::Recorder;
use storage::signing::Signer;

use crate::{config::Config, wiring};

pub fn recorder(config: &Config, signer: &Arc<Signer>) -> recorder::Settings {
    recorder::Settings {
        gateway: config.gateway.name.clone(),
        chunk_bytes: bytes(config.recorder.chunk_bytes),
        chunk_age: config.recorder.chunk_age,
        patience: config.recorder.patience,
        strict: config.recorder.strict,
        journalled: true,
        signer: Arc::clone(signer),
        keep: config.recorder.keep,
        ..recorder::Settings::default()
    }
}

pub fn journal(config: &Config, signer: &Arc<Signer>) -> JournalSettings {
    JournalSettings {
        object_bytes: bytes(config.journal.object_bytes),
        object_age: config.journal.object_age,
        signer: Arc::clone(signer),
        head_file: Some(wiring::journal_head_file(config)),
        spool: Some(config.spool.dir.join("journal")),
        ..JournalSettings::default()
    }
}

pub fn gateway(
    config: &Config,
    clusters: Vec<ClusterSettings>,
    policy: Arc<Policy>,
    recorder: &Arc<Recorder>,
    journal: &Journal,
    authenticator: &Arc<Authenticator>,
    heads: &HeadBudget,
) -> gateway::Settings {
    gateway::Settings {
        name: config.gateway.name.clone(),
        clusters,
        policy,
        authenticator: authenticator.clone(),
        recorder: recorder.clone(),
        journal: journal.clone(),
        tls: match &config.gateway.certificate {
            None => TlsSettings::OwnAuthority { names: config.gateway.names.clone() },
            Some(given) => TlsSettings::Given { certificate: given.chain.clone(), key: given.key.clone() },
        },
        trusted_proxies: config.gateway.trusted_proxies.clone(),
        heads: heads.clone(),
        limits: config.limits,
        forward_latency: ForwardLatency::default(),
    }
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
