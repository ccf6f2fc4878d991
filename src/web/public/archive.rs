//! `/archive`: what was published and is marked public, the newest first, and the same as an Atom feed.

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{OURS, atom};
use crate::context::Context;
use crate::domain::{issue::Kind, time::Timestamp};
use crate::publishing::{
    self,
    archive::{self, Entry, Part, Standing, Wanted},
};
use crate::store;
use crate::web::pages::{ArchiveTopic, Archived, Page, Site};

/// Issues on a page, and in the feed.
const PAGE: usize = 25;
const FEED: usize = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    topic: String,
    before: String,
}

/// `GET /archive`
pub async fn page(State(cx): State<Context>, Query(asked): Query<Asked>, uri: Uri) -> Response {
    let found = async {
        let Some(part) = find(&cx, &asked, PAGE, false).await? else { return Ok(None) };
        let mut tx = cx.db.read().await?;
        let topics = store::topics::all(&mut tx).await?;
        Ok::<_, publishing::Error>(Some((part, topics)))
    };
    match found.await {
        Ok(Some((part, topics))) => {
            let topics = topics.into_iter().filter(|topic| topic.public);
            let chosen = |topic: store::topics::Topic| ArchiveTopic {
                chosen: topic.slug == asked.topic,
                slug: topic.slug,
                name: topic.name,
            };
            let page = Page::Archive {
                entries: part.entries.iter().map(archived).collect(),
                topics: topics.map(chosen).collect(),
                topic: asked.topic,
                next: part.next,
                first: asked.before.is_empty(),
            };
            page.respond(&Site::of(&cx.config), StatusCode::OK)
        }
        Ok(None) => super::super::not_found(State(cx), uri).await,
        Err(error) => ours(&cx, &error),
    }
}

/// `GET /archive/feed.atom`, with conditional requests (RFC 9110, section 13): who has it as it is gets 304 and no body.
pub async fn feed(
    State(cx): State<Context>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let part = match find(&cx, &asked, FEED, true).await {
        Ok(Some(part)) => part,
        Ok(None) => return super::super::not_found(State(cx), uri).await,
        Err(error) => return ours(&cx, &error),
    };
    let changed = part.changed.unwrap_or(Timestamp::from_micros(0));
    let feed = atom::feed(&Site::of(&cx.config), &asked.topic, &part);
    let tag = atom::tag(&feed);
    let about = [
        (header::ETAG, tag.clone()),
        (header::LAST_MODIFIED, atom::http_date(changed)),
        // A correction must not be late by more.
        (header::CACHE_CONTROL, "public, max-age=60".to_owned()),
        (header::CONTENT_TYPE, "application/atom+xml; charset=utf-8".to_owned()),
    ];
    if atom::is_known(&headers, &tag, changed) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, feed).into_response()
}

async fn find(
    cx: &Context,
    asked: &Asked,
    most: usize,
    with_text: bool,
) -> Result<Option<Part>, publishing::Error> {
    let before = match asked.before.as_str() {
        "" => None,
        id => match id.parse::<Uuid>() {
            Ok(id) => Some(id),
            Err(_) => return Ok(None),
        },
    };
    archive::part(cx, Wanted { topic: &asked.topic, before, most, with_text }).await
}

fn archived(entry: &Entry) -> Archived {
    Archived {
        issue: entry.issue,
        title: entry.title.clone(),
        excerpt: entry.excerpt.clone(),
        kind: match entry.kind {
            Kind::Digest => "Digest".to_owned(),
            _ => entry.topics.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", "),
        },
        flag: match entry.standing {
            Standing::Stands => None,
            Standing::Corrected => Some("Corrected"),
            Standing::Withdrawn => Some("Withdrawn"),
        },
        at: entry.at.to_jiff().strftime("%-d %B %Y, %H:%M UTC").to_string(),
        machine: entry.at,
    }
}

fn ours(cx: &Context, error: &publishing::Error) -> Response {
    tracing::error!(%error, "the archive could not be answered");
    super::message(cx, StatusCode::SERVICE_UNAVAILABLE, OURS.0, OURS.1)
}
