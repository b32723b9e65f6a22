use std::path::{Path, PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;

use super::{ClusterError, ClusterSettings, Credential, Source, Trust};

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    clusters: Vec<NamedCluster>,
    #[serde(default)]
    users: Vec<NamedUser>,
    #[serde(default)]
    contexts: Vec<NamedContext>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    #[serde(default)]
    certificate_authority: Option<PathBuf>,
    #[serde(default)]
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    #[serde(default)]
    tls_server_name: Option<String>,
    #[serde(default)]
    proxy_url: Option<String>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    #[serde(default)]
    client_certificate: Option<PathBuf>,
    #[serde(default)]
    client_certificate_data: Option<String>,
    #[serde(default)]
    client_key: Option<PathBuf>,
    #[serde(default)]
    client_key_data: Option<String>,
    #[serde(default)]
    token: Option<String>,
    #[serde(default, rename = "tokenFile")]
    token_file: Option<PathBuf>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    exec: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    auth_provider: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    #[serde(default)]
    user: String,
}

/// Reads the clusters of a kubeconfig file: one for each context, or for each of those named.
///
/// A cluster has its context's name, with `-` for characters that cannot stand in a URL. The files that the kubeconfig
/// names are read now, relative to its folder, as kubectl does.
///
/// # Errors
/// [`ClusterError`] names the file or the context, and what to change.
pub fn from_kubeconfig(path: &Path, contexts: Option<&[String]>) -> Result<Vec<ClusterSettings>, ClusterError> {
    let why = |why: String| ClusterError::Kubeconfig { path: path.to_owned(), why };
    let text = String::from_utf8(super::read(path)?).map_err(|_| why("it is not UTF-8".to_owned()))?;
    let config: Config = serde_saphyr::from_str(&text).map_err(|e| why(first_line(&e.to_string())))?;
    let wanted: Vec<&NamedContext> = match contexts {
        None => config.contexts.iter().collect(),
        Some(names) => names
            .iter()
            .map(|name| {
                config.contexts.iter().find(|c| c.name == *name).ok_or_else(|| why(format!("no context {name:?}")))
            })
            .collect::<Result<_, _>>()?,
    };
    if wanted.is_empty() {
        return Err(why("it has no contexts".to_owned()));
    }
    let found: Vec<_> = wanted.iter().map(|context| settings(&config, context, path)).collect::<Result<_, _>>()?;
    distinct(&found)?;
    Ok(found)
}

/// A parser's message without the excerpt of the file that may follow it, since the file has secrets.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}

fn distinct(clusters: &[ClusterSettings]) -> Result<(), ClusterError> {
    let mut names = std::collections::HashSet::new();
    match clusters.iter().find(|cluster| !names.insert(cluster.name.as_str())) {
        None => Ok(()),
        Some(twice) => Err(ClusterError::of(&twice.name, "two contexts have this name in URLs: rename one")),
    }
}

fn settings(config: &Config, named: &NamedContext, path: &Path) -> Result<ClusterSettings, ClusterError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let (context, name) = (&named.context, url_name(&named.name)?);
    let missing = |kind: &str, name: &str| ClusterError::of(&named.name, format!("no {kind} {name:?} in the file"));
    let cluster = config.clusters.iter().find(|c| c.name == context.cluster);
    let cluster = &cluster.ok_or_else(|| missing("cluster", &context.cluster))?.cluster;
    if cluster.proxy_url.is_some() {
        return Err(ClusterError::of(&named.name, "proxy-url is not supported"));
    }
    let credential = match config.users.iter().find(|u| u.name == context.user) {
        Some(user) => credential(&named.name, user.user.as_ref().unwrap_or(&User::default()), folder)?,
        None if context.user.is_empty() => Credential::None,
        None => return Err(missing("user", &context.user)),
    };
    let server = super::server(&named.name, &cluster.server, cluster.tls_server_name.as_deref())?;
    let source = Source::Kubeconfig { path: path.to_owned(), context: named.name.clone() };
    let trust = trust(&named.name, cluster, folder)?;
    Ok(ClusterSettings { server, trust, credential, source, name, own_namespace: None })
}

fn url_name(context: &str) -> Result<String, ClusterError> {
    let name = super::url_name(context);
    if super::legal_name(&name) { Ok(name) } else { Err(ClusterError::of(context, "the context needs a name")) }
}

fn trust(name: &str, cluster: &Cluster, folder: &Path) -> Result<Trust, ClusterError> {
    if cluster.insecure_skip_tls_verify {
        return Ok(Trust::Anything);
    }
    let what = "certificate-authority";
    match data_or_file(
        name,
        what,
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
        folder,
    )? {
        Some(pem) => Ok(Trust::Roots(super::certificates(name, what, &pem)?)),
        None => Ok(Trust::System),
    }
}

fn credential(name: &str, user: &User, folder: &Path) -> Result<Credential, ClusterError> {
    if user.exec.is_some() || user.auth_provider.is_some() {
        let why = "its user logs in with an exec plugin or auth-provider: those are for people. \
                   Give the gateway a service account's token or a client certificate";
        return Err(ClusterError::of(name, why));
    }
    if user.username.is_some() {
        return Err(ClusterError::of(name, "user names and passwords are not supported by Kubernetes any more"));
    }
    let (cert, key) = ("client-certificate", "client-key");
    let chain =
        data_or_file(name, cert, user.client_certificate_data.as_deref(), user.client_certificate.as_deref(), folder)?;
    let secret = data_or_file(name, key, user.client_key_data.as_deref(), user.client_key.as_deref(), folder)?;
    match (chain, secret) {
        (Some(chain), Some(secret)) => Ok(Credential::Certificate {
            chain: super::certificates(name, cert, &chain)?,
            key: super::private_key(name, key, &secret)?,
        }),
        (None, None) => token(user, folder),
        _ => Err(ClusterError::of(name, "client-certificate and client-key need each other")),
    }
}

/// `tokenFile` wins over `token`, as in client-go.
fn token(user: &User, folder: &Path) -> Result<Credential, ClusterError> {
    match (&user.token_file, &user.token) {
        (Some(path), _) => {
            let path = folder.join(path);
            super::read(&path)?;
            Ok(Credential::TokenFile(path))
        }
        (None, Some(token)) => Ok(Credential::Token(token.clone())),
        (None, None) => Ok(Credential::None),
    }
}

/// `*-data` wins over the file, as in client-go.
fn data_or_file(
    name: &str,
    what: &str,
    data: Option<&str>,
    file: Option<&Path>,
    folder: &Path,
) -> Result<Option<Vec<u8>>, ClusterError> {
    match (data, file) {
        (Some(data), _) if !data.is_empty() => BASE64_STANDARD
            .decode(data.trim())
            .map(Some)
            .map_err(|_| ClusterError::of(name, format!("{what}-data is not base64"))),
        (_, Some(file)) => super::read(&folder.join(file)).map(Some),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Vec<ClusterSettings>, ClusterError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, yaml).unwrap();
        from_kubeconfig(&path, None)
    }

    fn config(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{{name: c, cluster: {cluster}}}]\n\
             users: [{{name: u, user: {user}}}]\ncontexts: [{{name: 'arn:aws/x', context: {{cluster: c, user: u}}}}]\n"
        )
    }

    #[test]
    fn a_context_becomes_a_cluster_that_can_stand_in_a_url() {
        let found = read(&config("{server: 'https://[::1]:6443/k8s/x/', tls-server-name: api}", "{token: t}")).unwrap();
        assert_eq!(found[0].name, "arn-aws-x");
        assert_eq!((found[0].server.host.as_str(), found[0].server.port), ("::1", 6443));
        assert_eq!(found[0].server.prefix, "/k8s/x");
        assert!(matches!(&found[0].credential, Credential::Token(t) if t == "t"));
        assert!(matches!(found[0].trust, Trust::System));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let https = "{server: 'https://api'}";
        for (yaml, part) in [
            (config("{server: 'http://api'}", "{token: t}"), "only https://"),
            (config(https, "{exec: {command: aws}}"), "exec plugin"),
            (config(https, "{client-certificate-data: x}"), "not base64"),
            (config("{server: 'https://api', certificate-authority: missing.pem}", "{}"), "missing.pem"),
            (config("{server: 'https://api', proxy-url: 'http://p'}", "{}"), "proxy-url"),
            ("clusters: 7".to_owned(), "not a kubeconfig"),
            ("kind: Config".to_owned(), "no contexts"),
        ] {
            let message = read(&yaml).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
