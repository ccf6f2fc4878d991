//! `POST /api/v1/alerts`: breaking news, at once. An `Idempotency-Key` makes a repeat harmless.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{Caller, invalid, json_body, one_line, web_address};
use crate::context::Context;
use crate::domain::{address::EmailAddress, issue::Level, time::Timestamp, token::sha256, topic::Slug};
use crate::mail::preview::preview;
use crate::publishing::{
    KEYS_KEPT,
    alerting::{self, AlertRequest, Body, Once, Published},
};
use crate::store;
use crate::web::{json, problem::Problem};

/// In characters.
const LONGEST_SUBJECT: usize = 250;
const LONGEST_KEY: usize = 255;
const KEY: &str = "Idempotency-Key";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    subject: Option<String>,
    html: Option<String>,
    markdown: Option<String>,
    post_id: Option<Uuid>,
    url: Option<String>,
    #[serde(default)]
    topics: Vec<Slug>,
    level: Option<Level>,
    expires_at: Option<Timestamp>,
    #[serde(default)]
    dry_run: bool,
    /// For a test only: which of `[sender] test_addresses`.
    to: Option<EmailAddress>,
}

/// 202 with `{id, state, audience}`; with `dry_run` 200 with the audience and the mail.
pub async fn send(State(cx): State<Context>, caller: Caller, request: Request) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let body = json_body(request).await?;
    let input: Input = json::read(&body)?;
    if input.to.is_some() {
        return Err(invalid(
            "/to",
            "is for POST /api/v1/alerts/test; an alert goes to the readers of its topics",
        ));
    }
    let dry_run = input.dry_run;
    let alert = alert(&cx, input)?;
    if dry_run {
        let made = alerting::preview(&cx, &alert).await?;
        let mail = preview(&made.draft, "reader@example.org", cx.clock.now());
        return Ok(Json(json!({ "audience": made.audience, "mail": mail })).into_response());
    }
    caller.may_release()?;
    alerting::check(&cx, &alert).await?;
    let (key, body_hash) = (idempotency_key(&headers)?, sha256(&body));
    let once = || Once { token_id: caller.token.id, key: &key, body_hash: &body_hash };
    if let Some(published) = earlier(&cx, once()).await? {
        return Ok(accepted(published));
    }
    match alerting::publish(&cx, &alert, &caller.actor(), Some(once())).await? {
        Some(published) => Ok(accepted(published)),
        // Another call with the key came first, while this one was at work.
        None => match earlier(&cx, once()).await? {
            Some(published) => Ok(accepted(published)),
            None => Err(Problem::new(
                StatusCode::CONFLICT,
                "A call with this Idempotency-Key is being worked on; ask again in a moment.",
            )),
        },
    }
}

/// 202 with the id of the notice that carries the alert to one of the test addresses.
pub async fn test(State(cx): State<Context>, request: Request) -> Result<Response, Problem> {
    let mut input: Input = json::read(&json_body(request).await?)?;
    let allowed = &cx.config.sender.test_addresses;
    let to = match (input.to.take(), allowed.as_slice()) {
        (_, []) => {
            return Err(invalid("/to", "no test address is configured; add some to [sender] test_addresses"));
        }
        (None, [only]) => only.clone(),
        (None, _) => return Err(invalid("/to", "say which of [sender] test_addresses the test goes to")),
        (Some(to), _) => {
            allowed.iter().find(|address| address.key() == to.key()).cloned().ok_or_else(|| {
                invalid("/to", "is none of [sender] test_addresses; a test goes to nobody else")
            })?
        }
    };
    let alert = alert(&cx, input)?;
    let id = alerting::send_test(&cx, &alert, to.as_str()).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "id": id }))).into_response())
}

fn alert(cx: &Context, input: Input) -> Result<AlertRequest, Problem> {
    let given = [input.html.is_some(), input.markdown.is_some(), input.post_id.is_some()];
    let body = match (input.html, input.markdown, input.post_id) {
        (Some(html), None, None) => Body::Html(html),
        (None, Some(markdown), None) => Body::Markdown(markdown),
        (None, None, Some(id)) => Body::Post(id),
        _ if given.contains(&true) => {
            return Err(invalid("/html", "give only one of html, markdown and post_id"));
        }
        _ => return Err(invalid("/html", "give one of html, markdown and post_id")),
    };
    let subject = match (&input.subject, &body) {
        (None, Body::Post(_)) => None,
        (subject, _) => Some(one_line("/subject", subject.as_deref().unwrap_or(""), LONGEST_SUBJECT)?),
    };
    if input.topics.is_empty() {
        return Err(invalid("/topics", "name at least one topic"));
    }
    if input.expires_at.is_some_and(|expiry| expiry <= cx.clock.now()) {
        return Err(invalid("/expires_at", "must be in the future"));
    }
    Ok(AlertRequest {
        preheader: None,
        about: None,
        subject,
        body,
        link: input.url.as_deref().map(|url| web_address("/url", url)).transpose()?,
        topics: input.topics,
        level: input.level.unwrap_or(Level::All),
        expires_at: input.expires_at,
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let bad = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail).at_field(KEY, detail);
    let Some(value) = headers.get(KEY) else {
        return Err(bad(
            "Send an Idempotency-Key header, a fresh UUID for each alert: a repeat with it sends nothing twice.",
        ));
    };
    let key = value.to_str().unwrap_or("").trim();
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(bad("The Idempotency-Key must be 1 to 255 printable ASCII characters."));
    }
    Ok(key.to_owned())
}

/// What the key published before, with the same body.
async fn earlier(cx: &Context, once: Once<'_>) -> Result<Option<Published>, Problem> {
    let since = cx.clock.now().minus(KEYS_KEPT);
    let mut tx = cx.db.read().await?;
    let Some(used) = store::tokens::used_key(&mut tx, once.token_id, once.key, since).await? else {
        return Ok(None);
    };
    drop(tx);
    if used.body_hash != once.body_hash {
        let detail = "This Idempotency-Key came with another body before; use a fresh one for another alert.";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).at_field(KEY, detail));
    }
    Ok(Some(alerting::published(cx, used.issue_id).await?))
}

fn accepted(published: Published) -> Response {
    let body = json!({ "id": published.id, "state": Published::STATE, "audience": published.audience });
    (StatusCode::ACCEPTED, Json(body)).into_response()
}
