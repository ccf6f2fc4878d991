//! The pages that show the demo's mail: what a newcomer looks at, and what a hostile message must not do to it.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use axum::response::Response;
use bellwether::cli::demo::mailbox::Mailbox;
use bellwether::cli::demo::mailbox::pages::{Links, router};
use bellwether::domain::time::Timestamp;
use futures_util::StreamExt;
use scraper::{Html, Selector};
use tower::ServiceExt;

const SITE: &str = "http://127.0.0.1:8081";
const SERVICE: &str = "http://127.0.0.1:8080";

fn receive(mailbox: &Mailbox, to: &str, message: &str) -> u64 {
    let raw = message.replace('\n', "\r\n").into_bytes();
    let at = Timestamp::parse_rfc3339("2026-11-03T20:15:00Z").unwrap();
    mailbox.add("bounces@example.org".to_owned(), vec![to.to_owned()], at, raw)
}

fn alert(mailbox: &Mailbox, to: &str) -> u64 {
    receive(
        mailbox,
        to,
        "From: Election Desk <desk@example.org>\nSubject: =?utf-8?q?Polls_close_=E2=80=93_now?=\n\
         Feedback-ID: 7:alert:bellwether\nList-Unsubscribe: <http://127.0.0.1:8080/unsubscribe/t0ken>\n\
         List-Unsubscribe-Post: List-Unsubscribe=One-Click\nMIME-Version: 1.0\n\
         Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n\
         The count begins.\n\nhttp://127.0.0.1:8081/polls-are-closed/\n--b\nContent-Type: text/html\n\n\
         <html><head></head><body><p>The <b>count</b> begins.</p></body></html>\n--b--\n",
    )
}

async fn send(mailbox: &Mailbox, request: Request<Body>) -> Response {
    let links = Links { site: SITE.to_owned(), service: SERVICE.to_owned() };
    router(mailbox.clone(), links).oneshot(request).await.unwrap()
}

async fn get(mailbox: &Mailbox, path: &str) -> Response {
    send(mailbox, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn text(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::OK);
    String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

async fn page(mailbox: &Mailbox, path: &str) -> Html {
    Html::parse_document(&text(get(mailbox, path).await).await)
}

fn all(page: &Html, selector: &str) -> Vec<String> {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).map(|found| found.text().collect::<String>().trim().to_owned()).collect()
}

fn attribute(page: &Html, selector: &str, name: &str) -> String {
    let selector = Selector::parse(selector).unwrap();
    page.select(&selector).next().expect("an element").attr(name).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn an_empty_mailbox_says_what_to_do() {
    let page = page(&Mailbox::unbounded(), "/").await;
    assert_eq!(all(&page, "h1"), ["No mail yet"]);
    assert_eq!(attribute(&page, ".empty a", "href"), SITE);
    assert!(all(&page, "form[action='/clear']").is_empty());
}

#[tokio::test]
async fn the_list_shows_the_newest_first_on_pages_of_fifty() {
    let mailbox = Mailbox::newest(10_000);
    for number in 1..=10_010 {
        alert(&mailbox, &format!("reader{number}@example.net"));
    }
    let first = page(&mailbox, "/").await;
    assert_eq!(all(&first, ".mails li").len(), 50);
    assert_eq!(all(&first, ".mails .to")[0], "reader10010@example.net");
    assert_eq!(all(&first, ".mails .kind")[0], "Alert");
    assert!(all(&first, ".mails .subject")[0].starts_with("Polls close – now"));
    assert_eq!(all(&first, ".count"), ["10000 messages"]);

    let last = page(&mailbox, "/?page=200").await;
    assert_eq!(all(&last, ".mails .to").last().unwrap(), "reader11@example.net");
    assert!(all(&last, "a[rel=next]").is_empty());
    assert_eq!(all(&page(&mailbox, "/?page=201").await, "h1"), ["This page is empty"]);

    let one = page(&mailbox, "/?to=Reader500@example.net").await;
    assert_eq!(all(&one, ".mails .to"), ["reader500@example.net"]);
}

#[tokio::test]
async fn a_message_is_shown_in_each_of_its_views() {
    let mailbox = Mailbox::unbounded();
    let id = alert(&mailbox, "ada@example.net");

    let html = page(&mailbox, &format!("/messages/{id}")).await;
    assert_eq!(all(&html, "h1"), ["Polls close – now"]);
    assert_eq!(all(&html, "dd"), ["Election Desk <desk@example.org>", "ada@example.net"]);
    assert_eq!(attribute(&html, "iframe", "src"), format!("/messages/{id}/html"));
    assert_eq!(attribute(&html, ".leave form", "action"), "http://127.0.0.1:8080/unsubscribe/t0ken");
    assert_eq!(attribute(&html, ".leave input", "value"), "One-Click");

    let dark = page(&mailbox, &format!("/messages/{id}?scheme=dark&width=phone")).await;
    assert_eq!(attribute(&dark, ".stage", "class"), "stage dark phone");

    let plain = page(&mailbox, &format!("/messages/{id}?view=text")).await;
    assert_eq!(attribute(&plain, "pre a", "href"), "http://127.0.0.1:8081/polls-are-closed/");

    let headers = page(&mailbox, &format!("/messages/{id}?view=headers")).await;
    let names = all(&headers, "tbody th");
    assert_eq!(names[..3], ["MAIL FROM", "RCPT TO", "From"]);

    let source = page(&mailbox, &format!("/messages/{id}?view=source")).await;
    assert!(all(&source, "pre")[0].contains("<p>The <b>count</b> begins.</p>"));

    let raw = get(&mailbox, &format!("/messages/{id}/raw")).await;
    assert_eq!(raw.headers()["content-type"], "message/rfc822");
    assert_eq!(text(raw).await.as_bytes(), mailbox.get(id).unwrap().raw);
}

#[tokio::test]
async fn a_hostile_message_is_only_text_on_our_pages_and_sandboxed_on_its_own() {
    let mailbox = Mailbox::unbounded();
    let attack = "</pre></iframe><script>steal()</script><img src=x onerror=steal()>";
    let id = receive(
        &mailbox,
        &format!("\"{attack}\"@example.net"),
        &format!(
            "From: \"{attack}\" <x@example.net>\nSubject: {attack}\nX-Odd: {attack}\nFeedback-ID: a:{attack}:b\n\
             List-Unsubscribe: <javascript:steal()>, <https://evil.example/\" onclick=\"steal()>\n\
             List-Unsubscribe-Post: List-Unsubscribe=One-Click\nMIME-Version: 1.0\n\
             Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain\n\n{attack}\n\
             https://x.example/\"onclick=\"steal()\n--b\nContent-Type: text/html\n\n{attack}\n--b--\n"
        ),
    );
    let message = format!("/messages/{id}");
    let views = ["html", "text", "headers", "source"].map(|view| format!("{message}?view={view}"));
    for path in ["/", "/?to=<script>steal()</script>"].into_iter().map(str::to_owned).chain(views) {
        let path = path.replace('<', "%3C").replace('>', "%3E");
        let response = get(&mailbox, &path).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let page = Html::parse_document(&text(response).await);
        let scripts = Selector::parse("script").unwrap();
        let sources: Vec<_> = page.select(&scripts).map(|script| script.attr("src")).collect();
        assert_eq!(sources, [Some("/mailbox.js")], "{path}");
        for bad in ["[onerror]", "[onclick]", "img", "a[href^='javascript']"] {
            assert!(all(&page, bad).is_empty(), "{path} has {bad}");
        }
    }

    let shown = page(&mailbox, &message).await;
    let sandbox = attribute(&shown, "iframe", "sandbox");
    let own = get(&mailbox, &format!("{message}/html")).await;
    let policy = own.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("sandbox ") && policy.contains("default-src 'none'"), "{policy}");
    for forbidden in ["allow-scripts", "allow-same-origin", "allow-forms"] {
        assert!(!sandbox.contains(forbidden) && !policy.contains(forbidden), "{forbidden}");
    }
    assert!(text(own).await.contains(attack), "the message itself is shown as it came");
}

#[tokio::test]
async fn programs_read_the_mail_as_json() {
    let mailbox = Mailbox::unbounded();
    alert(&mailbox, "ada@example.net");
    let second = alert(&mailbox, "eve@example.net");

    let json = async |path| -> serde_json::Value {
        serde_json::from_str(&text(get(&mailbox, path).await).await).unwrap()
    };
    let both = json("/messages.json").await;
    assert_eq!(both[0]["id"], second);
    assert_eq!(both[1]["to"], serde_json::json!(["ada@example.net"]));
    assert_eq!(both[1]["subject"], "Polls close – now");
    assert_eq!(both[1]["from"], "Election Desk <desk@example.org>");
    assert_eq!(both[1]["at"], "2026-11-03T20:15:00Z");
    assert!(both[1]["text"].as_str().unwrap().starts_with("The count begins."));
    assert!(both[1]["html"].as_str().unwrap().contains("<b>count</b>"));
    assert_eq!(
        both[1]["headers"][2],
        serde_json::json!({"name": "Feedback-ID", "value": "7:alert:bellwether"})
    );

    let to_ada = json("/messages.json?to=ada@example.net").await;
    assert_eq!(to_ada.as_array().unwrap().len(), 1);
    let later = json("/messages.json?after=1").await;
    assert_eq!(later.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_open_list_is_told_of_new_mail() {
    let mailbox = Mailbox::unbounded();
    let response = get(&mailbox, "/changes").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    alert(&mailbox, "ada@example.net");
    let event = events.next().await.unwrap().unwrap();
    assert!(event.starts_with(b"data:"), "{event:?}");
}

#[tokio::test]
async fn only_its_own_page_empties_the_mailbox() {
    let mailbox = Mailbox::unbounded();
    alert(&mailbox, "ada@example.net");
    let clear =
        |site: &str| Request::post("/clear").header("sec-fetch-site", site).body(Body::empty()).unwrap();

    assert_eq!(send(&mailbox, clear("cross-site")).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(mailbox.len(), 1);
    assert_eq!(send(&mailbox, clear("same-origin")).await.status(), StatusCode::SEE_OTHER);
    assert!(mailbox.is_empty());
    assert_eq!(get(&mailbox, "/messages/1").await.status(), StatusCode::NOT_FOUND);
}
