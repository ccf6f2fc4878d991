//! `/admin/races/{id}`: the alerts that are prepared for the outcomes of a race, of which one is released. From the desk it
//! is one click to the race, a number, and one click to the release. The page follows by itself what others do.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use uuid::Uuid;

use super::races::{Fields, Refused, tag, topics};
use super::{
    Answer, At, Refusal,
    desk::warned,
    done,
    figures::{number, seconds},
    frame::Frame,
    gate::Visit,
    go, missing, when,
};
use crate::context::Context;
use crate::domain::{
    draft::{State as DraftState, hold},
    issue::State as IssueState,
    race::{LONGEST_NAME, MOST_OUTCOMES, State as RaceState, name},
    role::Right,
    time::{HOUR, span},
    wall,
};
use crate::newsroom::Me;
use crate::publishing::{
    self,
    desk::{self, Look, Written},
    races::{self, Call, Moved, Race},
    releasing,
};
use crate::web;

/// So shortly before its moment a race's page comes anew by itself when that is there, also without JavaScript.
const SHORTLY: u32 = 12;

/// `GET /admin/races/{id}`
pub async fn page(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<Uuid>) -> Answer {
    let race = find(&cx, id).await?;
    show(&cx, &frame, &me, &race, StatusCode::OK, &Refused::default()).await
}

/// `GET /admin/races/{id}/state`: what its page goes by.
pub async fn state(State(cx): State<Context>, At(id): At<Uuid>) -> Answer {
    Ok(Json(stands(&find(&cx, id).await?)).into_response())
}

/// `GET /admin/races/{id}/events`: the same, twice a second.
pub async fn events(State(cx): State<Context>, visit: Visit, At(id): At<Uuid>) -> Answer {
    let first = stands(&find(&cx, id).await?);
    Ok(web::live::told(cx, visit, first, move |cx, _| {
        let cx = cx.clone();
        // Whoever listens asks anew.
        async move { find(&cx, id).await.ok().map(|race| stands(&race)) }
    }))
}

fn stands(race: &Race) -> Value {
    json!({ "stands": race.standing() })
}

/// Its page, with the form on it that was refused.
pub(super) async fn show(
    cx: &Context,
    frame: &Frame,
    me: &Me,
    race: &Race,
    status: StatusCode,
    refused: &Refused,
) -> Answer {
    let mut outcomes = Vec::new();
    for written in race.outcomes.iter().filter(|it| it.draft.state != DraftState::ThrownAway) {
        let look = desk::look_meanwhile(cx, written, &me.user.email).await?;
        outcomes.push(outcome(cx, me, race, written, &look));
    }
    let state = race.state();
    let typed = |form| if refused.is(form) { refused.fields.clone() } else { Fields::standing(race) };
    let (about, moment) = (typed("about"), typed("moment"));
    let left = race.row.not_before.since(race.now);
    let may = |right| me.user.role.may(right);
    let room = outcomes.len() < MOST_OUTCOMES;
    let content = json!({
        "id": race.row.public_id,
        "name": race.row.name,
        "state": tag(race),
        "stands": race.standing(),
        "opens": race.opens(),
        "opens_at": race.row.not_before,
        "waits": state == RaceState::Waiting,
        "left": span(left),
        "anew": (state == RaceState::Waiting && left < HOUR * SHORTLY).then_some(left.as_secs() + 1),
        "call": race.call.as_ref().map(|call| called(race, call)),
        "put_away": race.row.closed_at.is_some(),
        "outcomes": outcomes,
        "most": MOST_OUTCOMES,
        "topics": topics(&desk::choices(cx).await?, &about.topics),
        "about": about.shown(),
        "moment": moment.shown(),
        "added": if refused.is("add") { refused.fields.name.as_str() } else { "" },
        "zones": wall::zones(),
        "longest": LONGEST_NAME,
        "may_write": may(Right::Compose),
        "may_add": may(Right::Compose) && race.row.closed_at.is_none() && race.call.is_none() && room,
        "may_prepare": may(Right::Release),
        "may_move": may(Right::Manage) && state != RaceState::Called,
        "refused": refused.shown(),
    });
    frame.show("race.html", status, &content)
}

/// How it was called, as the page says it.
fn called(race: &Race, call: &Call) -> Value {
    json!({
        "outcome": call.outcome,
        "issue": call.issue,
        "by": call.by,
        "at": wall::told(call.at, &race.row.timezone),
        "held": call.state == IssueState::Held,
        "under_way": matches!(call.state, IssueState::Publishing | IssueState::Sending),
        "stopped": call.state == IssueState::Cancelled,
        "correction": call.correction,
    })
}

fn outcome(cx: &Context, me: &Me, race: &Race, written: &Written, look: &Look) -> Value {
    let draft = &written.draft;
    let second_person = releasing::is_second_person(&me.actor(), &written.authors());
    let two_people = releasing::draft_asks_another(cx, &me.actor(), written);
    let open = draft.state == DraftState::Open && race.state() == RaceState::Open;
    let releases = open && me.user.role.may(Right::Release) && !two_people;
    json!({
        "id": draft.public_id,
        "outcome": if written.text.outcome.is_empty() { "Without a name" } else { &written.text.outcome },
        "subject": written.text.subject,
        "level": written.text.level,
        "version": draft.version,
        "audience": number(look.audience),
        "warnings": warned(&look.warnings, cx.clock.now()),
        "blocked": look.warnings.iter().any(|warning| warning.blocks()),
        "released": draft.state == DraftState::Released,
        "retired": race.is_retired(written),
        "asked_by": draft.asked_by,
        "note": draft.note,
        "at": when(draft.updated_at),
        "by": draft.updated_by,
        "may_release": releases,
        "may_ask": open && !releases && me.user.role.may(Right::Compose),
        "two_people": open && two_people,
        "hold": seconds(hold(cx.config.newsroom.hold, second_person)),
    })
}

/// `POST /admin/races/{id}/outcomes`: one more, which leads to its draft.
pub async fn add(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<Uuid>, body: Bytes) -> Answer {
    let race = find(&cx, id).await?;
    let fields = Fields::of(&body);
    let refused = match name(&fields.name) {
        Err(why) => Refused::of("add", &format!("Nothing was saved: {why}, as in “Moss wins”."), fields),
        Ok(name) => match desk::create_outcome(&cx, &me.actor(), id, &name).await {
            Ok(draft) => return go(&format!("/admin/desk/{draft}")),
            Err(error) => Refused::by(error, "add", fields)?,
        },
    };
    show(&cx, &frame, &me, &race, StatusCode::UNPROCESSABLE_ENTITY, &refused).await
}

/// `POST /admin/races/{id}`: its name, and the topics that new outcomes begin with.
pub async fn save(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<Uuid>, body: Bytes) -> Answer {
    let race = find(&cx, id).await?;
    let fields = Fields::of(&body);
    let refused = match name(&fields.name) {
        Err(why) => Refused::of("about", &format!("Nothing was saved: {why}."), fields),
        Ok(name) => match races::edit(&cx, &me.actor(), id, Some(&name), Some(&fields.topics)).await {
            Ok(true) => return done(&path(id), "saved"),
            Ok(false) => return Err(missing()),
            Err(error) => Refused::by(error, "about", fields)?,
        },
    };
    show(&cx, &frame, &me, &race, StatusCode::UNPROCESSABLE_ENTITY, &refused).await
}

/// `POST /admin/races/{id}/moment`: from when on it may be called.
pub async fn move_to(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(id): At<Uuid>,
    body: Bytes,
) -> Answer {
    let fields = Fields::of(&body);
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    let refused = match fields.moment() {
        Err(why) => Refused::of("moment", &format!("Nothing was saved: {why}."), fields),
        Ok(to) => {
            let to = (to, fields.timezone.as_str(), fields.open_now);
            match races::move_to(&cx, &me.actor(), id, to, &fields.confirm).await {
                Ok(Moved::Yes) => return done(&path(id), "moved"),
                Ok(Moved::Unknown) => return Err(missing()),
                Ok(Moved::NotItsName) => {
                    let why = "Nothing was saved: type the race’s name as it stands above.";
                    Refused::of("moment", why, fields)
                }
                Ok(Moved::TooLate) => {
                    status = StatusCode::CONFLICT;
                    let why = "Nothing was saved: it was called, or somebody else moved it. Look again.";
                    Refused::of("moment", why, fields)
                }
                Err(error) => Refused::by(error, "moment", fields)?,
            }
        }
    };
    show(&cx, &frame, &me, &find(&cx, id).await?, status, &refused).await
}

/// `POST /admin/races/{id}/close`
pub async fn close(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    put_away(&cx, &me, id, false).await
}

/// `POST /admin/races/{id}/reopen`
pub async fn reopen(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    put_away(&cx, &me, id, true).await
}

async fn put_away(cx: &Context, me: &Me, id: Uuid, back: bool) -> Answer {
    match races::put_away(cx, &me.actor(), id, back).await? {
        Some(true) => go(&path(id)),
        Some(false) => done(&path(id), "not-under-way"),
        None => Err(missing()),
    }
}

pub(super) fn path(id: Uuid) -> String {
    format!("/admin/races/{id}")
}

async fn find(cx: &Context, id: Uuid) -> Result<Race, Refusal> {
    races::find(cx, id).await?.ok_or_else(missing)
}

/// The race on whose page somebody pressed a button of a draft: they stay there.
pub(super) async fn asked_on(
    cx: &Context,
    written: &Written,
    body: &[u8],
) -> Result<Option<Race>, publishing::Error> {
    let there = url::form_urlencoded::parse(body).any(|(name, value)| name == "from" && value == "race");
    if there { races::of(cx, written).await } else { Ok(None) }
}
