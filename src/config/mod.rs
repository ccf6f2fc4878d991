//! The configuration: what the operator may say, checked and with its defaults. `load` finds and reads it, `source`
//! lays the environment over the file, `settings` says for every key its default and what it must fulfil, with the
//! help of `section` for types and unknown keys, and `report` words what is wrong.

mod dkim;
mod load;
mod relay;
mod report;
mod section;
mod settings;
mod source;
mod values;
mod watch;

pub use report::{ConfigError, Problem};
pub use values::{duration, is_loopback, name, prose, web_url};

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::{
    address::EmailAddress,
    draft::Kind,
    issue::{Lane, Level, WATCH},
    message_id::Renaming,
    signing_key::SigningKey,
    subscription::Digest,
    time::{DAY, HOUR, MINUTE},
    topic::Slug,
    webhook::Key,
};

/// The commented example, as `bellwether config` prints it. It loads, and `serve` refuses its secret.
pub const EXAMPLE: &str = include_str!("../../config.toml");

/// How often a feed is read where nothing is said.
pub const FEED_EVERY: Duration = MINUTE.saturating_mul(5);

/// The secret of [`EXAMPLE`], which everybody knows.
const EXAMPLE_SECRET: &str = "example: replace me, anyone can read this";

/// Everything the operator configured, defaults filled in and checked.
#[derive(Clone, Debug)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    pub sender: Sender,
    pub dkim: Dkim,
    pub signup: Signup,
    /// At least one.
    pub relays: Vec<Relay>,
    pub topics: Vec<Topic>,
    pub fetching: Fetching,
    pub feeds: Vec<Feed>,
    /// At most one for daily and one for weekly; where the file has none, the default stands here.
    pub schedules: Vec<Schedule>,
    pub mail: Mail,
    pub metrics: Metrics,
    pub newsroom: Newsroom,
    pub watch: Watch,
}

impl Config {
    /// Whether links are signed, or still believed, with the secret that stands in the example for all to read.
    pub fn uses_example_secret(&self) -> bool {
        let mut secrets = self.server.old_secrets.iter().chain([&self.server.secret]);
        secrets.any(|secret| secret.expose() == EXAMPLE_SECRET)
    }
}

#[derive(Clone, Debug)]
pub struct Server {
    pub listen: std::net::SocketAddr,
    /// No query, no fragment; its path ends without a slash unless it is nothing but that.
    pub public_url: url::Url,
    /// 32 characters or more.
    pub secret: Secret,
    /// Former secrets, whose links still work.
    pub old_secrets: Vec<Secret>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// The folder of the journal and the lock.
    pub data: PathBuf,
}

/// Who may, in `/admin`.
#[derive(Clone, Debug)]
pub struct Newsroom {
    /// Whoever may send mail to readers must have a second factor.
    pub require_totp: bool,
    /// A session ends when it wasn't used for so long,
    pub session_idle: Duration,
    /// and after so long in any case.
    pub session_longest: Duration,
    /// How long a release can be undone.
    pub hold: Duration,
    /// Alerts of these levels are released by somebody who wrote none of them.
    pub two_person: Vec<Level>,
    /// So are newsletters.
    pub two_person_broadcasts: bool,
    /// What must not stand in what is released.
    pub blocked_phrases: Vec<String>,
}

impl Default for Newsroom {
    fn default() -> Self {
        Self {
            require_totp: false,
            session_idle: 12 * HOUR,
            session_longest: 7 * DAY,
            hold: Duration::from_secs(30),
            two_person: Vec::new(),
            two_person_broadcasts: false,
            blocked_phrases: ["TEST", "DO NOT PUBLISH"].map(ToOwned::to_owned).to_vec(),
        }
    }
}

impl Newsroom {
    /// Whether somebody who wrote none of it has to release what is of this kind and level.
    pub fn asks_two_people(&self, kind: Kind, level: Level) -> bool {
        match kind {
            Kind::Alert => self.two_person.contains(&level),
            Kind::Broadcast => self.two_person_broadcasts,
        }
    }
}

/// What the newsroom is told when it doesn't happen, and how.
#[derive(Clone, Debug)]
pub struct Watch {
    /// A post that is to be an alert, or a release that is asked for, is one after so long.
    pub alert_within: Duration,
    /// An alert is accepted after so long
    pub accepted_within: Duration,
    /// by so many in a hundred of those it is to reach.
    pub accepted_percent: u8,
    /// A feed brings something new within so long; none where that is no matter. Each feed has its own.
    pub silent_after: Option<Duration>,
    pub mail: Option<WatchMail>,
    pub webhooks: Vec<Webhook>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            alert_within: 10 * MINUTE,
            accepted_within: 15 * MINUTE,
            accepted_percent: 95,
            silent_after: None,
            mail: None,
            webhooks: Vec::new(),
        }
    }
}

impl Watch {
    /// Whether anybody is told.
    pub const fn has_channel(&self) -> bool {
        self.mail.is_some() || !self.webhooks.is_empty()
    }
}

/// To whom the watch mails, over which relay alone.
#[derive(Clone, Debug)]
pub struct WatchMail {
    pub to: EmailAddress,
    /// One of the relays.
    pub relay: String,
}

#[derive(Clone, Debug)]
pub struct Webhook {
    pub url: url::Url,
    pub key: Key,
}

impl Webhook {
    /// Its scheme and host, for logs and pages: the rest of an address may be as good as a password.
    pub fn place(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Where they are served; none where they are not.
    pub listen: Option<std::net::SocketAddr>,
}

#[derive(Clone, Debug)]
pub struct Database {
    pub url: Secret,
}

impl Database {
    /// The SQLite database of a folder.
    pub fn inside(folder: &std::path::Path) -> Self {
        // In a URL a percent sign and a question mark would mean something else.
        let folder = folder.to_string_lossy().replace('%', "%25").replace('?', "%3F");
        Self { url: Secret::new(format!("sqlite:{folder}/bellwether.db")) }
    }
}

#[derive(Clone, Debug)]
pub struct Sender {
    pub from: Mailbox,
    pub reply_to: Option<Mailbox>,
    pub postal_address: String,
    /// The return path with `{id}` for the delivery's, as in `bounces+{id}@example.org`.
    pub bounces: Option<String>,
    /// Who is told when something needs a person.
    pub operator: Option<EmailAddress>,
    pub test_addresses: Vec<EmailAddress>,
    /// Nobody but those gets any mail, whatever is done.
    pub test_mode: bool,
}

impl Server {
    /// The host of `public_url`: the name we give ourselves to relays.
    pub fn host(&self) -> &str {
        self.public_url.host_str().unwrap_or("localhost")
    }
}

impl Sender {
    /// Whether it is one of `test_addresses`, however it is written.
    pub fn is_test_address(&self, address: &EmailAddress) -> bool {
        self.test_addresses.iter().any(|listed| listed.key() == address.key())
    }

    /// The MAIL FROM of every mail, `{id}` standing for the delivery's.
    pub fn return_path(&self) -> String {
        self.bounces.clone().unwrap_or_else(|| self.from.address.envelope())
    }
}

/// How mails are signed (RFC 6376).
#[derive(Clone, Debug, Default)]
pub struct Dkim {
    /// In A-labels: the From address's, or a parent of it.
    pub domain: String,
    /// None: mails leave unsigned.
    pub keys: Vec<DkimKey>,
}

#[derive(Clone, Debug)]
pub struct DkimKey {
    /// Its public key is published at `SELECTOR._domainkey.DOMAIN`. Lower-case.
    pub selector: String,
    pub key: SigningKey,
    /// Signs only what was begun before it was retired.
    pub retired: bool,
}

/// A display name and an address, as in `Election Desk <desk@example.org>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub name: Option<String>,
    pub address: EmailAddress,
}

/// What a form that doesn't ask gives, and how many sign-ups are let through.
#[derive(Clone, Debug)]
pub struct Signup {
    pub alerts: bool,
    pub digest: Digest,
    /// The shortest time between two confirmations to one address.
    pub per_address: Duration,
    /// The most confirmations to one address in 7 days.
    pub per_address_week: u32,
    /// The most sign-ups from one network (/32 or /64) in an hour.
    pub per_network_hour: u32,
    /// The most sign-ups altogether in an hour.
    pub per_hour: u32,
}

#[derive(Clone, Debug)]
pub struct Relay {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub credentials: Option<Credentials>,
    pub tls: Tls,
    /// A PEM file of the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    pub connections: u32,
    /// After so many messages a connection is closed and made anew; none for no limit.
    pub messages_per_connection: Option<u32>,
    /// Messages a second; none for no limit.
    pub rate: Option<f64>,
    /// Messages in 24 hours; none for no limit.
    pub per_day: Option<u64>,
    /// Its share of the mail beside the other relays' weights.
    pub weight: u32,
    pub pipelining: Pipelining,
    /// What it is handed; none where it carries the watch's mail alone.
    pub lanes: Vec<Lane>,
    /// It carries the watch's mail, which no other does.
    pub watch: bool,
    /// How its reply tells the Message-ID that it puts in place of ours; none where it keeps ours, or doesn't tell.
    pub message_id: Option<Renaming>,
}

impl Relay {
    /// Whether it is handed mail that stands so in the queue.
    pub fn serves(&self, priority: i64) -> bool {
        if priority == WATCH { self.watch } else { self.lanes.contains(&Lane::of(priority)) }
    }
}

#[derive(Clone, Debug)]
pub struct Credentials {
    pub user: String,
    pub password: Secret,
}

crate::domain::words! {
    /// How a connection to a relay is protected.
    pub enum Tls {
        /// STARTTLS, or no mail.
        Required = "required",
        /// TLS from the first byte (`smtps://`, port 465).
        Implicit = "implicit",
        /// None; on loopback only.
        None = "none",
    }
}

crate::domain::words! {
    /// How much is written to a relay before its answers are read (RFC 2920). Less is used where it offers less.
    pub enum Pipelining {
        /// The next mail's envelope goes right behind a mail's body.
        Full = "full",
        /// A mail's envelope is one write, its body another.
        Envelope = "envelope",
        /// One command at a time.
        Off = "off",
    }
}

impl Pipelining {
    /// The next step down.
    pub const fn less(self) -> Self {
        match self {
            Self::Full => Self::Envelope,
            Self::Envelope | Self::Off => Self::Off,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Topic {
    pub slug: Slug,
    pub name: String,
    pub description: String,
    /// What is published on it is in the public archive, unless somebody says otherwise.
    pub public: bool,
    /// What is published on it reaches nobody but `[sender] test_addresses`, whatever is done.
    pub test: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Fetching {
    /// Networks that feeds may be on though they are private or loopback.
    pub allow_networks: Vec<Network>,
}

#[derive(Clone, Debug)]
pub struct Feed {
    pub url: url::Url,
    pub topic: Slug,
    /// From 1 s.
    pub every: Duration,
    pub alert: bool,
    /// It is told when nothing new came for so long; none where that is no matter.
    pub silent_after: Option<Duration>,
}

#[derive(Clone, Debug)]
pub struct Schedule {
    pub name: String,
    pub cadence: crate::domain::cadence::Cadence,
    /// Never `none`.
    pub digest: Digest,
    /// Its digests are in the public archive, with their stories on public topics.
    pub public: bool,
    /// It doesn't stand in the file: the newsroom may say otherwise.
    pub usual: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Mail {
    /// A folder whose templates stand in for the built-in ones of the same name.
    pub templates: Option<PathBuf>,
}

/// A network in CIDR form; a bare address is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    pub address: std::net::IpAddr,
    pub prefix: u8,
}

/// A value that no log and no error may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, at the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}
