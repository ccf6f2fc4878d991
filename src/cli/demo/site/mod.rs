//! The sample news site: a small newspaper with a feed and a sign-up form, and a strip of buttons that belongs to the
//! demo. It knows the service as any site would: by its form, its feed and its API.

pub mod alerts;
pub mod articles;
mod feed;
pub mod pictures;
pub mod published;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tera::{Context, Tera};

use self::alerts::{Alert, Service, draft};
use self::published::{Published, PublishedError, Story};
use super::page::{SameOrigin, asset, refusal, render};
use crate::clock::{Clock, Entropy};
use crate::config::Secret;
use crate::domain::time::Timestamp;

/// Stories on the home page and in the feed.
const SHOWN: usize = 12;

static TEMPLATES: LazyLock<Tera> = LazyLock::new(|| {
    let mut templates = Tera::default();
    templates
        .add_raw_templates([
            ("layout.html", include_str!("layout.html")),
            ("signup.html", include_str!("signup.html")),
            ("home.html", include_str!("home.html")),
            ("article.html", include_str!("article.html")),
            ("feed.xml", include_str!("feed.xml")),
        ])
        .expect("the templates are part of the program, and every page is rendered in a test");
    templates
});

/// Sends the digest that is due to everybody, and says in a sentence what happened, or why it could not.
pub type DigestNow = Box<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// What the site must be told. URLs have no slash at their end.
pub struct SiteConfig {
    /// Where the site itself is.
    pub public_url: String,
    /// Where the service is, for the browser's form and the server's API calls.
    pub service_url: String,
    /// Where the mailbox's pages are.
    pub mailbox_url: String,
    /// The slug of the topic that its form subscribes to and its alerts go to.
    pub topic: String,
    pub api_token: Secret,
    /// Remembers what is published.
    pub state_file: PathBuf,
    pub clock: Clock,
    pub entropy: Entropy,
    pub digest_now: DigestNow,
}

/// Why the site can't open.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error(transparent)]
    Published(#[from] PublishedError),
    #[error("the sample site can't set up its HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// The site, open to readers.
#[derive(Clone)]
pub struct Site(Arc<Inner>);

struct Inner {
    config: SiteConfig,
    policy: String,
    service: Service,
    published: Mutex<Published>,
    alerts_sent: AtomicUsize,
    /// What the last button did, shown to the page that the button leads to.
    notice: Mutex<Option<Notice>>,
}

/// What a button did.
#[derive(Clone, Debug, Serialize)]
struct Notice {
    /// In the address of the page that shows it.
    id: String,
    good: bool,
    sentence: String,
}

impl Site {
    /// Opens the site with what its state file says.
    ///
    /// # Errors
    /// When the state file can't be read or written, or there can be no HTTP client.
    pub fn open(config: SiteConfig) -> Result<Self, SiteError> {
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self' {}; \
             base-uri 'none'; frame-ancestors 'none'",
            config.service_url
        );
        let service = Service::new(&config.service_url, config.api_token.clone(), config.topic.clone())?;
        let published = Published::open(config.state_file.clone(), config.clock.now())?;
        Ok(Self(Arc::new(Inner {
            config,
            policy,
            service,
            published: Mutex::new(published),
            alerts_sent: AtomicUsize::new(0),
            notice: Mutex::new(None),
        })))
    }

    /// The site's routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(home))
            .route("/{slug}/", get(article))
            .route("/feed/", get(feed))
            .route("/feed", get(|| async { Redirect::permanent("/feed/") }))
            .route("/images/{file}", get(image))
            .route("/site.css", get(|| async { asset("text/css; charset=utf-8", include_str!("site.css")) }))
            .route("/publish", post(publish))
            .route("/alert", post(alert))
            .route("/digest", post(digest))
            .with_state(self.clone())
    }

    /// What every page shows: the masthead's date, the form, the demo's strip.
    fn context(&self) -> Context {
        let config = &self.0.config;
        let now = config.clock.now();
        let draft = draft(self.0.alerts_sent.load(Ordering::Relaxed));
        let mut context = Context::new();
        context.insert("service", &config.service_url);
        context.insert("mailbox", &config.mailbox_url);
        context.insert("topic", &config.topic);
        context.insert("today", &now.to_jiff().strftime("%A, %B %-d, %Y").to_string());
        context.insert("alert_key", &config.entropy.uuid(now).to_string());
        context.insert("alert_subject", draft.subject);
        context.insert("alert_markdown", draft.markdown);
        context
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        self.0.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a button did and leads the browser to the page that shows it, so that a reload repeats nothing.
    fn done(&self, outcome: Result<String, String>) -> Response {
        let (good, sentence) = match outcome {
            Ok(sentence) => (true, sentence),
            Err(sentence) => (false, sentence),
        };
        let id = self.0.config.entropy.uuid(self.0.config.clock.now()).to_string();
        let page = Redirect::to(&format!("/?notice={id}"));
        *self.0.notice.lock().unwrap_or_else(PoisonError::into_inner) = Some(Notice { id, good, sentence });
        page.into_response()
    }
}

/// A story as a page shows it.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    story: Story,
    date: String,
}

impl From<Story> for Shown {
    fn from(story: Story) -> Self {
        Self { date: shown_date(story.at), story }
    }
}

fn shown_date(at: Timestamp) -> String {
    at.to_jiff().strftime("%b %-d, %Y, %H:%M UTC").to_string()
}

#[derive(Deserialize)]
struct HomeQuery {
    notice: Option<String>,
}

async fn home(State(site): State<Site>, Query(query): Query<HomeQuery>) -> Response {
    let stories: Vec<Shown> = site.published().newest(SHOWN).into_iter().map(Shown::from).collect();
    let notice = site.0.notice.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut context = site.context();
    context.insert("stories", &stories);
    context.insert("notice", &notice.filter(|notice| Some(&notice.id) == query.notice.as_ref()));
    render(&TEMPLATES, "home.html", &context, &site.0.policy)
}

async fn article(State(site): State<Site>, Path(slug): Path<String>) -> Response {
    let Some(story) = site.published().find(&slug) else { return not_found() };
    let others = site.published().newest(4).into_iter().filter(|other| other.article.slug != slug);
    let others: Vec<Shown> = others.take(3).map(Shown::from).collect();
    let mut context = site.context();
    context.insert("story", &Shown::from(story));
    context.insert("others", &others);
    context.insert("notice", &None::<Notice>);
    render(&TEMPLATES, "article.html", &context, &site.0.policy)
}

async fn feed(State(site): State<Site>, headers: HeaderMap) -> Response {
    let stories = site.published().newest(SHOWN);
    feed::answer(&TEMPLATES, stories, &site.0.config.public_url, &headers)
}

async fn image(Path(file): Path<String>) -> Response {
    let number = file.strip_suffix(".svg").and_then(|number| number.parse::<usize>().ok());
    match number.and_then(|number| pictures::svg(&articles::article(number).picture, number)) {
        Some(svg) => asset("image/svg+xml", svg),
        None => not_found(),
    }
}

async fn publish(_: SameOrigin, State(site): State<Site>) -> Response {
    // The file is a few hundred bytes: writing it here is quicker than handing it to another thread.
    let published = site.published().publish_next(site.0.config.clock.now());
    site.done(published.map_err(|error| format!("Nothing was published: {error}.")).map(|story| {
        format!(
            "“{}” is on the site and in the feed. Readers with alerts get it as soon as the feed is read.",
            story.article.title
        )
    }))
}

async fn alert(_: SameOrigin, State(site): State<Site>, Form(alert): Form<Alert>) -> Response {
    let sent = site.0.service.send(&alert).await;
    if sent.is_ok() {
        site.0.alerts_sent.fetch_add(1, Ordering::Relaxed);
    }
    site.done(sent.map_err(|error| error.to_string()).map(|accepted| match accepted.audience {
        0 => format!(
            "“{}” is accepted, but nobody has alerts on yet. Sign up below and confirm first.",
            alert.subject
        ),
        1 => format!("“{}” is on its way to 1 reader.", alert.subject),
        audience => format!("“{}” is on its way to {audience} readers.", alert.subject),
    }))
}

async fn digest(_: SameOrigin, State(site): State<Site>) -> Response {
    let outcome = (site.0.config.digest_now)().await;
    site.done(outcome)
}

fn not_found() -> Response {
    refusal(StatusCode::NOT_FOUND, "There is no such page in this newspaper. The front page is at /.")
}
