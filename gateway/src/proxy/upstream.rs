//! An API server: dialled for each upgrade, through a pool of connections for everything else.
//!
//! Both speak HTTP/1.1. One h2 connection would carry all people's requests to a cluster: an API server allows
//! 100 to 250 streams on it, which watches hold for hours, and one person who reads slowly would fill the
//! connection's window for all.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use access::{Impersonation, Permit};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, Client},
    rt::{TokioExecutor, TokioTimer},
};
use recording::RecordingId;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    clusters::{ClusterError, ClusterSettings, Credential, Server, Source, Trust},
    dial::Dialer,
    tls,
};
use crate::{
    auth::impersonate::{GROUP, USER},
    request::{
        head::{MAX_HEAD, MAX_HEADERS},
        headers,
        status::Status,
    },
    transport::TlsError,
};

pub(crate) use super::dial::DialError;

/// Idle connections kept for a cluster, and for how long: API servers close theirs after 180 s at the earliest.
const IDLE_CONNECTIONS: usize = 32;
const IDLE: Duration = Duration::from_secs(90);
/// A token file is read again when what was read is this old; service account tokens rotate hourly.
const TOKEN_AGE: Duration = Duration::from_secs(60);
/// Names the gateway as an extra of the impersonated user, `kubetape.dev/gateway` (a key is percent-encoded in a header's
/// name). RBAC lets nobody else set it, and an admission policy in the cluster asks for it: a request that did not come
/// through the gateway is refused there (`deploy/admission.yaml`).
const GATEWAY: HeaderName = HeaderName::from_static("impersonate-extra-kubetape.dev%2fgateway");

/// Under which id an API server's audit log has a request; it takes what it is given.
const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// What an API server's audit log has as `sourceIPs`, beside the gateway's own address.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a request comes from, for the API server's audit log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The address that the gateway saw.
    pub(crate) client: IpAddr,
    /// The recording of what is asked for; `None` if it is not recorded.
    pub(crate) recording: Option<RecordingId>,
}

/// The body of a request: a client's, or none.
type RequestBody = Either<Incoming, Empty<Bytes>>;

/// The clusters of a gateway, by name.
pub(crate) struct Clusters(HashMap<String, Arc<Cluster>>);

impl Clusters {
    pub(crate) fn new(clusters: HashMap<String, Arc<Cluster>>) -> Self {
        Self(clusters)
    }

    /// The cluster that a permit is for.
    pub(crate) fn of(&self, permit: &Permit) -> Result<Arc<Cluster>, Status> {
        let name = &permit.target().cluster;
        let cluster = self.0.get(name).cloned();
        cluster.ok_or_else(|| Status::not_found(format!("no cluster {name:?} behind this gateway")))
    }

    /// Reads every cluster's files again, and says in the log what could not be used.
    pub(crate) fn refresh(&self) {
        for cluster in self.0.values() {
            match cluster.refresh() {
                Ok(false) => {}
                Ok(true) => tracing::info!(cluster = cluster.name, "cluster's trust or credential is exchanged"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(cluster = cluster.name, error, "cluster's files cannot be read again");
                }
            }
        }
    }
}

/// A cluster that is being served.
pub(crate) struct Cluster {
    pub(crate) name: String,
    /// What stands before `/api`.
    pub(crate) prefix: String,
    host: HeaderValue,
    authority: Authority,
    server: Arc<Server>,
    connect: Duration,
    /// The gateway's name, for [`GATEWAY`].
    gateway: HeaderValue,
    source: Source,
    link: RwLock<Arc<Link>>,
}

/// How a cluster is reached at present; exchanged as a whole, so that connections by an older trust or certificate are not
/// used for new requests.
struct Link {
    trust: Trust,
    credential: Credential,
    bearer: Bearer,
    dialer: Dialer,
    client: Client<Dialer, RequestBody>,
}

enum Bearer {
    None,
    Fixed(HeaderValue),
    File { path: PathBuf, read: Mutex<Option<(Instant, HeaderValue)>> },
}

/// Why a cluster's files cannot be used again.
#[derive(Debug, Error)]
pub(crate) enum RefreshError {
    #[error(transparent)]
    Settings(#[from] ClusterError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Cluster {
    pub(crate) fn new(settings: ClusterSettings, gateway: &str, connect: Duration) -> Result<Self, TlsError> {
        let ClusterSettings { name, server, trust, credential, source, own_namespace: _ } = settings;
        let unusable = |why| TlsError::Unusable { what: format!("cluster {name}"), why };
        let Server { host, port, prefix, .. } = &server;
        let bracketed = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let host = HeaderValue::from_str(&bracketed).map_err(|_| unusable("its host cannot stand in a header"))?;
        let authority = bracketed.parse().map_err(|_| unusable("its host cannot stand in a URL"))?;
        let gateway =
            HeaderValue::from_str(gateway).map_err(|_| unusable("the gateway's name cannot stand in a header"))?;
        let (prefix, server) = (prefix.clone(), Arc::new(server));
        let link = Link::new(&name, &server, trust, credential, connect)?;
        let link = RwLock::new(Arc::new(link));
        Ok(Self { prefix, host, authority, server, connect, gateway, source, link, name })
    }

    /// Reads the files again that trust and credential came from, and uses what they have now. Returns whether that is
    /// something else. Its address stays what it was at the start.
    ///
    /// # Errors
    /// [`RefreshError`] names the file; what was in use stays in use.
    pub(crate) fn refresh(&self) -> Result<bool, RefreshError> {
        let Some(settings) = self.source.read(&self.name)? else { return Ok(false) };
        let link = self.link();
        if settings.trust == link.trust && settings.credential == link.credential {
            return Ok(false);
        }
        let fresh = Link::new(&self.name, &self.server, settings.trust, settings.credential, self.connect)?;
        *self.link.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(true)
    }

    fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The client's headers as they go to the API server: its claims are gone; the gateway's credential, the person's
    /// impersonation and where it comes from are there.
    pub(crate) fn request_headers(
        &self,
        mut headers: HeaderMap,
        who: &Impersonation,
        from: Origin,
    ) -> Result<HeaderMap, Status> {
        headers::strip_request(&mut headers);
        impersonate(&mut headers, who)?;
        originate(&mut headers, from);
        headers.insert(GATEWAY, self.gateway.clone());
        if let Some(bearer) = self.link().bearer.value().map_err(|error| self.unreachable(&error))? {
            headers.insert(header::AUTHORIZATION, bearer);
        }
        headers.insert(header::HOST, self.host.clone());
        Ok(headers)
    }

    /// The URI of a canonical path on this cluster; `None` if it is too long for one.
    pub(crate) fn uri(&self, path: &str, query: &str) -> Option<Uri> {
        let mut target = String::with_capacity(self.prefix.len() + path.len() + query.len() + 1);
        target.push_str(&self.prefix);
        target.push_str(path);
        if !query.is_empty() {
            target.push('?');
            target.push_str(query);
        }
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(target)).ok()?);
        Uri::from_parts(parts).ok()
    }

    /// Sends a client's request over a pooled connection.
    pub(crate) async fn request(&self, request: Request<Incoming>) -> Result<Response<Incoming>, legacy::Error> {
        self.link().client.request(request.map(Either::Left)).await
    }

    /// Sends a GET of the gateway's own; `None` if the path is too long for a URI.
    pub(crate) async fn get(
        &self,
        path: &str,
        headers: HeaderMap,
    ) -> Option<Result<Response<Incoming>, legacy::Error>> {
        let mut request = Request::new(Either::Right(Empty::new()));
        *request.uri_mut() = self.uri(path, "")?;
        *request.headers_mut() = headers;
        Some(self.link().client.request(request).await)
    }

    /// Makes a connection for one upgrade.
    pub(crate) async fn dial(&self) -> Result<TlsStream<TcpStream>, DialError> {
        self.link().dialer.dial().await
    }

    /// The refusal of a request whose cluster cannot be dialled.
    pub(crate) fn unreachable(&self, error: &DialError) -> Status {
        tracing::warn!(cluster = self.name, error = error as &dyn std::error::Error, "cluster is unreachable");
        let context = format!("cluster {:?} is unreachable", self.name);
        Status::with_causes(StatusCode::SERVICE_UNAVAILABLE, error, &context)
    }
}

impl Link {
    fn new(
        name: &str,
        server: &Arc<Server>,
        trust: Trust,
        credential: Credential,
        connect: Duration,
    ) -> Result<Self, TlsError> {
        let connector = TlsConnector::from(Arc::new(tls::client(&trust, &credential)?));
        let bearer = match &credential {
            Credential::Token(token) => Bearer::Fixed(bearer(token).ok_or_else(|| TlsError::Unusable {
                what: format!("cluster {name}"),
                why: "its token cannot stand in a header",
            })?),
            Credential::TokenFile(path) => Bearer::File { path: path.clone(), read: Mutex::new(None) },
            Credential::Certificate { .. } | Credential::None => Bearer::None,
        };
        let dialer = Dialer { server: Arc::clone(server), connector, timeout: connect };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_timer(TokioTimer::new())
            .http1_max_headers(MAX_HEADERS)
            .http1_max_buf_size(MAX_HEAD)
            .build(dialer.clone());
        Ok(Self { trust, credential, bearer, dialer, client })
    }
}

impl Bearer {
    /// The `Authorization` header; `None` if the gateway shows no token.
    fn value(&self) -> Result<Option<HeaderValue>, DialError> {
        let Self::File { path, read } = self else {
            return Ok(if let Self::Fixed(value) = self { Some(value.clone()) } else { None });
        };
        let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, value)) = &*read
            && at.elapsed() < TOKEN_AGE
        {
            return Ok(Some(value.clone()));
        }
        let value = from_file(path).map_err(DialError::Token)?;
        *read = Some((Instant::now(), value.clone()));
        Ok(Some(value))
    }
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn from_file(path: &Path) -> io::Result<HeaderValue> {
    let token = std::fs::read_to_string(path)?;
    bearer(&token).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a token"))
}

/// Sets the `Impersonate-*` lines. The client's own are gone by then.
fn impersonate(headers: &mut HeaderMap, who: &Impersonation) -> Result<(), Status> {
    let line = |text: &str| {
        HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| Status::forbidden("the policy's user or group cannot stand in a header"))
    };
    headers.insert(USER, line(&who.user)?);
    for group in &who.groups {
        headers.append(GROUP, line(group)?);
    }
    Ok(())
}

/// Sets the lines by which the API server's audit log can be compared with ours.
fn originate(headers: &mut HeaderMap, from: Origin) {
    // Digits, letters, `.`, `:` and `-`: both can stand in a header.
    let line = |text: String| HeaderValue::from_maybe_shared(Bytes::from(text)).ok();
    if let Some(client) = line(from.client.to_canonical().to_string()) {
        headers.insert(FORWARDED_FOR, client);
    }
    if let Some(id) = from.recording.and_then(|id| line(id.to_string())) {
        headers.insert(AUDIT_ID, id);
    }
}

#[cfg(test)]
mod tests {
    use rustls_pki_types::{CertificateDer, pem::PemObject};

    use super::*;
    use crate::proxy::clusters::{self, StaticCluster};

    fn cluster(host: &str) -> Cluster {
        let settings = ClusterSettings {
            name: "c".to_owned(),
            server: Server {
                host: host.to_owned(),
                port: 6443,
                prefix: "/k8s".to_owned(),
                tls_name: "localhost".try_into().unwrap(),
            },
            trust: Trust::Anything,
            credential: Credential::None,
            source: Source::Fixed,
            own_namespace: None,
        };
        Cluster::new(settings, "gw", Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn a_uri_has_the_clusters_host_and_prefix() {
        let uri = |host, query| cluster(host).uri("/api/v1/pods", query).unwrap().to_string();
        assert_eq!(uri("api", ""), "https://api:6443/k8s/api/v1/pods");
        assert_eq!(uri("::1", "watch=1"), "https://[::1]:6443/k8s/api/v1/pods?watch=1");
        assert!(cluster("api").uri("/api", &"x".repeat(70_000)).is_none());
    }

    fn self_signed(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    /// A cluster of files in a folder: `ca.pem`, `client.pem`, `client.key`.
    fn of_files(folder: &Path) -> Cluster {
        let settings = clusters::explicit(&StaticCluster {
            name: "c".to_owned(),
            server: "https://api".to_owned(),
            certificate_authority: Some(folder.join("ca.pem")),
            client_certificate: Some(folder.join("client.pem")),
            client_key: Some(folder.join("client.key")),
            ..StaticCluster::default()
        });
        Cluster::new(settings.unwrap(), "gw", Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn files_that_changed_are_used_and_broken_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let (ca, (chain, key)) = (self_signed("ca").0, self_signed("gateway"));
        for (name, text) in [("ca.pem", &ca), ("client.pem", &chain), ("client.key", &key)] {
            write(name, text);
        }
        let cluster = of_files(folder.path());
        assert!(!cluster.refresh().unwrap());

        let (chain, key) = self_signed("gateway");
        write("client.pem", &chain);
        write("client.key", &key);
        assert!(cluster.refresh().unwrap());
        let Credential::Certificate { chain: used, .. } = &cluster.link().credential else { panic!("a certificate") };
        assert_eq!(used[0], CertificateDer::from_pem_slice(chain.as_bytes()).unwrap());
        assert!(!cluster.refresh().unwrap());

        write("ca.pem", &self_signed("ca").0);
        assert!(cluster.refresh().unwrap());
        let before = cluster.link();
        // Of another certificate: half a rotation.
        write("client.key", &self_signed("gateway").1);
        assert!(matches!(cluster.refresh(), Err(RefreshError::Tls(_))));
        write("ca.pem", "");
        assert!(matches!(cluster.refresh(), Err(RefreshError::Settings(_))));
        assert!(Arc::ptr_eq(&before, &cluster.link()));
    }

    #[test]
    fn a_kubeconfig_is_read_again_by_its_context() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        let write = |token: &str| {
            let yaml = format!(
                "clusters: [{{name: c, cluster: {{server: 'https://api'}}}}]\nusers: [{{name: u, user: {{token: {token}}}}}]\n\
                 contexts: [{{name: a/b, context: {{cluster: c, user: u}}}}]\n"
            );
            std::fs::write(&path, yaml).unwrap();
        };
        write("one");
        let mut settings = clusters::from_kubeconfig(&path, None).unwrap();
        settings[0].name = "renamed".to_owned();
        let cluster = Cluster::new(settings.remove(0), "gw", Duration::from_secs(1)).unwrap();
        assert!(!cluster.refresh().unwrap());
        write("two");
        assert!(cluster.refresh().unwrap());
        assert!(matches!(&cluster.link().credential, Credential::Token(token) if token == "two"));
    }
}
