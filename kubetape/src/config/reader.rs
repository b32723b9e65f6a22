use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail, ensure};

use super::location;

/// PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The chain.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Turns parts of the file into parts of [`super::Config`].
pub(super) struct Reader<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
    /// The file's folder: paths are relative to it.
    pub(super) folder: &'a Path,
}

impl Reader<'_> {
    /// `FILE, line N: KEY`, for an error.
    pub(super) fn at(&self, key: &str) -> String {
        location::of(self.file, self.text, key)
    }

    /// An absolute path.
    pub(super) fn path(&self, path: PathBuf) -> PathBuf {
        self.folder.join(path)
    }

    /// Reads a pair of keys `certificate` and `key`.
    pub(super) fn certificate(
        &self,
        section: &str,
        chain: Option<PathBuf>,
        key: Option<PathBuf>,
    ) -> Result<Option<Certificate>> {
        match (chain, key) {
            (None, None) => Ok(None),
            (Some(chain), Some(key)) => Ok(Some(Certificate { chain: self.path(chain), key: self.path(key) })),
            (Some(_), None) => bail!("{}: a certificate needs its `key`", self.at(&format!("{section}.key"))),
            (None, Some(_)) => {
                // The line of the key that is there.
                let at = self.at(&format!("{section}.key")).replace(&format!("{section}.key"), section);
                bail!("{at}.certificate: a key needs its `certificate`")
            }
        }
    }

    /// Reads a URL. Without one it is made of the address.
    pub(super) fn url(&self, key: &str, url: Option<String>, scheme: &str, listen: SocketAddr) -> Result<String> {
        let Some(url) = url else { return Ok(default_url(scheme, listen)) };
        let rest = url.strip_prefix("https://").or(url.strip_prefix("http://"));
        let plain = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['@', '?', '#', ' ']));
        ensure!(plain, "{}: {url:?} is not such as \"{scheme}://kubetape.example.com:8443\"", self.at(key));
        Ok(url.trim_end_matches('/').to_owned())
    }
}

/// A URL with the address, or with localhost if it stands for every address.
pub(super) fn default_url(scheme: &str, listen: SocketAddr) -> String {
    match listen.ip() {
        ip if ip.is_unspecified() => format!("{scheme}://localhost:{}", listen.port()),
        IpAddr::V4(ip) => format!("{scheme}://{ip}:{}", listen.port()),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => format!("{scheme}://[::1]:{}", listen.port()),
        IpAddr::V6(ip) => format!("{scheme}://[{ip}]:{}", listen.port()),
    }
}

/// Whether it can be a part of URLs and of objects' names.
pub(super) fn is_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !matches!(name, "" | "." | "..") && name.len() <= 253 && name.bytes().all(legal)
}
