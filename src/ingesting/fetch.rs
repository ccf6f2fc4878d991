//! Fetches a feed over HTTP: conditional, within limits of time and size, and only from addresses that the gate of
//! `network` lets through, redirects included. What the bytes mean is for `parse`.

use std::error::Error as _;
use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::network::{Gate, Refused};
use crate::config::Network;
use crate::domain::time::{DAY, Timestamp};

/// In bytes, counted after gunzip.
pub const MAX_BODY: usize = 5 * 1024 * 1024;
const MAX_REDIRECTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For everything from the name's resolution to the last byte, redirects included.
const DEADLINE: Duration = Duration::from_secs(20);
/// For the way to a page that isn't read.
const REACH_WITHIN: Duration = Duration::from_secs(10);
const ACCEPT: &str =
    "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5";

/// Fetches feeds. Cheap to clone; the clones share their connections.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Client,
    gate: Gate,
    deadline: Duration,
}

/// What to fetch, with what the last answer said about itself.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    pub url: Url,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// `moved_to` is the feed's new address where the site says that it moved for good (301, 308).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    NotModified {
        moved_to: Option<Url>,
    },
    Body {
        bytes: Vec<u8>,
        /// For the next request, as is `last_modified`.
        etag: Option<String>,
        last_modified: Option<String>,
        content_type: Option<String>,
        /// Where it was found in the end, without user and password; relative links are relative to it.
        final_url: Url,
        moved_to: Option<Url>,
    },
}

/// Why a feed could not be fetched, for its operator: each says what happened and what to do. None shows a password.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("feed addresses begin with http:// or https://, this one with {scheme}:")]
    Scheme { scheme: String },
    #[error(
        "feed is on a private address {address}{}; add it to [fetching] allow_networks if that is meant",
        of_host(.host, .address)
    )]
    PrivateAddress { host: String, address: IpAddr },
    #[error(
        "could not find the address of {host}; check the name in the feed's address, and this machine's DNS"
    )]
    Unresolvable { host: String },
    #[error("could not connect to {host}: {reason}; is the site up?")]
    Connect { host: String, reason: String },
    #[error("the site did not send the whole feed within {} s; it is tried again at the next poll", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("the connection to {host} broke off: {reason}; it is tried again at the next poll")]
    Broken { host: String, reason: String },
    #[error("the feed is larger than {} MB; let the site put fewer posts into it", MAX_BODY / 1024 / 1024)]
    TooLarge,
    #[error("the site redirects more than {MAX_REDIRECTS} times; set the feed's address to where it ends")]
    TooManyRedirects,
    #[error("the site redirects without saying where to ({0}); check the feed's address in a browser")]
    BadRedirect(StatusCode),
    #[error(
        "the site redirects from https to {to}, which anyone on the way could change; use an https address"
    )]
    Downgrade { to: String },
    #[error("{}", of_status(*.status))]
    Status {
        status: StatusCode,
        /// How long the site asks us to stay away: at most 24 hours.
        retry_after: Option<Duration>,
    },
}

impl FetchError {
    /// How long the site asked us to stay away (`Retry-After`), at most 24 hours.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Fetcher {
    /// Private and loopback addresses are fetched from only within `allow_networks`. `public_url` tells the sites whose
    /// fetcher this is.
    ///
    /// # Errors
    /// When the TLS of this machine can't be set up.
    pub fn new(allow_networks: Vec<Network>, public_url: &Url) -> Result<Self, reqwest::Error> {
        let gate = Gate::new(allow_networks);
        let agent = format!("Bellwether/{} (+{public_url})", env!("CARGO_PKG_VERSION"));
        let client = Client::builder()
            .user_agent(agent)
            .no_proxy() // a proxy would resolve names by itself, behind the gate's back
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(gate.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .build()?;
        Ok(Self { client, gate, deadline: DEADLINE })
    }

    /// The same with another limit than 20 s for a whole fetch.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Fetches once; `now` is what a date in `Retry-After` is counted from.
    ///
    /// # Errors
    /// Whenever there is neither a body nor a "not modified"; nothing is tried twice.
    pub async fn fetch(&self, request: &FetchRequest, now: Timestamp) -> Result<Fetched, FetchError> {
        tokio::time::timeout(self.deadline, self.follow(request, now))
            .await
            .unwrap_or(Err(FetchError::Timeout(self.deadline)))
    }

    /// Whether there is a page at an address: what it says is not read.
    ///
    /// # Errors
    /// As for a feed, within 10 s.
    pub async fn reach(&self, url: &Url) -> Result<(), FetchError> {
        let request = FetchRequest { url: url.clone(), etag: None, last_modified: None };
        let deadline = self.deadline.min(REACH_WITHIN);
        let arrived = tokio::time::timeout(deadline, self.arrive(&request)).await;
        let response = arrived.unwrap_or(Err(FetchError::Timeout(deadline)))?.0;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(FetchError::Status { status, retry_after: None }),
        }
    }

    async fn follow(&self, request: &FetchRequest, now: Timestamp) -> Result<Fetched, FetchError> {
        let (response, url, moved_to) = self.arrive(request).await?;
        let conditional = request.etag.is_some() || request.last_modified.is_some();
        match response.status() {
            StatusCode::NOT_MODIFIED if conditional => Ok(Fetched::NotModified { moved_to }),
            status if status.is_success() => read(response, url, moved_to).await,
            status => Err(FetchError::Status { status, retry_after: retry_after(response.headers(), now) }),
        }
    }

    /// The answer behind all redirects, where it was found, and where the site says that it moved for good.
    async fn arrive(&self, request: &FetchRequest) -> Result<(Response, Url, Option<Url>), FetchError> {
        let mut url = request.url.clone();
        let mut moved_to = None;
        let mut for_good = true;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.get(&url, request).await?;
            let status = response.status();
            match status {
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => {
                    url = target(&url, status, text_of(response.headers(), header::LOCATION))?;
                    for_good &=
                        matches!(status, StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT);
                    if for_good {
                        moved_to = Some(without_credentials(&url));
                    }
                }
                _ => return Ok((response, url, moved_to)),
            }
        }
        Err(FetchError::TooManyRedirects)
    }

    async fn get(&self, url: &Url, request: &FetchRequest) -> Result<Response, FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme { scheme: url.scheme().to_owned() });
        }
        self.gate.check(url)?;
        let mut get = self.client.get(url.clone()).header(header::ACCEPT, ACCEPT);
        if let Some(etag) = &request.etag {
            get = get.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(date) = &request.last_modified {
            get = get.header(header::IF_MODIFIED_SINCE, date);
        }
        get.send().await.map_err(|error| explain(error, url))
    }
}

impl From<Refused> for FetchError {
    fn from(Refused { host, address }: Refused) -> Self {
        Self::PrivateAddress { host, address }
    }
}

/// Where a redirect leads: absolute, and never from https to http.
fn target(from: &Url, status: StatusCode, location: Option<String>) -> Result<Url, FetchError> {
    let to =
        location.and_then(|location| from.join(&location).ok()).ok_or(FetchError::BadRedirect(status))?;
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(FetchError::Downgrade { to: without_credentials(&to).into() });
    }
    Ok(to)
}

async fn read(mut response: Response, final_url: Url, moved_to: Option<Url>) -> Result<Fetched, FetchError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(error, &final_url))? {
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(FetchError::TooLarge);
        }
        bytes.extend_from_slice(&chunk);
    }
    let headers = response.headers();
    Ok(Fetched::Body {
        bytes,
        etag: text_of(headers, header::ETAG),
        last_modified: text_of(headers, header::LAST_MODIFIED),
        content_type: text_of(headers, header::CONTENT_TYPE),
        final_url: without_credentials(&final_url),
        moved_to,
    })
}

fn text_of(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = text_of(headers, header::RETRY_AFTER)?;
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::DateTimeParser::new()
                .relaxed_weekday(true)
                .parse_timestamp(&value)
                .ok()?;
            Timestamp::from_jiff(date).since(now)
        }
    };
    Some(wait.min(DAY))
}

fn explain(error: reqwest::Error, url: &Url) -> FetchError {
    let host = url.host_str().unwrap_or_default().to_owned();
    let mut cause = error.source();
    let mut reason = None;
    while let Some(inner) = cause {
        if let Some(refused) = inner.downcast_ref::<Refused>() {
            return refused.clone().into();
        }
        reason = Some(inner.to_string());
        cause = inner.source();
    }
    let reason = reason.unwrap_or_else(|| "no reason given".to_owned());
    if error.is_dns() {
        FetchError::Unresolvable { host }
    } else if error.is_connect() {
        FetchError::Connect { host, reason }
    } else {
        FetchError::Broken { host, reason }
    }
}

/// An address without the user and password that it may hold: it is shown, and relative links are joined to it.
pub(super) fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // Both fail only on addresses that can't hold a user, and then there is none to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

fn of_host(host: &str, address: &IpAddr) -> String {
    if host == address.to_string() { String::new() } else { format!(" ({host})") }
}

fn of_status(status: StatusCode) -> String {
    let advice = match status.as_u16() {
        401 => {
            "it wants a password, and feeds are read without: ask its operator for an address that needs none"
        }
        403 | 451 => "it refuses us: ask its operator to let the user agent \"Bellwether\" read the feed",
        404 => "there is nothing at this address: check it in a browser",
        410 => "the feed is gone for good: remove it, or set its new address",
        429 => "we ask too often: set a longer interval for this feed",
        304 => "\"not modified\" though we asked for all of it: its cache is broken",
        500..=599 => "the site has a fault of its own; it is tried again at the next poll",
        _ => "this is no answer to a feed reader; check the address in a browser",
    };
    format!("the site answers {status}: {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leads_from_https_to_http() {
        let lead =
            |from: &str, to: &str| target(&from.parse().unwrap(), StatusCode::FOUND, Some(to.to_owned()));
        let https = "https://site.example/a/feed";
        let error = lead(https, "http://me:secret@site.example/feed").unwrap_err();
        assert!(
            matches!(&error, FetchError::Downgrade { to } if to == "http://site.example/feed"),
            "{error}"
        );
        assert_eq!(lead(https, "../b").unwrap().as_str(), "https://site.example/b");
        assert_eq!(lead("http://site.example/", https).unwrap().as_str(), https);
        assert!(matches!(lead(https, "http://["), Err(FetchError::BadRedirect(_))));
    }
}
