//! The links in every bulk mail: unsubscribe and preferences. Both take effect on what is already queued.

use super::{Error, Preferences, choices, topic_ids};
use crate::context::Context;
use crate::domain::{
    address::EmailAddress,
    decision::{Decision, Matter, Reader, Subscription, decide},
    subscription::{Digest, Wishes},
    suppression,
    time::{HOUR, Timestamp},
    token::Purpose,
};
use crate::store::{
    self, Tx,
    subscribers::{State, Subscriber},
};

/// Reads what the reader of a preferences or unsubscribe link has.
///
/// # Errors
/// A link that we did not make, or a database that can't be read.
pub async fn preferences(cx: &Context, token: &str) -> Result<Preferences, Error> {
    let mut tx = cx.db.read().await?;
    let subscriber = subscriber_of(cx, &mut tx, token).await?;
    show(&mut tx, &subscriber).await
}

/// Ends everything from this sender. Idempotent.
///
/// # Errors
/// A link that we did not make, or a database that can't be written.
pub async fn unsubscribe(cx: &Context, token: &str) -> Result<Preferences, Error> {
    let mut tx = cx.db.begin().await?;
    let subscriber = subscriber_of(cx, &mut tx, token).await?;
    end(cx, &mut tx, &subscriber, "link").await?;
    let subscriber = subscriber_of(cx, &mut tx, token).await?;
    let shown = show(&mut tx, &subscriber).await?;
    tx.commit().await?;
    Ok(shown)
}

/// Sets all wishes at once. Nothing asked for means unsubscribed; who left within the hour may take that back here,
/// later it needs a new sign-up.
///
/// # Errors
/// An unknown topic, a link that we did not make, or a database that can't be written.
pub async fn set_preferences(cx: &Context, token: &str, wishes: Wishes) -> Result<Preferences, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let subscriber = subscriber_of(cx, &mut tx, token).await?;
    let mut topics = topic_ids(&store::topics::all(&mut tx).await?, &wishes.topics)?;
    // What isn't offered now stays as it is, but for how they want it.
    topics.extend(store::topics::retired_of(&mut tx, subscriber.id).await?);
    let back = subscriber.unsubscribed_at.is_some_and(|left| now.since(left) < HOUR);
    if wishes.is_empty() {
        end(cx, &mut tx, &subscriber, "preferences").await?;
    } else if subscriber.state == State::Active || back {
        if back {
            take_back(cx, &mut tx, &subscriber, now).await?;
        }
        super::begin_digests(&mut tx, subscriber.id).await?;
        let last_post = store::posts::last_id(&mut tx).await?;
        for topic_id in &topics {
            store::subscribers::subscribe(
                &mut tx,
                subscriber.id,
                *topic_id,
                wishes.alerts,
                wishes.digest,
                last_post,
            )
            .await?;
        }
        store::subscribers::keep_only(&mut tx, subscriber.id, &topics).await?;
        let detail =
            serde_json::json!({"topics": wishes.topics, "alerts": wishes.alerts, "digest": wishes.digest});
        store::subscribers::record_consent(&mut tx, subscriber.id, "changed", &detail.to_string(), now)
            .await?;
        cancel_unwanted(&mut tx, subscriber.id, now).await?;
    }
    let subscriber = subscriber_of(cx, &mut tx, token).await?;
    let shown = show(&mut tx, &subscriber).await?;
    tx.commit().await?;
    if subscriber.state == State::Active {
        cx.left.remove(&subscriber.id);
    }
    Ok(shown)
}

/// Unsubscribes: nothing more is sent, also nothing that is queued, and no import brings the address back.
pub(super) async fn end(cx: &Context, tx: &mut Tx, subscriber: &Subscriber, by: &str) -> Result<bool, Error> {
    let now = cx.clock.now();
    if !store::subscribers::unsubscribe(tx, subscriber.id, now).await? {
        return Ok(false);
    }
    // Before the commit: a mail that is held back for a rollback goes out later, one that left can't be called back.
    cx.left.add(subscriber.id, now);
    store::suppressions::insert(tx, &subscriber.address_hash, suppression::Kind::Unsubscribed, now).await?;
    store::deliveries::cancel_for(tx, subscriber.id, now).await?;
    let detail = serde_json::json!({ "by": by }).to_string();
    store::subscribers::record_consent(tx, subscriber.id, "unsubscribed", &detail, now).await?;
    tracing::info!(subscriber = %subscriber.public_id, by, "unsubscribed");
    Ok(true)
}

async fn take_back(cx: &Context, tx: &mut Tx, subscriber: &Subscriber, now: Timestamp) -> Result<(), Error> {
    store::suppressions::lift_kind(tx, &subscriber.address_hash, suppression::Kind::Unsubscribed).await?;
    store::subscribers::activate(
        tx,
        &store::subscribers::NewSubscriber {
            public_id: cx.entropy.uuid(now),
            address: &subscriber.address,
            address_key: &subscriber.address_key,
            address_hash: &subscriber.address_hash,
            now,
        },
    )
    .await?;
    Ok(())
}

/// Asks the one decision again for everything that waits for this reader.
pub(super) async fn cancel_unwanted(tx: &mut Tx, subscriber_id: i64, now: Timestamp) -> Result<(), Error> {
    let subscriptions: Vec<_> = store::subscribers::subscriptions(tx, subscriber_id)
        .await?
        .into_iter()
        .map(|s| Subscription { topic: s.topic_id, alerts: s.alerts, digest: s.digest, digest_after: 0 })
        .collect();
    let reader = Reader { active: true, suppressed: false, subscriptions: &subscriptions };
    for waiting in store::deliveries::waiting_for(tx, subscriber_id).await? {
        let topics = store::issues::topic_ids(tx, waiting.issue_id).await?;
        let matter = Matter {
            kind: waiting.kind,
            level: waiting.level,
            topics: &topics,
            digest: waiting.digest,
            expires_at: waiting.expires_at,
        };
        if let Decision::Never(_) = decide(&reader, &matter, now) {
            store::deliveries::cancel(tx, waiting.id, now).await?;
        }
    }
    Ok(())
}

async fn subscriber_of(cx: &Context, tx: &mut Tx, token: &str) -> Result<Subscriber, Error> {
    match cx.keys.verify(token) {
        Some((Purpose::Unsubscribe | Purpose::Preferences, id)) => {
            store::subscribers::by_public_id(tx, id).await?.ok_or(Error::BadLink)
        }
        _ => Err(Error::BadLink),
    }
}

async fn show(tx: &mut Tx, subscriber: &Subscriber) -> Result<Preferences, Error> {
    let has = store::subscribers::subscriptions(tx, subscriber.id).await?;
    let topics = choices(&store::topics::all(tx).await?, |slug| has.iter().any(|s| s.slug == slug));
    Ok(Preferences {
        masked_address: subscriber.address.parse::<EmailAddress>().map(|a| a.masked()).unwrap_or_default(),
        active: subscriber.state == State::Active,
        topics,
        alerts: has.iter().any(|s| s.alerts),
        digest: has.iter().map(|s| s.digest).find(|digest| *digest != Digest::None).unwrap_or(Digest::None),
    })
}
