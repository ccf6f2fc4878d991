//! `/admin/desk`: alerts and newsletters that people write, and their release.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::races::{Fields, Refused, listed_race};
use super::{
    Answer, At, Refusal, done,
    figures::{counted, number, seconds, typed},
    frame::Frame,
    go, missing, newsletter, race, when,
};
use crate::context::Context;
use crate::domain::{
    draft::{
        Kind, LONGEST_KEPT, LONGEST_PREHEADER, LONGEST_SUBJECT, PARTS, PHONE, State as DraftState, Text,
        hold, word,
    },
    issue::Level,
    role::Right,
    time::{Timestamp, about},
    warning::Warning,
};
use crate::mail::preview::Preview;
use crate::newsroom::Me;
use crate::publishing::{
    self,
    desk::{self, Look, Written},
    races,
    releasing::{self, Release},
};
use crate::store;

/// How long an alert is useful, as the form offers it: minutes and words.
const USEFUL: [(u32, &str); 5] =
    [(0, "Always"), (60, "For 1 hour"), (180, "For 3 hours"), (720, "For 12 hours"), (1_440, "For 1 day")];

/// Whether it stands in the public archive, as the form offers it.
const ARCHIVE: [(&str, Option<bool>, &str); 3] =
    [("", None, "As its topics say"), ("yes", Some(true), "Yes"), ("no", Some(false), "No")];

/// A mail of ours on a page of ours: its own styles and pictures, no scripts, nothing to click.
const OF_A_MAIL: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; \
     frame-ancestors 'self'; form-action 'none'; base-uri 'none'; sandbox";

/// `GET /admin/desk`
pub async fn page(State(cx): State<Context>, frame: Frame) -> Answer {
    let drafts = desk::open(&cx).await?;
    let mut tx = cx.db.read().await?;
    let posts = store::posts::newest(&mut tx, 12).await?;
    drop(tx);
    let races = races::uncalled(&cx).await?;
    let released = newsletter::released(&cx).await?;
    let drafts: Vec<_> = drafts.iter().map(listed_draft).collect();
    let posts: Vec<_> = posts
        .into_iter()
        .map(|(id, title, at, alerted)| json!({ "id": id, "title": title, "at": when(at), "alerted": alerted.is_some() }))
        .collect();
    frame.ok(
        "desk.html",
        &json!({ "races": races.iter().map(listed_race).collect::<Vec<_>>(), "drafts": drafts, "posts": posts, "released": released, "may_write": may(&frame, Right::Compose) }),
    )
}

/// `POST /admin/desk`: a new draft, of an alert from nothing or from the post of this id, or of a newsletter.
pub async fn create(State(cx): State<Context>, me: Me, body: Bytes) -> Answer {
    let post = match field(&body, "post").filter(|it| !it.is_empty()).map(|it| it.parse::<Uuid>()) {
        None => None,
        Some(Ok(id)) => Some(id),
        Some(Err(_)) => return Err(missing()),
    };
    let kind = field(&body, "kind").and_then(|kind| kind.parse().ok()).unwrap_or(Kind::Alert);
    let created = match kind {
        Kind::Alert => desk::create(&cx, &me.actor(), post).await.map(Some),
        Kind::Broadcast => {
            desk::create_with(&cx, &me.actor(), desk::Begin::default(), |text| text.kind = kind, None).await
        }
    };
    match created {
        Ok(None) => Err(missing()),
        Ok(Some(id)) => go(&path(id)),
        Err(publishing::Error::UnknownPost(_)) => Err(missing()),
        Err(error) => Err(error.into()),
    }
}

/// What a script sends: the text that one's own goes from, and one's own.
#[derive(Deserialize)]
struct Save {
    base: Text,
    mine: Text,
}

/// `POST /admin/desk/{id}`: saves what was written. A script is told how it stands then; a form leads back to the page.
pub async fn save(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(id): At<Uuid>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let written = find(&cx, id).await?;
    let kind = written.text.kind;
    let is_json = |name| headers.get(name).is_some_and(|kind| kind == "application/json");
    let by_script = is_json(header::ACCEPT);
    let Save { base, mine } = match is_json(header::CONTENT_TYPE) {
        true => serde_json::from_slice(&body).map_err(|error| {
            Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "We couldn’t read this", error.to_string())
        })?,
        false => {
            let base = field(&body, "base").and_then(|base| serde_json::from_str(&base).ok());
            Save { base: base.unwrap_or(written.text), mine: text_of(kind, &body) }
        }
    };
    let mine = Text { kind, ..mine };
    if mine.body.chars().count() > LONGEST_KEPT {
        let text = format!("Nothing was saved: it has more than {LONGEST_KEPT} characters.");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "This text is too long", text));
    }
    let saved = desk::save(&cx, &me.actor(), written.draft.public_id, &base, mine).await;
    match saved? {
        Some(saved) if by_script => {
            Ok(Json(standing(&cx, &me, &saved.written, &saved.conflicts).await?).into_response())
        }
        Some(saved) if saved.conflicts.is_empty() => done(&path(saved.written.draft.public_id), "saved"),
        Some(saved) => {
            let what = saved.conflicts.iter().map(|part| word(part)).collect::<Vec<_>>().join(", ");
            let fault = format!(
                "Somebody else changed the {what} at the same time: that stands here now. What you wrote of it was not saved; go back to see it."
            );
            show(&cx, &frame, &me, &saved.written, StatusCode::CONFLICT, (Some(&fault), Value::Null)).await
        }
        None => Err(closed()),
    }
}

/// A mail on a page of ours; what stands for none says what is missing.
pub(super) fn framed(mail: Option<Preview>) -> Response {
    let none =
        "<p style=\"font: 1rem sans-serif; color: #777\">Once it has a text, the mail stands here.</p>";
    let mut response = Html(mail.map_or_else(|| none.to_owned(), |mail| mail.html)).into_response();
    let own = [
        (header::CONTENT_SECURITY_POLICY, OF_A_MAIL),
        (HeaderName::from_static("x-frame-options"), "SAMEORIGIN"),
    ];
    for (name, value) in own {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// `POST /admin/desk/{id}/test`
pub async fn test(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<Uuid>) -> Answer {
    let written = find(&cx, id).await?;
    match desk::test(&cx, &written, &me.user.email, None).await {
        Ok(_) => done(&path(written.draft.public_id), "tested"),
        Err(publishing::Error::Blank(_) | publishing::Error::UnknownTopic(_)) => {
            show(
                &cx,
                &frame,
                &me,
                &written,
                StatusCode::UNPROCESSABLE_ENTITY,
                (Some("Write a text first."), Value::Null),
            )
            .await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /admin/desk/{id}/ask`: for who may write and not release.
pub async fn ask(State(cx): State<Context>, frame: Frame, me: Me, At(id): At<Uuid>, body: Bytes) -> Answer {
    let written = find(&cx, id).await?;
    if desk::ask(&cx, &me.actor(), &written).await? {
        let race = race::asked_on(&cx, &written, &body).await?;
        let path = race.map_or_else(|| path(id), |race| race::path(race.row.public_id));
        return done(&path, "asked");
    }
    let fault = "It was changed meanwhile. Look again.";
    refused(&cx, &frame, &me, id, &body, (StatusCode::CONFLICT, fault)).await
}

/// `POST /admin/desk/{id}/release`
pub async fn release(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(id): At<Uuid>,
    body: Bytes,
) -> Answer {
    let written = find(&cx, id).await?;
    let version = field(&body, "version").and_then(|version| version.parse().ok()).unwrap_or(0);
    let Some(typed) = field(&body, "audience").and_then(|audience| typed(&audience)) else {
        let fault = "Type the number of readers as it stands here.";
        return refused(&cx, &frame, &me, id, &body, (StatusCode::UNPROCESSABLE_ENTITY, fault)).await;
    };
    let fault = match releasing::release(&cx, &me.actor(), id, version, typed, None).await? {
        Some(Release::Held { issue, .. }) => return go(&format!("/admin/live/{issue}")),
        Some(Release::Moved(now)) => {
            let now = number(now);
            format!(
                "It goes to {now} readers now, and {} was typed. Look at it and type {now}.",
                number(typed)
            )
        }
        Some(Release::Blocked(blocking)) => {
            let now = cx.clock.now();
            blocking.iter().map(|warning| warning.as_sentence(now)).collect::<Vec<_>>().join(" ")
        }
        Some(Release::Changed) => "It was changed since you looked at it. Read it once more.".to_owned(),
        Some(Release::SecondPerson) => {
            let what = match written.text.kind {
                Kind::Alert => format!("A {} alert", written.text.level),
                Kind::Broadcast => "A newsletter".to_owned(),
            };
            format!("{what} is released by somebody who wrote none of it. Ask for its release.")
        }
        Some(Release::Barred(bar)) => bar.as_sentence(),
        Some(Release::Closed) | None => CLOSED.to_owned(),
    };
    refused(&cx, &frame, &me, id, &body, (StatusCode::CONFLICT, &fault)).await
}

/// The page on which a button of the draft was pressed, its own or its race's, which says why nothing came of it.
async fn refused(
    cx: &Context,
    frame: &Frame,
    me: &Me,
    id: Uuid,
    body: &[u8],
    (status, fault): (StatusCode, &str),
) -> Answer {
    let written = find(cx, id).await?;
    if let Some(race) = race::asked_on(cx, &written, body).await? {
        let refused = Refused::of(&id.to_string(), fault, Fields::default());
        return race::show(cx, frame, me, &race, status, &refused).await;
    }
    show(cx, frame, me, &written, status, (Some(fault), Value::Null)).await
}

/// `POST /admin/desk/{id}/discard`
pub async fn discard(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    if !desk::may_throw_away(&me.actor(), me.user.role, &find(&cx, id).await?) {
        let text = "Only who wrote in it, or may release it, throws a draft away. Nothing was changed.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "This draft is somebody else’s", text));
    }
    put_away(&cx, &me, id, false).await
}

/// `POST /admin/desk/{id}/restore`
pub async fn restore(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    put_away(&cx, &me, id, true).await
}

async fn put_away(cx: &Context, me: &Me, id: Uuid, back: bool) -> Answer {
    let written = find(cx, id).await?;
    desk::put_away(cx, &me.actor(), &written.draft, back).await?;
    go(&path(written.draft.public_id))
}

/// The page of a draft, with what went wrong, and the reader whose mail it shows, as `desk_reader` tells of them.
pub(super) async fn show(
    cx: &Context,
    frame: &Frame,
    me: &Me,
    written: &Written,
    status: StatusCode,
    (fault, reader): (Option<&str>, Value),
) -> Answer {
    let choices = desk::choices(cx).await?;
    let look = desk::look_meanwhile(cx, written, &me.user.email).await?;
    let race = races::of(cx, written).await?;
    let text = &written.text;
    // What is chosen stands first, of however many.
    let (chosen, others): (Vec<_>, Vec<_>) =
        choices.iter().partition(|choice| text.topics.contains(&choice.slug));
    let topics: Vec<_> = chosen
        .into_iter()
        .chain(others)
        .map(|it| json!({ "slug": it.slug, "name": it.name, "now": number(it.now), "later": (it.later > 0).then(|| number(it.later)), "all": counted(it.now + it.later, "reader", "readers"), "test": it.test, "chosen": text.topics.contains(&it.slug) }))
        .collect();
    let levels: Vec<_> = Level::ALL
        .iter()
        .map(|level| json!({ "word": level, "chosen": *level == text.level, "meaning": meaning(*level) }))
        .collect();
    let mut useful: Vec<_> = USEFUL.iter().map(|(minutes, words)| (*minutes, (*words).to_owned())).collect();
    if useful.iter().all(|(minutes, _)| *minutes != text.useful_for) {
        useful.push((text.useful_for, format!("For {} minutes", text.useful_for)));
    }
    let useful: Vec<_> = useful
        .iter()
        .map(|(minutes, words)| json!({ "minutes": minutes, "words": words, "chosen": *minutes == text.useful_for }))
        .collect();
    let archive: Vec<_> = ARCHIVE
        .iter()
        .map(
            |(word, public, words)| json!({ "word": word, "words": words, "chosen": *public == text.public }),
        )
        .collect();
    let draft = &written.draft;
    let open = draft.state == DraftState::Open;
    let second_person = releasing::is_second_person(&me.actor(), &written.authors());
    let two_people = releasing::draft_asks_another(cx, &me.actor(), written);
    let bar = race.as_ref().and_then(|race| races::bar(race, written)).filter(|_| open);
    let content = json!({
        "race": race.as_ref().map(|race| json!({ "id": race.row.public_id, "name": race.row.name })),
        "bar": bar.as_ref().map(races::Bar::as_sentence),
        "id": draft.public_id,
        "version": draft.version,
        "text": text,
        "base": serde_json::json!(text).to_string(),
        "topics": topics,
        "levels": levels,
        "useful": useful,
        "archive": archive,
        "look": looked(text, &look, cx.clock.now()),
        "words": json!(PARTS.iter().map(|part| (*part, word(part))).collect::<BTreeMap<_, _>>()).to_string(),
        "newsletter": newsletter::form(cx, text),
        "word": text.kind.word(),
        "mail": look.mail,
        "reader": reader,
        "sender": cx.config.sender.from.name.clone().unwrap_or_else(|| cx.config.sender.from.address.as_str().to_owned()),
        "longest": { "subject": LONGEST_SUBJECT, "preheader": LONGEST_PREHEADER, "phone": PHONE },
        "open": open,
        "thrown_away": draft.state == DraftState::ThrownAway,
        "note": draft.note,
        "asked_by": draft.asked_by,
        "by": draft.updated_by,
        "at": when(draft.updated_at),
        "may_write": open && may(frame, Right::Compose),
        "may_throw_away": open && may(frame, Right::Compose) && desk::may_throw_away(&me.actor(), me.user.role, written),
        "may_release": open && may(frame, Right::Release) && !two_people && bar.is_none(),
        "two_people": two_people,
        "stands": stands(two_people, bar.as_ref()),
        "hold": seconds(hold(cx.config.newsroom.hold, second_person)),
        "fault": fault,
    });
    frame.show("draft.html", status, &content)
}

/// What a script is told after each save.
async fn standing(
    cx: &Context,
    me: &Me,
    written: &Written,
    conflicts: &[&'static str],
) -> Result<Value, publishing::Error> {
    let look = desk::look_meanwhile(cx, written, &me.user.email).await?;
    let others = desk::visit(cx, &me.actor(), &written.draft).await?;
    let bar = races::of(cx, written).await?.and_then(|race| races::bar(&race, written));
    Ok(json!({
        "stands": stands(releasing::draft_asks_another(cx, &me.actor(), written), bar.as_ref()),
        "version": written.draft.version,
        "text": written.text,
        "conflicts": conflicts,
        "others": others,
        "look": looked(&written.text, &look, cx.clock.now()),
        "plain": look.mail.as_ref().map(|mail| &mail.text),
    }))
}

/// What decides who may release it now: where it differs from when the page was made, the page is made anew.
fn stands(two_people: bool, bar: Option<&races::Bar>) -> String {
    format!("{two_people}{}", bar.map(races::Bar::as_sentence).unwrap_or_default())
}

/// What stands in the way of a release, as pages and scripts take it.
pub(super) fn warned(warnings: &[Warning], now: Timestamp) -> Vec<Value> {
    let shown = |warning: &Warning| json!({ "blocks": warning.blocks(), "text": warning.as_sentence(now) });
    warnings.iter().map(shown).collect()
}

fn looked(text: &Text, look: &Look, now: Timestamp) -> Value {
    json!({
        "audience": number(look.audience),
        "goes": newsletter::goes(text),
        "warnings": warned(&look.warnings, now),
        "blocked": look.warnings.iter().any(Warning::blocks),
        "takes": look.takes.map(about),
        "kilobytes": look.mail.as_ref().map(|mail| mail.bytes.div_ceil(1000)),
    })
}

const fn meaning(level: Level) -> &'static str {
    match level {
        Level::All => "readers of the topics who want alerts",
        Level::Major => "the same readers, marked as major",
        Level::Critical => "every reader of the topics, also those with digests only",
    }
}

fn listed_draft(written: &Written) -> Value {
    let title = if written.text.subject.is_empty() { "No subject yet" } else { &written.text.subject };
    json!({
        "id": written.draft.public_id,
        "title": title,
        "level": match written.text.kind {
            Kind::Alert => written.text.level.as_str(),
            Kind::Broadcast => Kind::Broadcast.word(),
        },
        "topics": written.text.topics,
        "by": written.draft.updated_by,
        "at": when(written.draft.updated_at),
        "asked_by": written.draft.asked_by,
        "note": written.draft.note,
    })
}

/// What a form says of a draft's text.
fn text_of(kind: Kind, body: &[u8]) -> Text {
    let mut text = Text { kind, ..Text::default() };
    for (name, value) in url::form_urlencoded::parse(body) {
        match &*name {
            "subject" => text.subject = value.into_owned(),
            "preheader" => text.preheader = value.into_owned(),
            "body" => text.body = value.into_owned(),
            "link" => text.link = value.into_owned(),
            "level" => text.level = value.parse().unwrap_or(Level::All),
            "outcome" => text.outcome = value.into_owned(),
            "topic" => text.topics.push(value.into_owned()),
            "send_at" => text.send_at = value.into_owned(),
            // As a page names it that was open over an upgrade.
            "timezone" | "zone" => text.timezone = value.into_owned(),
            "public" => text.public = ARCHIVE.iter().find(|(word, ..)| *word == value).and_then(|it| it.1),
            "useful_for" => text.useful_for = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    text
}

fn field(body: &[u8], wanted: &str) -> Option<String> {
    url::form_urlencoded::parse(body).find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
}

fn may(frame: &Frame, right: Right) -> bool {
    frame.me().is_some_and(|me| me.user.role.may(right))
}

fn path(id: Uuid) -> String {
    format!("/admin/desk/{id}")
}

const CLOSED: &str = "It was released or thrown away meanwhile, so nothing of it can be changed.";

fn closed() -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "This draft is closed", CLOSED)
}

pub(super) async fn find(cx: &Context, id: Uuid) -> Result<Written, Refusal> {
    desk::find(cx, id).await?.ok_or_else(missing)
}
