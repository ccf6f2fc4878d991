//! The link in the confirmation mail: looked at by GET, pressed by POST. Only the POST makes somebody a reader.

use std::net::IpAddr;

use super::{Answer, Asked, Error, Pending, SignUp, choices, expired, signup_of, wishes_of};
use crate::context::Context;
use crate::domain::{subscription::Wishes, suppression, time::Timestamp};
use crate::store::{self, Tx, signups::Signup, subscribers::NewSubscriber};

/// Looks at a confirmation link and changes nothing.
///
/// # Errors
/// A link that we did not make, or a database that can't be read.
pub async fn pending(cx: &Context, token: &str) -> Result<Pending, Error> {
    let mut tx = cx.db.read().await?;
    let signup = signup_of(cx, &mut tx, token).await?;
    state_of(&mut tx, &signup, cx.clock.now()).await
}

/// The button behind the link: makes or changes the subscriber. Idempotent; an expired link changes nothing.
///
/// # Errors
/// A link that we did not make, or a database that can't be written.
pub async fn confirm(cx: &Context, token: &str) -> Result<Pending, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let signup = signup_of(cx, &mut tx, token).await?;
    let state = state_of(&mut tx, &signup, now).await?;
    let Pending::Ready(asked) = state else {
        return Ok(state);
    };
    if store::signups::mark_confirmed(&mut tx, signup.id, now).await? {
        let subscriber_id = make_reader(cx, &mut tx, &signup, now).await?;
        tx.commit().await?;
        cx.left.remove(&subscriber_id);
        tracing::info!(signup = %signup.public_id, "confirmed");
    }
    Ok(Pending::Confirmed(asked))
}

/// Mails a new link for an expired sign-up, within the limits of a new one.
///
/// # Errors
/// A link that we did not make, or a database that can't be written.
pub async fn renew(cx: &Context, token: &str, network: IpAddr) -> Result<Answer, Error> {
    let mut tx = cx.db.read().await?;
    let signup = signup_of(cx, &mut tx, token).await?;
    let state = state_of(&mut tx, &signup, cx.clock.now()).await?;
    let topics = store::topics::all(&mut tx).await?;
    drop(tx);
    if !matches!(state, Pending::Expired(_)) {
        return Ok(Answer::CheckYourInbox);
    }
    let mut wishes = wishes_of(&signup);
    wishes.topics.retain(|slug| topics.iter().any(|topic| topic.slug == slug.as_str()));
    let address = signup.address.parse().map_err(|_| Error::BadLink)?;
    super::sign_up(cx, SignUp { address, wishes, network, origin: signup.origin }).await
}

/// "This wasn't me": keeps further confirmations away from the address for 90 days. After a confirmation it changes
/// nothing.
///
/// # Errors
/// A link that we did not make, or a database that can't be written.
pub async fn refuse(cx: &Context, token: &str) -> Result<(), Error> {
    let mut tx = cx.db.begin().await?;
    let signup = signup_of(cx, &mut tx, token).await?;
    if store::signups::mark_refused(&mut tx, signup.id).await? == 1 {
        let hash = cx.hasher.hash(&signup.address_key);
        store::suppressions::insert(&mut tx, &hash, suppression::Kind::Refused, cx.clock.now()).await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn state_of(tx: &mut Tx, signup: &Signup, now: Timestamp) -> Result<Pending, Error> {
    let Wishes { topics, alerts, digest } = wishes_of(signup);
    let mut topics =
        choices(&store::topics::all(tx).await?, |slug| topics.iter().any(|t| t.as_str() == slug));
    topics.retain(|topic| topic.chosen);
    let asked = Asked { topics, alerts, digest };
    Ok(match signup.confirmed_at {
        Some(_) if !is_reader(tx, signup).await? => Pending::Left,
        Some(_) => Pending::Confirmed(asked),
        None if expired(signup, now) => Pending::Expired(asked),
        None => Pending::Ready(asked),
    })
}

async fn is_reader(tx: &mut Tx, signup: &Signup) -> Result<bool, Error> {
    let subscriber = store::subscribers::by_key(tx, &signup.address_key).await?;
    Ok(subscriber.is_some_and(|subscriber| subscriber.state == store::subscribers::State::Active))
}

/// The reader that a confirmed sign-up makes. One who was active keeps other topics; one who had left starts anew.
async fn make_reader(cx: &Context, tx: &mut Tx, signup: &Signup, now: Timestamp) -> Result<i64, Error> {
    let wishes = wishes_of(signup);
    let hash = cx.hasher.hash(&signup.address_key);
    store::suppressions::lift(tx, &hash).await?;
    let known = store::subscribers::by_key(tx, &signup.address_key).await?;
    let id = store::subscribers::activate(
        tx,
        &NewSubscriber {
            public_id: cx.entropy.uuid(now),
            address: &signup.address,
            address_key: &signup.address_key,
            address_hash: &hash,
            now,
        },
    )
    .await?;
    if known.is_some_and(|subscriber| subscriber.state == store::subscribers::State::Unsubscribed) {
        store::subscribers::keep_only(tx, id, &[]).await?;
    }
    super::begin_digests(tx, id).await?;
    let last_post = store::posts::last_id(tx).await?;
    for topic in store::topics::all(tx).await? {
        if wishes.topics.iter().any(|slug| slug.as_str() == topic.slug) {
            store::subscribers::subscribe(tx, id, topic.id, wishes.alerts, wishes.digest, last_post).await?;
        }
    }
    let detail = serde_json::json!({
        "topics": wishes.topics, "alerts": wishes.alerts, "digest": wishes.digest,
        "asked_at": signup.created_at, "form": signup.origin, "network": signup.network,
        "wording": "pressed the button of the page behind the confirmation mail",
    });
    store::subscribers::record_consent(tx, id, "confirmed", &detail.to_string(), now).await?;
    super::leaving::cancel_unwanted(tx, id, now).await?;
    Ok(id)
}
