//! The parts that the configuration stands for, made of it. Here files are read and buckets reached.

use std::{io, os::unix::fs::DirBuilderExt, path::Path, sync::Arc};

use anyhow::{Context, Result, bail, ensure};
use gateway::clusters;
use identity::{Authority, Tokens};
use player::{Player, PlayerSettings};
use spool::Spool;
use storage::{Disk, RecordingReader, S3, S3Credentials, S3Settings, Store};

use crate::config::{Certificate, ClusterSource, Config, Credential, Policy, Storage, raw};

/// Bytes of what is kept of long recordings; the ones used longest ago are removed beyond it.
const TIMELINES: u64 = 4 << 30;

/// Opens the storage to write recordings into it.
pub async fn store(config: &Config) -> Result<Arc<dyn Store>> {
    match &config.storage {
        Storage::Disk(folder) => {
            let disk = Disk::open(folder).await;
            Ok(Arc::new(disk.with_context(|| format!("cannot use the storage folder {}", folder.display()))?))
        }
        Storage::S3(s3) => bucket(s3).await,
    }
}

/// Opens the storage to read recordings; a folder that is not there is an error.
pub async fn recordings(config: &Config) -> Result<RecordingReader> {
    Ok(RecordingReader::new(store_to_read(config).await?))
}

/// See [`recordings`].
pub async fn store_to_read(config: &Config) -> Result<Arc<dyn Store>> {
    match &config.storage {
        Storage::Disk(folder) => {
            let disk = Disk::open_existing(folder).await;
            let missing = || {
                format!(
                    "cannot read the storage folder {} (storage.path in {})",
                    folder.display(),
                    config.file.display()
                )
            };
            Ok(Arc::new(disk.with_context(missing)?))
        }
        Storage::S3(s3) => bucket(s3).await,
    }
}

/// Plays recordings; what it learned of long ones is kept in `state.dir`.
pub fn player(config: &Config, recordings: RecordingReader) -> Player {
    Player::new(recordings, PlayerSettings::default()).with_folder(config.state_file("timelines"), TIMELINES)
}

/// Tries what the storage can do; one that alters what is stored is refused.
pub async fn probe(store: &dyn Store) -> Result<()> {
    let can = store.probe().await.context("the storage does not do what is needed")?;
    ensure!(
        can.conditional_create,
        "the storage overwrites what exists (it ignores If-None-Match: *): recordings could be altered there; \
         use another server"
    );
    Ok(())
}

async fn bucket(s3: &raw::S3) -> Result<Arc<dyn Store>> {
    let settings = s3_settings(s3)?;
    let bucket = settings.bucket.clone();
    let store = S3::connect(settings).await;
    Ok(Arc::new(store.with_context(|| format!("cannot use the bucket {bucket} (storage.s3)"))?))
}

fn s3_settings(s3: &raw::S3) -> Result<S3Settings> {
    let credentials = S3Credentials {
        access_key: key(s3.access_key.as_ref(), s3.access_key_file.as_deref(), "storage.s3.access_key_file")?,
        secret_key: key(s3.secret_key.as_ref(), s3.secret_key_file.as_deref(), "storage.s3.secret_key_file")?,
        ..Default::default()
    };
    let of_environment = || std::env::var("AWS_REGION").or_else(|_| std::env::var("AWS_DEFAULT_REGION")).ok();
    Ok(S3Settings {
        bucket: s3.bucket.clone().unwrap_or_default(),
        prefix: s3.prefix.clone().unwrap_or_default(),
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone().or_else(of_environment).unwrap_or_else(|| "us-east-1".to_owned()),
        path_style: s3.path_style.unwrap_or(false),
        credentials,
    })
}

fn key(given: Option<&String>, file: Option<&Path>, name: &str) -> Result<Option<String>> {
    let Some(file) = file else { return Ok(given.cloned()) };
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {} ({name})", file.display()))?;
    ensure!(!text.trim().is_empty(), "{} is empty ({name})", file.display());
    Ok(Some(text.trim().to_owned()))
}

/// The rules. A configuration without any lets nobody in, which is said.
pub fn policy(config: &Config) -> Result<access::Policy> {
    let policy = match &config.policy {
        Policy::Inline(policy) => policy.clone(),
        Policy::File(file) => policy_file(file)?,
    };
    ensure!(
        !policy.rules.is_empty(),
        "{}: the policy has no rules, so nobody may do anything: add [[policy.rules]] (see `kubetape config sample`)",
        config.file.display()
    );
    Ok(policy)
}

fn policy_file(file: &Path) -> Result<access::Policy> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the policy file {} (policy.file)", file.display()))?;
    let rules = crate::config::policy_rules(file, &text)?;
    let policy = access::Policy { rules };
    policy.check().with_context(|| format!("in the policy file {}", file.display()))?;
    Ok(policy)
}

/// The clusters; kubeconfigs and certificates are read.
pub fn clusters(config: &Config) -> Result<Vec<clusters::ClusterSettings>> {
    let mut all: Vec<clusters::ClusterSettings> = Vec::new();
    for (place, source) in config.clusters.iter().enumerate() {
        let found = cluster(source).with_context(|| format!("{}: clusters.{place}", config.file.display()))?;
        for cluster in found {
            if all.iter().any(|other| other.name == cluster.name) {
                bail!(
                    "{}: clusters.{place}: there are two clusters of the name {:?}; give one another with `name`",
                    config.file.display(),
                    cluster.name
                );
            }
            all.push(cluster);
        }
    }
    ensure!(
        !all.is_empty(),
        "{}: there is no cluster: add [[clusters]] (see `kubetape config sample`)",
        config.file.display()
    );
    Ok(all)
}

fn cluster(source: &ClusterSource) -> Result<Vec<clusters::ClusterSettings>> {
    match source {
        ClusterSource::Kubeconfig { file, contexts, name } => {
            let mut found = clusters::from_kubeconfig(file, contexts.as_deref())?;
            match (name, found.as_mut_slice()) {
                (None, _) => {}
                (Some(name), [one]) => one.name.clone_from(name),
                (Some(_), several) => bail!(
                    "{} has {} contexts, which cannot all have one `name`: choose one with `contexts`",
                    file.display(),
                    several.len()
                ),
            }
            Ok(found)
        }
        ClusterSource::InCluster { name } => Ok(vec![clusters::in_cluster(name)?]),
        ClusterSource::Explicit { name, server, ca, credential, tls_server_name } => {
            let (token_file, certificate) = match credential {
                Credential::TokenFile(file) => (Some(file.clone()), None),
                Credential::Certificate(certificate) => (None, Some(certificate.clone())),
            };
            let (client_certificate, client_key) = certificate.map(|c| (c.chain, c.key)).unzip();
            Ok(vec![clusters::explicit(&clusters::StaticCluster {
                name: name.clone(),
                server: server.clone(),
                certificate_authority: ca.clone(),
                tls_server_name: tls_server_name.clone(),
                token_file,
                client_certificate,
                client_key,
            })?])
        }
    }
}

/// The gateway's own CA; made when there is none.
pub fn authority(config: &Config) -> Result<Authority> {
    let folder = config.state_file("ca");
    Authority::load_or_create(&folder)
        .with_context(|| format!("cannot use the certificate authority in {} (state.dir)", folder.display()))
}

/// Digests of the tokens for kubectl.
pub fn tokens(config: &Config) -> Result<Tokens> {
    Tokens::open(&config.state_file("tokens.json")).context("cannot use the tokens (state.dir)")
}

/// The spool, held by this process.
pub fn spool(config: &Config) -> Result<Spool> {
    state_folder(config)?;
    let folder = &config.spool.dir;
    Spool::open(folder, config.spool.bounds)
        .with_context(|| format!("cannot use the spool {} (spool.dir)", folder.display()))
}

/// People with passwords.
pub fn users(config: &Config) -> Result<identity::Users> {
    state_folder(config)?;
    identity::Users::open(&config.state_file("users.json")).context("cannot use the users (state.dir)")
}

/// One-time links.
pub fn links(config: &Config) -> Result<identity::Links> {
    state_folder(config)?;
    identity::Links::open(&config.state_file("links.json")).context("cannot use the login links (state.dir)")
}

/// Makes the state folder, for its owner only.
pub fn state_folder(config: &Config) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.state);
    made.with_context(|| format!("cannot make {} (state.dir)", config.state.display()))
}

/// Both PEM files of a certificate, as text.
pub fn pem(certificate: &Certificate) -> Result<(String, String)> {
    let read = |file: &Path| -> Result<String> {
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
    };
    Ok((read(&certificate.chain)?, read(&certificate.key)?))
}

/// Binds a listener. Says who else may have the port.
pub async fn listen(address: std::net::SocketAddr, key: &str) -> Result<tokio::net::TcpListener> {
    tokio::net::TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "another process listens there: end it, or choose another port",
            io::ErrorKind::PermissionDenied => "ports below 1024 need the right to: choose another port",
            io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
            _ => "choose another address",
        };
        anyhow::Error::new(error).context(format!("cannot listen on {address} ({key}): {advice}"))
    })
}

/// A server's TLS from PEM files.
pub fn tls(certificate: &Certificate) -> Result<rustls::ServerConfig> {
    use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
    let (chain, key) = pem(certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} is not a PEM certificate chain", certificate.chain.display()))?;
    ensure!(
        !chain.is_empty(),
        "{} has no certificate: it must have BEGIN CERTIFICATE in it",
        certificate.chain.display()
    );
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .with_context(|| format!("{} is not a PEM private key", certificate.key.display()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    config.with_context(|| format!("{} is not the key of {}", certificate.key.display(), certificate.chain.display()))
}
