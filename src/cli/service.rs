//! The running service, as the other commands find it and talk to it: over HTTP, where the configuration says it listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::Failure;
use crate::config::Secret;
use crate::context::Context;
use crate::web::INSTALLATION;

/// A service that answers.
pub(super) struct Service {
    http: reqwest::Client,
    address: SocketAddr,
    /// What it can't do now, as it says itself.
    trouble: Option<String>,
}

/// Who answers where the service should be.
pub(super) enum Found {
    Ours(Service),
    /// It works on another database.
    Others(SocketAddr),
    Nobody,
}

/// An alert that it took.
#[derive(Deserialize)]
pub(super) struct Accepted {
    pub id: Uuid,
    pub audience: i64,
}

/// A refusal (RFC 9457).
#[derive(Deserialize, Default)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

impl Service {
    /// The service where the configuration has it, if one answers there.
    pub(super) async fn find(cx: &Context) -> Result<Found, Failure> {
        // It is on this machine: a proxy from the environment would only be in the way.
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        let http = http.map_err(|error| Failure::Failed(format!("no HTTP client: {error}")))?;
        let mut service = Self { http, address: reachable(cx.config.server.listen), trouble: None };
        let asked = service.http.get(service.url("/healthz")).timeout(Duration::from_secs(3)).send().await;
        let Some(answer) = asked.ok().filter(|answer| answer.status().is_success()) else {
            return Ok(Found::Nobody);
        };
        let ours = answer.headers().get(INSTALLATION).is_some_and(|name| *name == *cx.installation());
        let body = answer.text().await.unwrap_or_default();
        let mut lines = body.lines();
        let alive = lines.next() == Some("ok");
        service.trouble = lines.next().map(ToOwned::to_owned);
        Ok(match (alive, ours) {
            (true, true) => Found::Ours(service),
            (true, false) => Found::Others(service.address),
            (false, _) => Found::Nobody,
        })
    }

    /// What it can't do now, as it says itself.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Hands it an alert; `key` makes sure that it is sent once.
    pub(super) async fn alert(
        &self,
        token: &Secret,
        key: Uuid,
        alert: &serde_json::Value,
    ) -> Result<Accepted, Failure> {
        let request = self
            .http
            .post(self.url("/api/v1/alerts"))
            .bearer_auth(token.expose())
            .header("Idempotency-Key", key.to_string())
            .json(alert);
        let lost = |error: reqwest::Error| {
            Failure::Failed(format!(
                "the service at {} did not answer in time ({error}); `bellwether issues` shows whether it took the alert",
                self.address
            ))
        };
        let response = request.send().await.map_err(lost)?;
        match response.status().as_u16() {
            200..300 => response.json().await.map_err(lost),
            status => {
                let problem: Problem = response.json().await.unwrap_or_default();
                let why = problem.detail.or(problem.title).unwrap_or_else(|| "it gave no reason".to_owned());
                Err(Failure::Failed(format!("the service refused the alert ({status}): {why}")))
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// Who listens on all addresses is reached on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
