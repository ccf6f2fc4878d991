//! Turns a feed's bytes into posts: RSS, Atom or JSON Feed, in any charset. Reads nothing that `screen` refuses, and
//! names posts itself where the feed doesn't. Sanitizing HTML is left to who shows it.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use feed_rs::model::{Content, Entry, Feed, FeedType, Link, Text};
use feed_rs::parser;
use url::Url;

use super::date::parse_date;
use super::fetch::{MAX_BODY, without_credentials};
use super::screen::{MAX_DEPTH, screen};
use crate::domain::markup::plain_text;
use crate::domain::post::{MAX_SUMMARY, PostDraft, digest_of, guid_key};
use crate::domain::text::one_line;
use crate::domain::time::Timestamp;

/// The newest of a feed that are kept.
pub const MAX_POSTS: usize = 1000;
/// In characters, of a title that is made from the post's text.
const MADE_UP_TITLE: usize = 80;

/// What a feed holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsedFeed {
    /// Plain text; may be empty.
    pub title: String,
    /// The newest first, those without a date before all others; no two with the same guid.
    pub items: Vec<PostDraft>,
}

/// Why bytes are no feed, for its operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error("the site sent an empty answer instead of a feed; check the address in a browser")]
    Empty,
    #[error("the feed is larger than {} MB; let the site put fewer posts into it", MAX_BODY / 1024 / 1024)]
    TooLarge,
    #[error("the feed is nested more than {MAX_DEPTH} levels deep, which no real feed is; check its address")]
    TooDeep,
    #[error("the feed holds more than can be read safely; let the site put fewer posts into it")]
    TooMuch,
    #[error(
        "the feed declares entities of its own (<!ENTITY), which are not read; let the site leave them out"
    )]
    Entities,
    #[error("this is the address of a web page, not of a feed{}", hint(.feed.as_ref()))]
    Html {
        /// The feed that the page announces.
        feed: Option<Url>,
    },
    #[error("this is neither RSS nor Atom nor JSON Feed; check the address in a browser")]
    NotAFeed,
    #[error("the feed is broken: {0}; the site has to mend it (the W3C feed validator shows where)")]
    Broken(String),
    #[error("the feed makes the feed reader fail; please report its address as a bug of Bellwether")]
    Panicked,
}

/// Reads a feed that was found at `base`, to which its relative links are relative. Takes up to some tenths of a second
/// for the largest feeds: call it where that holds up nobody.
///
/// # Errors
/// When the bytes are no feed or one that can't be read safely. Never panics.
pub fn parse(bytes: &[u8], base: &Url, content_type: Option<&str>) -> Result<ParsedFeed, ParseError> {
    if bytes.len() > MAX_BODY {
        return Err(ParseError::TooLarge);
    }
    // The crates behind this read what strangers wrote; a bug there must not end the poller.
    catch_unwind(AssertUnwindSafe(|| read(bytes, &without_credentials(base), content_type)))
        .unwrap_or(Err(ParseError::Panicked))
}

fn read(bytes: &[u8], base: &Url, content_type: Option<&str>) -> Result<ParsedFeed, ParseError> {
    let screened = screen(bytes, content_type, base)?;
    let feed = parser::Builder::new()
        .base_uri(Some(base))
        .id_generator(|_, _, _| String::new()) // an id that the feed doesn't give is ours to make
        .timestamp_parser(|text| chrono::DateTime::from_timestamp_micros(parse_date(text)?.as_micros()))
        .build()
        .parse(screened.text.as_bytes())
        .map_err(|error| ParseError::Broken(error.to_string()))?;
    // The parser leaves out what is no item to it; then nobody knows whose the pictures are.
    let images = Some(screened.images).filter(|images| images.len() == feed.entries.len());
    let images = images.unwrap_or_else(|| vec![None; feed.entries.len()]);

    let Feed { feed_type, title, entries, .. } = feed;
    let mut entries: Vec<(Entry, Option<String>)> = entries.into_iter().zip(images).collect();
    entries.sort_by_key(|(entry, _)| {
        std::cmp::Reverse(published(entry).unwrap_or(Timestamp::from_micros(i64::MAX)))
    });

    let mut known = HashSet::new();
    let items = entries
        .into_iter()
        .filter_map(|(entry, image)| draft(entry, image, &feed_type, base))
        .filter(|draft| known.insert(guid_key(&draft.guid)))
        .take(MAX_POSTS)
        .collect();
    let title = title.map(|title| plain(&title, &feed_type)).unwrap_or_default();
    Ok(ParsedFeed { title: one_line(&title, MAX_SUMMARY), items })
}

/// The post that an entry is; none for an entry that says nothing.
fn draft(entry: Entry, image: Option<String>, feed_type: &FeedType, base: &Url) -> Option<PostDraft> {
    let published_at = published(&entry);
    let link = entry_link(&entry).and_then(|href| base.join(href).ok());
    let guid_as_link =
        || Url::parse(entry.id.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = link.or_else(guid_as_link).map(String::from);
    let image = image.or_else(|| media_image(&entry)).and_then(|url| base.join(&url).ok()).map(String::from);
    let author = author(&entry, feed_type);
    let labels = entry.categories.into_iter().map(|category| category.label.unwrap_or(category.term));
    let labels: Vec<String> = labels.map(|label| plain_name(&label, feed_type)).collect();
    let (categories, tags) = if *feed_type == FeedType::JSON { (vec![], labels) } else { (labels, vec![]) };

    let html = html(entry.content, entry.summary.as_ref(), feed_type);
    let summary =
        entry.summary.map(|summary| excerpt(&plain(&summary, feed_type))).filter(|text| !text.is_empty());
    let summary = summary.unwrap_or_else(|| excerpt(&plain_text(&html)));
    let title = entry
        .title
        .map(|title| one_line(&plain(&title, feed_type), usize::MAX))
        .filter(|title| !title.is_empty());
    let guid = Some(entry.id.trim().to_owned()).filter(|id| !id.is_empty()).or_else(|| url.clone());
    if guid.is_none() && title.is_none() && summary.is_empty() {
        return None;
    }
    let date = published_at.map(|date| date.to_string()).unwrap_or_default();
    let guid = guid.unwrap_or_else(|| match &title {
        Some(title) => digest_of(&[title, &date]),
        None => digest_of(&[&summary, &date]),
    });
    let title = title
        .or_else(|| Some(one_line(&summary, MADE_UP_TITLE)).filter(|title| !title.is_empty()))
        .unwrap_or_else(|| url.clone().unwrap_or_else(|| guid.clone()));
    let draft =
        PostDraft { guid, url, title, summary, html, author, categories, tags, published_at, image }.tidy();
    (!draft.guid.is_empty()).then_some(draft)
}

/// The text as HTML: the content, or else the summary, which in RSS often is the whole text.
fn html(content: Option<Content>, summary: Option<&Text>, feed_type: &FeedType) -> String {
    let content = content.and_then(|content| Some((content.body?, content.content_type)));
    match (content, summary) {
        (Some((body, kind)), _) if is_html(kind.as_str()) => body,
        (Some((body, kind)), _) if kind.as_str() == "text/plain" => as_html(&body),
        (_, Some(summary)) if text_is_html(summary, feed_type) => summary.content.clone(),
        (_, Some(summary)) => as_html(&summary.content),
        _ => String::new(),
    }
}

fn published(entry: &Entry) -> Option<Timestamp> {
    entry.published.or(entry.updated).map(|date| Timestamp::from_micros(date.timestamp_micros()))
}

/// The page of the entry: not its enclosures, comments or translations into other media.
fn entry_link(entry: &Entry) -> Option<&str> {
    let is_page = |link: &&Link| {
        link.target.is_none()
            && link.rel.as_deref().is_none_or(|rel| rel == "alternate")
            && link.media_type.as_deref().is_none_or(|kind| kind.contains("html"))
    };
    entry.links.iter().find(is_page).map(|link| link.href.trim()).filter(|href| !href.is_empty())
}

fn media_image(entry: &Entry) -> Option<String> {
    const ENDINGS: [&str; 5] = [".jpg", ".jpeg", ".png", ".webp", ".gif"];
    let of_media = entry.media.iter().find_map(|media| {
        let thumbnail = media.thumbnails.first().map(|thumbnail| thumbnail.image.uri.clone());
        let picture = media.content.iter().find_map(|content| {
            let url = content.url.as_ref()?;
            let is_image = match &content.content_type {
                Some(kind) => kind.as_str().starts_with("image/"),
                None => ENDINGS.iter().any(|ending| url.path().to_ascii_lowercase().ends_with(ending)),
            };
            is_image.then(|| url.to_string())
        });
        thumbnail.or(picture)
    });
    of_media.or_else(|| {
        let is_image =
            |link: &&Link| link.media_type.as_deref().is_some_and(|kind| kind.starts_with("image/"));
        entry.links.iter().find(is_image).map(|link| link.href.clone())
    })
}

/// The names of the authors, without e-mail addresses.
fn author(entry: &Entry, feed_type: &FeedType) -> Option<String> {
    let names: Vec<String> = entry
        .authors
        .iter()
        .filter_map(|person| person.name.as_deref())
        .map(|name| name.trim_matches(|c: char| c.is_whitespace() || "()".contains(c)))
        .filter(|name| !name.is_empty() && !name.contains('@'))
        .map(|name| plain_name(name, feed_type))
        .collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn is_html(kind: &str) -> bool {
    matches!(kind, "text/html" | "application/xhtml" | "application/xhtml+xml")
}

/// RSS doesn't say what its texts are, and in practice they are HTML.
fn is_rss(feed_type: &FeedType) -> bool {
    matches!(feed_type, FeedType::RSS0 | FeedType::RSS1 | FeedType::RSS2)
}

/// Atom says what a text is; JSON Feed's are plain, and are marked so.
fn text_is_html(text: &Text, feed_type: &FeedType) -> bool {
    is_rss(feed_type) || is_html(text.content_type.as_str())
}

fn plain(text: &Text, feed_type: &FeedType) -> String {
    if text_is_html(text, feed_type) { plain_text(&text.content) } else { text.content.clone() }
}

fn plain_name(name: &str, feed_type: &FeedType) -> String {
    if is_rss(feed_type) { plain_text(name) } else { name.to_owned() }
}

fn as_html(text: &str) -> String {
    let escaped = text.trim().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let paragraphs = escaped.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    paragraphs.map(|paragraph| format!("<p>{}</p>", paragraph.replace('\n', "<br>"))).collect()
}

/// A summary on one line, without what WordPress puts at its end ("[…]", "The post … appeared first on …").
fn excerpt(text: &str) -> String {
    let text = match text.rfind("The post ") {
        Some(at) if text[at..].contains(" appeared first on ") => &text[..at],
        _ => text,
    };
    let text = one_line(text, MAX_SUMMARY);
    let Some(start) = text.strip_suffix("[…]").or_else(|| text.strip_suffix("[...]")) else { return text };
    let start = start.trim_end();
    if start.ends_with(['.', '!', '?', '…']) { start.to_owned() } else { format!("{start}…") }
}

fn hint(feed: Option<&Url>) -> String {
    match feed {
        Some(feed) => format!("; the page names this feed: {feed}"),
        None => "; look for the feed's address on the site, often /feed/ or /rss".to_owned(),
    }
}
