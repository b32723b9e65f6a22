use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use listener::TrustedProxies;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

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

    /// The address of whoever opened a connection; `None` if it is a proxy's, which carries the requests of many.
    pub(crate) fn of_connection(&self, peer: IpAddr) -> Option<IpAddr> {
        let is_proxys = self.trusted.contains(peer) || (self.behind_proxy && self.trusted.is_empty());
        (!is_proxys).then(|| peer.to_canonical())
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
    fn junk_is_no_address_and_hides_what_is_left_of_it() {
        let clients = clients(&["10.0.0.0/8", "2001:db8:ff::/48"], true);
        for junk in [
            "",
            ",",
            " ",
            "unknown",
            "198.51.100.7x",
            "198.51.100",
            "198.51.100.7:",
            "198.51.100.7:99999",
            "[198.51.100.7]:x",
            "[2001:db8::7",
            "2001:db8::7]:1",
            "_hidden",
            "for=198.51.100.7",
            "198.51.100.7%eth0",
            "\"198.51.100.7\"",
        ] {
            for lines in [vec![junk], vec!["198.51.100.9", junk], vec!["198.51.100.9", junk, "10.0.0.2"]] {
                let lines: Vec<&'static str> = lines.into_iter().map(|line| &*line.to_owned().leak()).collect();
                assert_eq!(of(&clients, "10.0.0.1", &lines), None, "{lines:?}");
            }
        }
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, HeaderValue::from_bytes(b"198.51.100.7, \xff").unwrap());
        assert_eq!(clients.of("10.0.0.1".parse().unwrap(), &headers), None);
    }

    #[test]
    fn every_hop_that_is_believed_is_a_trusted_one() {
        let clients = clients(&["10.0.0.0/8", "2001:db8:ff::/48"], true);
        for (lines, client) in [
            (vec!["192.0.2.9, 198.51.100.7, 10.0.0.3, 2001:db8:ff::2"], "198.51.100.7"),
            (vec!["192.0.2.9", "198.51.100.7, 10.0.0.3", "[2001:db8:ff::2]:4711"], "198.51.100.7"),
            (vec!["2001:db8::7", "10.0.0.3:80"], "2001:db8::7"),
            // A hop that is not trusted is where belief ends, whoever it says it forwards for.
            (vec!["192.0.2.9, 203.0.113.1"], "203.0.113.1"),
            (vec!["  192.0.2.9  ,\t198.51.100.7\t"], "198.51.100.7"),
        ] {
            assert_eq!(of(&clients, "2001:db8:ff::1", &lines), some(client), "{lines:?}");
            assert_eq!(of(&clients, "203.0.113.5", &lines), some("203.0.113.5"), "{lines:?}");
        }
    }

    #[test]
    fn a_proxys_connection_is_nobodys() {
        let of = |clients: &ClientAddresses, peer: &str| clients.of_connection(peer.parse().unwrap());
        assert_eq!(of(&clients(&["10.0.0.0/8"], true), "10.0.0.1"), None);
        assert_eq!(of(&clients(&["10.0.0.0/8"], true), "::ffff:192.0.2.1"), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(of(&clients(&[], true), "10.0.0.1"), None);
        assert_eq!(of(&clients(&[], false), "10.0.0.1"), Some("10.0.0.1".parse().unwrap()));
    }
}
