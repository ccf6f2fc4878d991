//! Texts of the configuration made into values; each error says what is allowed and never repeats the text, which may
//! be a secret.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use url::Url;

use super::{Mailbox, Network, Secret};
use crate::domain::address::EmailAddress;
use crate::domain::time::DAY;

const SECRET_LENGTH: usize = 32;

impl FromStr for Mailbox {
    type Err = String;

    /// Reads `desk@example.org`, `Election Desk <desk@example.org>` or `"Desk, Election" <desk@example.org>`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains(char::is_control) {
            return Err("must be on one line, without control characters".to_owned());
        }
        let Some((name, address)) = text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<'))
        else {
            return Ok(Self { name: None, address: address(text.trim())? });
        };
        let name = name.trim();
        let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
        if name.contains(['<', '>', '"']) {
            return Err("must be a name and one address, as in Election Desk <desk@example.org>".to_owned());
        }
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        Ok(Self { name, address: self::address(address.trim())? })
    }
}

impl FromStr for Network {
    type Err = String;

    /// Reads `192.0.2.0/24`, `2001:db8::/32` or a bare address.
    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = || "must be a network, as in 10.0.0.0/8 or fd00::/8, or one IP address".to_owned();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| allowed())?;
        let bits = bits(address);
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(allowed)?,
            None => bits,
        };
        Ok(Self { address, prefix })
    }
}

impl Network {
    /// Whether `address` is in this network. An IPv4 address is the same when it comes mapped into IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

pub(super) fn address(text: &str) -> Result<EmailAddress, String> {
    text.parse::<EmailAddress>().map_err(|error| error.to_string())
}

/// A return path: an address with `{id}` once, before the `@`.
pub(super) fn bounces(text: &str) -> Result<String, String> {
    let allowed = "must be an address with {id} once before the @, as in bounces+{id}@example.org";
    let once = text.matches("{id}").count() == 1;
    let local = text.split_once('@').is_some_and(|(local, _)| local.contains("{id}"));
    // The longest id there is, so that the local part holds it.
    let sample = text.replace("{id}", "00000000-0000-0000-0000-000000000000");
    if once && local && address(&sample).is_ok() { Ok(text.to_owned()) } else { Err(allowed.to_owned()) }
}

/// A time from a second to a week.
pub fn duration(text: &str) -> Result<Duration, String> {
    SpanParser::new()
        .parse_unsigned_duration(text)
        .ok()
        .filter(|duration| (Duration::from_secs(1)..=7 * DAY).contains(duration))
        .ok_or_else(|| "must be a time from 1s to 168h, as in 90s, 5m or 1h30m".to_owned())
}

/// A key of our own to sign with.
pub(super) fn signing_secret(text: &str) -> Result<Secret, String> {
    let length = text.chars().count();
    if length < SECRET_LENGTH {
        return Err(format!(
            "must be {SECRET_LENGTH} characters or more, and has {length}; make one with `openssl rand -hex 32`"
        ));
    }
    Ok(Secret::new(text))
}

/// A name of one line, shown to people.
pub fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > 100 || text.contains(char::is_control) {
        return Err("must be a text of 1 to 100 characters on one line".to_owned());
    }
    Ok(text.to_owned())
}

/// A text that may have several lines.
pub fn prose(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.contains(|c: char| c.is_control() && c != '\n' && c != '\r') {
        return Err("must be a text without control characters".to_owned());
    }
    Ok(text.replace("\r\n", "\n"))
}

/// [`prose`] that says something.
pub(super) fn some_prose(text: &str) -> Result<String, String> {
    prose(text).and_then(|text| if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text) })
}

/// Where readers' links lead: https, or http where only this machine listens.
pub(super) fn public_url(text: &str) -> Result<Url, String> {
    let mut url = web_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have nothing behind ? or #, as in https://news.example.org".to_owned());
    }
    if url.scheme() == "http" && !url.host_str().is_some_and(is_loopback) {
        return Err(
            "must begin with https://; http:// is for addresses of this machine, as in http://127.0.0.1:8080"
                .to_owned(),
        );
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// An `http` or `https` address without user and password, which logs and pages would show.
pub fn web_url(text: &str) -> Result<Url, String> {
    let allowed = "must be an address as in https://site.example.org/feed/, without user and password";
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .filter(|url| url.username().is_empty() && url.password().is_none())
        .ok_or_else(|| allowed.to_owned())
}

pub(super) fn database_url(text: &str) -> Result<Secret, String> {
    let allowed = "must be as in sqlite:data/bellwether.db or postgres://user:password@host/database";
    let sqlite = text.strip_prefix("sqlite:").is_some_and(|path| !path.trim_start_matches('/').is_empty());
    let postgres = ["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme))
        && Url::parse(text).is_ok();
    if sqlite || postgres { Ok(Secret::new(text)) } else { Err(allowed.to_owned()) }
}

pub(super) fn folder(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("must name a folder".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn existing_folder(text: &str) -> Result<PathBuf, String> {
    if Path::new(text).is_dir() { Ok(text.into()) } else { Err("must name a folder that exists".to_owned()) }
}

pub(super) fn existing_file(text: &str) -> Result<PathBuf, String> {
    if Path::new(text).is_file() { Ok(text.into()) } else { Err("must name a file that exists".to_owned()) }
}

/// Whether a host, as it stands in a URL or alone, is this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        let cases = [
            ("127.0.0.0/8", "127.9.9.9", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::ffff:0:0/96", "192.0.2.1", false),
            ("192.0.2.0/24", "::ffff:192.0.2.7", true),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ];
        for (network, address, inside) in cases {
            let parsed: Network = network.parse().unwrap();
            assert_eq!(parsed.contains(address.parse().unwrap()), inside, "{address} in {network}");
        }
    }

    #[test]
    fn a_mailbox_is_an_address_with_or_without_a_name() {
        let cases = [
            ("desk@example.org", None),
            ("<desk@example.org>", None),
            ("Election Desk <desk@example.org>", Some("Election Desk")),
            ("\"Desk, Election\" < desk@example.org >", Some("Desk, Election")),
        ];
        for (text, name) in cases {
            let mailbox: Mailbox = text.parse().unwrap();
            assert_eq!(mailbox.name.as_deref(), name, "{text}");
            assert_eq!(mailbox.address.as_str(), "desk@example.org", "{text}");
        }
        for text in
            ["Desk", "Desk <desk>", "A <a@example.org> B <b@example.org>", "Desk\r\nBcc: <a@example.org>"]
        {
            assert!(text.parse::<Mailbox>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn times_are_written_with_their_units() {
        let cases = [("1s", 1), ("90s", 90), ("5m", 300), ("1h30m", 5_400), ("168h", 604_800)];
        for (text, seconds) in cases {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "0s", "5", "-5m", "500ms", "169h", "soon"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }
}
