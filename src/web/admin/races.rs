//! `/admin/races`: the races that there are, and a new one. `race` is the page of one.

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, frame::Frame, go, race};
use crate::context::Context;
use crate::domain::{
    draft::State as DraftState,
    race::{LONGEST_NAME, State as RaceState, name},
    role::Right,
    time::Timestamp,
    wall::{self, Twice},
};
use crate::newsroom::Me;
use crate::publishing::{
    self, desk,
    races::{self, Race, Wanted},
};

/// Races on a page.
const PAGE: i64 = 50;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Races before this one.
    before: String,
    /// Anything: those that are put away.
    past: String,
}

/// `GET /admin/races`
pub async fn page(State(cx): State<Context>, frame: Frame, me: Me, Query(asked): Query<Asked>) -> Answer {
    list(&cx, &frame, &me, &asked, StatusCode::OK, &Refused::default()).await
}

/// `POST /admin/races`
pub async fn create(State(cx): State<Context>, frame: Frame, me: Me, body: Bytes) -> Answer {
    let fields = Fields::of(&body);
    let read = name(&fields.name).and_then(|name| Ok((name, fields.moment()?)));
    let refused = match read {
        Err(why) => Refused::of("prepare", &format!("Nothing was saved: {why}."), fields),
        Ok((name, not_before)) => {
            let Fields { timezone, topics, open_now, .. } = fields.clone();
            let wanted = Wanted { name, not_before, timezone, open_now, topics };
            match races::create(&cx, &me.actor(), &wanted).await {
                Ok(id) => return go(&race::path(id)),
                Err(error) => Refused::by(error, "prepare", fields)?,
            }
        }
    };
    list(&cx, &frame, &me, &Asked::default(), StatusCode::UNPROCESSABLE_ENTITY, &refused).await
}

async fn list(
    cx: &Context,
    frame: &Frame,
    me: &Me,
    asked: &Asked,
    status: StatusCode,
    refused: &Refused,
) -> Answer {
    let (before, past) = (asked.before.parse().unwrap_or(i64::MAX), !asked.past.is_empty());
    let page = races::page(cx, before, PAGE, Some(past)).await?;
    let full = i64::try_from(page.len()).is_ok_and(|count| count == PAGE);
    let next = page.last().filter(|_| full).map(|race| race.row.id);
    let of_schedules = cx.config.schedules.last().map(|schedule| schedule.cadence.timezone());
    let usual = page.first().map(|race| race.row.timezone.as_str()).or(of_schedules).unwrap_or("UTC");
    let mut typed = refused.fields.clone();
    if typed.timezone.is_empty() {
        usual.clone_into(&mut typed.timezone);
    }
    let (called, mut coming): (Vec<_>, Vec<_>) =
        page.iter().partition(|race| past || race.state() == RaceState::Called);
    coming.sort_by_key(|race| race.row.not_before);
    let choices = desk::choices(cx).await?;
    let content = json!({
        "past": past,
        "coming": coming.into_iter().map(listed_race).collect::<Vec<_>>(),
        "called": called.into_iter().map(listed_race).collect::<Vec<_>>(),
        "next": next,
        "topics": topics(&choices, &typed.topics),
        "typed": typed.shown(),
        "zones": wall::zones(),
        "longest": LONGEST_NAME,
        "may_prepare": me.user.role.may(Right::Release),
        "refused": refused.shown(),
    });
    frame.show("races.html", status, &content)
}

/// A race as lists show it.
pub(super) fn listed_race(race: &Race) -> Value {
    let outcomes = race.outcomes.iter().filter(|it| it.draft.state != DraftState::ThrownAway);
    json!({
        "id": race.row.public_id,
        "name": race.row.name,
        "state": tag(race),
        "opens": race.opens(),
        "waits": race.state() == RaceState::Waiting,
        "outcomes": outcomes.map(|it| it.text.outcome.as_str()).collect::<Vec<_>>(),
        "called": race.call.as_ref().map(|call| json!({ "outcome": call.outcome, "at": wall::told(call.at, &race.row.timezone) })),
        "asked_for": race.is_asked_for(),
    })
}

pub(super) fn tag(race: &Race) -> Value {
    let (word, look) = match race.state() {
        RaceState::Waiting => ("too early", ""),
        RaceState::Open => ("can be called", "good"),
        RaceState::Called if race.is_corrected() => ("corrected", "warn"),
        RaceState::Called => ("called", ""),
        RaceState::Closed => ("put away", ""),
    };
    json!({ "word": word, "look": look })
}

pub(super) fn topics(choices: &[desk::Choice], chosen: &[String]) -> Vec<Value> {
    let shown =
        |it: &desk::Choice| json!({ "slug": it.slug, "name": it.name, "chosen": chosen.contains(&it.slug) });
    choices.iter().map(shown).collect()
}

/// What the forms of a race say.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub name: String,
    at: String,
    pub timezone: String,
    pub open_now: bool,
    pub topics: Vec<String>,
    /// The race's name once more.
    pub confirm: String,
}

impl Fields {
    pub fn of(body: &[u8]) -> Self {
        let mut fields = Self::default();
        for (name, value) in url::form_urlencoded::parse(body) {
            match &*name {
                "name" => fields.name = value.into_owned(),
                "at" => fields.at = value.into_owned(),
                "timezone" => value.trim().clone_into(&mut fields.timezone),
                "open_now" => fields.open_now = true,
                "topic" => fields.topics.push(value.into_owned()),
                "typed" => fields.confirm = value.into_owned(),
                _ => {}
            }
        }
        fields
    }

    /// As it stands with a race.
    pub fn standing(race: &Race) -> Self {
        let (at, timezone) = (race.row.not_before, &race.row.timezone);
        Self {
            name: race.row.name.clone(),
            at: wall::field(at, timezone),
            timezone: timezone.clone(),
            topics: race.topics(),
            ..Self::default()
        }
    }

    /// From when on it may be called: of two moments that the clock shows alike the later, so that it is never too early.
    pub fn moment(&self) -> Result<Timestamp, String> {
        wall::instant(&self.at, &self.timezone, Twice::Last)
    }

    pub fn shown(&self) -> Value {
        let Self { name, at, timezone, open_now, confirm, .. } = self;
        json!({ "name": name, "at": at, "timezone": timezone, "open_now": open_now, "confirm": confirm })
    }
}

/// A form that was refused: its page says why beside it, and keeps what was typed.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Which of the page's forms.
    form: String,
    why: String,
    /// The moment that was typed has passed, so it takes saying that it is meant.
    passed: bool,
    pub fields: Fields,
}

impl Refused {
    pub fn of(form: &str, why: &str, fields: Fields) -> Self {
        Self { form: form.to_owned(), why: why.to_owned(), passed: false, fields }
    }

    /// Where what was typed is to blame.
    ///
    /// # Errors
    /// What isn't.
    pub fn by(error: publishing::Error, form: &str, fields: Fields) -> Result<Self, publishing::Error> {
        match error {
            publishing::Error::Passed(at) => {
                let at = wall::told(at, &fields.timezone);
                let why = format!(
                    "Nothing was saved: {at} has passed, so its outcomes could be released at once. Correct the time, or say below that you mean it."
                );
                Ok(Self { passed: true, ..Self::of(form, &why, fields) })
            }
            publishing::Error::UnknownTopic(_) => {
                Ok(Self::of(form, "Nothing was saved: a topic is gone meanwhile. Choose once more.", fields))
            }
            publishing::Error::Outcome(why) => {
                Ok(Self::of(form, &format!("Nothing was saved: {why}."), fields))
            }
            error => Err(error),
        }
    }

    pub fn is(&self, form: &str) -> bool {
        self.form == form
    }

    pub fn shown(&self) -> Value {
        json!({ "form": self.form, "why": self.why, "passed": self.passed })
    }
}
