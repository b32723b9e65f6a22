use std::path::PathBuf;

use serde::Deserialize;

use super::{ClusterError, ClusterSettings, Credential, Trust};

/// A cluster, spelled out in Kubetape's own configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticCluster {
    /// The cluster's name.
    pub name: String,
    /// `https://host:port/prefix`
    pub server: String,
    /// PEM file with the API server's roots; the operating system's where there is none.
    #[serde(default)]
    pub certificate_authority: Option<PathBuf>,
    /// The name in the API server's certificate, where it is not the host.
    #[serde(default)]
    pub tls_server_name: Option<String>,
    /// File with the gateway's bearer token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// PEM file with the gateway's client certificate.
    #[serde(default)]
    pub client_certificate: Option<PathBuf>,
    /// PEM file with its key.
    #[serde(default)]
    pub client_key: Option<PathBuf>,
}

/// A cluster from Kubetape's own configuration. Files are read now.
///
/// # Errors
/// [`ClusterError`] names the cluster and what to change.
pub fn explicit(settings: &StaticCluster) -> Result<ClusterSettings, ClusterError> {
    let name = &settings.name;
    if !super::legal_name(name) {
        return Err(ClusterError::of(name, "a cluster's name has letters, digits, `.`, `_` and `-`"));
    }
    let trust = match &settings.certificate_authority {
        Some(path) => Trust::Roots(super::certificates(name, "certificate_authority", &super::read(path)?)?),
        None => Trust::System,
    };
    let server = super::server(name, &settings.server, settings.tls_server_name.as_deref())?;
    Ok(ClusterSettings { name: name.clone(), server, trust, credential: credential(settings)? })
}

fn credential(settings: &StaticCluster) -> Result<Credential, ClusterError> {
    let name = &settings.name;
    match (&settings.token_file, &settings.client_certificate, &settings.client_key) {
        (Some(path), None, None) => {
            super::read(path)?;
            Ok(Credential::TokenFile(path.clone()))
        }
        (None, Some(certificate), Some(key)) => Ok(Credential::Certificate {
            chain: super::certificates(name, "client_certificate", &super::read(certificate)?)?,
            key: super::private_key(name, "client_key", &super::read(key)?)?,
        }),
        (None, None, None) => Ok(Credential::None),
        _ => Err(ClusterError::of(name, "give either token_file, or client_certificate and client_key")),
    }
}
