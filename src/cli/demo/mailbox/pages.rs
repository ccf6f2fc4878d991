//! The pages to look at the mail with: a list that follows what comes, and one page per message. Mail is shown in a
//! sandbox: nothing in it can run, or reach the pages around it.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Redirect, Response, Sse, sse::Event};
use axum::routing::{get, post};
use futures_util::Stream;
use serde::{Deserialize, Serialize};
use tera::{Context, Tera};

use super::letter::Letter;
use super::{Mailbox, Received};
use crate::cli::demo::page::{SameOrigin, asset, html_page, refusal, render};

/// Messages on one page of the list.
const PER_PAGE: usize = 50;
/// Octets of a message's source that its page shows; the rest is in the download.
const SOURCE_SHOWN: usize = 200_000;
/// What a message's HTML may do: show itself and pictures, and open links in a tab of their own. No script runs, no
/// form is sent, and its origin is nobody's.
const MAIL_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; \
    default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline'; font-src data:; \
    form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

static TEMPLATES: LazyLock<Tera> = LazyLock::new(|| {
    let mut templates = Tera::default();
    templates
        .add_raw_templates([
            ("layout.html", include_str!("layout.html")),
            ("list.html", include_str!("list.html")),
            ("message.html", include_str!("message.html")),
        ])
        .expect("the templates are part of the program, and every page is rendered in a test");
    templates
});

/// Where the pages link to, each without a slash at its end.
#[derive(Clone, Debug)]
pub struct Links {
    /// The sample news site.
    pub site: String,
    /// The service, to which a message's one-click button may post.
    pub service: String,
}

#[derive(Clone)]
struct Pages {
    mailbox: Mailbox,
    links: Arc<Links>,
    policy: Arc<str>,
}

/// The routes of the mailbox's pages.
pub fn router(mailbox: Mailbox, links: Links) -> Router {
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
         frame-src 'self'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        links.service
    );
    Router::new()
        .route("/", get(list))
        .route("/changes", get(changes))
        .route("/clear", post(clear))
        .route("/messages.json", get(messages_json))
        .route("/messages/{id}", get(message))
        .route("/messages/{id}/html", get(message_html))
        .route("/messages/{id}/raw", get(message_raw))
        .route(
            "/mailbox.css",
            get(|| async { asset("text/css; charset=utf-8", include_str!("mailbox.css")) }),
        )
        .route(
            "/mailbox.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("mailbox.js")) }),
        )
        .with_state(Pages { mailbox, links: Arc::new(links), policy: policy.into() })
}

#[derive(Deserialize)]
struct ListQuery {
    /// From 1.
    page: Option<usize>,
    /// Only what went to this address.
    to: Option<String>,
}

/// A row of the list.
#[derive(Serialize)]
struct Row {
    letter: Letter,
    preview: String,
    shown_time: String,
}

async fn list(State(pages): State<Pages>, Query(query): Query<ListQuery>) -> Response {
    let to = query.to.unwrap_or_default().trim().to_owned();
    let page = query.page.unwrap_or(1).max(1);
    let skip = (page - 1).saturating_mul(PER_PAGE);
    let (total, messages) = if to.is_empty() {
        (pages.mailbox.len(), pages.mailbox.page(skip, PER_PAGE))
    } else {
        let all = pages.mailbox.to(&to);
        (all.len(), all.into_iter().rev().skip(skip).take(PER_PAGE).collect())
    };
    let rows: Vec<Row> = messages.iter().map(|message| row(message)).collect();
    let mut context = pages.context();
    context.insert("rows", &rows);
    context.insert("total", &total);
    context.insert("to", &to);
    context.insert("to_filter", &if to.is_empty() { String::new() } else { format!("&to={}", encoded(&to)) });
    context.insert("page", &page);
    context.insert("pages", &total.div_ceil(PER_PAGE).max(1));
    render(&TEMPLATES, "list.html", &context, &pages.policy)
}

fn encoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

fn row(message: &Received) -> Row {
    let letter = Letter::read(message);
    let words = letter.text.as_deref().unwrap_or_default().split_whitespace();
    let preview: String = words.collect::<Vec<_>>().join(" ").chars().take(140).collect();
    Row { shown_time: clock_time(&letter), preview, letter }
}

fn clock_time(letter: &Letter) -> String {
    letter.at.to_jiff().strftime("%H:%M:%S UTC").to_string()
}

#[derive(Deserialize)]
struct MessageQuery {
    /// html, text, headers or source.
    view: Option<String>,
    /// dark or light: what the message is told that the reader prefers.
    scheme: Option<String>,
    /// wide or phone.
    width: Option<String>,
}

/// A line of a text part; links are those that stand alone on their line.
#[derive(Serialize)]
struct TextLine<'a> {
    text: &'a str,
    link: bool,
}

async fn message(
    State(pages): State<Pages>,
    Path(id): Path<u64>,
    Query(query): Query<MessageQuery>,
) -> Response {
    let Some(received) = pages.mailbox.get(id) else { return gone() };
    let letter = Letter::read(&received);
    let first = if letter.html.is_some() { "html" } else { "text" };
    let view = one_of(query.view.as_deref(), &[first, "html", "text", "headers", "source"]);
    let text = letter.text.as_deref().unwrap_or_default();
    let is_link = |line: &str| {
        (line.starts_with("http://") || line.starts_with("https://")) && !line.contains(char::is_whitespace)
    };
    let lines: Vec<_> =
        text.lines().map(|line| TextLine { text: line, link: is_link(line.trim()) }).collect();
    let source = received.raw.get(..SOURCE_SHOWN).unwrap_or(&received.raw);
    let (unsubscribe, one_click) = letter.unsubscribe().unwrap_or_default();
    let to_service = unsubscribe.strip_prefix(&pages.links.service).is_some_and(|rest| rest.starts_with('/'));

    let mut context = pages.context();
    context.insert("view", view);
    context.insert("scheme", one_of(query.scheme.as_deref(), &["light", "dark"]));
    context.insert("width", one_of(query.width.as_deref(), &["wide", "phone"]));
    context.insert("lines", &lines);
    context.insert("source", &String::from_utf8_lossy(source));
    context.insert("source_cut", &(source.len() < received.raw.len()));
    context.insert("unsubscribe", unsubscribe);
    context.insert("one_click", &(one_click && to_service));
    context.insert("shown_time", &clock_time(&letter));
    context.insert("newer", &pages.mailbox.get(id.saturating_add(1)).map(|message| message.id));
    context.insert("older", &pages.mailbox.get(id.saturating_sub(1)).map(|message| message.id));
    context.insert("letter", &letter);
    render(&TEMPLATES, "message.html", &context, &pages.policy)
}

fn one_of<'a>(wanted: Option<&str>, words: &[&'a str]) -> &'a str {
    let first = words.first().copied().unwrap_or_default();
    words.iter().copied().find(|word| Some(*word) == wanted).unwrap_or(first)
}

async fn message_html(State(pages): State<Pages>, Path(id): Path<u64>) -> Response {
    let Some(html) = pages.mailbox.get(id).and_then(|message| Letter::read(&message).html) else {
        return gone();
    };
    html_page(in_new_tabs(html), MAIL_POLICY)
}

/// Makes the links of a message open outside its frame: behind `<head>`, or in front where there is none.
fn in_new_tabs(mut html: String) -> String {
    let lower = html.to_ascii_lowercase();
    let after_head = ["<head>", "<head "]
        .iter()
        .find_map(|tag| lower.find(tag))
        .and_then(|start| lower.get(start..)?.find('>').map(|end| start + end + 1));
    html.insert_str(after_head.unwrap_or(0), r#"<base target="_blank">"#);
    html
}

async fn message_raw(State(pages): State<Pages>, Path(id): Path<u64>) -> Response {
    let Some(message) = pages.mailbox.get(id) else { return gone() };
    let headers = [
        (header::CONTENT_TYPE, "message/rfc822".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"message-{id}.eml\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, message.raw.clone()).into_response()
}

#[derive(Deserialize)]
struct JsonQuery {
    to: Option<String>,
    /// Only messages with a greater id.
    after: Option<u64>,
    /// 100 when absent.
    limit: Option<usize>,
}

/// The messages for programs, the newest first.
async fn messages_json(State(pages): State<Pages>, Query(query): Query<JsonQuery>) -> Json<Vec<Letter>> {
    let messages = match &query.to {
        Some(to) => pages.mailbox.to(to),
        None => pages.mailbox.messages(),
    };
    let after = query.after.unwrap_or(0);
    let newest = messages.iter().rev().take_while(|message| message.id > after);
    Json(newest.take(query.limit.unwrap_or(100)).map(|message| Letter::read(message)).collect())
}

/// Tells a page that the mailbox is not as it was, as server-sent events: what it is now the page asks the list.
async fn changes(State(pages): State<Pages>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // The mailbox moves along in the state, so that the channel stays open.
    let state = (pages.mailbox.revisions(), pages.mailbox);
    Sse::new(futures_util::stream::unfold(state, |(mut revisions, mailbox)| async move {
        revisions.changed().await.ok()?;
        let revision = *revisions.borrow_and_update();
        Some((Ok(Event::default().data(revision.to_string())), (revisions, mailbox)))
    }))
}

async fn clear(_: SameOrigin, State(pages): State<Pages>) -> Response {
    pages.mailbox.clear();
    Redirect::to("/").into_response()
}

fn gone() -> Response {
    refusal(StatusCode::NOT_FOUND, "This message is not here (any more). The list is at /.")
}

impl Pages {
    fn context(&self) -> Context {
        let mut context = Context::new();
        context.insert("site", &self.links.site);
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_open_outside_the_frame_and_the_doctype_stays_first() {
        let page = in_new_tabs("<!DOCTYPE html><HTML><HEAD lang=en><title>x</title>".to_owned());
        assert!(page.starts_with("<!DOCTYPE html><HTML><HEAD lang=en><base target=\"_blank\"><title>"));
        assert_eq!(in_new_tabs("<p>x".to_owned()), "<base target=\"_blank\"><p>x");
        assert!(in_new_tabs("<header>x".to_owned()).starts_with("<base"));
    }
}
