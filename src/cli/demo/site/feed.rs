//! The site's feed: RSS 2.0 with the modules that WordPress adds, and conditional GET (RFC 9110, section 13).

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tera::{Context, Tera};

use super::published::Story;
use crate::cli::demo::page::refusal;
use crate::domain::time::Timestamp;

/// A post's guid stays what it is when the demo runs on another port, as WordPress's do when a site moves.
const GUID_SITE: &str = "http://tidewick-ledger.example";

#[derive(Serialize)]
struct Item {
    #[serde(flatten)]
    story: Story,
    guid: String,
    published: String,
    /// Ready to stand in CDATA.
    content: String,
}

/// The feed's answer: the stories, or 304 when the reader has them already.
pub fn answer(templates: &Tera, stories: Vec<Story>, public_url: &str, request: &HeaderMap) -> Response {
    let newest = stories.first().map_or(Timestamp::from_micros(0), |story| story.at);
    let items: Vec<Item> = stories.into_iter().map(|story| item(story, public_url)).collect();
    let mut context = Context::new();
    context.insert("site", public_url);
    context.insert("newest", &mail_date(newest));
    context.insert("items", &items);
    let xml = match templates.render("feed.xml", &context) {
        Ok(xml) => xml,
        Err(error) => {
            tracing::error!("the sample site's feed can't be made: {error}");
            return refusal(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The feed can't be made; the demo's log says why.",
            );
        }
    };
    let etag = etag(&xml);
    let headers = [
        (header::CONTENT_TYPE, "application/rss+xml; charset=UTF-8".to_owned()),
        (header::LAST_MODIFIED, http_date(newest)),
        (header::ETAG, etag.clone()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
    ];
    if is_known(request, &etag, newest) {
        (StatusCode::NOT_MODIFIED, headers, Body::empty()).into_response()
    } else {
        (headers, xml).into_response()
    }
}

/// Whether the reader's validators name this feed. With an entity tag the date doesn't count (RFC 9110, 13.1.3).
fn is_known(request: &HeaderMap, etag: &str, newest: Timestamp) -> bool {
    let text = |name| request.get(name).and_then(|value| value.to_str().ok());
    if let Some(tags) = text(header::IF_NONE_MATCH) {
        let same = |tag: &str| tag.trim().trim_start_matches("W/") == etag || tag.trim() == "*";
        return tags.split(',').any(same);
    }
    let since = text(header::IF_MODIFIED_SINCE)
        .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
        .map(|date| Timestamp::from_jiff(date.timestamp()));
    since.is_some_and(|since| whole_seconds(newest) <= since)
}

/// HTTP's dates have whole seconds.
fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros().div_euclid(1_000_000) * 1_000_000)
}

fn etag(xml: &str) -> String {
    let hash = digest(&SHA256, xml.as_bytes());
    let hex: String = hash.as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

fn item(story: Story, public_url: &str) -> Item {
    let article = &story.article;
    let content = format!(
        r#"<figure><img src="{public_url}/images/{}.svg" alt="" width="800" height="450"></figure>{}"#,
        article.number, article.html
    );
    Item {
        guid: format!("{GUID_SITE}/?p={}", article.number),
        published: mail_date(story.at),
        content: in_cdata(&content),
        story,
    }
}

/// The one sequence that ends CDATA is cut in two.
fn in_cdata(text: &str) -> String {
    text.replace("]]>", "]]]]><![CDATA[>")
}

/// As RFC 2822 writes it.
fn mail_date(at: Timestamp) -> String {
    at.to_jiff().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// As RFC 9110, section 5.6.7, writes it.
fn http_date(at: Timestamp) -> String {
    at.to_jiff().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
