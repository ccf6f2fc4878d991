//! A relay: its parts from a URL, or apart, or some of each.

use std::collections::BTreeMap;

use url::Url;

use super::section::Section;
use super::values::{existing_file, is_loopback, name};
use super::{Credentials, Pipelining, Relay, Secret, Tls};
use crate::domain::{issue::Lane, message_id::Renaming};

const CONNECTIONS: u32 = 10;

/// What a relay's URL says.
struct Address {
    /// `smtps://`: TLS from the first byte.
    implicit: bool,
    host: String,
    port: Option<u16>,
    user: Option<String>,
    password: Option<Secret>,
}

/// Reads one `[[relays]]`.
pub(super) fn relay(s: &mut Section, index: usize, names: &mut BTreeMap<String, String>) -> Option<Relay> {
    if !s.has("host") {
        s.require("url", "where mail is handed over, as in smtp://user:password@relay.example.org:587");
    }
    let name = s.text("name", name).unwrap_or_else(|| match index {
        0 => "primary".to_owned(),
        later => format!("relay-{}", later + 1),
    });
    s.unique("name", &name, names);
    let address = s.secret("url", address);
    let host = s.text("host", host);
    let port = s.whole("port", 1..=u16::MAX);
    let user = s.text("user", |text| Ok(text.to_owned()));
    let password = s.secret("password", |text| Ok(Secret::new(text)));
    let tls = s.text("tls", str::parse::<Tls>);
    let ca_file = s.text("ca_file", existing_file);
    let connections = s.whole("connections", 1..=1000).unwrap_or(CONNECTIONS);
    let messages_per_connection = s.whole("messages_per_connection", 1..=1_000_000);
    let rate = s.positive("rate");
    let per_day = s.whole("per_day", 1..=1_000_000_000);
    let weight = s.whole("weight", 1..=1000).unwrap_or(1);
    let pipelining = s.text("pipelining", str::parse).unwrap_or(Pipelining::Full);
    let all = !s.has("lanes");
    let lanes = s.texts("lanes", str::parse::<Lane>);
    let message_id = s.text("message_id", str::parse::<Renaming>);

    if let Some(address) = &address {
        let twice = [
            ("host", host.is_some()),
            ("port", address.port.is_some() && port.is_some()),
            ("user", address.user.is_some() && user.is_some()),
            ("password", address.password.is_some() && password.is_some()),
        ];
        for (key, _) in twice.iter().filter(|(_, twice)| *twice) {
            s.problem(key, "stands in url already; keep one of the two");
        }
    }
    let address = address.or_else(|| host.map(Address::of_host))?;
    let tls = protection(s, tls, &address);
    let user = user.or(address.user);
    let password = password.or(address.password);
    if user.is_some() != password.is_some() {
        let (given, absent) = if user.is_some() { ("user", "password") } else { ("password", "user") };
        s.problem(absent, format!("is missing: {given} is given, and a relay wants both or none"));
    }
    Some(Relay {
        name,
        port: address.port.or(port).unwrap_or_else(|| usual_port(tls)),
        host: address.host,
        credentials: user.zip(password).map(|(user, password)| Credentials { user, password }),
        tls,
        ca_file,
        connections,
        messages_per_connection,
        rate,
        per_day,
        weight,
        pipelining,
        lanes: if all { Lane::ALL.to_vec() } else { lanes },
        watch: false,
        message_id,
    })
}

impl Address {
    fn of_host(host: String) -> Self {
        Self { implicit: false, host, port: None, user: None, password: None }
    }
}

/// Which TLS the relay gets, where `said` is what the file says.
fn protection(s: &Section, said: Option<Tls>, address: &Address) -> Tls {
    match (said, address.implicit) {
        (Some(Tls::None), false) if !is_loopback(&address.host) => {
            s.problem("tls", "none is for a relay on this machine only; say required or implicit");
            Tls::None
        }
        (Some(Tls::Required | Tls::None), true) => {
            s.problem("tls", "must be implicit, or absent, since the url begins with smtps://");
            Tls::Implicit
        }
        (Some(tls), _) => tls,
        (None, true) => Tls::Implicit,
        (None, false) if is_loopback(&address.host) => Tls::None,
        (None, false) => Tls::Required,
    }
}

/// The port of submission, of submission over TLS (both RFC 8314), or of a server on this machine.
fn usual_port(tls: Tls) -> u16 {
    match tls {
        Tls::Required => 587,
        Tls::Implicit => 465,
        Tls::None => 25,
    }
}

fn address(text: &str) -> Result<Address, String> {
    let allowed = || {
        "must be as in smtp://user:password@relay.example.org:587, or smtps:// for TLS from the first byte; in user \
         and password write a special character as % and its two hexadecimal digits (%40 for @), or give them by the \
         keys user and password"
            .to_owned()
    };
    let url = Url::parse(text).map_err(|_| allowed())?;
    let implicit = match url.scheme() {
        "smtp" => false,
        "smtps" => true,
        _ => return Err(allowed()),
    };
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let host = url.host_str().and_then(|text| host(text).ok()).filter(|_| bare).ok_or_else(allowed)?;
    let user = Some(url.username()).filter(|user| !user.is_empty());
    let user = user.map(|user| percent_decoded(user).ok_or_else(allowed)).transpose()?;
    let password =
        url.password().map(|password| percent_decoded(password).ok_or_else(allowed)).transpose()?;
    Ok(Address { implicit, host, port: url.port(), user, password: password.map(Secret::new) })
}

/// A host's name or its IP address; IPv6 without the brackets that it has in a URL.
fn host(text: &str) -> Result<String, String> {
    let host = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !host.is_empty() && (named || host.parse::<std::net::Ipv6Addr>().is_ok()) {
        Ok(host.to_ascii_lowercase())
    } else {
        Err("must be a host's name or IP address alone, as in relay.example.org".to_owned())
    }
}

/// The text with each `%XX` made into its byte; none where that is no text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_of_a_url_are_decoded() {
        let found = address("smtp://desk%40example.org:p%2Fa+%25s@relay.example.org:2525").unwrap();
        assert_eq!(found.user.as_deref(), Some("desk@example.org"));
        assert_eq!(found.password, Some(Secret::new("p/a+%s")));
        assert_eq!((found.host.as_str(), found.port), ("relay.example.org", Some(2525)));
    }

    #[test]
    fn an_ipv6_host_loses_its_brackets() {
        assert_eq!(address("smtp://[::1]:25").unwrap().host, "::1");
    }

    #[test]
    fn a_url_that_is_no_relay_is_refused() {
        for text in [
            "",
            "relay.example.org:587",
            "http://relay.example.org",
            "smtp://",
            "smtp:relay.example.org",
            "smtp://relay.example.org/inbox",
            "smtp://relay.example.org?tls=none",
            "smtp://user:100%@relay.example.org",
            "smtp://user:%ff@relay.example.org",
        ] {
            assert!(address(text).is_err(), "{text:?}");
        }
    }
}
