//! What the world sends that it should not: each gets a clear answer or is cleaned, nothing is lost, no mail goes out,
//! and the service lives on.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use bellwether::cli::demo::mailbox::letter::Letter;
use bellwether::clock::Clock;
use bellwether::domain::subscription::{Digest, Wishes};
use bellwether::domain::token::Purpose;
use bellwether::store;
use bellwether::subscribing::{self, SignUp};
use futures_util::stream;
use scraper::{Html, Selector};
use serde_json::{Value, json};

use super::installation::{Installation, TOPIC, link_to};
use super::{site::Site, until};
use crate::stage::Backend;

const ADDRESS: &str = "ada@example.com";
const ELSEWHERE: &str = "https://site.example.org";

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_wrong_is_told_so_and_mails_nobody() {
    let installation = Installation::new(Backend::Sqlite, 2, "").await;
    let service = installation.serve().await;
    let long = "a".repeat(1_000_000);
    let addresses = [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ada@[127.0.0.1]",
        "ada@example..com",
        "ada@-.com",
        "ada ada@example.com",
        "ada@example.com,eve@example.com",
        "<ada@example.com>",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada\r\n@example.com",
        "ada\0@example.com",
        "adä@example.com",
        &long,
    ];
    for address in addresses {
        refused_form(&installation, &[("email", address), ("topics", TOPIC)]).await;
    }
    for (name, value) in [
        ("topics", "no-such-topic"),
        ("topics", "election-alerts\r\nBcc: eve@example.com"),
        ("topics", long.as_str()),
        ("alerts", "perhaps"),
        ("alerts", "true\r\n"),
        ("digest", "hourly"),
        ("digest", "daily\r\nBcc: eve@example.com"),
    ] {
        refused_form(&installation, &[("email", ADDRESS), (name, value)]).await;
    }
    refused_form(&installation, &[("email", ADDRESS), ("alerts", "false"), ("digest", "none")]).await;

    let bodies: [&[u8]; 12] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{\"email\": 5}",
        b"{\"email\": \"ada@example.com\", \"topics\": \"election-alerts\"}",
        b"{\"email\": \"ada@example.com\", \"topics\": [\"no-such-topic\"]}",
        b"{\"email\": \"ada@example.com\", \"bcc\": \"eve@example.com\"}",
        b"{\"email\": \"ada@example.com\\r\\nBcc: eve@example.com\"}",
        b"{\"email\": \"ada@example.com\", \"digest\": \"none\", \"alerts\": false}",
        b"{\"email\": \"\xff@example.com\"}",
        &[b'['; 50_000],
    ];
    for body in bodies {
        let request = installation.http.post(format!("{}/subscribe", installation.url));
        let request = request.header("Content-Type", "application/json").body(body.to_vec());
        let response = request.send().await.unwrap();
        let (status, kind) = (response.status().as_u16(), response.headers()["content-type"].clone());
        let answer = response.text().await.unwrap();
        assert!((400..500).contains(&status), "{status} to {}", String::from_utf8_lossy(body));
        assert_eq!(kind, "application/problem+json", "{answer}");
        assert_clear(&serde_json::from_str(&answer).unwrap());
    }

    assert_eq!(installation.mailbox.len(), 0);
    installation.subscribe(ADDRESS, ELSEWHERE).await;
    assert_eq!(installation.mailbox.len(), 1, "the one that was right is the only mail");
    assert_eq!(service.panic(), None);
}

/// A 4xx with a page that says what is wrong.
async fn refused_form(installation: &Installation, fields: &[(&str, &str)]) {
    let (status, page) = installation.post_form("/subscribe", ELSEWHERE, fields).await;
    let shown: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value:.80?}")).collect();
    assert!((400..500).contains(&status), "{status} to {shown:?}");
    assert!(page.contains("<h1"), "{shown:?}: {page}");
}

fn assert_clear(problem: &Value) {
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.len() > 10 && detail.len() < 1_000, "{problem:.1000}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_we_did_not_mail_or_that_is_too_old_does_nothing() {
    let installation = Installation::new(Backend::Sqlite, 2, "").await;
    let expired = expired_link(&installation).await;
    let service = installation.serve().await;
    installation.subscribe(ADDRESS, ELSEWHERE).await;
    let mail = Letter::read(&installation.mailbox.to(ADDRESS)[0]);
    let good = link_to(mail.text.as_deref().unwrap(), &format!("{}/confirm/", installation.url));
    let token = good.rsplit('/').next().unwrap();
    let forged = format!("{}{}", &token[..20], token[20..].chars().rev().collect::<String>());

    for path in ["/confirm", "/unsubscribe", "/preferences"] {
        let mut wrong =
            vec!["x".to_owned(), forged.clone(), "%0d%0aSet-Cookie:%20a=b".to_owned(), "a".repeat(20_000)];
        wrong.push("%ff%fe".to_owned());
        if path != "/confirm" {
            wrong.push(token.to_owned());
        }
        for token in wrong {
            let link = format!("{path}/{token}");
            for (status, page) in [
                installation.get(&link).await,
                installation.post_form(&link, "null", &[("List-Unsubscribe", "One-Click")]).await,
            ] {
                assert!((400..500).contains(&status), "{status} to {link:.100}");
                assert!(page.contains("<h1"), "{link:.100}: {page}");
            }
        }
    }
    for (status, page) in
        [installation.get(&expired).await, installation.post_form(&expired, &installation.url, &[]).await]
    {
        assert_eq!(status, 410, "{page}");
        assert!(page.contains("/renew"), "a late click offers a new link: {page}");
    }
    let (active, late) = installation
        .with_database(async |cx| {
            let mut tx = cx.db.read().await.unwrap();
            let of = async |tx: &mut store::Tx, key| store::subscribers::by_key(tx, key).await.unwrap();
            (of(&mut tx, ADDRESS).await.is_some(), of(&mut tx, "late@example.com").await.is_some())
        })
        .await;
    assert_eq!((active, late), (true, false));
    assert_eq!(installation.mailbox.len(), 1, "the confirmation is the only mail");
    assert_eq!(service.panic(), None);
}

/// Of a sign-up eight days ago.
async fn expired_link(installation: &Installation) -> String {
    let then = Clock::System.now().minus(Duration::from_secs(8 * 24 * 60 * 60));
    let token = installation
        .with_database_at(Clock::simulated(then), async |cx| {
            let wishes = Wishes { topics: vec![TOPIC.parse().unwrap()], alerts: true, digest: Digest::None };
            let address = "late@example.com".parse().unwrap();
            let network = [127, 0, 0, 1].into();
            let form = SignUp { address, wishes, network, origin: String::new() };
            subscribing::sign_up(cx, form).await.unwrap();
            let mut tx = cx.db.read().await.unwrap();
            let signup = store::signups::undecided(&mut tx, 1).await.unwrap().remove(0);
            drop(tx);
            subscribing::decide_signups(cx).await.unwrap();
            cx.keys.sign(&cx.keys.current(), Purpose::Confirm, signup.public_id)
        })
        .await;
    format!("{}/confirm/{token}", installation.url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_wrong_is_told_so_and_publishes_nothing() {
    let installation = Installation::new(Backend::Sqlite, 2, "").await;
    let service = installation.serve().await;
    installation.subscribe(ADDRESS, ELSEWHERE).await;
    let good = json!({ "subject": "Polls stay open", "markdown": "Until ten.", "topics": [TOPIC] });
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let long = "a".repeat(1_000_000);
    let alerts = [
        json!(null),
        json!([]),
        json!({}),
        with("subject", json!("")),
        with("subject", json!(5)),
        with("subject", json!("Polls\r\nBcc: eve@example.com")),
        with("subject", json!(long)),
        with("markdown", json!("")),
        with("markdown", json!(format!("{long}{long}"))),
        with("html", json!("<p>and another</p>")),
        with("topics", json!([])),
        with("topics", json!(["no-such-topic"])),
        with("topics", json!(["election-alerts\r\nBcc: eve@example.com"])),
        with("level", json!("urgent")),
        with("expires_at", json!("2020-01-01T00:00:00Z")),
        with("expires_at", json!("tomorrow")),
        with("url", json!("javascript:alert(1)")),
        with("url", json!("https://site.example.org/\r\nBcc: eve@example.com")),
        with("post_id", json!("no-uuid")),
        with("bcc", json!("eve@example.com")),
    ];
    for body in &alerts {
        refused_call(&installation, "/api/v1/alerts", body).await;
    }
    let (status, problem) = installation.api("/api/v1/alerts", None, &good).await;
    assert_eq!(status, 400, "without a key: {problem}");
    let posts = [
        json!({ "title": "T", "topics": [TOPIC] }),
        json!({ "guid": "1", "title": "", "topics": [TOPIC] }),
        json!({ "guid": "1", "title": "T", "topics": [] }),
        json!({ "guid": "1", "title": "T", "topics": ["no-such-topic"], "alert": true }),
        json!({ "guid": "1\r\n2", "title": "T", "topics": [TOPIC], "alert": true }),
        json!({ "guid": "1", "title": "T", "topics": [TOPIC], "url": "ftp://site.example.org/" }),
        json!({ "guid": "1", "title": "T", "topics": [TOPIC], "image": "data:image/png;base64,xx" }),
        json!({ "guid": "1", "title": "T", "topics": [TOPIC], "published_at": "yesterday" }),
        json!({ "guid": "1", "title": "T", "topics": [TOPIC], "html": format!("{long}{long}") }),
    ];
    for body in &posts {
        refused_call(&installation, "/api/v1/posts", body).await;
    }
    for (path, body) in [("/api/v1/alerts", "{"), ("/api/v1/posts", "\"\\ud800\""), ("/api/v1/alerts", "")] {
        let request = installation.http.post(format!("{}{path}", installation.url)).body(body);
        let response = request.header("Content-Type", "application/json").send().await.unwrap();
        assert_eq!(response.status(), 401, "who calls is asked first");
        assert_clear(&response.json().await.unwrap());
    }
    assert_eq!(installation.get("/healthz").await.0, 200);
    assert_eq!(installation.mailbox.len(), 1, "the confirmation is the only mail");
    assert_eq!(installation.read("/api/v1/issues").await["issues"], json!([]));

    let scripts = "<p onclick=\"steal()\">Read <a href=\"javascript:steal()\">this</a></p><script>steal()</script>\
                   <img src=x onerror=steal()><iframe src=\"https://evil.example\"></iframe><style>@import 'x'</style>";
    for (guid, summary) in [("as HTML", ""), ("as text", scripts)] {
        let title = format!("{guid}\r\nBcc: eve@example.com");
        let post = json!({
            "guid": guid, "title": title, "summary": summary, "html": scripts, "author": "Rosa\r\nX-Evil: 1",
            "topics": [TOPIC], "alert": true,
        });
        let (status, accepted) = installation.api("/api/v1/posts", None, &post).await;
        assert_eq!(status, 201, "{accepted}");
        let subject = format!("{guid} Bcc: eve@example.com");
        let mail = installation.mail(ADDRESS, "alert", |letter| letter.subject == subject).await;
        let letter = Letter::read(&mail);
        assert_eq!(mail.to, [ADDRESS]);
        assert_eq!((letter.header("Bcc"), letter.header("X-Evil")), (None, None));
        assert_harmless(&letter.html.unwrap());
    }
    assert_eq!(installation.mailbox.len(), 3, "the confirmation and two alerts");
    assert_eq!(service.panic(), None);
}

/// No element or attribute that runs or loads anything, and only links into the web.
fn assert_harmless(html: &str) {
    assert!(html.contains("Read"), "{html}");
    let page = Html::parse_document(html);
    let evil = Selector::parse("script, iframe, body style, img[src=x], form, [onclick], [onerror]").unwrap();
    assert_eq!(page.select(&evil).map(|element| element.html()).collect::<Vec<_>>(), [""; 0]);
    let links = Selector::parse("[href]").unwrap();
    for link in page.select(&links) {
        assert!(link.attr("href").unwrap().starts_with("http"), "{}", link.html());
    }
}

async fn refused_call(installation: &Installation, path: &str, body: &Value) {
    let (status, problem) = installation.api(path, Some("a key"), body).await;
    assert!((400..500).contains(&status), "{status} to {body:.200}: {problem}");
    assert_clear(&problem);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_far_too_much_gets_an_answer_and_no_broken_connection() {
    let installation = Installation::new(Backend::Sqlite, 2, "").await;
    let service = installation.serve().await;
    let body = vec![b'a'; 8_000_000];
    let multipart = "multipart/form-data; boundary=a";
    for (path, kind, expected) in [
        ("/api/v1/alerts", "application/json", 401),
        ("/subscribe", "application/json", 413),
        ("/subscribe", "application/x-www-form-urlencoded", 413),
        ("/subscribe", multipart, 413),
        ("/healthz", "text/plain", 405),
        ("/nowhere", "text/plain", 404),
    ] {
        let body = if kind == multipart { [MULTIPART_FIELD, &body].concat() } else { body.clone() };
        let request = installation.http.post(format!("{}{path}", installation.url)).body(body);
        let response = request.header("Content-Type", kind).send().await;
        assert_eq!(response.unwrap().status(), expected, "{path} with {kind}");
    }
    assert_eq!(installation.mailbox.len(), 0);
    assert_eq!(service.panic(), None);
}

const MULTIPART_FIELD: &[u8] = b"--a\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_of_garbage_and_one_without_end_stop_nothing() {
    let site = Site::open().await;
    let hostile = hostile_site().await;
    let feeds = ["/garbage", "/endless", "/feed/"].map(|path| {
        let host = if path == "/feed/" { site.url() } else { &hostile };
        format!("[[feeds]]\nurl = \"{host}{path}\"\ntopic = \"{TOPIC}\"\nevery = \"1s\"\nalert = true\n")
    });
    let more = format!("[fetching]\nallow_networks = [\"127.0.0.0/8\"]\n{}", feeds.concat());
    let installation = Installation::new(Backend::Sqlite, 2, &more).await;
    let service = installation.serve().await;
    site.read_through().await;
    installation.subscribe(ADDRESS, ELSEWHERE).await;

    let errors = until("both bad feeds to have failed", async || {
        let feeds = installation
            .with_database(async |cx| {
                let mut tx = cx.db.read().await.unwrap();
                store::feeds::all_active(&mut tx).await.unwrap()
            })
            .await;
        let errors: Vec<_> =
            feeds.into_iter().filter_map(|feed| Some((feed.url, feed.last_error?))).collect();
        (errors.len() >= 2).then_some(errors)
    })
    .await;
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors.iter().all(|(url, error)| url.starts_with(&hostile) && error.len() > 10), "{errors:?}");

    site.publish(2, "Counting &lt;script&gt;has&lt;/script&gt; begun", "<p>Now</p><script>steal()</script>");
    let letter = Letter::read(&*installation.mail(ADDRESS, "alert", |_| true).await);
    assert!(!letter.html.unwrap().contains("steal"));
    assert_eq!(installation.mailbox.len(), 2, "the confirmation and the alert");
    assert_eq!(service.panic(), None);
}

/// A feed of random bytes, and one that never ends.
async fn hostile_site() -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    const RSS: [(&str, &str); 1] = [("content-type", "application/rss+xml")];
    let endless = || {
        let head = "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel>";
        let item = "<item><title>More</title><guid>more</guid></item>".repeat(200);
        let start = stream::iter([Ok::<_, std::io::Error>(Bytes::from(head))]);
        Body::from_stream(futures_util::StreamExt::chain(
            start,
            stream::repeat_with(move || Ok(item.clone().into())),
        ))
    };
    let router = Router::new()
        .route("/garbage", get(|| async { (RSS, &include_bytes!("../fixtures/feeds/garbage.bin")[..]) }))
        .route("/endless", get(move || async move { (RSS, endless()) }));
    tokio::spawn(async { axum::serve(listener, router).await });
    url
}
