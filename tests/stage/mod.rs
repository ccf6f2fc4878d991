//! The test world: a fresh database, a clock that is turned by hand, seeded dice, a mailbox behind a real SMTP server
//! on loopback, a news site with a feed, and the router in process. Stories on it read like their users'.

mod api;
mod backend;
mod desk;
pub mod dkim;
mod hook;
mod logs;
mod mail;
mod newsroom;
mod operator;
mod people;
pub mod postgres;
pub mod program;
mod relay;
mod setup;
pub mod sink;
mod site;
mod span;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bellwether::cli::demo::mailbox::Mailbox;
use bellwether::context::Context;
use bellwether::delivering::{Engine, Until};
use bellwether::domain::time::Timestamp;
use bellwether::ingesting::{Poller, fetch::Fetcher};
use bellwether::watching::{self, Caller};
use bellwether::{publishing, subscribing};

pub use api::{Answer, Program, events};
pub(crate) use backend::both;
pub use backend::{Backend, Opened};
pub use hook::{Hook, Reply};
pub use logs::Logs;
pub use mail::Mail;
pub use newsroom::{Colleague, PASSWORD, form_token};
pub use people::Page;
pub use relay::Relay;
pub use setup::Setup;
pub use site::{Post, Site};
pub use span::Span;

/// Where stories in process have their files: in memory where there is much room, for the thousands that a run makes and
/// deletes cost more on a disk than what is told with them.
fn memory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let room = rustix::fs::statvfs(memory).map_or(0, |it| it.f_bavail * it.f_frsize);
    if room > 2 << 30 { memory.to_owned() } else { std::env::temp_dir() }
}

/// One installation with nobody signed up, on Friday, 30 October 2026, 12:00 UTC.
pub struct Stage {
    pub cx: Context,
    pub engine: Arc<Engine>,
    pub mailbox: Mailbox,
    pub relay: Relay,
    fetcher: Fetcher,
    setup: Setup,
}

impl Stage {
    /// On SQLite, with one topic.
    pub async fn new() -> Self {
        Self::on(Backend::Sqlite).await
    }

    pub async fn on(backend: Backend) -> Self {
        Setup::on(backend).open().await
    }

    pub fn now(&self) -> Timestamp {
        self.cx.clock.now()
    }

    /// One request to the router, from a peer on loopback.
    pub async fn send(&self, request: axum::extract::Request) -> axum::response::Response {
        self.send_from(Ipv4Addr::LOCALHOST.into(), request).await
    }

    pub async fn send_from(
        &self,
        peer: IpAddr,
        mut request: axum::extract::Request,
    ) -> axum::response::Response {
        use tower::ServiceExt;
        request.extensions_mut().insert(axum::extract::ConnectInfo(SocketAddr::from((peer, 50_000))));
        bellwether::web::router(self.cx.clone()).oneshot(request).await.unwrap()
    }

    /// Lets everything happen that is due at this moment: feeds, sign-ups, alerts, digests, deliveries.
    pub async fn settle(&self) {
        let mut poller = self.poller();
        poller.start_due().await.unwrap();
        poller.finish().await;
        self.prepare().await;
        self.deliver().await;
    }

    /// The senders alone.
    pub async fn deliver(&self) {
        self.engine.tend().await.unwrap();
        self.engine.pump(Until::Idle).await.unwrap();
        self.engine.tend().await.unwrap();
    }

    /// The links of drafts are looked at that are due; how many.
    pub async fn looks_at_links(&self) -> usize {
        bellwether::ingesting::look_at_links(&self.cx, &self.fetcher).await.unwrap()
    }

    /// The watch looks, and calls whom it has to tell.
    pub async fn watches(&self) {
        watching::look(&self.cx).await.unwrap();
        self.calls_webhooks().await;
    }

    pub async fn calls_webhooks(&self) -> usize {
        Caller::new().unwrap().call_due(&self.cx).await.unwrap()
    }

    pub fn poller(&self) -> Poller {
        Poller::new(self.cx.clone(), self.fetcher.clone())
    }

    /// The same without the senders: what is due is queued and stays there.
    pub async fn prepare(&self) {
        subscribing::decide_signups(&self.cx).await.unwrap();
        bellwether::newsroom::links::answer_requests(&self.cx).await.unwrap();
        publishing::call_off(&self.cx).await.unwrap();
        publishing::pausing::carry_out(&self.cx).await.unwrap();
        publishing::run_due_schedules(&self.cx).await.unwrap();
        while publishing::publish_next(&self.cx).await.unwrap() {}
    }

    /// Lets time pass as if the service had been away, then everything happen that is due.
    pub async fn advance(&self, by: Duration) {
        self.cx.clock.advance(by);
        self.settle().await;
    }

    /// Lets time pass up to `moment` (RFC 3339), as [`Stage::advance`] does.
    pub async fn advance_to(&self, moment: &str) {
        let moment = Timestamp::parse_rfc3339(moment).unwrap();
        assert!(moment > self.now(), "{moment} has passed");
        self.advance(moment.since(self.now())).await;
    }

    /// Lets time pass with the service at work: it looks every `step`.
    pub async fn live(&self, by: Duration, step: Duration) {
        let end = self.now().plus(by);
        while self.now() < end {
            self.advance(step.min(end.since(self.now()))).await;
        }
    }

    /// The service is stopped at once, whatever it was doing, and started anew on the same database and folder.
    pub async fn restarted(self) -> Self {
        self.restarted_with(|setup| setup).await
    }

    /// The same with other settings.
    pub async fn restarted_with(self, change: impl FnOnce(Setup) -> Setup) -> Self {
        let Self { cx, engine, relay, setup, .. } = self;
        drop(engine);
        cx.db.close().await;
        change(setup).start(cx.clock, relay).await
    }

    pub fn database_url(&self) -> String {
        self.setup.database_url()
    }

    /// The name of what was published last.
    pub async fn newest_issue(&self) -> uuid::Uuid {
        let mut tx = self.cx.db.read().await.unwrap();
        bellwether::store::issues::page(&mut tx, None, i64::MAX, 1).await.unwrap()[0].public_id
    }

    /// The node's name, and the file of its journal.
    pub fn journal(&self) -> (uuid::Uuid, std::path::PathBuf) {
        let mut files = std::fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        let is_journal =
            |file: &std::path::PathBuf| file.file_name().unwrap().to_str().unwrap().starts_with("journal-");
        let file = files.find(is_journal).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        (text.lines().next().unwrap().parse().unwrap(), file)
    }

    /// The folder of the journal and of what a story puts there.
    pub fn folder(&self) -> &std::path::Path {
        self.setup.folder()
    }
}
