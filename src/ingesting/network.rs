//! Which addresses a feed may be fetched from. A feed's address comes from outside, and so does every redirect; neither
//! may make the service read what only this machine or its network can see.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::config::Network;
use crate::domain::network::is_public;

/// Lets public addresses through, and those in the networks that the operator listed. It checks the addresses that are
/// connected to, so a name that changes its answer between check and use gains nothing.
#[derive(Clone, Debug)]
pub struct Gate {
    allowed: Arc<[Network]>,
}

/// A host that is not fetched from, because this address of it is not public.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is on {address}, which is not a public address")]
pub struct Refused {
    pub host: String,
    pub address: IpAddr,
}

impl Gate {
    pub fn new(allowed: Vec<Network>) -> Self {
        Self { allowed: allowed.into() }
    }

    pub fn admits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.iter().any(|network| network.contains(address))
    }

    /// Checks an address that stands in the URL itself: such a host is connected to without asking the resolver.
    ///
    /// # Errors
    /// When the host is an address that is not let through.
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            _ => return Ok(()),
        };
        if self.admits(address) { Ok(()) } else { Err(Refused { host: address.to_string(), address }) }
    }
}

/// Resolves names by the operating system and drops the addresses that are not let through.
impl Resolve for Gate {
    fn resolve(&self, name: Name) -> Resolving {
        let gate = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (admitted, refused): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|found| gate.admits(found.ip()));
            match refused.first() {
                Some(refused) if admitted.is_empty() => {
                    let refused = Refused { host: name.as_str().to_owned(), address: refused.ip() };
                    Err(Box::new(refused) as Box<dyn Error + Send + Sync>)
                }
                _ => Ok(Box::new(admitted.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(allowed: &[(&str, u8)]) -> Gate {
        let network = |&(address, prefix): &(&str, u8)| Network { address: address.parse().unwrap(), prefix };
        Gate::new(allowed.iter().map(network).collect())
    }

    fn admits(gate: &Gate, address: &str) -> bool {
        gate.admits(address.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_are_let_through() {
        let gate = gate(&[]);
        for public in
            ["1.1.1.1", "172.32.0.1", "100.128.0.1", "223.255.255.1", "2606:4700::1111", "::ffff:1.1.1.1"]
        {
            assert!(admits(&gate, public), "{public}");
        }
        let private = "0.0.0.0 10.0.0.5 100.64.0.1 127.0.0.1 127.9.9.9 169.254.169.254 172.16.0.1 172.31.255.255 \
            192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.19.0.1 198.51.100.1 203.0.113.1 224.0.0.1 255.255.255.255 \
            168.63.129.16 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.5 64:ff9b::7f00:1 64:ff9b:1::1 100::1 \
            2001::1 2001:db8::1 2002:7f00:1::1 3fff::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1";
        for private in private.split_whitespace() {
            assert!(!admits(&gate, private), "{private}");
        }
    }

    #[test]
    fn listed_networks_are_let_through_and_their_neighbours_not() {
        let gate = gate(&[("10.1.0.0", 16), ("127.0.0.1", 32), ("fd00::", 8)]);
        for listed in ["10.1.255.1", "::ffff:10.1.0.1", "127.0.0.1", "fd12::1"] {
            assert!(admits(&gate, listed), "{listed}");
        }
        for other in ["10.2.0.1", "127.0.0.2", "fc00::1", "::1"] {
            assert!(!admits(&gate, other), "{other}");
        }
        assert!(admits(&super::tests::gate(&[("0.0.0.0", 0)]), "10.0.0.1"));
    }

    #[test]
    fn an_address_in_the_url_is_checked_however_it_is_written() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:a00:5]/",
        ] {
            assert!(gate(&[]).check(&url.parse().unwrap()).is_err(), "{url}");
        }
        assert!(gate(&[]).check(&"http://1.1.1.1/feed".parse().unwrap()).is_ok());
    }
}
