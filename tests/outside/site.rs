//! A news site with nothing but a feed, shaped as WordPress does it.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use bellwether::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[derive(Clone)]
pub struct Site(Arc<Inner>);

struct Inner {
    url: String,
    posts: Mutex<Vec<String>>,
    polls: watch::Sender<usize>,
}

impl Site {
    /// A site with one old post.
    pub async fn open() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Self(Arc::new(Inner { url, posts: Mutex::default(), polls: watch::Sender::new(0) }));
        site.publish(1, "The ballots are printed", "<p>All of them, in four days.</p>");
        let router = Router::new().route("/feed/", get(feed)).with_state(site.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        site
    }

    pub fn url(&self) -> &str {
        &self.0.url
    }

    pub fn post_url(&self, number: u32) -> String {
        format!("{}/2026/post-{number}/", self.0.url)
    }

    /// Puts a post on top of the feed.
    pub fn publish(&self, number: u32, title: &str, html: &str) {
        let date = Clock::System.now().to_jiff().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
        let (site, link) = (self.url(), self.post_url(number));
        let item = format!(
            "<item><title>{title}</title><link>{link}</link><dc:creator><![CDATA[Rosa Field]]></dc:creator>\
             <pubDate>{date}</pubDate><category><![CDATA[Elections]]></category>\
             <guid isPermaLink=\"false\">{site}/?p={number}</guid><description><![CDATA[{html}]]></description>\
             <content:encoded><![CDATA[{html}]]></content:encoded></item>"
        );
        self.0.posts.lock().unwrap().insert(0, item);
    }

    /// Waits until the feed was asked for twice more, so that what it held at the call has been taken in.
    pub async fn read_through(&self) {
        let mut polls = self.0.polls.subscribe();
        let before = *polls.borrow();
        super::within("the feed to be read", polls.wait_for(|polls| *polls >= before + 2)).await.unwrap();
    }
}

async fn feed(State(site): State<Site>) -> impl IntoResponse {
    let items = site.0.posts.lock().unwrap().join("\n");
    site.0.polls.send_modify(|polls| *polls += 1);
    let feed = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><rss version=\"2.0\" \
         xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\
         <channel><title>The Example Ledger</title><link>{}</link><description>News</description>{items}</channel></rss>",
        site.url()
    );
    ([(header::CONTENT_TYPE, "application/rss+xml; charset=UTF-8")], feed)
}
