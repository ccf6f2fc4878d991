//! One person's record, for the operator and for the person: shown, exported, unsubscribed, erased.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use serde_json::json;

use super::{Error, leaving};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    address::EmailAddress, delivery, issue, subscription::Digest, suppression, time::Timestamp,
};
use crate::store::{self, Tx, subscribers::Subscriber};

/// Everything we know of an address.
#[derive(Debug, Serialize)]
pub struct Record {
    pub address: String,
    /// None for an address that only signed up, or only stands in the suppressions.
    pub subscriber: Option<Person>,
    pub suppressions: Vec<Suppressed>,
    /// The oldest first.
    pub signups: Vec<SignedUp>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct SignedUp {
    pub at: Timestamp,
    /// new, mailed, withheld, confirmed or refused.
    pub state: String,
    pub topics: Vec<String>,
    pub alerts: bool,
    pub digest: Digest,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Person {
    pub id: Uuid,
    pub state: String,
    pub confirmed_at: Timestamp,
    pub unsubscribed_at: Option<Timestamp>,
    pub subscriptions: Vec<Subscribed>,
    pub consents: Vec<Consent>,
    /// The newest first.
    pub deliveries: Vec<Delivered>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Subscribed {
    pub topic: String,
    pub alerts: bool,
    pub digest: Digest,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Consent {
    pub at: Timestamp,
    pub action: String,
    pub detail: serde_json::Value,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Delivered {
    /// The delivery's number.
    pub id: i64,
    pub issue: Uuid,
    pub due_at: Timestamp,
    pub kind: issue::Kind,
    pub subject: String,
    pub state: delivery::State,
    /// The server's last words.
    pub reply: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Suppressed {
    pub kind: suppression::Kind,
    pub since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    Everywhere,
    /// It is deleted, but its text stays in SQLite's write-ahead log while somebody reads the database for long.
    StillInLog,
    /// Nothing was known of it.
    Unknown,
}

/// The most deliveries that a record shows.
const DELIVERIES: i64 = 1_000;

/// What we know of an address; none when that is nothing.
///
/// # Errors
/// A database that can't be read.
pub async fn show(cx: &Context, address: &EmailAddress) -> Result<Option<Record>, Error> {
    let mut tx = cx.db.read().await?;
    let hash = cx.hasher.hash(address.key());
    let suppressions: Vec<_> = store::suppressions::of(&mut tx, &hash)
        .await?
        .into_iter()
        .map(|(kind, since)| Suppressed { kind, since })
        .collect();
    let subscriber = match store::subscribers::by_key(&mut tx, address.key()).await? {
        Some(subscriber) => Some(person(&mut tx, &subscriber).await?),
        None => None,
    };
    let signups: Vec<_> = store::signups::of_address(&mut tx, address.key())
        .await?
        .into_iter()
        .map(|(state, at, topics, alerts, digest)| SignedUp {
            at,
            state,
            topics: serde_json::from_str(&topics).unwrap_or_default(),
            alerts,
            digest,
        })
        .collect();
    if subscriber.is_none() && suppressions.is_empty() && signups.is_empty() {
        return Ok(None);
    }
    Ok(Some(Record { address: address.as_str().to_owned(), subscriber, suppressions, signups }))
}

/// What we know of the reader with this name; none where there is none.
///
/// # Errors
/// A database that can't be read.
pub async fn of_reader(cx: &Context, id: Uuid) -> Result<Option<Record>, Error> {
    match address_of(cx, id).await? {
        Some(address) => show(cx, &address).await,
        None => Ok(None),
    }
}

/// The address of the reader with this name.
///
/// # Errors
/// A database that can't be read.
pub async fn address_of(cx: &Context, id: Uuid) -> Result<Option<EmailAddress>, Error> {
    let mut tx = cx.db.read().await?;
    let found = store::subscribers::by_public_id(&mut tx, id).await?;
    Ok(found.and_then(|subscriber| subscriber.address.parse().ok()))
}

/// Unsubscribes by somebody else's hand. False when there was no active reader.
///
/// # Errors
/// A database that can't be written.
pub async fn remove(cx: &Context, address: &EmailAddress, by: &Actor) -> Result<bool, Error> {
    let mut tx = cx.db.begin().await?;
    let Some(subscriber) = store::subscribers::by_key(&mut tx, address.key()).await? else {
        return Ok(false);
    };
    let ended = leaving::end(cx, &mut tx, &subscriber, "operator").await?;
    if ended {
        let name = subscriber.public_id.to_string();
        let change = Change::new(Act::Unsubscribed, Thing::Subscriber, &name)
            .from(&json!({ "state": subscriber.state }))
            .to(&json!({ "state": store::subscribers::State::Unsubscribed }));
        audit::record(&mut tx, cx.clock.now(), by, change).await?;
    }
    tx.commit().await?;
    Ok(ended)
}

/// Takes the address out of everything: the person, their consents' details, deliveries and sign-ups. What stays is a
/// keyed hash that keeps imports from bringing it back. A mail that is on its way is called off and waited for, some
/// seconds at most.
///
/// # Errors
/// A database that can't be written.
pub async fn erase(cx: &Context, address: &EmailAddress, by: &Actor) -> Result<Erased, Error> {
    let mut looks = 0;
    let known = loop {
        if let Some(known) = end_and_delete(cx, address, by, looks == LOOKS).await? {
            break known;
        }
        looks += 1;
        tokio::time::sleep(LOOK).await;
    };
    Ok(match (cx.db.forget().await?, known) {
        (false, _) => Erased::StillInLog,
        (true, true) => Erased::Everywhere,
        (true, false) => Erased::Unknown,
    })
}

/// How often, and how many times, an erasure looks whether a mail is still on its way: five seconds. Senders of other
/// processes hear within one that somebody left.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: usize = 100;

/// Ends everything and deletes it. None, with nothing deleted, when a mail is on its way and the time is not up: its
/// senders call it off by the subscriber, and write down what became of it with the server's words.
async fn end_and_delete(
    cx: &Context,
    address: &EmailAddress,
    by: &Actor,
    time_is_up: bool,
) -> Result<Option<bool>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    store::subscribers::begin_erasure(&mut tx).await?;
    let subscriber = store::subscribers::by_key(&mut tx, address.key()).await?;
    if let Some(subscriber) = &subscriber {
        leaving::end(cx, &mut tx, subscriber, "erasure").await?;
        // Also what the senders have put off since the look before.
        store::deliveries::cancel_for(&mut tx, subscriber.id, now).await?;
    }
    if !time_is_up && store::deliveries::sending_to(&mut tx, address.key()).await? > 0 {
        tx.commit().await?;
        return Ok(None);
    }
    if let Some(subscriber) = &subscriber {
        store::subscribers::erase(&mut tx, subscriber.id).await?;
    }
    let signups = store::signups::delete_of_address(&mut tx, address.key()).await?;
    let bare = store::deliveries::delete_bare(&mut tx, address.key()).await?;
    let hash = cx.hasher.hash(address.key());
    let before = store::suppressions::of(&mut tx, &hash).await?;
    let erased_before = before.iter().any(|(kind, _)| *kind == suppression::Kind::Erased);
    let known = subscriber.is_some() || signups + bare > 0 || erased_before;
    if known {
        store::suppressions::insert(&mut tx, &hash, suppression::Kind::Erased, now).await?;
    }
    if subscriber.is_some() || signups + bare > 0 {
        let name = subscriber.map_or_else(|| "who was no reader".to_owned(), |it| it.public_id.to_string());
        audit::record(&mut tx, now, by, Change::new(Act::Erased, Thing::Subscriber, &name)).await?;
    }
    tx.commit().await?;
    Ok(Some(known))
}

async fn person(tx: &mut Tx, subscriber: &Subscriber) -> Result<Person, Error> {
    let subscriptions = store::subscribers::subscriptions(tx, subscriber.id).await?;
    let consents = store::subscribers::consents(tx, subscriber.id).await?;
    let deliveries = store::deliveries::of_subscriber(tx, subscriber.id, DELIVERIES).await?;
    Ok(Person {
        id: subscriber.public_id,
        state: subscriber.state.to_string(),
        confirmed_at: subscriber.confirmed_at,
        unsubscribed_at: subscriber.unsubscribed_at,
        subscriptions: subscriptions
            .into_iter()
            .map(|s| Subscribed { topic: s.slug, alerts: s.alerts, digest: s.digest })
            .collect(),
        consents: consents
            .into_iter()
            .map(|(action, detail, at)| Consent {
                at,
                action,
                detail: serde_json::from_str(&detail).unwrap_or_default(),
            })
            .collect(),
        deliveries: deliveries
            .into_iter()
            .map(|to| Delivered {
                reply: to.reply(),
                id: to.id,
                issue: to.issue,
                due_at: to.due_at,
                kind: to.kind,
                subject: to.subject,
                state: to.state,
            })
            .collect(),
    })
}
