//! The form: appended and answered the same way whatever we know of the address. What to mail is decided afterwards,
//! outside the request.

use std::net::IpAddr;

use super::{Answer, Error, SignUp, topic_ids, wishes_of};
use crate::context::Context;
use crate::domain::{
    network,
    time::{DAY, HOUR, Timestamp},
};
use crate::mail::compose::Confirmation;
use crate::outbox::{self, Envelope};
use crate::store::{self, Tx, signups::Signup};

/// Takes a filled-in form.
///
/// # Errors
/// An unknown topic, nothing asked for, or a database that can't be written.
pub async fn sign_up(cx: &Context, form: SignUp) -> Result<Answer, Error> {
    if form.wishes.is_empty() {
        return Err(Error::NothingAsked);
    }
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    topic_ids(&store::topics::all(&mut tx).await?, &form.wishes.topics)?;
    if let Some(answer) = too_many(cx, &mut tx, form.network, now).await? {
        return Ok(answer);
    }
    append(cx, &mut tx, &form, now).await?;
    tx.commit().await?;
    cx.bells.signup.notify_one();
    Ok(Answer::CheckYourInbox)
}

/// The limits on who asks: one network in an hour gets an honest refusal; when all together are too many, the answer
/// is the usual one and nothing is kept.
async fn too_many(
    cx: &Context,
    tx: &mut Tx,
    network: IpAddr,
    now: Timestamp,
) -> Result<Option<Answer>, Error> {
    let limits = &cx.config.signup;
    let hour_ago = now.minus(HOUR);
    let (from_network, first) =
        store::signups::count_from_network(tx, &network::name(network), hour_ago).await?;
    if from_network >= i64::from(limits.per_network_hour) {
        let retry_after = first.unwrap_or(now).plus(HOUR).since(now);
        return Ok(Some(Answer::TooMany { retry_after }));
    }
    if store::signups::count_all(tx, hour_ago).await? >= i64::from(limits.per_hour) {
        tracing::warn!(
            limit = limits.per_hour,
            "too many sign-ups within an hour: dropping further ones; [signup] per_hour is the limit"
        );
        return Ok(Some(Answer::CheckYourInbox));
    }
    Ok(None)
}

async fn append(cx: &Context, tx: &mut Tx, form: &SignUp, now: Timestamp) -> Result<(), Error> {
    let signup = store::signups::NewSignup {
        public_id: cx.entropy.uuid(now),
        address: form.address.as_str(),
        address_key: form.address.key(),
        topics: &form.wishes.topics,
        alerts: form.wishes.alerts,
        digest: form.wishes.digest,
        origin: &form.origin,
        network: &network::name(form.network),
        now,
    };
    store::signups::insert(tx, &signup).await?;
    Ok(())
}

/// Decides for every sign-up that waits whether its address is mailed a confirmation. Returns how many were decided.
///
/// # Errors
/// A database that can't be written, or a template that can't be rendered.
pub async fn decide_signups(cx: &Context) -> Result<usize, Error> {
    let mut decided = 0;
    loop {
        let mut tx = cx.db.read().await?;
        let waiting = store::signups::undecided(&mut tx, 100).await?;
        drop(tx);
        if waiting.is_empty() {
            return Ok(decided);
        }
        for signup in &waiting {
            decide_one(cx, signup).await?;
            decided += 1;
        }
        cx.bells.deliver.notify_one();
    }
}

async fn decide_one(cx: &Context, signup: &Signup) -> Result<(), Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    // Another node may be at another sign-up of this address: both would find that it was mailed none yet.
    store::signups::lock_address(&mut tx, &signup.address_key).await?;
    if let Some(reason) = withheld(cx, &mut tx, signup, now).await? {
        store::signups::mark_withheld(&mut tx, signup.id).await?;
        tx.commit().await?;
        tracing::info!(signup = %signup.public_id, reason, "no confirmation for this sign-up");
        return Ok(());
    }
    if store::signups::mark_mailed(&mut tx, signup.id, now).await? {
        queue_confirmation(cx, &mut tx, signup, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Why an address is mailed no confirmation; none when it is.
async fn withheld(
    cx: &Context,
    tx: &mut Tx,
    signup: &Signup,
    now: Timestamp,
) -> Result<Option<&'static str>, Error> {
    let limits = &cx.config.signup;
    let (in_week, last) = store::signups::count_mailed(tx, &signup.address_key, now.minus(7 * DAY)).await?;
    if last.is_some_and(|last| now.since(last) < limits.per_address) {
        return Ok(Some("this address was mailed one a moment ago"));
    }
    if in_week >= i64::from(limits.per_address_week) {
        return Ok(Some("this address was mailed as many as it may be in a week"));
    }
    let suppressions = store::suppressions::of(tx, &cx.hasher.hash(&signup.address_key)).await?;
    let blocked = suppressions.iter().any(|(kind, since)| !kind.lets_confirmation_through(*since, now));
    Ok(blocked.then_some("this address is suppressed"))
}

async fn queue_confirmation(cx: &Context, tx: &mut Tx, signup: &Signup, now: Timestamp) -> Result<(), Error> {
    let wishes = wishes_of(signup);
    let topics = store::topics::all(tx).await?;
    let names = topics
        .iter()
        .filter(|topic| wishes.topics.iter().any(|slug| slug.as_str() == topic.slug))
        .map(|topic| topic.name.clone())
        .collect();
    let known = store::subscribers::by_key(tx, &signup.address_key).await?;
    let already = known.is_some_and(|subscriber| subscriber.state == store::subscribers::State::Active);
    let public_id = cx.entropy.uuid(now);
    let confirmation = Confirmation { topics: names, alerts: wishes.alerts, digest: wishes.digest, already };
    let draft = cx.composer.confirmation(public_id, &confirmation)?;
    let envelope = Envelope {
        public_id,
        to: &signup.address,
        signup_id: Some(signup.id),
        created_by: "signup",
        expires_at: signup.created_at.plus(super::LINK_HOLDS),
    };
    outbox::queue(cx, tx, &draft, &envelope).await?;
    Ok(())
}
