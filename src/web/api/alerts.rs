//! `POST /api/v1/alerts`: breaking news, at once. An `Idempotency-Key` makes a repeat harmless.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Caller,
    answers::{Accepted, DryRun, Named},
    invalid,
    once::{self, Key},
    one_line,
    operation::{Key as Takes, Operation},
    sent::Sent,
    web_address,
};
use crate::context::Context;
use crate::domain::{
    address::EmailAddress,
    draft::{LONGEST_LINK, LONGEST_SUBJECT},
    issue::Level,
    time::Timestamp,
    topic::Slug,
};
use crate::mail::preview::preview;
use crate::once::Once;
use crate::publishing::{
    self,
    alerting::{self, AlertRequest, Body, Published},
    desk, releasing,
};
use crate::store::{self, tokens::Used};
use crate::web::problem::Problem;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Alert")]
pub struct Input {
    /// One line; with `post_id` it may be absent: the post's title.
    #[schemars(length(min = 1, max = LONGEST_SUBJECT))]
    subject: Option<String>,
    /// Scripts, styles and forms are taken out; a text that shows nothing then is refused.
    html: Option<String>,
    markdown: Option<String>,
    /// The post whose words it has.
    post_id: Option<Uuid>,
    /// The button's link, http or https.
    #[schemars(length(max = LONGEST_LINK), extend("format" = "uri"))]
    url: Option<String>,
    /// Slugs.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    topics: Vec<Slug>,
    /// Absent: `all`. All go to readers of the topics with alerts on; only `critical` to every confirmed reader of the topics.
    /// Critical goes out before major before all.
    level: Option<Level>,
    /// After it nobody is mailed; who has not got it finds it in the next digest.
    expires_at: Option<Timestamp>,
    /// Whether it stands in the public archive; absent for where all of its topics do.
    public: Option<bool>,
    /// Sends nothing: the answer is the mail, and how many would get it.
    #[serde(default)]
    dry_run: bool,
    /// For a test only: which of `[sender] test_addresses`.
    to: Option<EmailAddress>,
}

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/api/v1/alerts", "Sends breaking news at once: whoever calls this has decided.")
            .note("All but a dry run needs an Idempotency-Key and a role that may release. Give one of `html`, `markdown` and `post_id`.")
            .takes::<Input>()
            .key(Takes::Taken)
            .gives::<Accepted>(202, "It goes out; or it is a draft that somebody has to release, where two people are asked for.")
            .gives::<DryRun>(200, "What a dry run would send, and to how many."),
        Operation::post("/api/v1/alerts/test", "Mails an alert as it would be to one of the test addresses.")
            .takes::<Input>()
            .key(Takes::Taken)
            .gives::<Named>(202, "It is on its way: the id of the notice that carries it."),
    ]
}

/// 202 with `{id, state, audience}`, or with `{id, state, url}` of a draft where two people are asked for; with `dry_run` 200 with the audience and the mail.
pub async fn send(
    State(cx): State<Context>,
    caller: Caller,
    Sent(input, raw): Sent<Input>,
) -> Result<Response, Problem> {
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
        return Ok(Json(DryRun { audience: made.audience, mail: mail.into() }).into_response());
    }
    caller.may_release()?;
    alerting::check(&cx, &alert).await?;
    let key = Key::required(&caller, &raw, "")?;
    if let Some(used) = key.earlier(&cx).await? {
        return answer(&cx, &used).await;
    }
    let (actor, once) = (caller.actor(), Some(key.once()));
    let of = (alert.kind, alert.level);
    if releasing::asks_another(&cx, &actor, of, &[actor.to_string()]) {
        if let Some(draft) = desk::create_for_release(&cx, &actor, &alert, once).await? {
            return Ok(waiting(&cx, draft));
        }
    } else if let Some(published) = alerting::publish(&cx, &alert, &actor, once).await? {
        return Ok(accepted(published));
    }
    // Another call with the key came first, while this one was at work.
    match key.earlier(&cx).await? {
        Some(used) => answer(&cx, &used).await,
        None => Err(once::at_work()),
    }
}

/// 202 with the id of the notice that carries the alert to one of the test addresses.
pub async fn test(
    State(cx): State<Context>,
    caller: Caller,
    Sent(mut input, raw): Sent<Input>,
) -> Result<Response, Problem> {
    let to = test_address(&cx, input.to.take())?;
    let alert = alert(&cx, input)?;
    let key = Key::given(&caller, &raw, "test\n")?;
    tested(&cx, key, async |once| alerting::send_test(&cx, &alert, &to, once).await).await
}

/// Which of `[sender] test_addresses` a test goes to.
pub fn test_address(cx: &Context, to: Option<EmailAddress>) -> Result<String, Problem> {
    let found = match (to, cx.config.sender.test_addresses.as_slice()) {
        (_, []) => {
            return Err(invalid("/to", "no test address is configured; add some to [sender] test_addresses"));
        }
        (None, [only]) => only,
        (None, _) => return Err(invalid("/to", "say which of [sender] test_addresses the test goes to")),
        (Some(to), allowed) => allowed.iter().find(|address| address.key() == to.key()).ok_or_else(|| {
            invalid("/to", "is none of [sender] test_addresses; a test goes to nobody else")
        })?,
    };
    Ok(found.as_str().to_owned())
}

/// Sends a test, once where the call has a key: 202 with the notice's id.
pub async fn tested(
    cx: &Context,
    key: Option<Key>,
    send: impl AsyncFnOnce(Option<Once<'_>>) -> Result<Option<Uuid>, publishing::Error>,
) -> Result<Response, Problem> {
    let answer = |id: Uuid| (StatusCode::ACCEPTED, Json(Named { id })).into_response();
    let Some(key) = key else { return send(None).await?.map(answer).ok_or_else(once::at_work) };
    if key.earlier(cx).await?.is_none()
        && let Some(id) = send(Some(key.once())).await?
    {
        return Ok(answer(id));
    }
    let issue_id = key.earlier(cx).await?.and_then(|used| used.issue_id).ok_or_else(once::at_work)?;
    let mut tx = cx.db.read().await?;
    Ok(answer(store::drafts::release_of(&mut tx, issue_id).await?.issue))
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
        kind: crate::domain::draft::Kind::Alert,
        preheader: None,
        about: None,
        subject,
        body,
        link: input.url.as_deref().map(|url| web_address("/url", url)).transpose()?,
        topics: input.topics,
        level: input.level.unwrap_or(Level::All),
        expires_at: input.expires_at,
        public: input.public,
    })
}

/// What the first call with the key was answered.
async fn answer(cx: &Context, used: &Used) -> Result<Response, Problem> {
    match used {
        Used { issue_id: Some(issue_id), .. } => Ok(accepted(alerting::published(cx, *issue_id).await?)),
        Used { draft_id: Some(draft_id), .. } => {
            let mut tx = cx.db.read().await?;
            let draft = store::drafts::public_id(&mut tx, *draft_id).await?;
            drop(tx);
            Ok(waiting(cx, draft))
        }
        Used { .. } => Err(once::at_work()),
    }
}

/// For somebody to release it.
fn waiting(cx: &Context, draft: Uuid) -> Response {
    let origin = cx.config.server.public_url.as_str().trim_end_matches('/');
    let url = format!("{origin}/admin/desk/{draft}");
    (StatusCode::ACCEPTED, Json(Accepted::Waiting { id: draft, state: "draft", url })).into_response()
}

fn accepted(published: Published) -> Response {
    let Published { id, audience } = published;
    (StatusCode::ACCEPTED, Json(Accepted::Published { id, state: Published::STATE, audience }))
        .into_response()
}
