use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

/// An entry of a list of trusted proxies that is neither an address nor a network.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0:?} is neither an address nor a network such as \"10.0.0.0/8\"")]
pub struct ProxyError(String);

/// The proxies and balancers that are believed when they say from which address a person comes.
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

    /// Whether an address is one of theirs. An IPv4 address is the same when it is written as IPv6 (`::ffff:10.0.0.1`).
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_network_is_named() {
        let error = TrustedProxies::parse(&["10.0.0.1", "10.0.0.0/99"]).unwrap_err();
        assert_eq!(error.to_string(), r#""10.0.0.0/99" is neither an address nor a network such as "10.0.0.0/8""#);
    }

    #[test]
    fn an_address_is_the_same_in_both_spellings() {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8", "2001:db8::1"]).unwrap();
        for (address, is_trusted) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("::1", false),
        ] {
            assert_eq!(trusted.contains(address.parse().unwrap()), is_trusted, "{address}");
        }
        assert!(!TrustedProxies::default().contains("10.1.2.3".parse().unwrap()));
    }
}
