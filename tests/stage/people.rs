//! Visitors of the site and readers of the mails, as the web sees them.

use std::net::{IpAddr, Ipv4Addr};

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, request::Builder};

use bellwether::audit::Actor;
use bellwether::domain::{import::ImportRow, subscription::Digest};
use bellwether::subscribing::{
    importing::{self, Defaults, Tally},
    records,
};

use super::Stage;

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// An answer of the web.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Page {
    /// A header's value, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub fn says(&self, text: &str) {
        assert!(self.body.contains(text), "{} lacks {text:?}:\n{}", self.status, self.body);
    }
}

/// Somebody on the site, from one network.
pub struct Visitor<'a> {
    stage: &'a Stage,
    peer: IpAddr,
}

impl Stage {
    pub fn visitor(&self) -> Visitor<'_> {
        self.visitor_from("192.0.2.1")
    }

    pub fn visitor_from(&self, peer: &str) -> Visitor<'_> {
        Visitor { stage: self, peer: peer.parse().unwrap() }
    }

    /// A confirmed reader with alerts and the daily digest.
    pub async fn reader(&self, address: &str) {
        self.reader_of(address, "").await;
    }

    /// A confirmed reader of what the form says, as in `topics=election-alerts&digest=weekly`.
    pub async fn reader_of(&self, address: &str, wishes: &str) {
        let network = self.cx.entropy.bytes::<3>();
        let network = IpAddr::from(Ipv4Addr::new(10, network[0], network[1], network[2]));
        let visitor = Visitor { stage: self, peer: network };
        assert_eq!(visitor.asks(&format!("email={}&{wishes}", encoded(address))).await.status, 200);
        self.settle().await;
        let page = self.press(&self.newest(address).link("confirm")).await;
        assert_eq!(page.status, 200, "{}", page.body);
    }

    /// A reader with alerts and the daily digest whose consent came from elsewhere: no mail has gone there yet.
    pub async fn imported(&self, address: &str) {
        self.imported_all(&[address]).await;
    }

    pub async fn imported_all(&self, addresses: &[impl AsRef<str>]) {
        assert_eq!(self.imports(addresses).await.added, addresses.len() as u64);
    }

    /// Readers with the daily digest alone.
    pub async fn imported_silent(&self, addresses: &[impl AsRef<str>]) {
        assert_eq!(self.imports_with(addresses, false).await.added, addresses.len() as u64);
    }

    /// Imports a file of addresses, whatever comes of it.
    pub async fn imports(&self, addresses: &[impl AsRef<str>]) -> Tally {
        self.imports_with(addresses, true).await
    }

    async fn imports_with(&self, addresses: &[impl AsRef<str>], alerts: bool) -> Tally {
        let row = |address: &_| ImportRow {
            address: AsRef::<str>::as_ref(address).parse().unwrap(),
            topics: Vec::new(),
            alerts: None,
            digest: None,
            confirmed_at: None,
            source: None,
            left: None,
        };
        let topic = "election-alerts".parse().unwrap();
        let defaults = Defaults { topic, alerts, digest: Digest::Daily, source: None };
        let rows: Vec<_> = addresses.iter().map(row).collect();
        importing::import(&self.cx, &rows, &defaults, "readers.csv").await.unwrap()
    }

    /// A reader unsubscribes from everything.
    pub async fn leaves(&self, address: &str) {
        assert!(records::remove(&self.cx, &address.parse().unwrap(), &Actor::command()).await.unwrap());
    }

    /// What a link shows; mail scanners do this too.
    pub async fn open(&self, path: &str) -> Page {
        self.request(Ipv4Addr::LOCALHOST.into(), Request::get(path), "").await
    }

    /// Presses the button of the page behind a link, then lets everything happen that follows.
    pub async fn press(&self, path: &str) -> Page {
        self.fills_in(path, "").await
    }

    /// Sends the form of the page behind a link, then lets everything happen that follows.
    pub async fn fills_in(&self, path: &str, form: &str) -> Page {
        let page = self.posts(path, FORM, form).await;
        self.settle().await;
        page
    }

    pub async fn posts(&self, path: &str, content_type: &str, body: &str) -> Page {
        let request = Request::post(path).header("content-type", content_type);
        self.request(Ipv4Addr::LOCALHOST.into(), request, body).await
    }

    pub(super) async fn request(&self, peer: IpAddr, request: Builder, body: &str) -> Page {
        let response = self.send_from(peer, request.body(Body::from(body.to_owned())).unwrap()).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Page { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

impl Visitor<'_> {
    /// Fills in the short form, then lets everything happen that follows.
    pub async fn signs_up(&self, address: &str) -> Page {
        let page = self.asks(&format!("email={}", encoded(address))).await;
        self.stage.settle().await;
        page
    }

    /// Sends a form and sees the answer, before anything follows from it.
    pub async fn asks(&self, form: &str) -> Page {
        let request = Request::post("/subscribe").header("content-type", FORM);
        self.stage.request(self.peer, request, form).await
    }

    pub async fn asks_in_json(&self, json: &str) -> Page {
        let request = Request::post("/subscribe").header("content-type", "application/json");
        self.stage.request(self.peer, request, json).await
    }
}

pub(super) fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
