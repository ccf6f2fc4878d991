//! Whose request it is: the address that the limits count by, behind proxies that we trust and no others.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;

use crate::config::Network;
use crate::context::Context;

/// The address of whoever sent the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client(pub IpAddr);

impl FromRequestParts<Context> for Client {
    type Rejection = <ConnectInfo<SocketAddr> as FromRequestParts<Context>>::Rejection;

    async fn from_request_parts(parts: &mut Parts, cx: &Context) -> Result<Self, Self::Rejection> {
        let ConnectInfo(peer) = ConnectInfo::<SocketAddr>::from_request_parts(parts, cx).await?;
        Ok(Self(address(peer.ip(), &parts.headers, &cx.config.server.trusted_proxies)))
    }
}

/// The peer's address or, where the peer is a trusted proxy, the last address in `X-Forwarded-For` that is none:
/// what stands further left was written by whoever sent the request. An entry that can't be read ends the search at
/// the proxy that reported it.
pub fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .collect();
    let mut client = peer.to_canonical();
    for entry in forwarded.into_iter().rev() {
        if !trusted.iter().any(|network| network.contains(client)) {
            break;
        }
        match hop(entry.trim()) {
            Some(before) => client = before,
            None => break,
        }
    }
    client
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn hop(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address =
        bare.parse::<IpAddr>().or_else(|_| entry.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[(&str, u8)]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted
            .iter()
            .map(|(address, prefix)| Network { address: address.parse().unwrap(), prefix: *prefix })
            .collect();
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"], &[]), "203.0.113.9");
        assert_eq!(seen("203.0.113.9", &["198.51.100.1"], &[("10.0.0.0", 8)]), "203.0.113.9");
    }

    #[test]
    fn behind_a_trusted_proxy_it_is_the_last_address_that_is_no_proxy() {
        let trusted = &[("10.0.0.0", 8)];
        assert_eq!(seen("10.0.0.2", &["198.51.100.1"], trusted), "198.51.100.1");
        assert_eq!(seen("10.0.0.2", &["1.2.3.4, 198.51.100.1, 10.9.9.9"], trusted), "198.51.100.1");
        assert_eq!(seen("10.0.0.2", &["1.2.3.4", "198.51.100.1"], trusted), "198.51.100.1");
        assert_eq!(seen("10.0.0.2", &["10.0.0.7, 10.0.0.8"], trusted), "10.0.0.7");
        assert_eq!(seen("10.0.0.2", &[], trusted), "10.0.0.2");
    }

    #[test]
    fn an_entry_that_cannot_be_read_hides_all_before_it() {
        let trusted = &[("10.0.0.0", 8)];
        assert_eq!(seen("10.0.0.2", &["198.51.100.1, unknown"], trusted), "10.0.0.2");
        assert_eq!(seen("10.0.0.2", &["198.51.100.1, , 10.0.0.3"], trusted), "10.0.0.3");
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        let trusted = &[("10.0.0.0", 8), ("2001:db8::", 32)];
        assert_eq!(seen("10.0.0.2", &["198.51.100.1:4711"], trusted), "198.51.100.1");
        assert_eq!(seen("::ffff:10.0.0.2", &["[2001:db9::1]:443"], trusted), "2001:db9::1");
        assert_eq!(seen("2001:db8::5", &["[2001:db9::1]"], trusted), "2001:db9::1");
        assert_eq!(seen("2001:db9::5", &["198.51.100.1"], trusted), "2001:db9::5");
    }

    #[test]
    fn a_network_of_no_bits_holds_every_address_of_its_family() {
        assert_eq!(seen("192.0.2.1", &["198.51.100.1"], &[("0.0.0.0", 0)]), "198.51.100.1");
        assert_eq!(seen("2001:db8::5", &["198.51.100.1"], &[("0.0.0.0", 0)]), "2001:db8::5");
        assert_eq!(seen("192.0.2.1", &["198.51.100.1"], &[("192.0.2.2", 32)]), "192.0.2.1");
    }
}
