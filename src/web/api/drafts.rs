//! `/api/v1/drafts`: alerts and newsletters that are written, looked at and released by their number, as at the desk.

use axum::Json;
use axum::extract::{Query, State, rejection::QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    Caller,
    alerts::{test_address, tested},
    answers::{self, Draft, Held, Looked, Warned},
    caller::role_lacks,
    draft_text::{self, Begin, Edit},
    id::Id,
    invalid, kinds,
    listing::{Asked, asked, page},
    once::{self, Key},
    operation::{Key as Takes, Operation},
    races,
    sent::Sent,
};
use crate::context::Context;
use crate::domain::{
    address::EmailAddress,
    draft::{Kind, State as DraftState, Text},
    issue::State as IssueState,
    role::Right,
    time::Timestamp,
    warning::Warning,
};
use crate::publishing::{
    desk::{self, Begin as DraftBegin, Changed, Written},
    races as prepared,
    releasing::{self, Release},
};
use crate::store::{self, drafts::Released};
use crate::web::problem::Problem;

/// What these calls take and answer.
pub fn operations() -> Vec<Operation> {
    let one = |path, does| Operation::post(path, does).gives::<Looked>(200, "The draft.");
    vec![
        Operation::get("/api/v1/drafts", "The drafts, the newest first.")
            .asks::<Asked>()
            .states(DraftState::WORDS)
            .gives::<answers::Drafts>(200, "A page of them, without what is counted for one."),
        Operation::post("/api/v1/drafts", "Begins a draft, from nothing or with a post's words.")
            .takes::<Begin>()
            .key(Takes::Taken)
            .gives::<Looked>(201, "The draft."),
        Operation::get("/api/v1/drafts/{id}", "A draft with whom it reaches and what stands in its way.")
            .gives::<Looked>(200, "The draft."),
        Operation::patch("/api/v1/drafts/{id}", "Changes parts of a draft; what is absent stays as it is.")
            .note("What others changed meanwhile in other fields stays.")
            .takes::<Edit>()
            .gives::<Looked>(200, "The draft.")
            .conflicts(&[kinds::CLASH, kinds::CLOSED]),
        Operation::delete("/api/v1/drafts/{id}", "Throws a draft away; it can be taken back.")
            .note("For who wrote in it, or may release it.")
            .gives::<Looked>(200, "The draft.")
            .conflicts(&[kinds::CLOSED]),
        one("/api/v1/drafts/{id}/restore", "Takes a draft back that was thrown away.").conflicts(&[kinds::CLOSED]),
        Operation::post("/api/v1/drafts/{id}/test", "Mails a draft as it would be to one of the test addresses.")
            .takes::<Test>()
            .key(Takes::Taken)
            .gives::<answers::Named>(202, "It is on its way: the id of the notice that carries it."),
        one("/api/v1/drafts/{id}/ask", "Asks for the release, for who may not release.")
            .conflicts(&[kinds::CHANGED, kinds::CLOSED]),
        Operation::post("/api/v1/drafts/{id}/release", "Releases a draft to as many readers as the call says.")
            .note("It is held first: until `held_until` nobody gets it, and `POST /api/v1/issues/{id}/undo` takes it back.")
            .takes::<Number>()
            .key(Takes::Needed)
            .gives::<Held>(202, "The issue, held.")
            .conflicts(&[kinds::AUDIENCE_MOVED, kinds::BLOCKED, kinds::CHANGED, kinds::SECOND_PERSON, kinds::CLOSED]),
    ]
}

/// 201 with a new draft, from nothing or from a post.
pub async fn create(
    State(cx): State<Context>,
    caller: Caller,
    Sent(input, raw): Sent<Begin>,
) -> Result<Response, Problem> {
    let kind = input.kind.unwrap_or(Kind::Alert);
    input.check(kind)?;
    if kind == Kind::Broadcast && input.post_id.is_some() {
        return Err(invalid("/post_id", "is for an alert"));
    }
    if kind == Kind::Broadcast && input.race.is_some() {
        return Err(invalid("/race", "is for an alert"));
    }
    input.check_race()?;
    let key = Key::given(&caller, &raw, "draft\n")?;
    let mut id = None;
    if !is_used(&cx, key.as_ref()).await? {
        let once = key.as_ref().map(Key::once);
        let begin = DraftBegin { post: input.post_id, race: input.race };
        let fill = |text: &mut Text| {
            text.kind = kind;
            input.fill(text);
        };
        id = desk::create_with(&cx, &caller.actor(), begin, fill, once).await?;
    }
    let id = match (id, &key) {
        (Some(id), _) => id,
        (None, None) => return Err(once::at_work()),
        (None, Some(key)) => {
            let came = key.earlier(&cx).await?.and_then(|used| used.draft_id).ok_or_else(once::at_work)?;
            let mut tx = cx.db.read().await?;
            store::drafts::public_id(&mut tx, came).await?
        }
    };
    let written = desk::find(&cx, id).await?.ok_or_else(unknown)?;
    Ok((StatusCode::CREATED, Json(looked_at(&cx, &written).await?)).into_response())
}

/// A page of drafts, the newest first.
pub async fn list(
    State(cx): State<Context>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let asked: Asked = asked(query)?;
    let (state, before, limit) = (asked.state()?, asked.cursor()?.unwrap_or(i64::MAX), asked.limit()?);
    let found = desk::page(&cx, state, before, limit + 1).await?;
    let (found, next_cursor) = page(found, limit, |written| written.draft.id);
    Ok(Json(answers::Drafts { drafts: found.iter().map(Into::into).collect(), next_cursor }).into_response())
}

/// A draft with whom it reaches and what stands in its way.
pub async fn show(State(cx): State<Context>, Id(id): Id) -> Result<Response, Problem> {
    Ok(Json(looked_at(&cx, &find(&cx, &id).await?).await?).into_response())
}

/// 200 with the draft; 409 with what stands there where somebody else changed the same part since that version.
pub async fn edit(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    Sent(input, _): Sent<Edit>,
) -> Result<Response, Problem> {
    let Written { draft, text } = find(&cx, &id).await?;
    input.check(text.kind)?;
    input.check_race(draft.race_id.is_some())?;
    let id = draft.public_id;
    let changed = desk::change(&cx, &caller.actor(), id, input.version, |text| input.fill(text)).await?;
    match changed.ok_or_else(unknown)? {
        Changed::Saved(written) => Ok(Json(looked_at(&cx, &written).await?).into_response()),
        Changed::Clash(written, parts) => Err(clash(&written, &parts)),
        Changed::Closed => Err(closed()),
    }
}

/// Throws an open draft away: 200 with it, also when it was before.
pub async fn discard(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let written = find(&cx, &id).await?;
    if !desk::may_throw_away(&caller.actor(), caller.token.role, &written) {
        let detail = "Only who wrote in it, or may release it, throws a draft away.";
        return Err(role_lacks(Right::Release, detail));
    }
    put_away(&cx, &caller, &id, DraftState::ThrownAway).await
}

/// Takes a draft back that was thrown away: 200 with it.
pub async fn restore(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    put_away(&cx, &caller, &id, DraftState::Open).await
}

async fn put_away(cx: &Context, caller: &Caller, id: &str, to: DraftState) -> Result<Response, Problem> {
    let written = find(cx, id).await?;
    desk::put_away(cx, &caller.actor(), &written.draft, to == DraftState::Open).await?;
    let written = find(cx, id).await?;
    if written.draft.state != to {
        return Err(closed());
    }
    Ok(Json(looked_at(cx, &written).await?).into_response())
}

/// For whoever may write and not release: 200 with the draft, which waits for it.
pub async fn ask(State(cx): State<Context>, caller: Caller, Id(id): Id) -> Result<Response, Problem> {
    let written = find(&cx, &id).await?;
    if written.draft.state != DraftState::Open {
        return Err(closed());
    }
    if !desk::ask(&cx, &caller.actor(), &written).await? {
        return Err(changed(&find(&cx, &id).await?));
    }
    Ok(Json(looked_at(&cx, &find(&cx, &id).await?).await?).into_response())
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DraftTest")]
pub struct Test {
    /// One of `[sender] test_addresses`; may be absent where there is one.
    to: Option<EmailAddress>,
}

/// 202 with the id of the notice that carries the draft to one of the test addresses.
pub async fn test(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    Sent(input, raw): Sent<Test>,
) -> Result<Response, Problem> {
    let to = test_address(&cx, input.to)?;
    let written = find(&cx, &id).await?;
    let key = Key::given(&caller, &raw, &format!("test of {id}\n"))?;
    tested(&cx, key, async |once| desk::test(&cx, &written, &to, once).await).await
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Release")]
pub struct Number {
    /// As it was read.
    audience: i64,
    /// The version that was looked at; absent for the one that stands there.
    version: Option<i64>,
}

/// 202 with the issue, held: until then it can be undone. 409 where something stands in its way.
pub async fn release(
    State(cx): State<Context>,
    caller: Caller,
    Id(id): Id,
    Sent(input, raw): Sent<Number>,
) -> Result<Response, Problem> {
    let written = find(&cx, &id).await?;
    let key = Key::required(&caller, &raw, &format!("release of {id}\n"))?;
    if let Some(used) = key.earlier(&cx).await? {
        return held(&cx, used.issue_id).await;
    }
    let (draft, actor) = (&written.draft, caller.actor());
    let version = input.version.unwrap_or(draft.version);
    let once = Some(key.once());
    let released = releasing::release(&cx, &actor, draft.public_id, version, input.audience, once).await?;
    if let Some(Release::Held { issue, audience, until }) = released {
        let released = Released { issue, audience: Some(audience), held_until: Some(until) };
        return Ok(accepted(&released));
    }
    if let Some(used) = key.earlier(&cx).await? {
        // Another call with the key came first, while this one was at work.
        return held(&cx, used.issue_id).await;
    }
    let written = find(&cx, &id).await?;
    Err(match released {
        Some(Release::Moved(now)) => moved(now, input.audience),
        Some(Release::Blocked(warnings)) => blocked(&warnings, cx.clock.now()),
        Some(Release::Changed) => changed(&written),
        Some(Release::Barred(bar)) => races::barred(&bar),
        Some(Release::SecondPerson) => second_person(&written),
        Some(Release::Closed | Release::Held { .. }) | None => closed(),
    })
}

async fn held(cx: &Context, issue_id: Option<i64>) -> Result<Response, Problem> {
    let issue_id = issue_id.ok_or_else(once::at_work)?;
    let mut tx = cx.db.read().await?;
    Ok(accepted(&store::drafts::release_of(&mut tx, issue_id).await?))
}

/// As it was at the call.
fn accepted(released: &Released) -> Response {
    let answer = Held {
        id: released.issue,
        state: IssueState::Held,
        audience: released.audience,
        held_until: released.held_until,
    };
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}

async fn is_used(cx: &Context, key: Option<&Key>) -> Result<bool, Problem> {
    match key {
        Some(key) => Ok(key.earlier(cx).await?.is_some()),
        None => Ok(false),
    }
}

pub(super) async fn find(cx: &Context, id: &str) -> Result<Written, Problem> {
    let id = id.parse().map_err(|_| unknown())?;
    desk::find(cx, id).await?.ok_or_else(unknown)
}

async fn looked_at(cx: &Context, written: &Written) -> Result<Looked, Problem> {
    let look = desk::look(cx, written, "reader@example.org").await?;
    let race = prepared::of(cx, written).await?;
    let bar = race.as_ref().and_then(|race| prepared::bar(race, written));
    Ok(Looked {
        draft: written.into(),
        race: race.map(|race| race.row.public_id),
        barred: bar.map(|bar| bar.as_sentence()),
        audience: look.audience,
        warnings: Warned::all(&look.warnings, cx.clock.now()),
        takes: look.takes.map(|takes| takes.as_secs()),
        bytes: look.mail.map(|mail| mail.bytes),
    })
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "There is no draft with this id.")
}

fn closed() -> Problem {
    let detail = "It is released or thrown away, so nothing of it can be changed; a new draft can be begun.";
    kinds::CLOSED.conflict(detail)
}

fn changed(written: &Written) -> Problem {
    let detail = "Somebody wrote in it since that version. Read it once more, and release what stands there.";
    kinds::CHANGED.conflict(detail).with_member("version", written.draft.version)
}

/// With the parts as they stand there.
fn clash(written: &Written, parts: &[&'static str]) -> Problem {
    let names: Vec<_> = parts.iter().map(|part| draft_text::field(part)).collect();
    let what = names.join(", ");
    let detail = format!(
        "Somebody else changed {what} since that version, so nothing was saved. See what stands there, and send it \
         with the version that is there now."
    );
    let mut problem = kinds::CLASH
        .conflict(detail)
        .with_member("version", written.draft.version)
        .with_member("current", json!(Draft::from(written)));
    for name in names {
        problem = problem.at_pointer(format!("/{name}"), "was changed by somebody else");
    }
    problem
}

fn moved(now: i64, typed: i64) -> Problem {
    let detail = format!(
        "It goes to {now} readers now, and the call says {typed}. Look at it, and send {now}, with a fresh Idempotency-Key."
    );
    kinds::AUDIENCE_MOVED
        .conflict(detail)
        .at_pointer("/audience", format!("is {now} now"))
        .with_member("audience", now)
}

fn blocked(blocking: &[Warning], now: Timestamp) -> Problem {
    let detail = blocking.iter().map(|warning| warning.as_sentence(now)).collect::<Vec<_>>().join(" ");
    kinds::BLOCKED.conflict(detail).with_member("warnings", json!(Warned::all(blocking, now)))
}

fn second_person(written: &Written) -> Problem {
    let what = match written.text.kind {
        Kind::Alert => format!("A {} alert", written.text.level),
        Kind::Broadcast => "A newsletter".to_owned(),
    };
    let detail = format!(
        "{what} is released by a person who wrote none of it, in the newsroom; a token is none. Ask for its release."
    );
    kinds::SECOND_PERSON.conflict(detail)
}
