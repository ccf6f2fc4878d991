//! `/admin/issues`: what was published, how far it got, to whom with which answer, and what it said.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::figures::{self, counted, number, share_of, tag};
use super::{Answer, At, Refusal, done, frame::Frame, missing, when};
use crate::context::Context;
use crate::delivering::retrying;
use crate::domain::{
    delivery,
    issue::{Kind, State as IssueState},
    role::Right,
    time::{MINUTE, span},
};
use crate::newsroom::{Error, Me};
use crate::publishing::archive::{self, Marked};
use crate::publishing::progress::{self, Acceptance, Progress};
use crate::store::{self, Tx, deliveries::Shown, issues::Issue};

/// Issues, and recipients, on a page.
const PAGE: usize = 25;
const RECIPIENTS: usize = 50;
/// Up to so many recipients the counts by relay and domain cost no time worth asking about; beyond, some seconds.
const CHEAP: i64 = 300_000;
/// Domains that are told apart.
const DOMAINS: i64 = 8;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Issues before this one.
    before: String,
    /// Whether to count by relay and domain also where that takes long.
    by: String,
    /// Recipients behind this one.
    after: String,
    /// Issues, or recipients, of one state; empty for all.
    state: String,
}

/// `GET /admin/issues`
pub async fn page(State(cx): State<Context>, frame: Frame, Query(asked): Query<Asked>) -> Answer {
    let before = asked.before.parse().unwrap_or(i64::MAX);
    let chosen: Option<IssueState> = asked.state.parse().ok();
    let (issues, next) = listed(&cx, chosen, before, PAGE).await?;
    let states: Vec<_> = STATES
        .iter()
        .map(|(state, label)| json!({ "word": state, "label": label, "chosen": chosen == Some(*state) }))
        .collect();
    frame.ok(
        "issues.html",
        &json!({ "issues": issues, "states": states, "chosen": chosen, "next": next, "first": before == i64::MAX }),
    )
}

/// The states that the list can be kept to.
const STATES: [(IssueState, &str); 5] = [
    (IssueState::Held, "held"),
    (IssueState::Publishing, "being written out"),
    (IssueState::Sending, "sending"),
    (IssueState::Sent, "sent"),
    (IssueState::Cancelled, "stopped or undone"),
];

/// The newest issues before this one, of one state or of all, as lists show them, and where the next page begins.
pub(super) async fn listed(
    cx: &Context,
    only: Option<IssueState>,
    before: i64,
    most: usize,
) -> Result<(Vec<Value>, Option<i64>), Error> {
    let mut tx = cx.db.read().await?;
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let page = store::issues::page(&mut tx, only, before, limit).await?;
    let next = page.get(most.saturating_sub(1)).filter(|_| page.len() > most).map(|last| last.id);
    let ids: Vec<_> = page.iter().map(|issue| issue.id).collect();
    let made_by = store::issues::made_by(&mut tx, &ids).await?;
    let mut shown = Vec::new();
    for issue in page.iter().take(most) {
        let progress = Progress::read(&mut tx, issue).await?;
        let by = made_by.iter().find(|(id, ..)| *id == issue.id).map(|(_, by, _)| by);
        shown.push(json!({
            "id": issue.public_id,
            "subject": issue.subject,
            "kind": kind(issue),
            "state": state(issue),
            "at": when(issue.created_at),
            "by": by,
            "reach": reach(issue, &progress),
            "share": (!is_ahead(issue)).then(|| share_of(&progress)),
        }));
    }
    Ok((shown, next))
}

/// `GET /admin/issues/{id}`
pub async fn one(
    State(cx): State<Context>,
    frame: Frame,
    me: Me,
    At(id): At<Uuid>,
    Query(asked): Query<Asked>,
) -> Answer {
    let issue = find(&cx, id).await?;
    let content = content(&cx, &me, &issue, &asked).await?;
    frame.ok("issue.html", &content)
}

/// `POST /admin/issues/{id}/retry`
pub async fn retry(State(cx): State<Context>, me: Me, At(id): At<Uuid>) -> Answer {
    match retrying::of_issue(&cx, &me.actor(), id).await? {
        Some(0) => done(&format!("/admin/issues/{id}"), "nothing-to-retry"),
        Some(_) => done(&format!("/admin/issues/{id}"), "retried"),
        None => Err(missing()),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Marking {
    public: String,
}

/// `POST /admin/issues/{id}/archive`: puts it into the public archive, or takes it out.
pub async fn archive(
    State(cx): State<Context>,
    me: Me,
    At(id): At<Uuid>,
    Form(marking): Form<Marking>,
) -> Answer {
    let public = marking.public == "yes";
    match archive::mark(&cx, &me.actor(), id, public).await? {
        Marked::Done => {
            done(&format!("/admin/issues/{id}"), if public { "archived" } else { "not-archived" })
        }
        Marked::NotThis => {
            let text = "It has no page that could stand there: it is a correction, or was published in test mode, or before there was an archive.";
            Err(Refusal::new(StatusCode::CONFLICT, "This can’t stand in the archive", text))
        }
        Marked::Unknown => Err(missing()),
    }
}

/// `GET /admin/issues/{id}/mail`: what it said, in a frame that runs nothing and asks nobody for anything.
pub async fn mail(State(cx): State<Context>, frame: Frame, At(id): At<Uuid>) -> Answer {
    let issue = find(&cx, id).await?;
    let said = progress::said(&cx, &issue).await?;
    let content = json!({
        "id": issue.public_id,
        "subject": issue.subject,
        "digest": issue.kind == Kind::Digest,
        "mail": said.map(|said| json!({ "text": said.text, "html": said.html, "size": size(said.bytes) })),
    });
    let mut response = frame.ok("issue-mail.html", &content)?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, MAIL_POLICY);
    Ok(response)
}

/// A mail has its styles in it, and the frame it stands in takes the page's policy.
const MAIL_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; form-action 'self'; frame-ancestors \
     'none'; base-uri 'none'",
);

async fn content(cx: &Context, me: &Me, issue: &Issue, asked: &Asked) -> Result<Value, Error> {
    let mut tx = cx.db.read().await?;
    let progress = Progress::read(&mut tx, issue).await?;
    let made_by = store::issues::made_by(&mut tx, &[issue.id]).await?;
    let (_, by, ended) = made_by.into_iter().next().unwrap_or_default();
    let topics = topics(&mut tx, issue).await?;
    let (public, has_page) = store::archive::standing(&mut tx, issue.id).await?;
    let curve = progress::acceptance(&mut tx, issue).await?.map(|it| curve(&it, issue.audience));
    let chosen: Option<delivery::State> = asked.state.parse().ok();
    let after = asked.after.parse().unwrap_or(0);
    let limit = i64::try_from(RECIPIENTS).unwrap_or(i64::MAX) + 1;
    let recipients = store::deliveries::page(&mut tx, issue.id, chosen, after, limit).await?;
    let next = recipients.get(RECIPIENTS - 1).filter(|_| recipients.len() > RECIPIENTS).map(|last| last.id);
    let counted_by = issue.audience <= CHEAP || !asked.by.is_empty();
    let by_relay = if counted_by { relays(&mut tx, issue).await? } else { Vec::new() };
    let by_domain = if counted_by { domains(&mut tx, issue).await? } else { Vec::new() };
    let again = progress.count(&[delivery::State::Deferred, delivery::State::Failed]);
    let states: Vec<_> = delivery::State::ALL
        .iter()
        .filter_map(|state| Some((state, progress.counts.get(state.as_str()).copied()?)))
        .map(|(state, count)| {
            json!({ "word": state, "tag": tag(*state), "count": number(count), "chosen": chosen == Some(*state) })
        })
        .collect();
    Ok(json!({
        "ahead": is_ahead(issue),
        "undone": issue.was_undone(),
        "followed": matches!(issue.kind, Kind::Alert | Kind::Broadcast | Kind::Correction),
        "id": issue.public_id,
        "subject": issue.subject,
        "kind": kind(issue),
        "state": state(issue),
        "at": when(issue.created_at),
        "by": by,
        "ended": ended.map(when),
        "useful_until": issue.expires_at.map(when),
        "topics": topics,
        "archive": (has_page && issue.kind != Kind::Correction).then_some(public),
        "may_mark": me.user.role.may(Right::Release),
        "reach": reach(issue, &progress),
        "share": (!is_ahead(issue)).then(|| share_of(&progress)),
        "states": states,
        "chosen": chosen,
        "curve": curve,
        "relays": by_relay,
        "domains": by_domain,
        "uncounted": !counted_by && issue.totals.is_none(),
        "recipients": recipients.iter().take(RECIPIENTS).map(recipient).collect::<Vec<_>>(),
        "next": next,
        "first": after == 0,
        "reduced": issue.totals.is_some(),
        "again": (again > 0 && may_retry(issue) && me.user.role.may(Right::Release))
            .then(|| counted(again, "mail", "mails")),
    }))
}

/// What was stopped, or is long over, isn't begun again.
const fn may_retry(issue: &Issue) -> bool {
    issue.totals.is_none() && !matches!(issue.state, IssueState::Cancelled)
}

fn kind(issue: &Issue) -> String {
    match issue.kind {
        Kind::Alert => format!("alert, {}", issue.level),
        _ => kind_word(issue),
    }
}

/// What it is, as in "alert", "daily digest".
pub(super) fn kind_word(issue: &Issue) -> String {
    match issue.kind {
        Kind::Alert => "alert".to_owned(),
        Kind::Broadcast => "newsletter".to_owned(),
        Kind::Correction => "correction".to_owned(),
        Kind::Digest => format!("{} digest", issue.digest),
        Kind::Notice => "notice".to_owned(),
    }
}

/// Nobody has it: it is held, or was undone.
fn is_ahead(issue: &Issue) -> bool {
    issue.state == IssueState::Held || issue.was_undone()
}

/// To how many it goes or went, in words that follow its state.
fn reach(issue: &Issue, progress: &Progress) -> String {
    let to = |count: i64| format!("to {}", counted(count, "reader", "readers"));
    match issue.state {
        _ if issue.was_undone() => "before anyone got it".to_owned(),
        IssueState::Held => {
            let goes = to(issue.expected.unwrap_or(issue.audience));
            let later = issue.held_until.filter(|until| until.since(issue.created_at) > 10 * MINUTE);
            match later {
                Some(until) => {
                    format!("{goes}, goes out {}", when(until)["text"].as_str().unwrap_or_default())
                }
                None => format!("{goes}, goes out when the hold is over"),
            }
        }
        IssueState::Publishing => format!("{} so far", to(issue.audience)),
        IssueState::Cancelled => {
            format!("when {} had it", counted(progress.count(&[delivery::State::Sent]), "reader", "readers"))
        }
        IssueState::Sending | IssueState::Sent => to(issue.audience),
    }
}

fn state(issue: &Issue) -> Value {
    let (word, look) = match issue.state {
        _ if issue.was_undone() => ("undone", ""),
        _ if issue.paused_at.is_some() => ("paused", "bad"),
        IssueState::Held => ("held", "warn"),
        IssueState::Publishing => ("being written out", "warn"),
        IssueState::Sending => ("sending", "warn"),
        IssueState::Sent => ("sent", "good"),
        IssueState::Cancelled => ("stopped", "bad"),
    };
    json!({ "word": word, "look": look })
}

async fn topics(tx: &mut Tx, issue: &Issue) -> Result<String, Error> {
    let ids = store::issues::topic_ids(tx, issue.id).await?;
    let names = store::topics::all(tx).await?.into_iter().filter(|topic| ids.contains(&topic.id));
    Ok(names.map(|topic| topic.name).collect::<Vec<_>>().join(", "))
}

/// The curve in words and lines.
fn curve(acceptance: &Acceptance, audience: i64) -> Value {
    let Acceptance { from, until, points, accepted, last } = acceptance;
    let took = until.since(*from);
    let width = until.as_micros() - from.as_micros();
    let mut drawn = figures::curve(points, (0, width), audience.max(*accepted), true);
    let by_then = points.last().map_or(0, |(_, count)| *count);
    drawn["label"] =
        format!("Accepted over time: {} of {} within {}", number(by_then), number(audience), span(took))
            .into();
    drawn["left"] = from.to_jiff().strftime("%-d %b, %H:%M:%S UTC").to_string().into();
    drawn["right"] = format!("{} after {}", number(by_then), span(took)).into();
    drawn["late"] = (by_then < *accepted)
        .then(|| {
            format!("{} more later, the last after {}", number(accepted - by_then), span(last.since(*from)))
        })
        .into();
    drawn
}

async fn relays(tx: &mut Tx, issue: &Issue) -> Result<Vec<Value>, Error> {
    Ok(store::outcomes::by_relay(tx, issue.id).await?.iter().map(figures::place).collect())
}

async fn domains(tx: &mut Tx, issue: &Issue) -> Result<Vec<Value>, Error> {
    Ok(store::outcomes::by_domain(tx, issue.id, DOMAINS).await?.iter().map(figures::place).collect())
}

fn recipient(delivery: &Shown) -> Value {
    json!({
        "id": delivery.id,
        "address": delivery.address,
        "state": tag(delivery.state),
        "reply": delivery.reply(),
        "attempts": delivery.attempts,
        "relay": delivery.relay,
        "retry": delivery.retry_at.map(when),
        "ended": delivery.ended_at.map(when),
    })
}

/// As in "12 KB".
fn size(bytes: usize) -> String {
    format!("{} KB", bytes.div_ceil(1_024))
}

async fn find(cx: &Context, id: Uuid) -> Result<Issue, Refusal> {
    let mut tx = cx.db.read().await?;
    store::issues::by_public_id(&mut tx, id).await?.ok_or_else(missing)
}
