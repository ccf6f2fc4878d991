//! The demo's newspaper: what its feed says to a reader that asks again, what its buttons do, and what it remembers.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use axum::{Json, Router, routing::post};
use bellwether::cli::demo::site::{Site, SiteConfig, SiteError};
use bellwether::clock::{Clock, Entropy};
use bellwether::config::Secret;
use bellwether::domain::time::Timestamp;
use scraper::{Html, Selector};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

/// A site in a folder of its own, with a clock to turn.
struct World {
    folder: tempfile::TempDir,
    clock: Clock,
    service_url: String,
}

impl World {
    fn new() -> Self {
        let start = Timestamp::parse_rfc3339("2026-11-03T08:00:00Z").unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Clock::simulated(start),
            service_url: "http://127.0.0.1:1".to_owned(),
        }
    }

    fn open(&self) -> Site {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Site, SiteError> {
        Site::open(SiteConfig {
            public_url: "http://127.0.0.1:8081".to_owned(),
            service_url: self.service_url.clone(),
            mailbox_url: "http://127.0.0.1:8025".to_owned(),
            topic: "election-alerts".to_owned(),
            api_token: Secret::new("t0ken"),
            state_file: self.folder.path().join("site.json"),
            clock: self.clock.clone(),
            entropy: Entropy::seeded(7),
            digest_now: Box::new(|| Box::pin(async { Err("Nobody takes a digest yet.".to_owned()) })),
        })
    }
}

async fn send(site: &Site, request: Request<Body>) -> Response {
    site.router().oneshot(request).await.unwrap()
}

async fn get(site: &Site, path: &str) -> Response {
    send(site, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn text(response: Response) -> String {
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

async fn page(site: &Site, path: &str) -> Html {
    let response = get(site, path).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    Html::parse_document(&text(response).await)
}

/// Presses a button and gives what the page that follows says.
async fn press(site: &Site, path: &str, form: &str) -> String {
    let request = Request::post(path)
        .header("sec-fetch-site", "same-origin")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let response = send(site, request.body(Body::from(form.to_owned())).unwrap()).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let next = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
    all(&page(site, &next).await, ".demo-notice").concat()
}

fn all(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|found| found.text().collect::<String>().trim().to_owned()).collect()
}

fn attributes(page: &Html, selector: &str, name: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|found| found.attr(name).unwrap_or_default().to_owned()).collect()
}

async fn feed(site: &Site) -> feed_rs::model::Feed {
    let xml = text(get(site, "/feed/").await).await;
    feed_rs::parser::parse(xml.as_bytes()).unwrap()
}

#[tokio::test]
async fn the_feed_is_shaped_as_wordpress_shapes_it() {
    let world = World::new();
    let feed = feed(&world.open()).await;
    assert_eq!(feed.entries.len(), 6);
    let newest = &feed.entries[0];
    assert_eq!(newest.id, "http://tidewick-ledger.example/?p=6");
    assert_eq!(newest.links[0].href, "http://127.0.0.1:8081/early-votes-record/");
    assert_eq!(newest.title.as_ref().unwrap().content, "Early votes pass 9,000, a record for the Sound");
    assert_eq!(newest.authors[0].name.as_deref(), Some("Maren Oakhithe"));
    assert_eq!(newest.categories[0].term, "Elections");
    assert!(newest.content.as_ref().unwrap().body.as_ref().unwrap().contains("<p>By closing time"));

    let day = 24 * 60 * 60;
    let now = world.clock.now();
    for entry in &feed.entries {
        let age = now.as_micros() / 1_000_000 - entry.published.unwrap().timestamp();
        assert!((day..5 * day).contains(&age), "{age} s is not between one and five days");
    }
}

#[tokio::test]
async fn a_feed_reader_that_has_it_all_is_told_so() {
    let world = World::new();
    let site = world.open();
    let first = get(&site, "/feed/").await;
    let etag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    let modified = first.headers()[header::LAST_MODIFIED].to_str().unwrap().to_owned();
    assert_eq!(modified, "Mon, 02 Nov 2026 07:00:00 GMT");

    let ask = async |headers: &[(header::HeaderName, &str)]| {
        let mut request = Request::get("/feed/");
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        send(&site, request.body(Body::empty()).unwrap()).await
    };
    let known = ask(&[(header::IF_NONE_MATCH, &etag)]).await;
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(known.headers()[header::ETAG], etag);
    assert_eq!(text(known).await, "");
    let weak = format!("\"other\", W/{etag}");
    assert_eq!(ask(&[(header::IF_NONE_MATCH, &weak)]).await.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(ask(&[(header::IF_MODIFIED_SINCE, &modified)]).await.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(ask(&[(header::IF_MODIFIED_SINCE, "yesterday")]).await.status(), StatusCode::OK);
    let other_tag = [(header::IF_NONE_MATCH, "\"other\""), (header::IF_MODIFIED_SINCE, modified.as_str())];
    assert_eq!(ask(&other_tag).await.status(), StatusCode::OK, "a tag counts more than the date");

    press(&site, "/publish", "").await;
    assert_eq!(ask(&[(header::IF_NONE_MATCH, &etag)]).await.status(), StatusCode::OK);
    assert_eq!(ask(&[(header::IF_MODIFIED_SINCE, &modified)]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_button_publishes_one_article_after_the_other_and_never_runs_out() {
    let world = World::new();
    let site = world.open();
    let mut titles = std::collections::BTreeSet::new();
    for _ in 0..15 {
        world.clock.advance(Duration::from_secs(60));
        let said = press(&site, "/publish", "").await;
        let newest = feed(&site).await.entries.remove(0);
        let title = newest.title.unwrap().content;
        assert!(said.contains(&title), "{said:?} names {title:?}");
        assert_eq!(newest.published.unwrap().timestamp(), world.clock.now().as_micros() / 1_000_000);
        let path = newest.links[0].href.strip_prefix("http://127.0.0.1:8081").unwrap().to_owned();
        let story = page(&site, &path).await;
        assert_eq!(all(&story, ".story h1").concat(), title);
        let picture = attributes(&story, ".story img", "src").remove(0);
        assert_eq!(get(&site, &picture).await.headers()[header::CONTENT_TYPE], "image/svg+xml");
        titles.insert(title);
    }
    assert_eq!(titles.len(), 15);
    assert_eq!(get(&site, "/no-such-story/").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get(&site, "/election-night-update-99/").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_restart_takes_nothing_back() {
    let world = World::new();
    let site = world.open();
    press(&site, "/publish", "").await;
    let before = text(get(&site, "/feed/").await).await;
    drop(site);

    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(text(get(&world.open(), "/feed/").await).await, before);

    std::fs::write(world.folder.path().join("site.json"), "{}").unwrap();
    let error = world.try_open().err().expect("a file that isn't ours is not overwritten");
    assert!(error.to_string().contains("--fresh"), "{error}");
}

#[tokio::test]
async fn the_form_asks_for_what_the_service_takes() {
    let site = World::new().open();
    for path in ["/", "/quay-debate/"] {
        let page = page(&site, path).await;
        assert_eq!(attributes(&page, ".signup form", "action"), ["http://127.0.0.1:1/subscribe"]);
        let names = attributes(&page, ".signup input", "name");
        assert_eq!(names, ["topics", "email", "alerts", "alerts", "website"]);
        assert_eq!(attributes(&page, ".signup input[name=alerts]", "value"), ["false", "true"]);
        assert_eq!(attributes(&page, ".signup option", "value"), ["daily", "weekly", "none"]);
        assert_eq!(
            all(&page, ".signup h2"),
            ["Sign up for instant election alerts and the latest content in your inbox."]
        );
    }
}

#[tokio::test]
async fn the_alert_button_calls_the_api_and_shows_its_answer() {
    let seen: Arc<Mutex<Vec<(HeaderMap, Value)>>> = Arc::default();
    let calls = seen.clone();
    let api = Router::new().route(
        "/api/v1/alerts",
        post(|headers: HeaderMap, Json(body): Json<Value>| async move {
            let refused = body["subject"] == "Refuse me";
            calls.lock().unwrap().push((headers, body));
            match refused {
                false => {
                    (StatusCode::ACCEPTED, Json(json!({"id": "i1", "state": "publishing", "audience": 3})))
                }
                true => (
                    StatusCode::UNPROCESSABLE_ENTITY,
                    Json(json!({"title": "Bad", "detail": "The text is empty."})),
                ),
            }
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut world = World::new();
    world.service_url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, api).await });

    let site = world.open();
    let key = attributes(&page(&site, "/").await, ".demo-alert input[name=key]", "value").remove(0);
    let said =
        press(&site, "/alert", &format!("key={key}&subject=It+is+over&markdown=**All**+counted.")).await;
    assert!(said.contains("“It is over” is on its way to 3 readers."), "{said}");
    {
        let seen = seen.lock().unwrap();
        let (headers, body) = &seen[0];
        assert_eq!(headers[header::AUTHORIZATION], "Bearer t0ken");
        assert_eq!(headers["idempotency-key"], key);
        let expected = json!({"subject": "It is over", "markdown": "**All** counted.",
                              "topics": ["election-alerts"], "level": "major"});
        assert_eq!(*body, expected);
    }
    let said = press(&site, "/alert", &format!("key={key}&subject=Refuse+me&markdown=")).await;
    assert!(said.contains("The service said 422: The text is empty."), "{said}");
}

#[tokio::test]
async fn a_button_that_fails_says_so() {
    let site = World::new().open();
    let alert = "key=01890000-0000-7000-8000-000000000000&subject=x&markdown=y";
    assert!(press(&site, "/alert", alert).await.contains("Is it running?"));
    assert!(press(&site, "/digest", "").await.contains("Nobody takes a digest yet."));
}

#[tokio::test]
async fn the_buttons_work_from_the_sites_own_pages_only() {
    let site = World::new().open();
    for path in ["/publish", "/digest"] {
        let request =
            Request::post(path).header("host", "127.0.0.1:8081").header("origin", "http://evil.example");
        let response = send(&site, request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(feed(&site).await.entries.len(), 6);
}
