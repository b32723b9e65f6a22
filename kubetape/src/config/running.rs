use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use recording::journal::SIDE_SUFFIXES;
use storage::signing::KeySource;

use super::{
    clusters::ClusterEntry,
    raw,
    reader::{Certificate, Reader, default_url, is_name},
    storage::Storage,
};

/// What the program runs with: complete, checked, and every path absolute. Files are not read yet.
#[derive(Debug)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// kubectl's way in.
    pub gateway: Gateway,
    /// How clusters are reached, in the file's order.
    pub clusters: Vec<ClusterEntry>,
    /// Rules, or the file that has them.
    pub policy: PolicySource,
    /// Where recordings are kept.
    pub storage: Storage,
    /// As written, with defaults.
    pub recorder: Recorder,
    /// What waits for storage.
    pub spool: Spool,
    /// As written, with defaults.
    pub journal: Journal,
    /// How much the gateway accepts, and how long it waits.
    pub limits: gateway::Limits,
    /// Where the key is that signs.
    pub signing: KeySource,
    /// Where the journal's positions are written beside the storage, if anywhere.
    pub anchors: Option<Anchors>,
    /// How the store is verified.
    pub verification: Verification,
    /// Whether an index is kept. The pages need one.
    pub indexed: bool,
    /// The index's folder.
    pub index: PathBuf,
    /// How often the follower looks for what is new in storage.
    pub interval: Duration,
    /// What is masked in the index.
    pub masks: search::Masks,
    /// The pages, or `None` if they are switched off.
    pub web: Option<Web>,
    /// Where numbers for a monitoring system are served.
    pub metrics: Option<SocketAddr>,
    /// The CA, tokens, users.
    pub state: PathBuf,
    /// The program's own log.
    pub log: raw::Log,
    /// File and environment as they were read, for [`control::ConfigurationChanges`]. It may hold secrets.
    pub written: Written,
}

/// A configuration as it was read, not to be printed.
#[derive(Clone, Default)]
pub struct Written(pub serde_json::Value);

impl Written {
    /// The configuration as it would be written with these rules in it: rules count alike, whatever file they are in.
    pub fn with_rules(&self, policy: &access::Policy) -> Result<serde_json::Value> {
        let mut written = self.0.clone();
        written["policy"]["rules"] = serde_json::to_value(&policy.rules)?;
        Ok(written)
    }
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Written(…)")
    }
}

/// kubectl's way in.
#[derive(Debug)]
pub struct Gateway {
    /// In recordings and journal.
    pub name: String,
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Without a `/` at its end.
    pub public_url: String,
    /// DNS names and addresses of the gateway's own certificate.
    pub names: Vec<String>,
    /// A certificate that was given.
    pub certificate: Option<Certificate>,
    /// CA certificates for kubeconfigs, if a certificate was given.
    pub ca: Option<PathBuf>,
    /// The balancers that say by a PROXY header whose a connection is.
    pub trusted_proxies: listener::TrustedProxies,
}

/// Where the rules are.
#[derive(Debug)]
pub enum PolicySource {
    /// In the configuration; checked.
    Inline(access::Policy),
    /// In a file.
    File(PathBuf),
}

/// How sessions are recorded.
#[derive(Debug)]
pub struct Recorder {
    /// Bytes of lines.
    pub chunk_bytes: u64,
    /// Age of a chunk.
    pub chunk_age: Duration,
    /// Whether what no known client sends ends a session.
    pub strict: bool,
    /// How long a session waits for room in the spool.
    pub patience: Duration,
    /// How much is kept of an output that reaches the output limit.
    pub keep: recorder::KeepLimits,
}

/// What waits on the gateway's own disk.
#[derive(Debug)]
pub struct Spool {
    /// The folder.
    pub dir: PathBuf,
    /// What it may take, and how often it is synced.
    pub bounds: spool::SpoolLimits,
}

/// How requests are written down.
#[derive(Debug)]
pub struct Journal {
    /// Bytes of lines.
    pub object_bytes: u64,
    /// Age of an object.
    pub object_age: Duration,
}

/// Where the journal's positions are written beside the storage.
#[derive(Clone, Debug)]
pub struct Anchors {
    /// A file that is appended to.
    pub file: PathBuf,
    /// How often.
    pub every: Duration,
}

/// How `serve` verifies the store.
#[derive(Debug)]
pub struct Verification {
    /// How often; never if zero.
    pub every: Duration,
    /// Bytes a second; as fast as it goes if zero.
    pub rate: u64,
}

/// The pages for auditors.
#[derive(Debug)]
pub struct Web {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Without a `/` at its end.
    pub public_url: String,
    /// A certificate, or `None` for plain HTTP.
    pub certificate: Option<Certificate>,
    /// The proxies that say from which address a person comes.
    pub trusted_proxies: web::TrustedProxies,
    /// They say it by a PROXY header instead of `X-Forwarded-For`.
    pub proxy_protocol: bool,
}

/// Defaults are those of `kubetape.sample.toml`.
const GATEWAY_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8443);
const WEB_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Half of what readers unpack.
const LARGEST_CHUNK: u64 = storage::chunk::MAX_UNCOMPRESSED as u64 / 2;
const STATE: &str = "/var/lib/kubetape/state";

impl Config {
    /// Checks the file's keys and completes them. `file` is absolute; `text` is its content, for lines in errors.
    pub fn new(file: &Path, text: &str, raw: raw::File) -> Result<Self> {
        let reader = Reader { file, text, folder: file.parent().unwrap_or(Path::new("/")) };
        let written = Written(serde_json::to_value(&raw)?);
        let state = reader.path(raw.state.dir.unwrap_or(STATE.into()));
        let clusters =
            raw.clusters.into_iter().enumerate().map(|(index, c)| reader.cluster(index, c)).collect::<Result<_>>()?;
        let indexed = raw.search.enabled.unwrap_or(true);
        let web = reader.web(raw.web)?;
        ensure!(
            indexed || web.is_none(),
            "{}: the pages need the index: set web.enabled = false as well, or keep the index",
            reader.at("search.enabled")
        );
        let limits = reader.limits(&raw.limits)?;
        Ok(Self {
            gateway: reader.gateway(raw.gateway)?,
            clusters,
            policy: reader.policy(raw.policy)?,
            storage: reader.storage(raw.storage)?,
            recorder: reader.recorder(&raw.recorder)?,
            spool: reader.spool(raw.spool, raw.recorder.sync, &state, limits.sessions)?,
            journal: Journal {
                object_bytes: raw.journal.object_bytes.map_or(256 << 10, |size| size.0),
                object_age: raw.journal.object_age.map_or(Duration::from_secs(2), |span| span.0),
            },
            limits,
            signing: reader.signing(raw.signing, &state)?,
            anchors: reader.anchors(raw.anchors)?,
            verification: Verification {
                every: raw.verify.every.map_or(Duration::from_secs(86_400), |span| span.0),
                rate: raw.verify.rate.map_or(16 << 20, |size| size.0),
            },
            indexed,
            index: raw.search.dir.map_or_else(|| state.join("index"), |dir| reader.path(dir)),
            interval: raw.search.interval.map_or(Duration::from_secs(1), |span| span.0),
            masks: search::Masks::new(&raw.search.mask.unwrap_or_default())
                .with_context(|| format!("{}: search.mask", file.display()))?,
            web,
            metrics: raw.metrics.listen,
            state,
            log: raw.log,
            written,
            file: file.to_owned(),
        })
    }

    /// Sets the addresses that were bound: port 0 has become a real one.
    pub fn set_bound(&mut self, gateway: SocketAddr, web: Option<SocketAddr>) {
        if self.gateway.public_url == default_url("https", self.gateway.listen) {
            self.gateway.public_url = default_url("https", gateway);
        }
        self.gateway.listen = gateway;
        if let (Some(settings), Some(web)) = (&mut self.web, web) {
            let scheme = if settings.certificate.is_some() { "https" } else { "http" };
            if settings.public_url == default_url(scheme, settings.listen) {
                settings.public_url = default_url(scheme, web);
            }
            settings.listen = web;
        }
    }

    /// A file of the state folder.
    pub fn state_file(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }
}

impl Reader<'_> {
    fn gateway(&self, raw: raw::Gateway) -> Result<Gateway> {
        let name = raw.name.unwrap_or_else(|| "kubetape".to_owned());
        ensure!(
            is_name(&name),
            "{}: {name:?} is part of keys in storage: use letters, digits, `-`, `_` and `.`",
            self.at("gateway.name")
        );
        ensure!(
            name != recording::cast::IMPORTED,
            "{}: {name:?} stands for recordings that were made of files: choose another name",
            self.at("gateway.name")
        );
        ensure!(
            !SIDE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)),
            "{}: {name:?} ends as the journal of another gateway's commands or imports does: choose another name",
            self.at("gateway.name")
        );
        let listen = raw.listen.unwrap_or(GATEWAY_LISTEN);
        let public_url = self.url("gateway.public_url", raw.public_url, "https", listen)?;
        ensure!(
            public_url.starts_with("https://"),
            "{}: kubectl sends its credential only over TLS: write https://",
            self.at("gateway.public_url")
        );
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        names.extend(host_of(&public_url));
        if !listen.ip().is_unspecified() {
            names.push(listen.ip().to_string());
        }
        names.extend(raw.names.unwrap_or_default());
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        let certificate = self.certificate("gateway", raw.certificate, raw.key)?;
        ensure!(
            raw.ca.is_none() || certificate.is_some(),
            "{}: is for a `certificate` of your own; the gateway's own CA is named in kubeconfigs anyway",
            self.at("gateway.ca")
        );
        let ca = raw.ca.map(|ca| self.path(ca));
        let trusted_proxies = self.trusted_proxies("gateway.trusted_proxies", raw.trusted_proxies)?;
        Ok(Gateway { name, listen, public_url, names, certificate, ca, trusted_proxies })
    }

    fn signing(&self, raw: raw::Signing, state: &Path) -> Result<KeySource> {
        let Some(key) = raw.key else {
            ensure!(
                raw.previous_key.is_none(),
                "{}: is for a `key` of your own; `kubetape key rotate` replaces the gateway's",
                self.at("signing.previous_key")
            );
            return Ok(KeySource::Own(state.join("signing")));
        };
        Ok(KeySource::Given { key: self.path(key), previous: raw.previous_key.map(|key| self.path(key)) })
    }

    fn anchors(&self, raw: raw::Anchors) -> Result<Option<Anchors>> {
        let every = raw.every.map_or(Duration::from_secs(3600), |span| span.0);
        ensure!(!every.is_zero(), "{}: write how often, such as \"1h\"", self.at("anchors.every"));
        Ok(raw.file.map(|file| Anchors { file: self.path(file), every }))
    }

    fn policy(&self, raw: raw::Policy) -> Result<PolicySource> {
        match (raw.file, raw.rules) {
            (Some(_), Some(_)) => bail!("{}: either a file or rules here, not both", self.at("policy.file")),
            (Some(file), None) => Ok(PolicySource::File(self.path(file))),
            (None, rules) => {
                let policy = access::Policy { rules: rules.unwrap_or_default() };
                policy.check().map_err(|error| {
                    let index = policy.rules.iter().rposition(|rule| rule.name == error.rule()).unwrap_or(0);
                    anyhow::anyhow!("{}: {error}", self.at(&format!("policy.rules.{index}")))
                })?;
                Ok(PolicySource::Inline(policy))
            }
        }
    }

    fn recorder(&self, raw: &raw::Recorder) -> Result<Recorder> {
        let recorder = Recorder {
            chunk_bytes: raw.chunk_bytes.map_or(1 << 20, |size| size.0),
            chunk_age: raw.chunk_age.map_or(Duration::from_secs(5), |span| span.0),
            strict: raw.strict.unwrap_or(true),
            patience: raw.patience.map_or(Duration::from_secs(30), |span| span.0),
            keep: self.keep(raw)?,
        };
        ensure!(
            (4 << 10..=LARGEST_CHUNK).contains(&recorder.chunk_bytes),
            "{}: a chunk is from 4KiB to 32MiB: readers refuse more than 64MiB, and it ends behind the line that fills it",
            self.at("recorder.chunk_bytes")
        );
        Ok(recorder)
    }

    fn keep(&self, raw: &raw::Recorder) -> Result<recorder::KeepLimits> {
        let usual = recorder::KeepLimits::default();
        let last = raw.keep_last.map_or(usual.last as u64, |size| size.0);
        // It waits in memory, for each stream that reaches the output limit.
        ensure!(last <= 16 << 20, "{}: at most 16MiB, as it waits in memory", self.at("recorder.keep_last"));
        Ok(recorder::KeepLimits {
            first: raw.keep_first.map_or(usual.first, |size| size.0),
            first_of_archive: raw.keep_first_of_archives.map_or(usual.first_of_archive, |size| size.0),
            last: usize::try_from(last).unwrap_or(usual.last),
            terminals: raw.keep_terminals.unwrap_or(usual.terminals),
        })
    }

    fn web(&self, raw: raw::Web) -> Result<Option<Web>> {
        let listen = raw.listen.unwrap_or(WEB_LISTEN);
        let certificate = self.certificate("web", raw.certificate, raw.key)?;
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let public_url = self.url("web.public_url", raw.public_url, scheme, listen)?;
        let trusted_proxies = self.trusted_proxies("web.trusted_proxies", raw.trusted_proxies)?;
        let proxy_protocol = raw.proxy_protocol.unwrap_or(false);
        ensure!(
            !proxy_protocol || !trusted_proxies.is_empty(),
            "{}: name the balancers whose PROXY header is believed in web.trusted_proxies",
            self.at("web.proxy_protocol")
        );
        if !raw.enabled.unwrap_or(true) {
            return Ok(None);
        }
        ensure!(
            certificate.is_some() || listen.ip().is_loopback() || raw.insecure.unwrap_or(false),
            "{}: without TLS, whoever is on the way to {listen} reads passwords and recordings: give the pages a certificate \
             (web.certificate and web.key), or listen on a loopback address; if a proxy in front ends TLS, and nobody else \
             reaches this address, set web.insecure = true",
            self.at("web.listen")
        );
        Ok(Some(Web { listen, public_url, certificate, trusted_proxies, proxy_protocol }))
    }

    fn trusted_proxies(&self, key: &str, entries: Option<Vec<String>>) -> Result<listener::TrustedProxies> {
        listener::TrustedProxies::parse(&entries.unwrap_or_default()).with_context(|| self.at(key))
    }
}

/// `kubetape.example.com` of `https://kubetape.example.com:8443/x`.
fn host_of(url: &str) -> Option<String> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_has_the_samples_defaults() {
        let config = Config::new(Path::new("/d/k.toml"), "", raw::File::default()).unwrap();
        assert_eq!(config.gateway.public_url, "https://localhost:8443");
        assert_eq!(config.gateway.names, ["localhost", "127.0.0.1", "::1"]);
        assert_eq!(config.index, Path::new("/var/lib/kubetape/state/index"));
        let sample: raw::File = toml::from_str(super::super::SAMPLE).unwrap();
        let sample = Config::new(Path::new("/d/k.toml"), "", sample).unwrap();
        assert_eq!(format!("{:?}", sample.recorder), format!("{:?}", config.recorder));
        assert_eq!(format!("{:?}", sample.spool), format!("{:?}", config.spool));
        assert_eq!(format!("{:?}", sample.journal), format!("{:?}", config.journal));
        assert_eq!((sample.limits, config.limits), (gateway::Limits::default(), gateway::Limits::default()));
        assert_eq!(format!("{:?}", sample.storage), format!("{:?}", config.storage));
        assert_eq!(format!("{:?}", sample.web), format!("{:?}", config.web));
        assert_eq!(format!("{:?}", sample.verification), format!("{:?}", config.verification));
        assert_eq!((sample.interval, sample.index), (config.interval, config.index));
    }

    fn read(text: &str) -> Result<Config> {
        Config::new(Path::new("/d/k.toml"), text, toml::from_str(text).unwrap())
    }

    #[test]
    fn a_trusted_proxy_is_an_address_or_a_network() {
        for section in ["web", "gateway"] {
            let read = |entries: &str| read(&format!("[{section}]\ntrusted_proxies = {entries}\n"));
            let config = read(r#"["10.0.0.0/8", "2001:db8::1"]"#).unwrap();
            let of_web = !config.web.unwrap().trusted_proxies.is_empty();
            assert_eq!((of_web, !config.gateway.trusted_proxies.is_empty()), (section == "web", section == "gateway"));
            let error = format!("{:#}", read(r#"["the balancer"]"#).unwrap_err());
            assert!(error.contains(&format!("{section}.trusted_proxies")), "{error}");
            assert!(error.contains("\"the balancer\""), "{error}");
        }
        let error = read("[web]\nproxy_protocol = true\n").unwrap_err().to_string();
        assert!(error.contains("line 2: web.proxy_protocol") && error.contains("web.trusted_proxies"), "{error}");
    }

    #[test]
    fn pages_that_others_reach_have_tls_or_somebody_says_that_they_have_none() {
        for listen in ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080"] {
            let text = format!("[web]\nlisten = \"{listen}\"\n");
            let error = read(&text).unwrap_err().to_string();
            for part in ["line 2: web.listen", "web.certificate", "loopback", "web.insecure = true"] {
                assert!(error.contains(part), "{error}");
            }
            for more in ["insecure = true", "enabled = false", "certificate = \"c\"\nkey = \"k\""] {
                read(&format!("{text}{more}\n")).unwrap();
            }
            read(&format!("{text}insecure = false\n")).unwrap_err();
        }
        for listen in ["127.0.0.1:8080", "127.9.9.9:8080", "[::1]:8080"] {
            read(&format!("[web]\nlisten = \"{listen}\"\n")).unwrap();
        }
    }

    #[test]
    fn a_chunk_stays_below_what_readers_unpack() {
        let read = |size: &str| {
            let text = format!("[recorder]\nchunk_bytes = \"{size}\"\n");
            Config::new(Path::new("/d/k.toml"), &text, toml::from_str(&text).unwrap())
        };
        assert_eq!(read("32MiB").unwrap().recorder.chunk_bytes, 32 << 20);
        let error = read("33MiB").unwrap_err().to_string();
        assert!(error.contains("k.toml, line 2") && error.contains("4KiB to 32MiB"), "{error}");
    }

    #[test]
    fn a_gateway_without_index_has_no_pages() {
        let read = |text: &str| Config::new(Path::new("/d/k.toml"), text, toml::from_str(text).unwrap());
        let error = read("[search]\nenabled = false\n").unwrap_err().to_string();
        assert!(error.contains("search.enabled") && error.contains("web.enabled = false"), "{error}");
        assert!(!read("[search]\nenabled = false\n[web]\nenabled = false\n").unwrap().indexed);
    }

    #[test]
    fn paths_are_relative_to_the_file_and_names_come_from_the_url() {
        let raw = toml::from_str("state.dir = \"s\"\n[gateway]\npublic_url = \"https://k.example:8443/\"").unwrap();
        let config = Config::new(Path::new("/d/k.toml"), "", raw).unwrap();
        assert_eq!(config.state_file("tokens.json"), Path::new("/d/s/tokens.json"));
        assert_eq!(config.gateway.public_url, "https://k.example:8443");
        assert!(config.gateway.names.contains(&"k.example".to_owned()));
    }

    #[test]
    fn hosts_are_cut_out_of_urls() {
        assert_eq!(host_of("https://[::1]:8443/x").as_deref(), Some("::1"));
        assert_eq!(host_of("https://a.b/x").as_deref(), Some("a.b"));
    }
}
