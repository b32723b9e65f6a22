use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use thiserror::Error;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An entry of `web.trusted_proxies` that is neither an address nor a network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is neither an address nor a network such as \"10.0.0.0/8\"")]
pub struct ProxyError(String);

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Reads addresses and networks in CIDR notation.
    ///
    /// # Errors
    /// [`ProxyError`] names the entry that is neither.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, ProxyError> {
        let network = |entry: &S| {
            let entry = entry.as_ref().trim();
            let network = entry.parse::<IpNet>().ok().or_else(|| entry.parse::<IpAddr>().ok().map(IpNet::from));
            network.ok_or_else(|| ProxyError(entry.to_owned()))
        };
        Ok(Self(entries.iter().map(network).collect::<Result<_, _>>()?))
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Tells from which address a person comes.
///
/// | peer | trusted proxies | the person's address |
/// |---|---|---|
/// | a trusted proxy | given | the rightmost address of `X-Forwarded-For` that is no trusted proxy's |
/// | anybody else | given | the peer's |
/// | anybody | none, and a proxy stands in front | unknown: the peer is the proxy, and what it forwards may be made up |
/// | anybody | none | the peer's |
#[derive(Clone, Debug)]
pub(crate) struct ClientAddresses {
    trusted: TrustedProxies,
    /// TLS ends in front of this process, so that every peer is a proxy.
    behind_proxy: bool,
}

impl ClientAddresses {
    pub(crate) fn new(trusted: TrustedProxies, behind_proxy: bool) -> Self {
        Self { trusted, behind_proxy }
    }

    /// The person's address; `None` if it cannot be known.
    pub(crate) fn of(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer.to_canonical();
        if self.trusted.contains(peer) {
            return self.forwarded(headers);
        }
        (!self.behind_proxy || !self.trusted.is_empty()).then_some(peer)
    }

    /// Each proxy appends the address that it was called from, so only what stands right of the first address that is
    /// no trusted proxy's was written by one. If all are proxies, the leftmost is where the request began. An entry that
    /// is no address (`unknown`, RFC 7239 section 6.2) hides what is left of it.
    fn forwarded(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut leftmost = None;
        for line in headers.get_all(FORWARDED_FOR).iter().rev() {
            for entry in line.to_str().ok()?.rsplit(',') {
                let address = address(entry.trim())?;
                if !self.trusted.contains(address) {
                    return Some(address);
                }
                leftmost = Some(address);
            }
        }
        leftmost
    }
}

/// An entry's address; some proxies write the port too.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|entry| entry.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn clients(trusted: &[&str], behind_proxy: bool) -> ClientAddresses {
        ClientAddresses::new(TrustedProxies::parse(trusted).unwrap(), behind_proxy)
    }

    fn of(clients: &ClientAddresses, peer: &str, forwarded: &[&'static str]) -> Option<String> {
        let lines = forwarded.iter().map(|line| (FORWARDED_FOR, HeaderValue::from_static(line)));
        clients.of(peer.parse().unwrap(), &lines.collect()).map(|address| address.to_string())
    }

    fn some(address: &str) -> Option<String> {
        Some(address.to_owned())
    }

    #[test]
    fn without_trusted_proxies_nobody_is_believed() {
        assert_eq!(of(&clients(&[], false), "192.0.2.1", &["198.51.100.7"]), some("192.0.2.1"));
        assert_eq!(of(&clients(&[], true), "10.0.0.1", &["198.51.100.7"]), None);
    }

    #[test]
    fn a_trusted_proxy_says_who_called_it_and_others_are_not_asked() {
        let clients = clients(&["10.0.0.0/8", "2001:db8::1"], true);
        assert_eq!(of(&clients, "10.1.2.3", &["198.51.100.7"]), some("198.51.100.7"));
        assert_eq!(of(&clients, "::ffff:10.1.2.3", &["::ffff:198.51.100.7"]), some("198.51.100.7"));
        assert_eq!(of(&clients, "2001:db8::1", &["2001:db8::99"]), some("2001:db8::99"));
        assert_eq!(of(&clients, "192.0.2.1", &["198.51.100.7"]), some("192.0.2.1"));
        assert_eq!(of(&clients, "10.1.2.3", &[]), None);
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_counts_and_what_the_person_wrote_does_not() {
        let clients = clients(&["10.0.0.0/8"], true);
        assert_eq!(of(&clients, "10.0.0.1", &["127.0.0.1, 198.51.100.7, 10.0.0.2"]), some("198.51.100.7"));
        assert_eq!(of(&clients, "10.0.0.1", &["127.0.0.1", "198.51.100.7,10.0.0.2"]), some("198.51.100.7"));
        assert_eq!(of(&clients, "10.0.0.1", &["10.3.3.3, 10.0.0.2"]), some("10.3.3.3"));
        assert_eq!(of(&clients, "10.0.0.1", &["198.51.100.7, unknown"]), None);
        assert_eq!(of(&clients, "10.0.0.1", &["198.51.100.7:4711"]), some("198.51.100.7"));
        assert_eq!(of(&clients, "10.0.0.1", &["[2001:db8::7]:4711"]), some("2001:db8::7"));
        assert_eq!(of(&clients, "10.0.0.1", &["[2001:db8::7]"]), some("2001:db8::7"));
    }

    #[test]
    fn what_is_no_network_is_named() {
        let error = TrustedProxies::parse(&["10.0.0.1", "10.0.0.0/99"]).unwrap_err();
        assert_eq!(error.to_string(), r#""10.0.0.0/99" is neither an address nor a network such as "10.0.0.0/8""#);
    }
}
