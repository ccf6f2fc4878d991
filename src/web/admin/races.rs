//! `/admin/races`: alerts that are prepared for each outcome of a race, of which one is released. From the desk it is one
//! click to the race, a number, and one click to the release.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, At, Refusal, desk::warned, done, frame::Frame, go, missing, when};
use crate::context::Context;
use crate::delivering::why::span;
use crate::domain::{
    draft::{State as DraftState, hold},
    race::{self, LONGEST_NAME, State as RaceState},
    role::Right,
    text::one_line,
    time::HOUR,
};
use crate::newsroom::Me;
use crate::publishing::{
    self,
    desk::{self, Look, Written},
    races::{self, Moved, Race, Wanted},
    releasing,
};

/// Races on a page.
const PAGE: i64 = 50;
/// So shortly before its moment a race's page comes anew by itself when that is there.
const SHORTLY: u32 = 12;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Races before this one.
    before: String,
}

/// `GET /admin/races`
pub async fn page(State(cx): State<Context>, frame: Frame, me: Me, Query(asked): Query<Asked>) -> Answer {
    list(&cx, &frame, &me, &asked, StatusCode::OK, None).await
}

async fn list(
    cx: &Context,
    frame: &Frame,
    me: &Me,
    asked: &Asked,
    status: StatusCode,
    fault: Option<&str>,
) -> Answer {
    let before = asked.before.parse().unwrap_or(i64::MAX);
    let races = races::page(cx, before, PAGE).await?;
    let choices = desk::choices(cx).await?;
    let full = i64::try_from(races.len()).is_ok_and(|count| count == PAGE);
    let of_schedules = cx.config.schedules.last().map(|schedule| schedule.cadence.timezone());
    let usual = races.first().map(|race| race.row.timezone.as_str()).or(of_schedules);
    let topics: Vec<_> = choices.iter().map(|it| json!({ "slug": it.slug, "name": it.name })).collect();
    let content = json!({
        "races": races.iter().map(listed_race).collect::<Vec<_>>(),
        "next": races.last().filter(|_| full).map(|race| race.row.id),
        "topics": topics,
        "timezone": usual.unwrap_or("UTC"),
        "longest": LONGEST_NAME,
        "may_prepare": me.user.role.may(Right::Release),
        "fault": fault,
    });
    frame.show("races.html", status, &content)
}

/// A race as lists show it.
pub(super) fn listed_race(race: &Race) -> Value {
    let outcomes: Vec<_> =
        race.outcomes.iter().filter(|it| it.draft.state != DraftState::ThrownAway).collect();
    let names: Vec<_> = outcomes.iter().map(|it| it.text.outcome.as_str()).collect();
    json!({
        "id": race.row.public_id,
        "name": race.row.name,
        "state": tag(race),
        "opens": race.opens(),
        "waits": race.state() == RaceState::Waiting,
        "outcomes": names,
        "called": race.called().map(|it| &it.text.outcome),
        "asked_for": race.is_asked_for(),
    })
}

fn tag(race: &Race) -> Value {
    let (word, look) = match race.state() {
        RaceState::Waiting => ("too early", ""),
        RaceState::Open => ("can be called", "good"),
        RaceState::Called => ("called", "warn"),
        RaceState::Closed => ("put away", ""),
    };
    json!({ "word": word, "look": look })
}

/// What the forms say.
#[derive(Default)]
struct Fields {
    name: String,
    at: String,
    timezone: String,
    topics: Vec<String>,
    typed: String,
}

impl Fields {
    fn of(body: &[u8]) -> Self {
        let mut fields = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            match &*name {
                "name" => fields.name = one_line(&value, LONGEST_NAME),
                "at" => fields.at = value.into_owned(),
                "timezone" => fields.timezone = value.trim().to_owned(),
                "topic" => fields.topics.push(value.into_owned()),
                "typed" => fields.typed = value.into_owned(),
                _ => {}
            }
        }
        fields
    }
}

/// `POST /admin/races`
pub async fn create(State(cx): State<Context>, frame: Frame, me: Me, body: Bytes) -> Answer {
    let Fields { name, at, timezone, topics, .. } = Fields::of(&body);
    let read = race::moment(&at, &timezone).and_then(|at| match name.is_empty() {
        true => Err("a race has a name".to_owned()),
        false => Ok(at),
    });
    let not_before = match read {
        Ok(not_before) => not_before,
        Err(why) => {
            let fault = format!("Nothing was saved: {why}.");
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return list(&cx, &frame, &me, &Asked::default(), status, Some(&fault)).await;
        }
    };
    let wanted = Wanted { name, not_before, timezone, topics };
    match races::create(&cx, &me.actor(), &wanted).await {
        Ok(id) => go(&path(id)),
        Err(publishing::Error::UnknownTopic(_)) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}

/// `GET /admin/races/{id}`
pub async fn one(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<Uuid>) -> Answer {
    let race = find(&cx, id).await?;
    show(&cx, &frame, &me, &race, StatusCode::OK, None).await
}

async fn show(
    cx: &Context,
    frame: &Frame,
    me: &Me,
    race: &Race,
    status: StatusCode,
    fault: Option<&str>,
) -> Answer {
    let content = content(cx, me, race, fault).await?;
    frame.show("race.html", status, &content)
}

async fn content(
    cx: &Context,
    me: &Me,
    race: &Race,
    fault: Option<&str>,
) -> Result<Value, publishing::Error> {
    let mut outcomes = Vec::new();
    for written in race.outcomes.iter().filter(|it| it.draft.state != DraftState::ThrownAway) {
        let look = desk::look(cx, written, &me.user.email).await?;
        outcomes.push(outcome(cx, me, race, written, &look));
    }
    let chosen = race.topics();
    let choices = desk::choices(cx).await?;
    let topics: Vec<_> = choices
        .iter()
        .map(|it| json!({ "slug": it.slug, "name": it.name, "chosen": chosen.contains(&it.slug) }))
        .collect();
    let state = race.state();
    let left = race.row.not_before.since(race.now);
    let call = races::call(cx, race).await?;
    Ok(json!({
        "id": race.row.public_id,
        "name": race.row.name,
        "state": tag(race),
        "opens": race.opens(),
        "opens_at": race.row.not_before,
        "civil": race::civil(race.row.not_before, &race.row.timezone),
        "timezone": race.row.timezone,
        "waits": state == RaceState::Waiting,
        "left": span(left),
        "anew": (state == RaceState::Waiting && left < HOUR * SHORTLY).then_some(left.as_secs() + 1),
        "closed": state == RaceState::Closed,
        "call": call.map(|call| json!({ "outcome": call.outcome, "issue": call.issue, "by": call.by })),
        "outcomes": outcomes,
        "topics": topics,
        "longest": LONGEST_NAME,
        "moving": false,
        "may_write": me.user.role.may(Right::Compose),
        "may_prepare": me.user.role.may(Right::Release),
        "may_move": me.user.role.may(Right::Manage) && state != RaceState::Called,
        "fault": fault,
    }))
}

fn outcome(cx: &Context, me: &Me, race: &Race, written: &Written, look: &Look) -> Value {
    let draft = &written.draft;
    let open = draft.state == DraftState::Open;
    let second_person = releasing::is_second_person(&me.actor(), &written.authors());
    let two_people = releasing::draft_asks_another(cx, &me.actor(), written);
    let blocked = look.warnings.iter().any(|warning| warning.blocks());
    let could = open && race.state() == RaceState::Open && me.user.role.may(Right::Release);
    json!({
        "id": draft.public_id,
        "outcome": if written.text.outcome.is_empty() { "Without a name" } else { &written.text.outcome },
        "subject": written.text.subject,
        "level": written.text.level,
        "version": draft.version,
        "audience": look.audience,
        "warnings": warned(&look.warnings, cx.clock.now()),
        "released": draft.state == DraftState::Released,
        "retired": race.is_retired(written),
        "asked_by": draft.asked_by,
        "note": draft.note,
        "at": when(draft.updated_at),
        "by": draft.updated_by,
        "may_release": could && !two_people && !blocked,
        "two_people": could && two_people,
        "hold": hold(cx.config.newsroom.hold, second_person).as_secs(),
    })
}

/// `POST /admin/races/{id}/outcomes`: one more, which leads to its draft.
pub async fn add(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<Uuid>, body: Bytes) -> Answer {
    let race = find(&cx, id).await?;
    let name = Fields::of(&body).name;
    if name.is_empty() {
        let fault = "An outcome has a name, as in “Moss wins”.";
        return show(&cx, &frame, &me, &race, StatusCode::UNPROCESSABLE_ENTITY, Some(fault)).await;
    }
    let draft = desk::create_outcome(&cx, &me.actor(), race.row.public_id, &name).await?;
    go(&format!("/admin/desk/{draft}"))
}

/// `POST /admin/races/{id}`: its name, and the topics that new outcomes begin with.
pub async fn save(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<Uuid>, body: Bytes) -> Answer {
    let race = find(&cx, id).await?;
    let fields = Fields::of(&body);
    if fields.name.is_empty() {
        let fault = "Nothing was saved: a race has a name.";
        return show(&cx, &frame, &me, &race, StatusCode::UNPROCESSABLE_ENTITY, Some(fault)).await;
    }
    let id = race.row.public_id;
    match races::edit(&cx, &me.actor(), id, Some(&fields.name), Some(&fields.topics)).await? {
        true => done(&path(id), "saved"),
        false => Err(missing()),
    }
}

/// `POST /admin/races/{id}/moment`: from when on it may be called.
pub async fn move_to(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(id): At<Uuid>,
    body: Bytes,
) -> Answer {
    let race = find(&cx, id).await?;
    let fields = Fields::of(&body);
    let id = race.row.public_id;
    let fault = match race::moment(&fields.at, &fields.timezone) {
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, format!("It was not moved: {why}.")),
        Ok(to) => {
            let to = (to, fields.timezone.as_str());
            match races::move_to(&cx, &me.actor(), id, to, &fields.typed).await {
                Ok(Moved::Yes) => return done(&path(id), "moved"),
                Ok(Moved::Unknown) => return Err(missing()),
                Err(error) => return Err(error.into()),
                Ok(Moved::NotItsName) => {
                    let why = "It was not moved: type the race’s name as it stands above.";
                    (StatusCode::UNPROCESSABLE_ENTITY, why.to_owned())
                }
                Ok(Moved::TooLate) => {
                    let why = "It was not moved: it was called, or somebody else moved it. Look again.";
                    (StatusCode::CONFLICT, why.to_owned())
                }
            }
        }
    };
    let race = find(&cx, id).await?;
    let mut content = content(&cx, &me, &race, Some(&fault.1)).await?;
    // What was filled in stands there still.
    content["moving"] = json!(true);
    content["civil"] = json!(fields.at);
    content["timezone"] = json!(fields.timezone);
    frame.show("race.html", fault.0, &content)
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

fn path(id: Uuid) -> String {
    format!("/admin/races/{id}")
}

async fn find(cx: &Context, id: Uuid) -> Result<Race, Refusal> {
    races::find(cx, id).await?.ok_or_else(missing)
}
