//! How an installation is set up before its story begins.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use bellwether::app;
use bellwether::clock::{Clock, Entropy};
use bellwether::config::Config;
use bellwether::delivering::Engine;
use bellwether::domain::time::Timestamp;
use bellwether::ingesting::fetch::Fetcher;
use bellwether::store::Db;
use tokio::sync::OnceCell;

use super::{Backend, Hook, Relay, Site, Stage, postgres};

const BEGIN: &str = "2026-10-30T12:00:00Z";

/// The bytes of a migrated database in which there is nothing.
async fn sqlite_template() -> &'static [u8] {
    static TEMPLATE: OnceCell<Vec<u8>> = OnceCell::const_new();
    let make = async || {
        let folder = tempfile::tempdir_in(super::memory()).unwrap();
        let file = folder.path().join("bellwether.db");
        let db = Db::open(&format!("sqlite:{}", file.display())).await.unwrap();
        db.migrate().await.unwrap();
        db.close().await;
        std::fs::read(file).unwrap()
    };
    TEMPLATE.get_or_init(make).await
}

/// A configuration in the making: one topic, one relay, the defaults for all else.
pub struct Setup {
    backend: Backend,
    folder: tempfile::TempDir,
    database: Option<postgres::Database>,
    sections: String,
    settings: BTreeMap<String, String>,
    /// How often it was started; each start has its own dice.
    starts: u64,
}

impl Setup {
    pub fn on(backend: Backend) -> Self {
        Self {
            backend,
            folder: tempfile::tempdir_in(super::memory()).unwrap(),
            database: None,
            sections: String::new(),
            settings: BTreeMap::new(),
            starts: 0,
        }
        .topic("election-alerts", "Election alerts")
        .with("fetching.allow_networks.0", "127.0.0.0/8")
    }

    /// Sets one key, as in `sender.operator`.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        let variable = format!("BELLWETHER_{}", key.to_uppercase().replace('.', "__"));
        self.settings.insert(variable, value.to_owned());
        self
    }

    /// Forgets what was set of the keys that begin so, as in `dkim.`.
    pub fn without(mut self, keys: &str) -> Self {
        let variables = format!("BELLWETHER_{}", keys.to_uppercase().replace('.', "__"));
        self.settings.retain(|variable, _| !variable.starts_with(&variables));
        self
    }

    pub fn topic(mut self, slug: &str, name: &str) -> Self {
        writeln!(self.sections, "[[topics]]\nslug = \"{slug}\"\nname = \"{name}\"").unwrap();
        self
    }

    /// The site's feed for the first topic, polled every 5 minutes; its posts are alerted.
    pub fn feed(self, site: &Site) -> Self {
        self.feed_for(site, "election-alerts", true)
    }

    pub fn feed_for(mut self, site: &Site, topic: &str, alert: bool) -> Self {
        let url = site.feed_url();
        writeln!(
            self.sections,
            "[[feeds]]\nurl = \"{url}\"\ntopic = \"{topic}\"\nevery = \"5m\"\nalert = {alert}"
        )
        .unwrap();
        self
    }

    /// A receiver that is told what is amiss.
    pub fn webhook(self, hook: &Hook) -> Self {
        let secret = Hook::secret();
        self.with("watch.webhooks.0.url", &hook.url()).with("watch.webhooks.0.secret", &secret)
    }

    pub fn schedule(mut self, digest: &str, cron: &str, timezone: &str) -> Self {
        writeln!(
            self.sections,
            "[[schedules]]\nname = \"{digest}\"\ncron = \"{cron}\"\ntimezone = \"{timezone}\"\ndigest = \"{digest}\""
        )
        .unwrap();
        self
    }

    /// A folder of this story, which ends with it.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn database_url(&self) -> String {
        match &self.database {
            Some(database) => database.url(),
            None => format!("sqlite:{}/bellwether.db", self.folder.path().display()),
        }
    }

    /// Starts the installation for the first time.
    pub async fn open(mut self) -> Stage {
        match self.backend {
            Backend::Postgres => self.database = Some(postgres::Database::create().await),
            Backend::Sqlite => {
                std::fs::write(self.folder.path().join("bellwether.db"), sqlite_template().await).unwrap();
            }
        }
        let clock = Clock::simulated(Timestamp::parse_rfc3339(BEGIN).unwrap());
        let relay = Relay::start(clock.clone()).await;
        self.start(clock, relay).await
    }

    pub(super) async fn start(mut self, clock: Clock, relay: Relay) -> Stage {
        self.starts += 1;
        let config = self.config(&relay);
        let cx = app::connect(config, clock, Entropy::seeded(self.starts)).await.unwrap();
        let installation = app::installation(&cx).await.unwrap();
        let engine = Arc::new(Engine::open(cx.clone(), &installation).await.unwrap());
        let fetcher =
            Fetcher::new(cx.config.fetching.allow_networks.clone(), &cx.config.server.public_url).unwrap();
        Stage { cx, engine, mailbox: relay.mailbox.clone(), relay, fetcher, setup: self }
    }

    fn config(&self, relay: &Relay) -> Config {
        Config::parse(&self.text(relay), "stage.toml", &self.settings).unwrap()
    }

    /// The variables that lie over the file.
    pub(super) fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// The configuration as a file.
    pub(super) fn text(&self, relay: &Relay) -> String {
        let (data, port, url) = (self.folder.path().display(), relay.port, self.database_url());
        format!(
            r#"
            [server]
            public_url = "https://news.example.org"
            secret = "0123456789abcdef0123456789abcdef"
            data = "{data}"
            [database]
            url = "{url}"
            [sender]
            from = "Election Desk <desk@example.org>"
            postal_address = "1 Example Street, Springfield"
            [[relays]]
            url = "smtp://127.0.0.1:{port}"
            tls = "none"
            connections = 4
            {}
            "#,
            self.sections
        )
    }
}
