//! How somebody is told: an event for the webhooks, and a mail over the watch's own relay. Both are rows first, in the
//! transaction that writes down what is told.

use uuid::Uuid;

use super::{Error, Seen};
use crate::context::Context;
use crate::domain::{
    issue::WATCH,
    time::{DAY, Timestamp},
};
use crate::mail::compose::Notice;
use crate::outbox::{self, Envelope};
use crate::store::{self, Tx, incidents::Incident};

/// What a webhook is sent, as JSON.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Event {
    /// As in `alert.slow`, or `alert.slow.resolved` when it is over.
    #[serde(rename = "type")]
    pub kind: String,
    pub timestamp: Timestamp,
    pub data: Data,
}

#[derive(Clone, Debug, serde::Serialize)]
pub struct Data {
    /// The same in the event that says that it is over.
    pub incident: Uuid,
    /// What it is about, as in `relay primary`, with the id of a post, a draft or an issue.
    pub subject: String,
    pub title: String,
    pub what: String,
    pub todo: String,
    pub link: String,
    pub since: Timestamp,
}

impl Event {
    /// Its body.
    pub fn json(&self) -> String {
        // A struct of texts and times can't fail; an empty body would be seen by its receiver.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Queues the word of something new.
pub(super) async fn begun(cx: &Context, tx: &mut Tx, incident: Uuid, seen: &Seen) -> Result<(), Error> {
    let event = Event {
        kind: seen.kind.to_string(),
        timestamp: cx.clock.now(),
        data: Data {
            incident,
            subject: seen.subject.clone(),
            title: seen.title.clone(),
            what: seen.what.clone(),
            todo: seen.todo.clone(),
            link: address(cx, &seen.link),
            since: seen.since,
        },
    };
    to_webhooks(cx, tx, &event).await?;
    match mail(cx, tx, &event.data).await {
        // The webhooks are called all the same.
        Err(Error::Compose(error)) => {
            tracing::error!(%error, "the watch's mail can't be composed");
            Ok(())
        }
        queued => queued,
    }
}

/// Queues the word that something is over, and how it stands now; for webhooks alone, so that nobody is mailed twice.
pub(super) async fn over(cx: &Context, tx: &mut Tx, incident: &Incident, well: String) -> Result<(), Error> {
    let event = Event {
        kind: format!("{}.resolved", incident.kind),
        timestamp: cx.clock.now(),
        data: Data {
            incident: incident.public_id,
            subject: incident.subject.clone(),
            title: format!("Over: {}", incident.title),
            what: well,
            todo: "Nothing: it is over.".to_owned(),
            link: address(cx, &incident.link),
            since: incident.since,
        },
    };
    to_webhooks(cx, tx, &event).await
}

/// What `bellwether watch test` sends.
pub fn test_event(cx: &Context) -> Event {
    let now = cx.clock.now();
    Event {
        kind: "watch.test".to_owned(),
        timestamp: now,
        data: Data {
            incident: cx.entropy.uuid(now),
            subject: "test".to_owned(),
            title: "A test of the watch".to_owned(),
            what: "Nothing is amiss. Somebody tried whether the watch can tell.".to_owned(),
            todo: "Nothing: that you read this is what was to be seen.".to_owned(),
            link: address(cx, "/admin"),
            since: now,
        },
    }
}

/// Queues the test's mail. False where no mail is configured.
///
/// # Errors
/// A template that can't be rendered, a database that can't be written.
pub async fn test_mail(cx: &Context) -> Result<bool, Error> {
    if cx.config.watch.mail.is_none() {
        return Ok(false);
    }
    let mut tx = cx.db.begin().await?;
    mail(cx, &mut tx, &test_event(cx).data).await?;
    tx.commit().await?;
    Ok(true)
}

async fn to_webhooks(cx: &Context, tx: &mut Tx, event: &Event) -> Result<(), Error> {
    let webhooks = &cx.config.watch.webhooks;
    if webhooks.is_empty() {
        return Ok(());
    }
    let gone = store::webhook_calls::all_gone(tx).await?;
    let message_id = cx.entropy.uuid(event.timestamp);
    let body = event.json();
    for webhook in webhooks.iter().filter(|webhook| !gone.iter().any(|(url, _)| url == webhook.url.as_str()))
    {
        store::webhook_calls::insert(tx, message_id, webhook.url.as_str(), &body, event.timestamp).await?;
    }
    Ok(())
}

async fn mail(cx: &Context, tx: &mut Tx, data: &Data) -> Result<(), Error> {
    let Some(mail) = &cx.config.watch.mail else { return Ok(()) };
    let now = cx.clock.now();
    let public_id = cx.entropy.uuid(now);
    let notice = Notice {
        subject: data.title.clone(),
        paragraphs: vec![data.what.clone(), format!("What to do: {}", data.todo)],
        link: Some((data.link.clone(), "Look at it".to_owned())),
    };
    let draft = cx.composer.notice(public_id, &notice)?;
    let envelope = Envelope {
        public_id,
        to: mail.to.as_str(),
        signup_id: None,
        created_by: "watch",
        expires_at: now.plus(DAY),
    };
    outbox::queue_at(cx, tx, &draft, &envelope, WATCH).await?;
    Ok(())
}

fn address(cx: &Context, path: &str) -> String {
    format!("{}{path}", cx.config.server.public_url.as_str().trim_end_matches('/'))
}
