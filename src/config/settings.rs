//! Every setting: its key, its default and what it must fulfil.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use url::Url;

use super::dkim::dkim;
use super::relay::relay;
use super::section::Section;
use super::values::{self, address, name, prose, signing_secret, some_prose};
use super::watch::{carry, silent_after, watch};
use super::{
    Config, Database, Feed, Fetching, Mail, Mailbox, Metrics, Network, Newsroom, Schedule, Sender, Server,
    Signup, Topic,
};
use crate::domain::{
    cadence::Cadence,
    issue::{Lane, Level},
    subscription::Digest,
    time::MINUTE,
    topic::Slug,
};

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const TIMEZONE: &str = "UTC";

/// Reads the whole file; none where something required is missing or wrong, which the sections have reported.
pub(super) fn config(root: &mut Section) -> Option<Config> {
    let server = root.section("server", server);
    let data = server.as_ref().map_or(Path::new("data"), |server| &server.data).to_owned();
    let database = root.section("database", |s| Some(database(s, &data)));
    let sender = root.section("sender", sender);
    let from = sender.as_ref().map(|sender| sender.from.address.domain());
    let dkim = root.section("dkim", |s| Some(dkim(s, from)));
    let signup = root.section("signup", |s| Some(signup(s)));
    let mut names = BTreeMap::new();
    let mut relays = root.sections("relays", |s, index| relay(s, index, &mut names));
    if names.is_empty() {
        let example = "smtp://user:password@relay.example.org:587";
        root.problem("relays", format!("is missing: at least one [[relays]] with its url, as in {example}"));
    }
    let watch = root.section("watch", |s| Some(watch(s)));
    carry(root, &mut relays, watch.as_ref());
    let homeless: Vec<_> = Lane::ALL
        .iter()
        .filter(|lane| !relays.is_empty() && !relays.iter().any(|relay| relay.lanes.contains(lane)))
        .map(|lane| lane.as_str())
        .collect();
    if !homeless.is_empty() {
        let lanes = homeless.join(", ");
        root.problem("relays", format!("name each lane at one of them at least; none has {lanes}"));
    }
    let mut seen = BTreeMap::new();
    let topics = root.sections("topics", |s, _| topic(s, &mut seen));
    let slugs: BTreeSet<&str> = seen.keys().map(String::as_str).collect();
    let fetching = root.section("fetching", |s| {
        Some(Fetching { allow_networks: s.texts("allow_networks", str::parse::<Network>) })
    });
    let mut seen = BTreeMap::new();
    let silent = watch.as_ref().and_then(|watch| watch.silent_after);
    let feeds = root.sections("feeds", |s, _| feed(s, &slugs, &mut seen, silent));
    let schedules = schedules(root);
    let mail =
        root.section("mail", |s| Some(Mail { templates: s.text("templates", values::existing_folder) }));
    let metrics = root.section("metrics", |s| Some(Metrics { listen: s.text("listen", socket) }));
    let newsroom = root.section("newsroom", |s| Some(newsroom(s)));
    Some(Config {
        server: server?,
        database: database?,
        sender: sender?,
        dkim: dkim?,
        signup: signup?,
        relays,
        topics,
        fetching: fetching?,
        feeds,
        schedules,
        mail: mail?,
        metrics: metrics?,
        newsroom: newsroom?,
        watch: watch?,
    })
}

fn server(s: &mut Section) -> Option<Server> {
    s.require(
        "secret",
        "32 characters or more, made with `openssl rand -hex 32`; or secret_file, the file it is in",
    );
    let listen = s.text("listen", socket).unwrap_or(LISTEN);
    let public_url = s.text("public_url", values::public_url).or_else(|| own_url(listen));
    let secret = s.secret("secret", signing_secret);
    let old_secrets = s.secrets("old_secrets", signing_secret);
    let trusted_proxies = s.texts("trusted_proxies", str::parse::<Network>);
    let data = s.text("data", values::folder).unwrap_or_else(|| "data".into());
    Some(Server { listen, public_url: public_url?, secret: secret?, old_secrets, trusted_proxies, data })
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    let allowed = "must be an IP address and a port, as in 127.0.0.1:8080 or [::]:8080";
    text.parse().map_err(|_| allowed.to_owned())
}

/// The address under which this machine itself reaches what listens there.
fn own_url(listen: SocketAddr) -> Option<Url> {
    let ip = if listen.ip().is_loopback() { listen.ip() } else { LISTEN.ip() };
    Url::parse(&format!("http://{}", SocketAddr::new(ip, listen.port()))).ok()
}

fn database(s: &mut Section, data: &Path) -> Database {
    s.secret("url", values::database_url).map_or_else(|| Database::inside(data), |url| Database { url })
}

fn sender(s: &mut Section) -> Option<Sender> {
    s.require("from", "who the mails are from, as in Election Desk <desk@example.org>");
    s.require("postal_address", "the sender's postal address, which the law wants below every newsletter");
    let from = s.text("from", str::parse::<Mailbox>);
    let reply_to = s.text("reply_to", str::parse::<Mailbox>);
    let postal_address = s.text("postal_address", some_prose);
    let bounces = s.text("bounces", values::bounces);
    let operator = s.text("operator", address);
    let test_addresses = s.texts("test_addresses", address);
    let test_mode = s.flag("test_mode").unwrap_or(false);
    Some(Sender {
        from: from?,
        reply_to,
        postal_address: postal_address?,
        bounces,
        operator,
        test_addresses,
        test_mode,
    })
}

fn signup(s: &mut Section) -> Signup {
    let alerts = s.flag("alerts").unwrap_or(true);
    let digest = s.text("digest", str::parse::<Digest>).unwrap_or(Digest::Daily);
    if !alerts && digest == Digest::None {
        s.problem(
            "digest",
            "must be daily or weekly where alerts is false: a form that doesn't ask would ask for nothing",
        );
    }
    Signup {
        alerts,
        digest,
        per_address: s.duration("per_address").unwrap_or(10 * MINUTE),
        per_address_week: s.whole("per_address_week", 1..=1000).unwrap_or(3),
        per_network_hour: s.whole("per_network_hour", 1..=1_000_000).unwrap_or(60),
        per_hour: s.whole("per_hour", 1..=10_000_000).unwrap_or(5000),
    }
}

fn newsroom(s: &mut Section) -> Newsroom {
    let usual = Newsroom::default();
    let session_idle = s.duration("session_idle").unwrap_or(usual.session_idle);
    let session_longest = s.duration("session_longest").unwrap_or(usual.session_longest);
    if session_idle > session_longest {
        s.problem("session_idle", "must not be longer than session_longest");
    }
    let two_person = s.texts("two_person", guarded);
    Newsroom {
        require_totp: s.flag("require_totp").unwrap_or(usual.require_totp),
        session_idle,
        session_longest,
        hold: s.duration("hold").unwrap_or(usual.hold),
        two_person: two_person.iter().copied().flatten().collect(),
        two_person_broadcasts: two_person.contains(&None),
        blocked_phrases: if s.has("blocked_phrases") {
            s.texts("blocked_phrases", values::some_prose)
        } else {
            usual.blocked_phrases
        },
    }
}

/// A level of alerts; none for newsletters.
fn guarded(word: &str) -> Result<Option<Level>, String> {
    if word == "broadcast" {
        return Ok(None);
    }
    word.parse().map(Some).map_err(|_| format!("must be one of: {}, broadcast", Level::WORDS.join(", ")))
}

fn topic(s: &mut Section, seen: &mut BTreeMap<String, String>) -> Option<Topic> {
    s.require("slug", "the topic's name in addresses and forms, as in election-alerts");
    let slug = s.text("slug", str::parse::<Slug>);
    if let Some(slug) = &slug {
        s.unique("slug", slug.as_str(), seen);
    }
    let name = s.text("name", name);
    let description = s.text("description", prose).unwrap_or_default();
    let public = s.flag("public").unwrap_or(false);
    let test = s.flag("test").unwrap_or(false);
    if public && test {
        s.problem("test", "can't be true where public is: what is tried out never stands in the archive");
    }
    let slug = slug?;
    Some(Topic { name: name.unwrap_or_else(|| slug.to_string()), slug, description, public, test })
}

fn feed(
    s: &mut Section,
    slugs: &BTreeSet<&str>,
    seen: &mut BTreeMap<String, String>,
    silent: Option<Duration>,
) -> Option<Feed> {
    s.require("url", "the feed's address, as in https://site.example.org/feed/");
    s.require("topic", "the slug of the topic whose readers get its posts");
    let url = s.text("url", values::web_url);
    if let Some(url) = &url {
        s.unique("url", url.as_str(), seen);
    }
    let topic = s.text("topic", |text| {
        let known = || slugs.iter().copied().collect::<Vec<_>>().join(", ");
        match text.parse::<Slug>() {
            Ok(slug) if slugs.contains(slug.as_str()) => Ok(slug),
            _ if slugs.is_empty() => {
                Err("must be the slug of a topic, and there is no [[topics]]".to_owned())
            }
            _ => Err(format!("must be the slug of one of [[topics]]: {}", known())),
        }
    });
    let every = s.duration("every").unwrap_or(super::FEED_EVERY);
    let alert = s.flag("alert").unwrap_or(false);
    let silent_after = silent_after(s).unwrap_or(silent);
    Some(Feed { url: url?, topic: topic?, every, alert, silent_after })
}

/// One schedule for daily and one for weekly, the file's or the default.
fn schedules(root: &mut Section) -> Vec<Schedule> {
    let mut names = BTreeMap::new();
    let mut digests = BTreeMap::new();
    let mut schedules = root.sections("schedules", |s, _| schedule(s, &mut names, &mut digests));
    for digest in [Digest::Daily, Digest::Weekly] {
        if digests.contains_key(digest.as_str()) {
            continue;
        }
        match Cadence::parse(usual_cron(digest), TIMEZONE) {
            Ok(cadence) => schedules.push(Schedule {
                name: digest.to_string(),
                cadence,
                digest,
                public: false,
                usual: true,
            }),
            Err(message) => root.problem("schedules", message),
        }
    }
    schedules
}

fn schedule(
    s: &mut Section,
    names: &mut BTreeMap<String, String>,
    digests: &mut BTreeMap<String, String>,
) -> Option<Schedule> {
    s.require("digest", "the digest that this schedule sends, daily or weekly");
    let digest = s.text("digest", |text| match text.parse() {
        Ok(digest @ (Digest::Daily | Digest::Weekly)) => Ok(digest),
        _ => Err("must be daily or weekly".to_owned()),
    });
    if let Some(digest) = digest {
        s.unique("digest", digest.as_str(), digests);
    }
    let usual_name = digest.map(|digest| digest.to_string());
    let name = s.text("name", name).or(usual_name);
    if let Some(name) = &name {
        s.unique("name", name, names);
        if name.parse::<Digest>().is_ok_and(|other| Some(other) != digest) {
            s.problem("name", "must not be the word for another digest than its own");
        }
    }
    // Each alone with what is surely right beside it, so that the error stands at the one that is wrong.
    let cron = s.text("cron", |cron| Cadence::parse(cron, TIMEZONE).map(|_| cron.to_owned()));
    let usual = usual_cron(digest.unwrap_or(Digest::Daily));
    let cron = cron.unwrap_or_else(|| usual.to_owned());
    let timezone =
        s.text("timezone", |timezone| Cadence::parse(usual, timezone).map(|_| timezone.to_owned()));
    let cadence = Cadence::parse(&cron, timezone.as_deref().unwrap_or(TIMEZONE));
    let cadence = cadence.map_err(|message| s.problem("cron", message)).ok();
    let public = s.flag("public").unwrap_or(false);
    Some(Schedule { name: name?, cadence: cadence?, digest: digest?, public, usual: false })
}

/// At 7:00, every day or on Mondays; seconds stand first.
fn usual_cron(digest: Digest) -> &'static str {
    match digest {
        Digest::Weekly => "0 0 7 * * MON",
        Digest::Daily | Digest::None => "0 0 7 * * *",
    }
}
