//! The news site of the stories: its feed over a real socket, edited by the story.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A site with a feed.
#[derive(Clone)]
pub struct Site {
    port: u16,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    posts: Vec<Post>,
    requests: usize,
    not_modified: usize,
    /// What it answers in place of its feed.
    instead: Option<(StatusCode, HeaderMap, Vec<u8>)>,
    /// It takes a request and never answers.
    hangs: bool,
    /// It answers once this says so.
    answers: watch::Sender<bool>,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            posts: Vec::new(),
            requests: 0,
            not_modified: 0,
            instead: None,
            hangs: false,
            answers: watch::Sender::new(true),
        }
    }
}

/// An article in the feed.
#[derive(Clone, Debug)]
pub struct Post {
    pub guid: String,
    pub link: String,
    pub title: String,
    pub summary: String,
    /// RFC 2822; none for a feed that doesn't say.
    pub published: Option<String>,
}

impl Post {
    pub fn titled(title: &str) -> Self {
        let slug: String =
            title.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Self {
            guid: format!("https://site.example.org/?p={slug}"),
            link: format!("https://site.example.org/{slug}/"),
            title: title.to_owned(),
            summary: format!("What is known about this: {title}."),
            published: None,
        }
    }

    pub fn published(self, at: &str) -> Self {
        Self { published: Some(at.to_owned()), ..self }
    }
}

impl Site {
    pub async fn opens() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let site = Self { port: listener.local_addr().unwrap().port(), inner: Arc::default() };
        let router = Router::new().route("/feed/", get(feed)).with_state(site.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        site
    }

    pub fn feed_url(&self) -> String {
        format!("http://127.0.0.1:{}/feed/", self.port)
    }

    /// The post stands first in the feed.
    pub fn publishes(&self, post: Post) {
        self.lock().posts.insert(0, post);
    }

    /// Changes the newest post.
    pub fn edits(&self, edit: impl FnOnce(&mut Post)) {
        edit(&mut self.lock().posts[0]);
    }

    /// Takes requests and answers none until it [`Site::recovers`].
    pub fn hangs(&self) {
        self.lock().hangs = true;
    }

    /// Takes requests and answers them when it [`Site::answers_now`].
    pub fn takes_its_time(&self) {
        self.lock().answers.send_replace(false);
    }

    pub fn answers_now(&self) {
        self.lock().answers.send_replace(true);
    }

    /// Answers so until it [`Site::recovers`].
    pub fn answers(&self, status: u16, headers: &[(header::HeaderName, &str)], body: &[u8]) {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        self.lock().instead = Some((StatusCode::from_u16(status).unwrap(), headers, body.to_vec()));
    }

    pub fn recovers(&self) {
        let mut inner = self.lock();
        (inner.instead, inner.hangs) = (None, false);
    }

    /// How often the feed was asked for.
    pub fn requests(&self) -> usize {
        self.lock().requests
    }

    /// How often it was enough to say that nothing has changed.
    pub fn not_modified(&self) -> usize {
        self.lock().not_modified
    }

    /// Whether it hangs.
    fn asked(&self) -> bool {
        let mut inner = self.lock();
        inner.requests += 1;
        inner.hangs
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

async fn feed(State(site): State<Site>, headers: HeaderMap) -> Response {
    if site.asked() {
        return std::future::pending().await;
    }
    let mut answers = site.lock().answers.subscribe();
    answers.wait_for(|now| *now).await.unwrap();
    let mut inner = site.lock();
    if let Some((status, headers, body)) = &inner.instead {
        return (*status, headers.clone(), body.clone()).into_response();
    }
    let rss = rss(&inner.posts);
    let tag =
        format!("\"{:x}\"", rss.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte)));
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        inner.not_modified += 1;
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(header::CONTENT_TYPE, "application/rss+xml".to_owned()), (header::ETAG, tag)], rss).into_response()
}

fn rss(posts: &[Post]) -> String {
    let items: String = posts.iter().map(item).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\"><channel><title>The Site</title>\
         <link>https://site.example.org/</link><description>News</description>{items}</channel></rss>"
    )
}

fn item(post: &Post) -> String {
    let Post { guid, link, title, summary, published } = post;
    let date = published.as_ref().map(|date| format!("<pubDate>{date}</pubDate>")).unwrap_or_default();
    format!(
        "<item><title>{title}</title><link>{link}</link><guid isPermaLink=\"false\">{guid}</guid>{date}\
         <description>{summary}</description></item>"
    )
}
