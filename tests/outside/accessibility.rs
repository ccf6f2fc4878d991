//! Every page there is, found as people find them, by links from the first page and from mails: axe-core finds nothing
//! wrong with any of them, in light and in dark.

use std::collections::{BTreeMap, VecDeque};

use bellwether::cli::demo::mailbox::{Received, letter::Letter};
use bellwether::web::routes::{Who, table};
use serde_json::json;

use super::{
    browser::Browser,
    find,
    installation::{Installation, TOPIC, link_to},
};
use crate::stage::Backend;

const PASSWORD: &str = "a quiet ferry at noon";
/// So many addresses of one route are looked at: an empty list and a full one, a draft and a released one.
const EACH: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_nothing_wrong_with_any_page_in_light_and_dark() {
    let Some(chromedriver) = find("chromedriver", "the accessibility of every page") else { return };
    let more = format!("[[feeds]]\nurl = \"https://site.example.org/feed/\"\ntopic = \"{TOPIC}\"");
    let installation = Installation::new(Backend::Sqlite, 4, &more).await;
    installation.edit_config(&format!("slug = \"{TOPIC}\""), &format!("slug = \"{TOPIC}\"\npublic = true"));
    let mut walk = Walk::new(&installation).await;
    walk.browser = Some(Browser::start(&chromedriver, true).await);
    installation.import((0..60).map(|n| format!("reader{n}@example.com")));
    let user = |name: &str, role: &str| {
        let email = format!("{name}@example.org");
        installation.bellwether(&["user", "create", "--email", &email, "--name", name, "--role", role])
    };
    let (owner, invited) = (user("ada", "owner"), user("grace", "editor"));
    let service = installation.serve().await;

    let form = [("email", "eve@example.org"), ("topics", TOPIC)];
    installation.post_form("/subscribe", "https://site.example.org", &form).await;
    let confirmation = installation.mail("eve@example.org", "notice", |_| true).await;
    let alert = json!({ "subject": "The harbour is closed", "markdown": "Ferries wait.", "topics": [TOPIC], "level": "all" });
    let (status, published) = installation.api("/api/v1/alerts", Some("alert"), &alert).await;
    assert_eq!(status, 202, "{published}");
    installation.sent(published["id"].as_str().unwrap()).await;
    let mail = installation.mail("reader7@example.com", "alert", |_| true).await;
    for (title, guid) in [("Turnout is high", "a"), ("The count begins", "b")] {
        let post =
            json!({ "guid": guid, "title": title, "url": "https://site.example.org/a", "topics": [TOPIC] });
        installation.api("/api/v1/posts", None, &post).await;
    }
    // Another may be added then.
    let (status, retired) = installation.api("/api/v1/schedules/weekly/retire", None, &json!({})).await;
    assert_eq!(status, 200, "{retired}");
    let draft = json!({ "subject": "The bridge is open", "topics": [TOPIC] });
    let (status, made) = installation.api("/api/v1/drafts", Some("draft"), &draft).await;
    assert_eq!(status, 201, "{made}");
    let race = json!({ "name": "Governor", "not_before": "2026-01-01T00:00:00Z", "open_now": true, "topics": [TOPIC] });
    let (status, race) = installation.api("/api/v1/races", None, &race).await;
    assert_eq!(status, 201, "{race}");
    let outcome = json!({ "race": race["id"], "outcome": "Moss wins", "subject": "Moss wins", "markdown": "By all counts." });
    let (status, made) = installation.api("/api/v1/drafts", Some("outcome"), &outcome).await;
    assert_eq!(status, 201, "{made}");

    let text = |mail: &Received| Letter::read(mail).text.unwrap_or_default();
    for (mail, start) in
        [(&confirmation, "/confirm/"), (&mail, "/unsubscribe/"), (&mail, "/preferences/"), (&mail, "/a/")]
    {
        walk.later(&link_to(&text(mail), &format!("{}{start}", installation.url)));
    }
    walk.later(&installation.url);
    for door in
        ["/embed", "/api/v1/docs", "/admin/login", "/admin/forgotten", "/unsubscribe/spoilt", "/nowhere"]
    {
        walk.later(&format!("{}{door}", installation.url));
    }
    walk.later(invited.trim());
    walk.all().await;

    let browser = walk.browser.as_ref().unwrap();
    browser.goto(owner.trim()).await;
    browser.one("#password").await.send_keys(PASSWORD).await.unwrap();
    browser.press("main button").await;
    browser.shows("h1", "Hello, ada").await;
    walk.later(&format!("{}/admin", installation.url));
    walk.all().await;

    let missed: Vec<_> = walk.pages.iter().filter(|(_, seen)| **seen == 0).map(|(path, _)| path).collect();
    assert!(missed.is_empty(), "no link led to {missed:?}");
    walk.browser.unwrap().driver.quit().await.unwrap();
    drop(service);
}

/// A walk through the pages.
struct Walk {
    origin: String,
    browser: Option<Browser>,
    /// The paths of the table that are pages, and how many of each were looked at.
    pages: BTreeMap<String, usize>,
    next: VecDeque<String>,
    known: Vec<String>,
}

impl Walk {
    async fn new(installation: &Installation) -> Self {
        let rows = installation.with_database(async |cx| table(cx).rows).await;
        let pages = rows.iter().filter(|row| row.method == "GET" && !matches!(row.who, Who::Token(..)));
        let pages = pages.filter(|row| !NO_PAGES.contains(&row.path)).map(|row| (row.path.to_owned(), 0));
        Self {
            origin: installation.url.clone(),
            browser: None,
            pages: pages.collect(),
            next: VecDeque::new(),
            known: Vec::new(),
        }
    }

    /// Looks at this address when its turn comes, unless enough of its kind were looked at.
    fn later(&mut self, url: &str) {
        let url = url.split('#').next().unwrap_or(url);
        if url.starts_with(&self.origin) && !self.known.iter().any(|known| known == url) {
            self.known.push(url.to_owned());
            self.next.push_back(url.to_owned());
        }
    }

    async fn all(&mut self) {
        while let Some(url) = self.next.pop_front() {
            let path = url[self.origin.len()..].split('?').next().unwrap_or_default();
            let path = if path.is_empty() { "/" } else { path };
            let page = self.pages.iter_mut().find(|(pattern, _)| is_of(path, pattern));
            match page {
                Some((_, seen)) if *seen < EACH => *seen += 1,
                // What there is not has a page as well.
                None if path == "/nowhere" => {}
                _ => continue,
            }
            let browser = self.browser.as_ref().unwrap();
            browser.goto(&url).await;
            for scheme in ["light", "dark"] {
                browser.looks(scheme, false).await;
                browser.is_accessible(&format!("{path}, {scheme}")).await;
            }
            for link in browser.links().await {
                self.later(&link);
            }
        }
    }
}

/// What a GET gives that is no page of its own.
const NO_PAGES: [&str; 15] = [
    "/robots.txt",
    "/healthz",
    "/readyz",
    "/static/{name}",
    "/api/v1/openapi.json",
    "/archive/feed.atom",
    "/admin/",
    // A step of signing in and the second factor's: the stories of the newsroom look at them.
    "/admin/login/code",
    "/admin/live/{issue}/state",
    "/admin/subscribers/import/{id}/state",
    "/admin/live/{issue}/events",
    "/admin/races/{id}/state",
    "/admin/races/{id}/events",
    // A mail, in a frame of its own.
    "/admin/desk/{id}/mail",
    "/admin/issues/{id}/mail",
];

/// Whether a path is of this pattern, in which `{name}` stands for any one part.
fn is_of(path: &str, pattern: &str) -> bool {
    let (path, pattern): (Vec<_>, Vec<_>) = (path.split('/').collect(), pattern.split('/').collect());
    path.len() == pattern.len()
        && path.iter().zip(pattern).all(|(part, wanted)| wanted.starts_with('{') || *part == wanted)
}
