use std::path::Path;

use super::{ClusterError, ClusterSettings, Credential, Trust};

const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The cluster this process runs in, by its pod's service account.
///
/// # Errors
/// [`ClusterError`], where this is no pod, or one without a service account token.
pub fn in_cluster(name: &str) -> Result<ClusterSettings, ClusterError> {
    let variable = |key: &str| {
        std::env::var(key).map_err(|_| ClusterError::of(name, format!("{key} is not set: this is not a pod")))
    };
    let (host, port) = (variable("KUBERNETES_SERVICE_HOST")?, variable("KUBERNETES_SERVICE_PORT")?);
    at(name, &host, &port, Path::new(FOLDER))
}

fn at(name: &str, host: &str, port: &str, folder: &Path) -> Result<ClusterSettings, ClusterError> {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let token = folder.join("token");
    super::read(&token)?;
    Ok(ClusterSettings {
        name: name.to_owned(),
        server: super::server(name, &format!("https://{host}:{port}"), None)?,
        trust: Trust::Roots(super::certificates(name, "ca.crt", &super::read(&folder.join("ca.crt"))?)?),
        credential: Credential::TokenFile(token),
    })
}
