use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ClusterError, ClusterSettings, Credential, Source, Trust};

/// Where Kubernetes mounts a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A cluster as it stands in Kubetape's own configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticCluster {
    /// The cluster's name.
    pub name: String,
    /// `https://host:port/prefix`
    pub server: String,
    /// PEM file with the API server's roots. The operating system's are used if there is none.
    #[serde(default)]
    pub certificate_authority: Option<PathBuf>,
    /// The name in the API server's certificate, if it is not the host.
    #[serde(default)]
    pub tls_server_name: Option<String>,
    /// File with the gateway's bearer token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// PEM file with the gateway's client certificate.
    #[serde(default)]
    pub client_certificate: Option<PathBuf>,
    /// PEM file with the certificate's private key.
    #[serde(default)]
    pub client_key: Option<PathBuf>,
}

/// Makes a cluster's settings of Kubetape's own configuration. The files that it names are read now.
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
    let (credential, source) = (credential(settings)?, Source::Static(Box::new(settings.clone())));
    Ok(ClusterSettings { name: name.clone(), server, trust, credential, source, own_namespace: None })
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

/// The cluster that this process runs in, by its pod's service account. Its own namespace is that account's.
///
/// # Errors
/// [`ClusterError`] if this is no pod, or a pod without a service account token.
pub fn in_cluster(name: &str) -> Result<ClusterSettings, ClusterError> {
    let variable = |key: &str| {
        std::env::var(key).map_err(|_| ClusterError::of(name, format!("{key} is not set: this is not a pod")))
    };
    let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
    in_folder(name, &host, &port, Path::new(SERVICE_ACCOUNT))
}

/// Whether Kubernetes can have a namespace of this name (a label, RFC 1123): what cannot be one is never met, and guards nothing.
pub fn is_namespace(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(legal) && !name.starts_with('-') && !name.ends_with('-')
}

fn in_folder(name: &str, host: &str, port: &str, folder: &Path) -> Result<ClusterSettings, ClusterError> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let (token, namespace) = (folder.join("token"), folder.join("namespace"));
    super::read(&token)?;
    let own_namespace = String::from_utf8_lossy(&super::read(&namespace)?).trim().to_owned();
    if !is_namespace(&own_namespace) {
        return Err(ClusterError::of(name, format!("{} does not name a namespace", namespace.display())));
    }
    Ok(ClusterSettings {
        name: name.to_owned(),
        server: super::server(name, &format!("https://{host}:{port}"), None)?,
        trust: Trust::Roots(super::certificates(name, "ca.crt", &super::read(&folder.join("ca.crt"))?)?),
        credential: Credential::TokenFile(token),
        source: Source::InCluster,
        own_namespace: Some(own_namespace),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Kubernetes mounts into a pod, with this text as its namespace.
    fn mounted(namespace: Option<&str>) -> Result<ClusterSettings, ClusterError> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("token", "secret");
        write("ca.crt", &rcgen::generate_simple_self_signed(vec!["api".to_owned()]).unwrap().cert.pem());
        if let Some(namespace) = namespace {
            write("namespace", namespace);
        }
        in_folder("production", "10.96.0.1", "443", folder.path())
    }

    #[test]
    fn a_gateway_in_a_pod_knows_the_namespace_that_it_runs_in() {
        assert_eq!(mounted(Some("kubetape")).unwrap().own_namespace.as_deref(), Some("kubetape"));
        assert_eq!(mounted(Some("kubetape\n")).unwrap().own_namespace.as_deref(), Some("kubetape"));
    }

    #[test]
    fn a_pod_that_does_not_say_its_namespace_is_none_to_run_in() {
        assert!(matches!(mounted(None), Err(ClusterError::File { path, .. }) if path.ends_with("namespace")));
        for odd in ["", "Kubetape", "a/b", "-a", &"a".repeat(64)] {
            assert!(mounted(Some(odd)).unwrap_err().to_string().contains("does not name a namespace"), "{odd:?}");
        }
    }
}
