//! The parts that the configuration names, opened. Here files are read and buckets reached.

use std::{
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result, bail, ensure};
use gateway::clusters;
use identity::{Authenticator, Authority, Tokens};
use jiff::Timestamp;
use journal::journal_heads;
use player::{Player, PlayerSettings};
use recording::JournalHead;
use spool::Spool;
use storage::{Disk, RecordingReader, S3, S3Credentials, S3Settings, Store, signing::Signer};
use verify::Trust;

use crate::config::{Certificate, ClusterCredential, ClusterEntry, ClusterSource, Config, PolicySource, Storage, raw};

/// Bytes of what the player keeps of long recordings; beyond it, those used longest ago are removed.
const TIMELINES: u64 = 4 << 30;
/// How far the gateway's journal has come, in `state.dir`: outside of the store.
const JOURNAL_HEAD: &str = "signing/journal.json";

/// Opens the storage to write recordings into it.
pub async fn store(config: &Config) -> Result<Arc<dyn Store>> {
    open_store(&config.storage).await
}

/// Opens a storage as [`store`] does.
pub async fn open_store(storage: &Storage) -> Result<Arc<dyn Store>> {
    match storage {
        Storage::Disk(folder) => {
            let disk = Disk::open(folder).await;
            Ok(Arc::new(disk.with_context(|| format!("cannot use the storage folder {}", folder.display()))?))
        }
        Storage::S3(s3) => bucket(s3).await,
    }
}

/// Opens the recordings to read them. A storage folder that is not there is an error.
pub async fn recordings(config: &Config) -> Result<RecordingReader> {
    Ok(RecordingReader::new(store_to_read(config).await?))
}

/// Opens the storage to read it. A folder that is not there is an error.
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

/// Makes the player. What it learns of long recordings is kept in `state.dir`.
pub fn player(config: &Config, recordings: RecordingReader) -> Player {
    Player::new(recordings, PlayerSettings::default()).with_folder(config.state_file("timelines"), TIMELINES)
}

/// Tries what the storage can do.
///
/// # Errors
/// It overwrites what is stored, so that recordings could be altered.
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
    let from_environment = || std::env::var("AWS_REGION").or_else(|_| std::env::var("AWS_DEFAULT_REGION")).ok();
    Ok(S3Settings {
        bucket: s3.bucket.clone().unwrap_or_default(),
        prefix: s3.prefix.clone().unwrap_or_default(),
        endpoint: s3.endpoint.clone(),
        region: s3.region.clone().or_else(from_environment).unwrap_or_else(|| "us-east-1".to_owned()),
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

/// Reads the rules. A configuration without any lets nobody in, and is an error.
pub fn policy(config: &Config) -> Result<access::Policy> {
    let policy = match &config.policy {
        PolicySource::Inline(policy) => policy.clone(),
        PolicySource::File(file) => policy_file(file)?,
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

/// Reads the clusters, with their kubeconfigs and certificates.
pub fn clusters(config: &Config) -> Result<Vec<clusters::ClusterSettings>> {
    let mut all: Vec<clusters::ClusterSettings> = Vec::new();
    for (index, entry) in config.clusters.iter().enumerate() {
        let found = cluster(entry).with_context(|| format!("{}: clusters.{index}", config.file.display()))?;
        for cluster in found {
            if all.iter().any(|other| other.name == cluster.name) {
                bail!(
                    "{}: clusters.{index}: there are two clusters of the name {:?}; give one another with `name`",
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

/// The name of the configuration's only cluster, for commands that are about one. Where the configuration itself names it, the
/// files that it names are not read.
///
/// # Errors
/// There are several, or which there are cannot be read.
pub fn only_cluster(config: &Config) -> Result<String> {
    if let [entry] = config.clusters.as_slice() {
        match &entry.source {
            ClusterSource::InCluster { name } | ClusterSource::Explicit { name, .. } => return Ok(name.clone()),
            ClusterSource::Kubeconfig { .. } => {}
        }
    }
    let all = clusters(config).context("cannot tell which clusters there are: name one with --cluster")?;
    match all.as_slice() {
        [one] => Ok(one.name.clone()),
        several => {
            let names: Vec<&str> = several.iter().map(|cluster| cluster.name.as_str()).collect();
            bail!("there are several clusters: say which one with --cluster ({})", names.join(", "))
        }
    }
}

fn cluster(entry: &ClusterEntry) -> Result<Vec<clusters::ClusterSettings>> {
    let mut found = reached_by(&entry.source)?;
    match (&entry.own_namespace, found.as_mut_slice()) {
        (None, _) => {}
        (Some(namespace), [one]) => one.own_namespace = Some(namespace.clone()),
        (Some(_), several) => bail!(
            "the kubeconfig has {} contexts, and the gateway runs in one cluster: give that one [[clusters]] of its own, with \
             `contexts` and `own_namespace`",
            several.len()
        ),
    }
    Ok(found)
}

fn reached_by(source: &ClusterSource) -> Result<Vec<clusters::ClusterSettings>> {
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
                ClusterCredential::TokenFile(file) => (Some(file.clone()), None),
                ClusterCredential::Certificate(certificate) => (None, Some(certificate.clone())),
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

/// Opens the key to sign with, at a gateway's start. Its statement is beside the data when this returns; a key that waited
/// for this start is taken into use.
pub async fn signer(config: &Config, store: &Arc<dyn Store>) -> Result<Arc<Signer>> {
    let now = Timestamp::now().into();
    let name = &config.gateway.name;
    let journals = async || journal_heads(&**store, name, Some(&journal_head_file(config))).await;
    let (signer, statement) = config.signing.start(store, name, now, journals).await?;
    tracing::info!(key = %statement.key, "signing");
    Ok(Arc::new(signer))
}

/// Opens the key to sign with beside a gateway that may be running: one that waits for the gateway's next start goes on
/// waiting.
pub async fn signer_beside_gateway(config: &Config, store: &Arc<dyn Store>) -> Result<Arc<Signer>> {
    let now = Timestamp::now().into();
    Ok(Arc::new(config.signing.beside_gateway(store, &config.gateway.name, now).await?))
}

/// The keys that this machine trusts: the one that it signs with, which vouches for those before and after it.
pub fn trusted_keys(config: &Config) -> Result<Vec<Trust>> {
    Ok(config.signing.public_key()?.map(Trust::Key).into_iter().collect())
}

/// The file in `state.dir` that says how far the gateway's journal has come.
pub fn journal_head_file(config: &Config) -> PathBuf {
    config.state_file(JOURNAL_HEAD)
}

/// Reads how far the gateway's journal had come. Returns `None` if this machine has no such journal.
pub fn journal_head(config: &Config) -> Result<Option<JournalHead>> {
    let path = journal_head_file(config);
    if !path.try_exists().unwrap_or(false) {
        return Ok(None);
    }
    let read = || -> Result<_> { Ok(serde_json::from_slice(&std::fs::read(&path)?)?) };
    read().map(Some).with_context(|| format!("cannot use {}", path.display()))
}

/// Opens the gateway's own CA, or makes one.
pub fn authority(config: &Config) -> Result<Authority> {
    let folder = config.state_file("ca");
    Authority::load_or_create(&folder)
        .with_context(|| format!("cannot use the certificate authority in {} (state.dir)", folder.display()))
}

/// Opens the digests of the tokens for kubectl.
pub fn tokens(config: &Config) -> Result<Tokens> {
    Tokens::open(&config.state_file("tokens.json")).context("cannot use the tokens (state.dir)")
}

/// Judges every credential that is shown to this process.
pub fn authenticator(config: &Config) -> Result<Authenticator> {
    Ok(Authenticator::new(
        Arc::new(authority(config)?),
        Arc::new(tokens(config)?),
        Arc::new(users(config)?),
        Arc::new(links(config)?),
    )
    .with_revocations(Arc::new(locks(config)?), Arc::new(certificates(config)?)))
}

/// Opens the people who are shut out.
pub fn locks(config: &Config) -> Result<identity::Locks> {
    state_folder(config)?;
    identity::Locks::open(&config.state_file("locks.json")).context("cannot use the locks (state.dir)")
}

/// Opens the client certificates that were made.
pub fn certificates(config: &Config) -> Result<identity::Certificates> {
    state_folder(config)?;
    identity::Certificates::open(&config.state_file("certificates.json"))
        .context("cannot use the list of certificates (state.dir)")
}

/// Opens the spool. No other process can until this one ends.
pub fn spool(config: &Config) -> Result<Spool> {
    state_folder(config)?;
    let folder = &config.spool.dir;
    Spool::open(folder, config.spool.bounds)
        .with_context(|| format!("cannot use the spool {} (spool.dir)", folder.display()))
}

/// Opens the people with passwords.
pub fn users(config: &Config) -> Result<identity::Users> {
    state_folder(config)?;
    identity::Users::open(&config.state_file("users.json")).context("cannot use the users (state.dir)")
}

/// Opens the one-time links.
pub fn links(config: &Config) -> Result<identity::Links> {
    state_folder(config)?;
    identity::Links::open(&config.state_file("links.json")).context("cannot use the login links (state.dir)")
}

/// Makes the state folder, for its owner only.
pub fn state_folder(config: &Config) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.state);
    made.with_context(|| format!("cannot make {} (state.dir)", config.state.display()))
}

/// Binds a listener. The error names `key` and says what to do.
pub async fn listen(address: std::net::SocketAddr, key: &'static str) -> Result<tokio::net::TcpListener> {
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

/// A server's TLS from PEM files, which it reads again when they change.
pub fn tls(certificate: &Certificate) -> Result<web::Tls> {
    Ok(web::Tls::open(&certificate.chain, &certificate.key)?)
}
