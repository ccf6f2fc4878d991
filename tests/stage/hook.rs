//! A receiver of webhooks: what it was told, and what it answers next.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::net::TcpListener;

/// The key of every receiver, 24 bytes.
const KEY: &[u8; 24] = b"a key of 24 bytes, no-no";

#[derive(Clone)]
pub struct Hook {
    port: u16,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    calls: Vec<Call>,
    next: VecDeque<Reply>,
    elsewhere: usize,
}

#[derive(Clone, Copy)]
pub enum Reply {
    Status(u16),
    Hangs,
    /// It sends the answer's first line and goes on forever.
    Babbles(u16),
    Redirects,
}

/// One call as it came in.
#[derive(Clone, Debug)]
pub struct Call {
    pub id: String,
    pub timestamp: i64,
    pub signature: String,
    pub body: String,
}

impl Call {
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn kind(&self) -> String {
        self.event()["type"].as_str().unwrap().to_owned()
    }

    /// Checks the signature by RFC 2104, written out here and nowhere else.
    pub fn is_signed(&self) -> bool {
        let padded = |with: u8| {
            let mut block = [with; 64];
            block.iter_mut().zip(KEY).for_each(|(byte, key)| *byte ^= key);
            block.to_vec()
        };
        let text = format!("{}.{}.{}", self.id, self.timestamp, self.body);
        let inner = digest(&SHA256, &[padded(0x36), text.into_bytes()].concat());
        let outer = digest(&SHA256, &[padded(0x5c), inner.as_ref().to_vec()].concat());
        self.signature == format!("v1,{}", STANDARD.encode(outer))
    }
}

impl Hook {
    pub async fn opens() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let hook = Self { port: listener.local_addr().unwrap().port(), inner: Arc::default() };
        let router = Router::new()
            .route("/bellwether", post(receive))
            .route("/elsewhere", axum::routing::any(elsewhere))
            .with_state(hook.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        hook
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/bellwether", self.port)
    }

    pub fn secret() -> String {
        format!("whsec_{}", STANDARD.encode(KEY))
    }

    /// Answers so, one after the other, then 204.
    pub fn answers(&self, replies: &[Reply]) {
        self.inner.lock().unwrap().next.extend(replies);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.inner.lock().unwrap().calls.clone()
    }

    /// The kinds of the events, in order.
    pub fn kinds(&self) -> Vec<String> {
        self.calls().iter().map(Call::kind).collect()
    }

    /// How often somebody came by where it redirects to.
    pub fn elsewhere(&self) -> usize {
        self.inner.lock().unwrap().elsewhere
    }

    /// Waits until it was called so often.
    pub async fn called(&self, times: usize) {
        let called = async {
            while self.calls().len() < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), called).await.unwrap();
    }
}

async fn receive(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(text("content-type"), "application/json");
    let call = Call {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp").parse().unwrap(),
        signature: text("webhook-signature"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let reply = {
        let mut inner = hook.inner.lock().unwrap();
        inner.calls.push(call);
        inner.next.pop_front().unwrap_or(Reply::Status(204))
    };
    match reply {
        Reply::Status(status) => (StatusCode::from_u16(status).unwrap(), "so it says").into_response(),
        Reply::Hangs => std::future::pending().await,
        Reply::Babbles(status) => {
            let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 65_536]));
            (StatusCode::from_u16(status).unwrap(), axum::body::Body::from_stream(endless)).into_response()
        }
        Reply::Redirects => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/elsewhere")]).into_response()
        }
    }
}

async fn elsewhere(State(hook): State<Hook>) {
    hook.inner.lock().unwrap().elsewhere += 1;
}
