//! The test world: a fresh database, a clock that is turned by hand, seeded dice, a mailbox behind a real SMTP server on
//! loopback, and the router in process.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bellwether::app;
use bellwether::cli::demo::{mailbox::Mailbox, smtp};
use bellwether::clock::{Clock, Entropy};
use bellwether::config::Config;
use bellwether::context::Context;
use bellwether::delivering::{Engine, Until};
use bellwether::domain::time::Timestamp;
use tokio::net::TcpListener;

/// One installation with nobody signed up, on Friday, 30 October 2026, 12:00 UTC.
pub struct Stage {
    pub cx: Context,
    pub engine: Arc<Engine>,
    pub mailbox: Mailbox,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// On SQLite, with one topic.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let clock = Clock::simulated(Timestamp::parse_rfc3339("2026-10-30T12:00:00Z").unwrap());
        let mailbox = Mailbox::unbounded();
        let server = smtp::Server::new(mailbox.clone(), clock.clone());
        tokio::spawn(server.run(listener, std::future::pending()));
        let data = folder.path().display();
        let text = format!(
            r#"
            [server]
            public_url = "https://news.example.org"
            secret = "0123456789abcdef0123456789abcdef"
            data = "{data}"
            [database]
            url = "sqlite:{data}/bellwether.db"
            [sender]
            from = "Election Desk <desk@example.org>"
            postal_address = "1 Example Street, Springfield"
            [[relays]]
            url = "smtp://127.0.0.1:{port}"
            tls = "none"
            [[topics]]
            slug = "election-alerts"
            name = "Election alerts"
            description = "Results as they are called"
            "#
        );
        let config = Config::parse(&text, "stage.toml", &BTreeMap::new()).unwrap();
        let cx = app::connect(config, clock, Entropy::seeded(1)).await.unwrap();
        let engine = Engine::open(cx.clone(), "stage").await.unwrap();
        Self { cx, engine: Arc::new(engine), mailbox, _folder: folder }
    }

    /// One request to the router, from a peer on loopback.
    pub async fn send(&self, mut request: axum::extract::Request) -> axum::response::Response {
        use tower::ServiceExt;
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
        request.extensions_mut().insert(axum::extract::ConnectInfo(peer));
        bellwether::web::router(self.cx.clone()).oneshot(request).await.unwrap()
    }

    /// Lets everything happen that is due at this moment: sign-ups, alerts, digests, deliveries.
    pub async fn settle(&self) {
        bellwether::subscribing::decide_signups(&self.cx).await.unwrap();
        bellwether::publishing::alerting::alert_posts(&self.cx).await.unwrap();
        bellwether::publishing::run_due_schedules(&self.cx).await.unwrap();
        while bellwether::publishing::fan_out(&self.cx).await.unwrap() {}
        self.engine.tend().await.unwrap();
        self.engine.pump(Until::Idle).await.unwrap();
        self.engine.tend().await.unwrap();
    }

    pub async fn advance(&self, by: Duration) {
        self.cx.clock.advance(by);
        self.settle().await;
    }
}
