//! `/admin/live/{issue}`: a released alert, held and then on its way, with the button that undoes or stops it. The page
//! is told of every change by server-sent events, and asks where these don't come through.

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Form, Json};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, At, Refusal, done,
    figures::{self, number},
    frame::Frame,
    gate::Visit,
    go, missing, newsletter, race, when,
};
use crate::context::Context;
use crate::domain::{
    draft::State as DraftState,
    issue::{Kind, State as IssueState},
    role::Right,
    spread::{Place, Spread},
    time::{Timestamp, span},
};
use crate::newsroom::Me;
use crate::publishing::{
    self, Cancelled,
    correcting::{self, Corrected, Correction},
    desk::{self, Written},
    live::{Live, curve, live},
    pausing::{self, Paused, Resumed},
    races::{self, Race},
    releasing::{self, Undone},
};
use crate::web;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// The retired outcome whose words a correction begins with.
    words: String,
    /// Anything: the form of a correction stands open.
    correct: String,
}

/// `GET /admin/live/{issue}`
pub async fn page(
    State(cx): State<Context>,
    frame: Frame,
    At(issue): At<Uuid>,
    Query(asked): Query<Asked>,
) -> Answer {
    let progress = find(&cx, issue).await?;
    let later = newsletter::waits_until(&cx, &progress).await?;
    let releases = frame.me().is_some_and(|me| me.user.role.may(Right::Release));
    let share = |part: i64| if progress.audience > 0 { part * 100 / progress.audience } else { 0 };
    let held_for = progress.held_until.map(|until| until.since(progress.now).as_secs() + 1);
    let under_way = releases && !progress.is_over() && progress.state != IssueState::Cancelled;
    let may_correct = releases && matches!(progress.kind, Kind::Alert | Kind::Broadcast);
    let race = race_of(&cx, progress.issue).await?;
    let siblings: Vec<_> = race.iter().flat_map(retired).filter(|_| may_correct).collect();
    let draft = if progress.undone { releasing::draft_of(&cx, progress.issue).await? } else { None };
    let words = siblings.iter().find(|it| it.draft.public_id.to_string() == asked.words);
    let content = json!({
        "siblings": siblings.iter().map(|it| json!({ "id": it.draft.public_id, "outcome": it.text.outcome })).collect::<Vec<_>>(),
        "words": words.map(|it| &it.text),
        "correcting": words.is_some() || !asked.correct.is_empty(),
        "race": race.as_ref().map(|it| json!({ "id": it.row.public_id, "name": it.row.name })),
        "progress": progress,
        "n": { "accepted": number(progress.accepted), "waiting": number(progress.waiting), "bounced": number(progress.bounced), "called_off": number(progress.called_off), "uncertain": number(progress.uncertain), "audience": number(progress.audience) },
        "draft": draft,
        "since": when(progress.since),
        "share": share(progress.accepted),
        "reached": reached(&progress),
        "spread": places(&progress.spread),
        "points": json!(curve(&cx, &progress).await?).to_string(),
        "held_for": held_for,
        "later": later,
        "is_held": progress.state == IssueState::Held,
        "is_over": progress.is_over(),
        "is_stopped": progress.state == IssueState::Cancelled,
        "may_correct": may_correct,
        "word": if progress.kind == Kind::Broadcast { "newsletter" } else { "alert" },
        "may_stop": under_way,
        "is_paused": progress.paused_at.is_some(),
        "paused_at": progress.paused_at.map(when),
    });
    frame.ok("live.html", &content)
}

/// After how long the first and the last so far had it.
fn reached(progress: &Live) -> Option<String> {
    let after = |at: Timestamp| span(at.since(progress.since));
    let first = after(progress.spread.first_accepted_at?);
    let last = after(progress.spread.last_accepted_at?);
    let so_far = if progress.waiting > 0 { " so far" } else { "" };
    Some(format!("The first had it after {first}, the last{so_far} after {last}."))
}

fn places(spread: &Spread) -> Value {
    let rows = |places: &[Place], slowest: &Option<String>| -> Vec<Value> {
        let row = |at: &Place| {
            let mut row = figures::place(at);
            row["slowest"] = (slowest.as_ref() == Some(&at.name)).into();
            row
        };
        places.iter().map(row).collect()
    };
    json!([
        { "title": "By relay", "word": "relays", "rows": rows(&spread.relays, &spread.slowest_relay) },
        { "title": "By mail domain", "word": "domains", "rows": rows(&spread.domains, &spread.slowest_domain) },
    ])
}

/// `GET /admin/live/{issue}/state`
pub async fn state(State(cx): State<Context>, At(issue): At<Uuid>) -> Answer {
    Ok(Json(find(&cx, issue).await?).into_response())
}

/// `GET /admin/live/{issue}/events`: the state, twice a second, until nothing changes any more.
pub async fn events(State(cx): State<Context>, visit: Visit, At(issue): At<Uuid>) -> Answer {
    let progress = find(&cx, issue).await?;
    Ok(web::live::progress(cx, visit, progress))
}

/// `POST /admin/live/{issue}/undo`
pub async fn undo(State(cx): State<Context>, me: Me, At(issue): At<Uuid>) -> Answer {
    let progress = find(&cx, issue).await?;
    match releasing::undo(&cx, &me.actor(), progress.issue).await? {
        Undone::Yes => match (race_of(&cx, issue).await?, releasing::draft_of(&cx, issue).await?) {
            (Some(race), _) => done(&race::path(race.row.public_id), "undone"),
            (None, Some(draft)) => done(&format!("/admin/desk/{draft}"), "undone"),
            (None, None) => go("/admin/desk"),
        },
        Undone::TooLate => done(&format!("/admin/live/{issue}"), "too-late"),
        Undone::Unknown => Err(missing()),
    }
}

/// `POST /admin/live/{issue}/pause`
pub async fn pause(State(cx): State<Context>, me: Me, At(issue): At<Uuid>) -> Answer {
    let progress = find(&cx, issue).await?;
    match pausing::pause(&cx, &me.actor(), progress.issue).await? {
        Paused::Now | Paused::Already => done(&format!("/admin/live/{issue}"), "paused"),
        Paused::NotUnderWay => done(&format!("/admin/live/{issue}"), "not-under-way"),
        Paused::Unknown => Err(missing()),
    }
}

/// `POST /admin/live/{issue}/resume`
pub async fn resume(State(cx): State<Context>, me: Me, At(issue): At<Uuid>) -> Answer {
    let progress = find(&cx, issue).await?;
    match pausing::resume(&cx, &me.actor(), progress.issue).await? {
        Resumed::Now => done(&format!("/admin/live/{issue}"), "resumed"),
        Resumed::Already => done(&format!("/admin/live/{issue}"), "not-under-way"),
        Resumed::Unknown => Err(missing()),
    }
}

/// `POST /admin/live/{issue}/stop`
pub async fn stop(State(cx): State<Context>, me: Me, At(issue): At<Uuid>) -> Answer {
    let progress = find(&cx, issue).await?;
    match releasing::stop(&cx, &me.actor(), progress.issue).await? {
        Cancelled::Now { .. } | Cancelled::Already => done(&format!("/admin/live/{issue}"), "stopped"),
        Cancelled::TooLate => done(&format!("/admin/live/{issue}"), "all-gone"),
        Cancelled::Unknown => Err(missing()),
    }
}

/// What a correction's form says.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Words {
    subject: String,
    body: String,
    link: String,
    /// The newest correction that the page knew of.
    seen: String,
}

/// `POST /admin/live/{issue}/correct`
pub async fn correct(
    State(cx): State<Context>,
    me: Me,
    At(issue): At<Uuid>,
    Form(words): Form<Words>,
) -> Answer {
    let progress = find(&cx, issue).await?;
    let link = words.link.trim();
    let correction = Correction {
        subject: words.subject,
        body: words.body,
        link: (!link.is_empty()).then(|| link.to_owned()),
        // What can't be read is no correction, and that is told.
        seen: (!words.seen.is_empty()).then(|| words.seen.parse().unwrap_or_default()),
    };
    match correcting::correct(&cx, &me.actor(), progress.issue, &correction, None).await {
        Ok(Corrected::Now(correction)) => done(&format!("/admin/live/{correction}"), "corrected"),
        Ok(Corrected::Already(earlier)) => {
            let text = format!(
                "{earlier} Read that; where it is not enough, go back, reload the page, and correct it once more. Nothing was changed."
            );
            let refusal = Refusal::new(StatusCode::CONFLICT, "It was corrected a moment ago", text);
            Err(refusal.leading(format!("/admin/live/{}", earlier.public_id), "See that correction"))
        }
        Ok(Corrected::Blank) => {
            let text = "A correction has a subject and a text. Go back; what you wrote is still there. Nothing was changed.";
            Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Write what is right", text))
        }
        Ok(Corrected::NotThis) => {
            let text = "Only an alert or a newsletter that left can be corrected, as long as it is known who got it. Nothing was changed.";
            Err(Refusal::new(StatusCode::CONFLICT, "This can’t be corrected", text))
        }
        // A person may correct alone, and has no key.
        Ok(Corrected::Unknown | Corrected::NotSeen | Corrected::Before | Corrected::SecondPerson) => {
            Err(missing())
        }
        Err(publishing::Error::Phrase(phrase)) => {
            let text = format!(
                "“{phrase}” stands in it, which must not go out. Go back; what you wrote is still there. Nothing was changed."
            );
            Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "It must not go out like that", text))
        }
        Err(error) => Err(error.into()),
    }
}

/// The race that an issue calls, or called before it was undone.
async fn race_of(cx: &Context, issue: Uuid) -> Result<Option<Race>, publishing::Error> {
    let Some(draft) = releasing::draft_of(cx, issue).await? else { return Ok(None) };
    let Some(written) = desk::find(cx, draft).await? else { return Ok(None) };
    races::of(cx, &written).await
}

/// The other outcomes of a race that is called: what is right may be written there.
fn retired(race: &Race) -> impl Iterator<Item = &Written> {
    race.outcomes.iter().filter(|it| it.draft.state == DraftState::Open && race.is_retired(it))
}

async fn find(cx: &Context, issue: Uuid) -> Result<Live, Refusal> {
    live(cx, issue).await?.ok_or_else(missing)
}
