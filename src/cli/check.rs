//! `bellwether check`: whether the installation works, and what to do where it doesn't.

use std::fs::File;

use super::service::{Found, Service};
use super::{Failure, Surroundings, print, print_json, relays};
use crate::config::{Config, Relay, is_loopback};
use crate::context::Context;
use crate::delivering::{LIFE, waiting::used_up, why::told};
use crate::domain::{cadence::Cadence, delivery, pause::Pause, time::Timestamp};
use crate::mail::compose::Composer;
use crate::store::{self, feeds::Feed, schedules::Schedule};
use crate::watching;

/// Read the configuration, open the database, talk to each relay; say what works and what to do
///
/// Each finding is a line: ok, warning or error, what it is about, and what to do. No mail is sent. It works beside a
/// running service, and tells of feeds that can't be read, mail that waits and relays that refuse.
///
/// Exit codes: 0 no error; 1 at least one error; 2 the configuration is wrong.
///
/// Example:
///   bellwether check --config /etc/bellwether.toml
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Check {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Ok,
    Warning,
    Error,
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

#[derive(serde::Serialize)]
struct Finding {
    severity: Severity,
    about: String,
    text: String,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, about: impl Into<String>, text: impl Into<String>) {
        self.0.push(Finding { severity, about: about.into(), text: text.into() });
    }

    fn ok(&mut self, about: impl Into<String>, text: impl Into<String>) {
        self.add(Severity::Ok, about, text);
    }

    fn warning(&mut self, about: impl Into<String>, text: impl Into<String>) {
        self.add(Severity::Warning, about, text);
    }

    fn error(&mut self, about: impl Into<String>, text: impl Into<String>) {
        self.add(Severity::Error, about, text);
    }
}

impl Check {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let config = surroundings.load()?;
        let mut findings = Findings::default();
        findings.ok("configuration", "can be read");
        configuration(&config, &mut findings);
        let mut config = config;
        match Composer::new(&config) {
            Ok(_) => findings.ok("templates", "every kind of mail renders"),
            Err(error) => {
                findings.error("templates", error.to_string());
                // The rest is looked at with the built-in ones.
                config.mail.templates = None;
            }
        }
        data_folder(&config, &mut findings);
        for relay in &config.relays {
            talk_to(relay, config.server.host(), &mut findings).await;
        }
        match surroundings.connect(config).await {
            Ok(cx) => {
                findings.ok("database", "open and up to date");
                let looked = database(&cx, &mut findings).await;
                cx.db.close().await;
                looked?;
            }
            Err(error) => findings.error("database", error.to_string()),
        }
        self.tell(&findings)
    }

    fn tell(&self, Findings(findings): &Findings) -> Result<(), Failure> {
        if self.json {
            print_json(findings)?;
        } else {
            for Finding { severity, about, text } in findings {
                print(format_args!("{severity:<8} {about}: {text}"))?;
            }
        }
        let errors = findings.iter().any(|finding| finding.severity == Severity::Error);
        if errors { Err(Failure::Told) } else { Ok(()) }
    }
}

/// What the file says, as far as it can be judged by itself.
fn configuration(config: &Config, findings: &mut Findings) {
    let server = &config.server;
    if config.uses_example_secret() {
        findings.error(
            "[server] secret",
            "is the example's, which everybody knows; make your own with `openssl rand -hex 32`",
        );
    }
    let public = &server.public_url;
    if public.scheme() == "http" {
        findings.warning(
            "[server] public_url",
            format!("the links in mails lead to {public}, which only this machine can open; put a proxy with TLS before it and name its https:// address here"),
        );
    } else if server.listen.ip().is_loopback() && server.trusted_proxies.is_empty() {
        findings.warning(
            "[server] trusted_proxies",
            "is empty, but a proxy must stand before the service, and to the sign-up limits all its readers look like \
             one; list it, as in [\"127.0.0.1\"]",
        );
    } else {
        findings.ok("[server] public_url", public.as_str());
    }
    for key in &config.dkim.keys {
        let text = format!(
            "signs {}; publish {}._domainkey.{} TXT \"{}\"",
            if key.retired { "only what was begun before it was retired" } else { "every mail" },
            key.selector,
            config.dkim.domain,
            key.key.record()
        );
        findings.ok(format!("[[dkim.keys]] {}", key.selector), text);
    }
    watch(config, findings);
    match config.metrics.listen {
        None => findings.ok("[metrics] listen", "is absent: Prometheus finds nothing here"),
        Some(listen) if listen.ip().is_loopback() => {
            findings.ok("[metrics] listen", format!("http://{listen}/metrics"));
        }
        Some(listen) => findings.warning(
            "[metrics] listen",
            format!("http://{listen}/metrics shows everybody who reaches it how much you send, and to which domains; see that only Prometheus does"),
        ),
    }
    if config.sender.test_addresses.is_empty() {
        findings.warning(
            "[sender] test_addresses",
            "is empty; list your own address to mail yourself an alert first",
        );
    }
    if config.sender.test_mode {
        findings.warning(
            "[sender] test_mode",
            "is on: nobody but the test addresses gets any mail, whatever is done",
        );
    }
    for topic in config.topics.iter().filter(|topic| topic.test) {
        let name = format!("[[topics]] {}", topic.slug);
        findings.warning(&name, "is a test: nobody but the test addresses gets what is published on it");
    }
    if config.sender.operator.is_none() {
        findings.warning(
            "[sender] operator",
            "is absent; name an address to be told when something needs a person",
        );
    }
}

/// Whom the watch tells.
fn watch(config: &Config, findings: &mut Findings) {
    let watch = &config.watch;
    if !watch.has_channel() {
        let text = "tells nobody but the overview when an alert is missing or slow, a feed silent, a relay paused; name a \
                    webhook or an address (docs/watching.md)";
        findings.ok("[watch]", text);
    }
    for webhook in &watch.webhooks {
        let place = webhook.place();
        if webhook.url.scheme() == "http" && !webhook.url.host_str().is_some_and(is_loopback) {
            let text =
                format!("{place} is called without TLS: what is told can be read on the way; use https://");
            findings.warning("[[watch.webhooks]]", text);
        } else {
            findings.ok("[[watch.webhooks]]", format!("{place}; `bellwether watch test` calls it"));
        }
    }
    if let Some(mail) = &watch.mail {
        let text = format!("mails {} over relay {} alone", mail.to.as_str(), mail.relay);
        match config.relays.len() {
            1 => findings.warning(
                "[watch]",
                format!("{text}, the only one: when it stands still, nobody is told so; name a second relay, or a webhook"),
            ),
            _ => findings.ok("[watch]", text),
        }
    }
}

fn data_folder(config: &Config, findings: &mut Findings) {
    let folder = &config.server.data;
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| File::options().create(true).append(true).open(folder.join("lock")));
    match written {
        Ok(_) => findings.ok("[server] data", format!("{} can be written", folder.display())),
        Err(error) => findings.error(
            "[server] data",
            format!(
                "{} can't be written: {error}; give the service's user the right, or name another folder",
                folder.display()
            ),
        ),
    }
}

async fn talk_to(relay: &Relay, hello: &str, findings: &mut Findings) {
    match relays::greet(relay, hello).await {
        Ok(connection) => {
            let text = relays::description(&connection, relay);
            connection.quit().await;
            findings.ok(relays::place(relay), text);
        }
        Err(text) => findings.error(relays::place(relay), text),
    }
}

/// What the service has found so far.
async fn database(cx: &Context, findings: &mut Findings) -> Result<(), Failure> {
    let listen = cx.config.server.listen;
    let found = Service::find(cx).await?;
    let answers = matches!(found, Found::Ours(_));
    match found {
        Found::Ours(service) => findings.ok("service", format!("runs at {}", service.address())),
        Found::Others(address) => findings.warning(
            "service",
            format!(
                "the one at {address} works on another database; give this installation a [server] listen of its own, and \
                 start it with `bellwether serve`"
            ),
        ),
        Found::Nobody => findings.ok("service", format!("none answers at {listen}; start it with `bellwether serve`")),
    }
    let mut tx = cx.db.read().await?;
    let topics = store::topics::all(&mut tx).await?;
    if topics.is_empty() {
        let text = "there is none, so nobody can sign up; add one at /admin/sources, or as [[topics]] with its slug and name";
        findings.warning("topics", text);
    } else {
        let slugs: Vec<_> = topics.iter().map(|topic| topic.slug.as_str()).collect();
        findings.ok("topics", slugs.join(", "));
    }
    for feed in store::feeds::all_active(&mut tx).await? {
        look_at_feed(&feed, findings);
    }
    let now = cx.clock.now();
    for schedule in store::schedules::all_active(&mut tx).await? {
        look_at_schedule(&schedule, now, findings);
    }
    for trouble in store::nodes::troubles(&mut tx).await? {
        let severity = if trouble.paused { Severity::Error } else { Severity::Warning };
        findings.add(severity, format!("relay {}", trouble.relay), told(&trouble, now));
    }
    for used_up in used_up(cx, &mut tx).await? {
        findings.warning(format!("relay {}", used_up.relay), used_up.to_string());
    }
    for Pause { kind, name, reason, since } in store::pauses::all(&mut tx).await? {
        let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let text =
            format!("paused by hand since {since}{why}; `bellwether queue resume --{kind} {name}` ends it");
        findings.warning(format!("{kind} {name}"), text);
    }
    for (place, text) in watching::deaf(cx, &mut tx).await? {
        findings.warning(format!("webhook {place}"), text);
    }
    let waiting = store::deliveries::open_counts(&mut tx).await?;
    // One on another machine answers elsewhere, and its heart beats all the same.
    let runs = answers || store::nodes::living(&mut tx, now.minus(LIFE)).await? > 0;
    look_at_mail(&waiting, runs, findings);
    Ok(())
}

fn look_at_mail(waiting: &[(delivery::State, i64)], service_runs: bool, findings: &mut Findings) {
    let counts: Vec<_> = waiting.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let counts = counts.join(", ");
    if waiting.is_empty() {
        findings.ok("mail", "none waits");
    } else if !service_runs {
        let text = format!("{counts}; no service runs: nothing is sent until `bellwether serve` is started");
        findings.warning("mail", text);
    } else if waiting.iter().any(|(state, _)| *state == delivery::State::Deferred) {
        findings.warning("mail", format!("{counts}; what is deferred is tried again by itself"));
    } else {
        findings.ok("mail", counts);
    }
}

fn look_at_schedule(schedule: &Schedule, now: Timestamp, findings: &mut Findings) {
    let about = format!("schedule {}", schedule.name);
    let next = Cadence::parse(&schedule.cron, &schedule.timezone).ok().and_then(|it| it.next(now));
    let Some(next) = next else {
        findings.error(about, "never fires again; look at its cron");
        return;
    };
    let local = next.at.to_jiff().in_tz(&schedule.timezone);
    let local =
        local.map_or_else(|_| next.at.to_string(), |at| at.strftime("%a %Y-%m-%d %H:%M %Z").to_string());
    findings.ok(about, format!("the next {} digest leaves on {local}", schedule.digest));
}

fn look_at_feed(feed: &Feed, findings: &mut Findings) {
    let about = format!("feed {}", feed.url);
    match (&feed.last_error, feed.last_success_at) {
        (Some(error), last) => {
            let last = last.map_or_else(|| "never read".to_owned(), |at| format!("last read {at}"));
            findings.error(
                &about,
                format!("{error} ({last}, {} failures in a row); it is tried again by itself", feed.failures),
            );
        }
        (None, Some(last)) => findings.ok(&about, format!("last read {last}")),
        (None, None) => findings.ok(&about, "not read yet; what it holds at the first time is never mailed"),
    }
    if let (Some(warning), Some(at)) = (&feed.warning, feed.warned_at) {
        findings.warning(&about, format!("{warning} ({at})"));
    }
}
