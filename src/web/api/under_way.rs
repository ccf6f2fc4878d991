//! `/api/v1/issues/{id}/…`: what can be done to an issue that is on its way: pausing, resuming, correcting.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::{
    Caller,
    answers::{self, Begun},
    draft_text,
    id::Id,
    invalid,
    issues::{find, show_issue, unknown},
    kinds,
    once::{self, Key},
    one_line,
    operation::{Key as Takes, Operation},
    sent::Sent,
    web_address,
};
use crate::context::Context;
use crate::domain::{
    draft::{LONGEST_BODY, LONGEST_LINK, LONGEST_SUBJECT},
    issue::State as IssueState,
};
use crate::publishing::{
    correcting::{self, Corrected, Correction, Earlier},
    pausing::{self, Paused, Resumed},
};
use crate::store;
use crate::web::problem::Problem;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/api/v1/issues/{id}/pause", "Nobody more gets it until it is resumed.")
            .gives::<answers::Issue>(200, "The issue.")
            .refuses("It is held or over."),
        Operation::post("/api/v1/issues/{id}/resume", "A paused issue goes on.")
            .gives::<answers::Issue>(200, "The issue.")
            .refuses("It isn't paused."),
        Operation::post(
            "/api/v1/issues/{id}/correct",
            "Stops what is left of it and mails those who got it, or may have, and have not left since, before all other alerts.",
        )
        .note("Of several at once one goes out; who means to correct it once more names the newest `correction`.")
        .takes::<Words>()
        .key(Takes::Needed)
        .gives::<Begun>(202, "The correction.")
        .conflicts(&[kinds::CORRECTED, kinds::SECOND_PERSON])
        .refuses("It is nothing that left, or it is no longer known who got it."),
    ]
}

/// 200 with the issue, which nobody more gets until it is resumed, also when it was paused before; 409 where it is held
/// or over.
pub async fn pause(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let public_id = id.parse::<Uuid>().map_err(|_| unknown())?;
    match pausing::pause(&cx, &caller.actor(), public_id).await? {
        Paused::Now | Paused::Already => shown(&cx, &id).await,
        Paused::NotUnderWay => {
            let detail = "It isn't on its way: what is held can be undone, and what is over can't be paused.";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Paused::Unknown => Err(unknown()),
    }
}

/// 200 with the issue, which goes on; 409 where it isn't paused.
pub async fn resume(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let public_id = id.parse::<Uuid>().map_err(|_| unknown())?;
    match pausing::resume(&cx, &caller.actor(), public_id).await? {
        Resumed::Now => shown(&cx, &id).await,
        Resumed::Already => Err(Problem::new(StatusCode::CONFLICT, "It isn't paused.")),
        Resumed::Unknown => Err(unknown()),
    }
}

async fn shown(cx: &Context, id: &str) -> Result<Response, Problem> {
    let mut tx = cx.db.read().await?;
    let issue = find(&mut tx, id).await?;
    Ok(Json(show_issue(&mut tx, &issue).await?).into_response())
}

/// What a correction says, as the desk's form has it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CorrectionText")]
pub struct Words {
    /// Without a mark; it gets one.
    #[schemars(length(min = 1, max = LONGEST_SUBJECT))]
    subject: String,
    /// What was wrong, and what is right.
    #[schemars(length(min = 1, max = LONGEST_BODY))]
    markdown: String,
    /// The button's link, http or https.
    #[schemars(length(max = LONGEST_LINK), extend("format" = "uri"))]
    url: Option<String>,
    /// The newest correction of it that you know of, where it was corrected before.
    correction: Option<Uuid>,
}

/// 202 with the correction, on its way to those who got the alert or may have, which nobody more gets. 409 where it is no
/// alert that left, and where two people are asked for.
pub async fn correct(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    Sent(words, raw): Sent<Words>,
) -> Result<Response, Problem> {
    let subject = one_line("/subject", &words.subject, LONGEST_SUBJECT)?;
    draft_text::lines("/markdown", Some(&words.markdown), LONGEST_BODY)?;
    let link = words.url.as_deref().map(|url| web_address("/url", url)).transpose()?;
    let mut tx = cx.db.read().await?;
    let original = find(&mut tx, &id).await?;
    drop(tx);
    let key = Key::required(&caller, &raw, &format!("correction of {id}\n"))?;
    if let Some(used) = key.earlier(&cx).await? {
        return accepted(&cx, used.issue_id).await;
    }
    let correction = Correction { subject, body: words.markdown, link, seen: words.correction };
    let once = Some(key.once());
    match correcting::correct(&cx, &caller.actor(), original.public_id, &correction, once).await? {
        Corrected::Now(_) | Corrected::Before => {
            let used = key.earlier(&cx).await?.ok_or_else(once::at_work)?;
            accepted(&cx, used.issue_id).await
        }
        Corrected::Already(earlier) => Err(corrected(&earlier)),
        Corrected::NotSeen => Err(invalid("/correction", "is no correction of this issue, which has none")),
        Corrected::Blank => Err(invalid("/markdown", "shows nothing; say what was wrong, and what is right")),
        Corrected::NotThis => {
            let detail = "Only an alert or a newsletter that left can be corrected, as long as it is known who got it.";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Corrected::SecondPerson => Err(second_person()),
        Corrected::Unknown => Err(unknown()),
    }
}

/// As it was at the call.
async fn accepted(cx: &Context, issue_id: Option<i64>) -> Result<Response, Problem> {
    let issue_id = issue_id.ok_or_else(once::at_work)?;
    let mut tx = cx.db.read().await?;
    let issue = store::issues::expected(&mut tx, issue_id).await?;
    let begun = Begun { id: issue.public_id, state: IssueState::Publishing };
    Ok((StatusCode::ACCEPTED, Json(begun)).into_response())
}

fn corrected(earlier: &Earlier) -> Problem {
    let detail = format!(
        "{earlier} Read that; where it is not enough, send this once more with a fresh Idempotency-Key and its id as `correction`."
    );
    kinds::CORRECTED
        .conflict(detail)
        .with_member("correction", earlier.public_id.to_string())
        .with_member("by", earlier.by.as_str())
        .with_member("at", json!(earlier.at))
}

fn second_person() -> Problem {
    let detail = "Two people are asked for here, and a token is none: a person corrects it in the newsroom. \
                  Cancel it meanwhile, and nobody more gets it.";
    kinds::SECOND_PERSON.conflict(detail)
}
