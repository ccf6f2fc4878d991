//! `/a/{issue}`: an issue's own page. Every alert links to it, without a token: what it said, when it was sent, and
//! whether it still stands. Who opens a corrected one sees that first. A newsletter
//! has one as well, and a digest while it is in the archive.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use serde::Deserialize;
use uuid::Uuid;

use super::OURS;
use crate::context::Context;
use crate::domain::{
    issue::{Kind, State as IssueState},
    time::Timestamp,
};
use crate::store;
use crate::web::pages::{Page, Said, Site};

/// What an issue keeps of its text.
#[derive(Deserialize)]
struct Content {
    title: String,
    summary: String,
    link: Option<String>,
}

pub async fn page(State(cx): State<Context>, Path(issue): Path<String>, uri: Uri) -> Response {
    let found = match issue.parse::<Uuid>() {
        Ok(issue) => find(&cx, issue).await,
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some(page)) => page.respond(&Site::of(&cx.config), StatusCode::OK),
        Ok(None) => super::super::not_found(State(cx), uri).await,
        Err(error) => {
            tracing::error!(%error, "an alert's page could not be answered");
            super::message(&cx, StatusCode::SERVICE_UNAVAILABLE, OURS.0, OURS.1)
        }
    }
}

async fn find(cx: &Context, issue: Uuid) -> Result<Option<Page>, store::Error> {
    let mut tx = cx.db.read().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, issue).await? else { return Ok(None) };
    let undone = found.state == IssueState::Cancelled && found.audience == 0;
    let (public, has_page) = store::archive::standing(&mut tx, found.id).await?;
    let public = public && has_page;
    let shown = match found.kind {
        Kind::Alert | Kind::Broadcast | Kind::Correction => true,
        Kind::Digest => public,
        Kind::Notice => false,
    };
    if !shown || found.state == IssueState::Held || undone {
        return Ok(None);
    }
    // A correction that was corrected in its turn stands as little as the original.
    let of = store::corrections::original(&mut tx, found.id).await?.unwrap_or(found.id);
    let correction = store::corrections::public_of(&mut tx, of).await?;
    let correction = correction.filter(|(at, ..)| of == found.id || *at > found.created_at);
    let correction = correction.map(|(at, content, page)| said(&content, at, page));
    let withdrawn = found.state == IssueState::Cancelled;
    Ok(Some(Page::Issue {
        word: match found.kind {
            Kind::Digest => "digest",
            Kind::Broadcast => "newsletter",
            Kind::Alert | Kind::Correction | Kind::Notice => "alert",
        },
        withdrawn,
        stands: correction.is_none() && !withdrawn && !matches!(found.kind, Kind::Digest | Kind::Broadcast),
        is_correction: found.kind == Kind::Correction,
        correction,
        said: said(&found.content, found.created_at, store::archive::page(&mut tx, found.id).await?),
        public,
    }))
}

fn said(content: &str, at: Timestamp, page: Option<store::archive::Page>) -> Said {
    let content: Content = serde_json::from_str(content).unwrap_or_else(|_| Content {
        title: String::new(),
        summary: String::new(),
        link: None,
    });
    let (title, html) = page.map_or((content.title, None), |page| (page.title, Some(page.html)));
    Said {
        title,
        html,
        paragraphs: content
            .summary
            .split('\n')
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .map(ToOwned::to_owned)
            .collect(),
        link: content.link,
        at: at.to_jiff().strftime("%-d %B %Y, %H:%M UTC").to_string(),
        machine: at,
    }
}
