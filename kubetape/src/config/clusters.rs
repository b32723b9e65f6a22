//! `[[clusters]]`: how the Kubernetes clusters are reached.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use gateway::clusters::is_namespace;

use super::{
    raw,
    reader::{Certificate, Reader, is_name},
};

/// One of `[[clusters]]`.
#[derive(Debug)]
pub struct ClusterEntry {
    /// How it is reached.
    pub source: ClusterSource,
    /// The namespace that the gateway itself runs in there; `None` where the configuration does not say.
    pub own_namespace: Option<String>,
}

/// How one or more clusters are reached.
#[derive(Debug)]
pub enum ClusterSource {
    /// Contexts of a kubeconfig.
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// Which contexts, or `None` for all.
        contexts: Option<Vec<String>>,
        /// Another name for the only context.
        name: Option<String>,
    },
    /// The pod's own service account.
    InCluster {
        /// The cluster's name.
        name: String,
    },
    /// An API server's URL.
    Explicit {
        /// The cluster's name.
        name: String,
        /// `https://host:port`.
        server: String,
        /// PEM file.
        ca: Option<PathBuf>,
        /// How the gateway proves itself.
        credential: ClusterCredential,
        /// See [`raw::Cluster::tls_server_name`].
        tls_server_name: Option<String>,
    },
}

/// The gateway's own credential.
#[derive(Debug)]
pub enum ClusterCredential {
    /// A file with a bearer token.
    TokenFile(PathBuf),
    /// A client certificate.
    Certificate(Certificate),
}

impl Reader<'_> {
    pub(super) fn cluster(&self, index: usize, mut raw: raw::Cluster) -> Result<ClusterEntry> {
        let own_namespace = raw.own_namespace.take();
        if let Some(namespace) = &own_namespace {
            ensure!(
                is_namespace(namespace),
                "{}: {namespace:?} cannot be a namespace: use lower-case letters, digits and `-`, at most 63",
                self.at(&format!("clusters.{index}.own_namespace"))
            );
        }
        Ok(ClusterEntry { source: self.cluster_source(index, raw)?, own_namespace })
    }

    fn cluster_source(&self, index: usize, raw: raw::Cluster) -> Result<ClusterSource> {
        let at = |key: &str| self.at(&format!("clusters.{index}{key}"));
        if let Some(name) = &raw.name {
            ensure!(is_name(name), "{}: {name:?} is part of URLs: use letters, digits, `-`, `_` and `.`", at(".name"));
        }
        let in_cluster = raw.in_cluster.unwrap_or(false);
        match (raw.kubeconfig, in_cluster, raw.server) {
            (Some(file), false, None) => {
                let several = raw.contexts.as_ref().is_some_and(|contexts| contexts.len() != 1);
                ensure!(
                    raw.name.is_none() || !several,
                    "{}: one name cannot be given to several contexts: leave it out, they have names",
                    at(".name")
                );
                Ok(ClusterSource::Kubeconfig { file: self.path(file), contexts: raw.contexts, name: raw.name })
            }
            (None, true, None) => {
                let Some(name) = raw.name else { bail!("{}: give this cluster a name", at(".name")) };
                Ok(ClusterSource::InCluster { name })
            }
            (None, false, Some(server)) => {
                let Some(name) = raw.name else { bail!("{}: give this cluster a name", at(".name")) };
                ensure!(server.starts_with("https://"), "{}: {server:?} does not begin with https://", at(".server"));
                let client = (raw.client_certificate, raw.client_key);
                let credential = match (raw.token_file, client) {
                    (Some(file), (None, None)) => ClusterCredential::TokenFile(self.path(file)),
                    (None, (Some(chain), Some(key))) => {
                        ClusterCredential::Certificate(Certificate { chain: self.path(chain), key: self.path(key) })
                    }
                    _ => bail!(
                        "{}: name either a `token_file` or both `client_certificate` and `client_key`",
                        at(".token_file")
                    ),
                };
                let ca = raw.ca.map(|ca| self.path(ca));
                Ok(ClusterSource::Explicit { name, server, ca, credential, tls_server_name: raw.tls_server_name })
            }
            _ => bail!("{}: set exactly one of `kubeconfig`, `in_cluster = true` and `server`", at("")),
        }
    }
}
