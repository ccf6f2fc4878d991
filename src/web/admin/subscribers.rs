//! `/admin/subscribers`: readers, found by a part of their address; one reader's whole history; ending and erasing.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::figures::{number, tag};
use super::{Answer, At, Refusal, done, frame::Frame, go, missing, when};
use crate::context::Context;
use crate::delivering::why::{Because, Obstacles, because};
use crate::domain::{address::EmailAddress, issue::Kind, role::Right};
use crate::newsroom::{Error, Me};
use crate::store::{self, readers::Listed};
use crate::subscribing::reasons::{self, Why};
use crate::subscribing::records::{self, Consent, Delivered, Erased, Person, Record};

const PAGE: usize = 50;
/// Deliveries on a reader's page.
const DELIVERIES: usize = 50;
/// The states to choose from, and their words.
const STATES: &[(&str, &str)] =
    &[("", "all"), ("active", "get mail"), ("unsubscribed", "left"), ("suppressed", "can’t be mailed")];

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// An address, a part of one, or a reader's name in logs.
    q: String,
    state: String,
    before: String,
    /// The issue of "why did I get this?".
    issue: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    address: String,
}

/// `GET /admin/subscribers`
pub async fn page(State(cx): State<Context>, frame: Frame, me: Me, Query(asked): Query<Asked>) -> Answer {
    let q = asked.q.trim();
    if let Some(id) = q.parse::<Uuid>().ok().filter(|_| !q.is_empty()) {
        return go(&format!("/admin/subscribers/{id}"));
    }
    let content = listed(&cx, &me, q, &asked).await?;
    frame.ok("subscribers.html", &content)
}

async fn listed(cx: &Context, me: &Me, q: &str, asked: &Asked) -> Result<Value, Error> {
    let state = STATES.iter().find(|(word, _)| *word == asked.state).map_or("", |(word, _)| word);
    let before = asked.before.parse().unwrap_or(i64::MAX);
    // As addresses are compared; a part of one is only lower-cased.
    let part = q.parse::<EmailAddress>().map_or_else(|_| q.to_lowercase(), |it| it.key().to_owned());
    let limit = i64::try_from(PAGE).unwrap_or(i64::MAX) + 1;
    let mut tx = cx.db.read().await?;
    let page = store::readers::page(&mut tx, &part, state, before, limit).await?;
    let active = store::readers::active(&mut tx).await?;
    let next = page.get(PAGE - 1).filter(|_| page.len() > PAGE).map(|last| last.id);
    let states: Vec<_> = STATES
        .iter()
        .map(|(word, label)| json!({ "word": word, "label": label, "chosen": *word == state }))
        .collect();
    Ok(json!({
        "q": q,
        "state": state,
        "states": states,
        "active": number(active),
        "nobody": active == 0 && q.is_empty() && state.is_empty() && before == i64::MAX && page.is_empty(),
        "readers": page.iter().take(PAGE).map(row).collect::<Vec<_>>(),
        "next": next,
        "first": before == i64::MAX,
        "manages": me.user.role.may(Right::Manage),
    }))
}

fn row(reader: &Listed) -> Value {
    json!({
        "id": reader.public_id,
        "address": reader.address,
        "state": standing(&reader.state),
        "since": when(reader.confirmed_at),
        "left": reader.unsubscribed_at.map(when),
    })
}

fn standing(state: &str) -> Value {
    let (word, look) = match state {
        "active" => ("gets mail", "good"),
        "suppressed" => ("can’t be mailed", "bad"),
        _ => ("left", ""),
    };
    json!({ "word": word, "look": look })
}

/// `GET /admin/subscribers/{id}`
pub async fn one(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(id): At<Uuid>,
    Query(asked): Query<Asked>,
) -> Answer {
    show(&cx, &frame, &me, id, &asked.issue, None).await
}

/// `POST /admin/subscribers/{id}/suppress`: nothing more is mailed until they sign up anew.
pub async fn suppress(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    let address = address(&cx, id).await?;
    match records::remove(&cx, &address, &me.actor()).await? {
        true => done(&format!("/admin/subscribers/{id}"), "suppressed"),
        false => done(&format!("/admin/subscribers/{id}"), "left-before"),
    }
}

/// `POST /admin/subscribers/{id}/erase`: takes typing the address.
pub async fn erase(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(id): At<Uuid>,
    Form(typed): Form<Typed>,
) -> Answer {
    let address = address(&cx, id).await?;
    if typed.address.parse::<EmailAddress>().ok().is_none_or(|typed| typed.key() != address.key()) {
        let why = "That is not this reader’s address. Nothing was erased.";
        return show(&cx, &frame, &me, id, "", Some(why)).await;
    }
    match records::erase(&cx, &address, &me.actor()).await? {
        Erased::Everywhere | Erased::Unknown => done("/admin/subscribers", "erased"),
        Erased::StillInLog => done("/admin/subscribers", "erased-in-log"),
    }
}

async fn address(cx: &Context, id: Uuid) -> Result<EmailAddress, Refusal> {
    records::address_of(cx, id).await?.ok_or_else(missing)
}

/// The page of a reader, with why they got an issue or didn't, by its id, and what went wrong.
async fn show(cx: &Context, frame: &Frame, me: &Me, id: Uuid, issue: &str, fault: Option<&str>) -> Answer {
    let record = records::of_reader(cx, id).await?.ok_or_else(missing)?;
    let person = record.subscriber.as_ref().ok_or_else(missing)?;
    let asked = match issue.parse::<Uuid>() {
        Ok(issue) => reasons::why(cx, id, issue).await?,
        Err(_) => None,
    };
    let content = content(cx, me, (&record, person), asked, fault).await?;
    let status = if fault.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    frame.show("subscriber.html", status, &content)
}

async fn content(
    cx: &Context,
    me: &Me,
    (record, person): (&Record, &Person),
    asked: Option<Why>,
    fault: Option<&str>,
) -> Result<Value, Error> {
    let mut tx = cx.db.read().await?;
    let recent = store::issues::page(&mut tx, None, i64::MAX, 30).await?;
    let names = store::topics::all(&mut tx).await?;
    let why = match asked {
        Some(why) => {
            let mut says = why.says;
            if let Some(delivery) = why.delivery
                && let Some(found) = store::queue::find(&mut tx, delivery).await?
            {
                let obstacles = Obstacles::read(cx, &mut tx).await?;
                says.extend(because(cx, &found, &obstacles).iter().map(Because::on_page));
            }
            Some(
                json!({ "issue": why.issue, "subject": why.subject, "delivery": why.delivery, "says": says }),
            )
        }
        None => None,
    };
    drop(tx);
    let mailed =
        person.state == "active" && record.suppressions.iter().all(|it| it.kind.as_str() == "refused");
    let state = if person.state == "active" && !mailed { "suppressed" } else { &person.state };
    let topics: Vec<_> = person
        .subscriptions
        .iter()
        .map(|it| {
            let name =
                names.iter().find(|topic| topic.slug == it.topic).map_or(&it.topic, |topic| &topic.name);
            json!({ "name": name, "alerts": it.alerts, "digest": it.digest })
        })
        .collect();
    let issues: Vec<_> = recent
        .iter()
        .map(|issue| {
            let chosen = why.as_ref().is_some_and(|why| why["issue"] == json!(issue.public_id));
            json!({ "id": issue.public_id, "subject": issue.subject, "at": when(issue.created_at), "chosen": chosen })
        })
        .collect();
    let suppressions: Vec<_> =
        record.suppressions.iter().map(|it| json!({ "kind": it.kind, "since": when(it.since) })).collect();
    let signups: Vec<_> = record
        .signups
        .iter()
        .rev()
        .map(|it| json!({ "at": when(it.at), "state": it.state, "topics": it.topics.join(", "), "alerts": it.alerts, "digest": it.digest }))
        .collect();
    Ok(json!({
        "id": person.id,
        "address": record.address,
        "state": standing(state),
        "since": when(person.confirmed_at),
        "left": person.unsubscribed_at.map(when),
        "topics": topics,
        "consents": person.consents.iter().rev().map(consent).collect::<Vec<_>>(),
        "suppressions": suppressions,
        "signups": signups,
        "deliveries": person.deliveries.iter().take(DELIVERIES).map(delivered).collect::<Vec<_>>(),
        "more": person.deliveries.len().checked_sub(DELIVERIES).filter(|more| *more > 0),
        "issues": issues,
        "why": why,
        "may_suppress": person.state == "active" && me.user.role.may(Right::Release),
        "may_erase": me.user.role.may(Right::Manage),
        "fault": fault,
    }))
}

/// A consent with what is known of it, as in "form: https://site.example.org".
fn consent(consent: &Consent) -> Value {
    let details: Vec<_> = consent
        .detail
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{}: {}", name.replace('_', " "), words(value)))
        .collect();
    json!({ "at": when(consent.at), "action": consent.action, "details": details })
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::Array(list) => list.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn delivered(delivery: &Delivered) -> Value {
    json!({
        "id": delivery.id,
        "issue": (delivery.kind != Kind::Notice).then_some(delivery.issue),
        "kind": delivery.kind,
        "subject": delivery.subject,
        "state": tag(delivery.state),
        "reply": delivery.reply,
        "at": when(delivery.due_at),
    })
}
