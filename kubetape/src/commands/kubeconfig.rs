//! `kubetape kubeconfig`

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use identity::IssuedCertificate;
use jiff::Timestamp;
use recording::journal::CredentialKind;

use super::{administration, token};
use crate::{
    cli,
    config::{Config, quantity::HumanDuration},
    wiring,
};

/// How long a token is valid without --expires.
const TOKEN_VALIDITY: HumanDuration = HumanDuration(std::time::Duration::from_secs(30 * 86_400));
/// How long a certificate is valid without --expires.
const CERTIFICATE_VALIDITY: HumanDuration = HumanDuration(std::time::Duration::from_secs(86_400));

pub async fn run(config: &Config, options: &cli::Kubeconfig) -> Result<()> {
    ensure!(
        !config.gateway.public_url.ends_with(":0"),
        "gateway.listen takes any free port, so kubeconfigs cannot name it: set gateway.public_url in {}",
        config.file.display()
    );
    let clusters = chosen(config, &options.clusters)?;
    let user = options.user.clone().or_else(|| std::env::var("USER").ok()).context("name the person with --user")?;
    let kubeconfig = Kubeconfig {
        gateway: config.gateway.public_url.clone(),
        ca: ca(config)?,
        credential: credential(config, options, &user).await?,
        user,
        clusters,
    };
    match &options.output {
        Some(file) => {
            write_private(file, kubeconfig.to_yaml().as_bytes())
                .with_context(|| format!("cannot write {}", file.display()))?;
            eprintln!(
                "{} is for {} only; try: kubectl --kubeconfig {} get pods",
                file.display(),
                kubeconfig.user,
                file.display()
            );
        }
        None => std::io::stdout().lock().write_all(kubeconfig.to_yaml().as_bytes())?,
    }
    Ok(())
}

/// A person's kubeconfig: one context for each cluster.
pub struct Kubeconfig {
    /// `https://host:port`
    pub gateway: String,
    /// PEM, or `None` if the system trusts the gateway's certificate.
    pub ca: Option<String>,
    /// The person.
    pub user: String,
    /// What the person authenticates with.
    pub credential: Credential,
    /// Names of clusters; the first is the current context.
    pub clusters: Vec<String>,
}

/// What a person authenticates to the gateway with.
pub enum Credential {
    /// A token's secret.
    Token(String),
    /// PEM.
    Certificate {
        /// The chain.
        chain: String,
        /// Its private key.
        key: String,
    },
}

impl Kubeconfig {
    /// The file as kubectl reads it. Strings are written as JSON strings, which are YAML too.
    pub fn to_yaml(&self) -> String {
        let user = quoted(&self.user);
        let mut yaml = format!("apiVersion: v1\nkind: Config\ncurrent-context: {}\n", quoted(&self.clusters[0]));
        yaml.push_str("clusters:\n");
        for name in &self.clusters {
            let server = quoted(&format!("{}/clusters/{name}", self.gateway));
            yaml.push_str(&format!("- name: {}\n  cluster:\n    server: {server}\n", quoted(name)));
            if let Some(ca) = &self.ca {
                yaml.push_str(&format!("    certificate-authority-data: {}\n", BASE64_STANDARD.encode(ca)));
            }
        }
        yaml.push_str("contexts:\n");
        for name in &self.clusters {
            let name = quoted(name);
            yaml.push_str(&format!("- name: {name}\n  context:\n    cluster: {name}\n    user: {user}\n"));
        }
        yaml.push_str(&format!("users:\n- name: {user}\n  user:\n"));
        match &self.credential {
            Credential::Token(secret) => yaml.push_str(&format!("    token: {}\n", quoted(secret))),
            Credential::Certificate { chain, key } => {
                yaml.push_str(&format!("    client-certificate-data: {}\n", BASE64_STANDARD.encode(chain)));
                yaml.push_str(&format!("    client-key-data: {}\n", BASE64_STANDARD.encode(key)));
            }
        }
        yaml
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn chosen(config: &Config, options: &[String]) -> Result<Vec<String>> {
    let names: Vec<String> = wiring::clusters(config)?.into_iter().map(|cluster| cluster.name).collect();
    for name in options {
        ensure!(
            names.contains(name),
            "there is no cluster {name:?} in {}: it has {}",
            config.file.display(),
            names.join(", ")
        );
    }
    Ok(if options.is_empty() { names } else { options.to_vec() })
}

/// The CA certificates that a kubeconfig names.
pub fn ca(config: &Config) -> Result<Option<String>> {
    match (&config.gateway.certificate, &config.gateway.ca) {
        (None, _) => Ok(Some(wiring::authority(config)?.ca_pem().to_owned())),
        (Some(_), None) => Ok(None),
        (Some(_), Some(file)) => {
            let pem = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {} (gateway.ca)", file.display()))?;
            Ok(Some(pem))
        }
    }
}

async fn credential(config: &Config, options: &cli::Kubeconfig, user: &str) -> Result<Credential> {
    if let Some(file) = &options.token_file {
        let secret =
            std::fs::read_to_string(file).with_context(|| format!("cannot read the token file {}", file.display()))?;
        let secret = secret.trim();
        let whose = wiring::tokens(config)?
            .verify(secret, jiff::Timestamp::now())
            .with_context(|| format!("in {}", file.display()))?;
        ensure!(whose.name == user || options.user.is_none(), "the token in {} is {}'s", file.display(), whose.name);
        return Ok(Credential::Token(secret.to_owned()));
    }
    if options.certificate {
        let validity = options.expires.unwrap_or(CERTIFICATE_VALIDITY).0;
        return certificate(config, user, &options.groups, validity).await;
    }
    let (tokens, validity) = (wiring::tokens(config)?, options.expires.unwrap_or(TOKEN_VALIDITY));
    let secret = token::create_journalled(config, &tokens, user, &options.groups, Some(validity)).await?;
    Ok(Credential::Token(secret))
}

/// Makes a certificate, which can be revoked from then on, and journals that.
async fn certificate(config: &Config, user: &str, groups: &[String], validity: Duration) -> Result<Credential> {
    let authority = wiring::authority(config)?;
    let (chain, key) = authority.issue_client(user, groups, validity)?;
    let holder = authority.holder_of(&chain, SystemTime::now())?;
    let serial = holder.principal.credential_id.clone();
    let (created, expires) = (Timestamp::now(), Timestamp::try_from(holder.until)?);
    wiring::certificates(config)?.add(IssuedCertificate {
        serial: serial.clone(),
        name: user.to_owned(),
        groups: groups.to_vec(),
        created,
        expires,
        revoked: None,
    })?;
    let done = administration::issued(CredentialKind::Certificate, user, &serial, groups, Some(expires));
    administration::note(config, done).await?;
    Ok(Credential::Certificate { chain, key })
}

/// Writes a file that only its owner may read. An existing file is replaced at once.
pub fn write_private(file: &Path, bytes: &[u8]) -> Result<()> {
    // A device or a pipe, such as /dev/stdout, is written to and not replaced.
    if std::fs::metadata(file).is_ok_and(|there| !there.is_file()) {
        std::fs::OpenOptions::new().write(true).open(file)?.write_all(bytes)?;
        return Ok(());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o600)).tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cluster_is_a_context() {
        let kubeconfig = Kubeconfig {
            gateway: "https://k:8443".to_owned(),
            ca: Some("PEM".to_owned()),
            user: "ann".to_owned(),
            credential: Credential::Token("kt_1_x".to_owned()),
            clusters: vec!["a".to_owned(), "b".to_owned()],
        };
        let expected = r#"apiVersion: v1
kind: Config
current-context: "a"
clusters:
- name: "a"
  cluster:
    server: "https://k:8443/clusters/a"
    certificate-authority-data: UEVN
- name: "b"
  cluster:
    server: "https://k:8443/clusters/b"
    certificate-authority-data: UEVN
contexts:
- name: "a"
  context:
    cluster: "a"
    user: "ann"
- name: "b"
  context:
    cluster: "b"
    user: "ann"
users:
- name: "ann"
  user:
    token: "kt_1_x"
"#;
        assert_eq!(kubeconfig.to_yaml(), expected);
    }
}
