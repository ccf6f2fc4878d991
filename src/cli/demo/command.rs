//! `bellwether demo`: the service, a mailbox and a sample site on loopback. The service is the same as in `serve`; what
//! is the demo's is around it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::serve::stop_signal;
use super::super::{Failure, Surroundings, print};
use super::mailbox::{Mailbox, pages};
use super::site::{DigestNow, Site, SiteConfig};
use super::{page, smtp};
use crate::app;
use crate::clock::Clock;
use crate::config::{Config, Secret};
use crate::context::Context;
use crate::domain::{
    subscription::Digest,
    token::{Role, api_token, sha256},
};
use crate::{publishing, store};

const FOLDER: &str = "data/demo";
/// Stands in the folder of a demo, so that --fresh empties no other.
const MARKER: &str = "this-is-a-demo";
const TOPIC: &str = "election-alerts";
/// The name of the site's API token.
const TOKEN: &str = "sample site";
/// How many messages the mailbox keeps.
const MESSAGES: usize = 10_000;

/// Try everything on this machine: the service, a sample news site and a mailbox that catches all mail
///
/// It needs no configuration and sends no mail to anybody: what the service mails goes to the built-in mailbox, which
/// keeps it in memory. Readers and articles are kept in data/demo between runs. Ctrl-C ends it.
///
/// Example:
///   bellwether demo --fresh
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(in crate::cli) struct Demo {
    /// Start anew: empty data/demo first
    #[arg(long)]
    fresh: bool,
    /// The first of the three ports of service, site and mailbox; another free one stands in for one in use
    #[arg(long, default_value_t = 8080, value_parser = clap::value_parser!(u16).range(1..=65533))]
    port: u16,
}

/// What listens where.
struct Listeners {
    service: TcpListener,
    site: TcpListener,
    mailbox: TcpListener,
    smtp: TcpListener,
}

impl Demo {
    pub(in crate::cli) async fn run(self, surroundings: &Surroundings) -> Result<(), Failure> {
        let folder = Path::new(FOLDER);
        prepare(folder, self.fresh)?;
        let listeners = Listeners {
            service: listen(self.port, "service").await?,
            site: listen(self.port + 1, "news site").await?,
            mailbox: listen(self.port + 2, "mailbox").await?,
            smtp: listen(0, "mailbox").await?,
        };
        let secret =
            secret(&folder.join("secret"), || URL_SAFE_NO_PAD.encode(surroundings.entropy.bytes::<32>()))?;
        let text = configuration(&secret, &listeners)?;
        // Written for the other commands; the demo itself takes nothing from the environment, where a relay may be set
        // that must not get its mail.
        fs::write(folder.join("config.toml"), &text)?;
        let config = Config::parse(&text, "the demo's config.toml", &BTreeMap::new())?;
        let cx = surroundings.connect(config).await?;
        let stop = stop_signal()?;
        let urls = Urls::of(&listeners)?;

        let mailbox = Mailbox::newest(MESSAGES);
        let site = site(&cx, &urls, folder).await?;
        let links = pages::Links { site: urls.site.clone(), service: urls.service.clone() };
        // They end with this function: dropped, the set stops its tasks.
        let mut around = JoinSet::new();
        let server = smtp::Server::new(mailbox.clone(), Clock::System);
        around.spawn(server.run(listeners.smtp, std::future::pending()));
        let router = pages::router(mailbox, links);
        around.spawn(page::serve(listeners.mailbox, router, std::future::pending()));
        around.spawn(page::serve(listeners.site, site.router(), std::future::pending()));
        print(welcome(&urls))?;
        app::run(cx, listeners.service, stop).await?;
        print("\nStopped. Readers and articles are kept in data/demo; the mailbox is gone.")
    }
}

/// Where everything is, without a slash at the end.
struct Urls {
    service: String,
    site: String,
    mailbox: String,
}

impl Urls {
    fn of(listeners: &Listeners) -> Result<Self, Failure> {
        let url = |listener: &TcpListener| Ok::<_, Failure>(format!("http://{}", listener.local_addr()?));
        Ok(Self {
            service: url(&listeners.service)?,
            site: url(&listeners.site)?,
            mailbox: url(&listeners.mailbox)?,
        })
    }
}

/// Makes the folder, or empties it; no other demo may be at work in it.
fn prepare(folder: &Path, fresh: bool) -> Result<(), Failure> {
    let marker = folder.join(MARKER);
    let foreign = folder.exists() && !marker.exists() && fs::read_dir(folder)?.next().is_some();
    if foreign {
        return Err(Failure::Failed(format!(
            "{FOLDER} holds something else than a demo; move it away, or start the demo in another folder"
        )));
    }
    match app::lock(folder) {
        Ok(lock) => drop(lock),
        Err(app::StartError::Locked(_)) => {
            return Err(Failure::Failed(format!(
                "a demo runs in {FOLDER} already; end it with Ctrl-C first"
            )));
        }
        Err(error) => return Err(error.into()),
    }
    if fresh {
        fs::remove_dir_all(folder)?;
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(marker, "`bellwether demo --fresh` empties this folder.\n")?)
}

/// On loopback, at this port or, where it is in use, at any free one.
async fn listen(port: u16, what: &str) -> Result<TcpListener, Failure> {
    let at = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    match at(port).await {
        Ok(listener) => Ok(listener),
        Err(error) => {
            let listener = at(0).await.map_err(|_| error)?;
            eprintln!("Port {port} is in use; the {what} takes {}.", listener.local_addr()?.port());
            Ok(listener)
        }
    }
}

/// Kept between runs, so that the links in mails go on working.
fn secret(file: &Path, make: impl FnOnce() -> String) -> Result<String, Failure> {
    if let Ok(secret) = fs::read_to_string(file) {
        return Ok(secret);
    }
    let secret = make();
    fs::write(file, &secret)?;
    Ok(secret)
}

fn configuration(secret: &str, listeners: &Listeners) -> Result<String, Failure> {
    let (service, site) = (listeners.service.local_addr()?, listeners.site.local_addr()?);
    let smtp = listeners.smtp.local_addr()?;
    Ok(format!(
        r#"# Written by `bellwether demo` at each start.
[server]
listen = "{service}"
secret = "{secret}"
data = "{FOLDER}"

[sender]
from = "The Tidewick Ledger <desk@tidewick.example>"
reply_to = "The Tidewick Ledger <letters@tidewick.example>"
postal_address = "The Tidewick Ledger, 3 Candle Lane, Tidewick"
operator = "operator@tidewick.example"
test_addresses = ["desk@tidewick.example"]

[signup]
per_address = "1s"
per_address_week = 1000
per_network_hour = 10000

[[relays]]
name = "mailbox"
url = "smtp://{smtp}"
tls = "none"

[[topics]]
slug = "{TOPIC}"
name = "Election alerts"
description = "Results and turning points around the Sound, as they happen."

[fetching]
allow_networks = ["127.0.0.0/8"]

[[feeds]]
url = "http://{site}/feed/"
topic = "{TOPIC}"
every = "2s"
alert = true

[[schedules]]
digest = "daily"
cron = "0 * * * * *"
"#
    ))
}

async fn site(cx: &Context, urls: &Urls, folder: &Path) -> Result<Site, Failure> {
    let token = api_token(cx.entropy.bytes());
    let mut tx = cx.db.begin().await?;
    // The token of the run before, which nobody has any more.
    store::tokens::revoke(&mut tx, TOKEN).await?;
    let hash = sha256(token.as_bytes());
    store::tokens::insert(&mut tx, store::tokens::NewToken::new(TOKEN, Role::Editor, &hash, cx.clock.now()))
        .await?;
    tx.commit().await?;
    Site::open(SiteConfig {
        public_url: urls.site.clone(),
        service_url: urls.service.clone(),
        mailbox_url: urls.mailbox.clone(),
        topic: TOPIC.to_owned(),
        api_token: Secret::new(token),
        state_file: folder.join("site.json"),
        clock: cx.clock.clone(),
        entropy: cx.entropy.clone(),
        digest_now: digest_now(cx.clone()),
    })
    .map_err(|error| Failure::Failed(error.to_string()))
}

fn digest_now(cx: Context) -> DigestNow {
    Box::new(move || {
        let cx = cx.clone();
        Box::pin(async move {
            match publishing::publish_digest(&cx, Digest::Daily).await {
                Ok(Some(_)) => Ok("The digest is on its way to everybody who takes it daily.".to_owned()),
                Ok(None) => {
                    Err("There is nothing new for a digest: sign up and confirm, then publish an article."
                        .to_owned())
                }
                Err(error) => Err(format!("The digest could not be made: {error}.")),
            }
        })
    })
}

fn welcome(Urls { service, site, mailbox }: &Urls) -> String {
    format!(
        "
Bellwether's demo is running. All of it is on this machine, and no mail leaves it.

  News site  {site}/   a sample newspaper with the sign-up form
  Mailbox    {mailbox}/   all mail that the service sends, kept in memory
  Service    {service}/   its own sign-up page; /embed there has the form's code

Try this:
  1. Sign up on the news site, with any address.
  2. In the mailbox open \"Confirm your subscription\", follow its link and press the button.
  3. On the news site press \"Publish the next article\". The service reads the site's feed every
     2 seconds: moments later the article is in the mailbox as an alert.
  4. Press \"Send a breaking-news alert\": it goes through the service's API, and arrives at once.
  5. The daily digest leaves every minute here, and by \"Send the digest now\". Who had a story as
     an alert finds it there as one line; sign up another address without alerts for all of it.
  6. Follow \"Change what you get\" or \"Unsubscribe\" below any mail.
  7. In another terminal: bellwether issues --config {FOLDER}/config.toml

Ctrl-C ends the demo. Readers and articles stay in {FOLDER}; --fresh starts anew.
"
    )
}
