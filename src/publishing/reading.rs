//! One reader's view of a draft: the mail with their address and links of their own shape, and what the one decision says
//! of them.

use uuid::Uuid;

use super::{Error, desk, desk::Written};
use crate::context::Context;
use crate::domain::{
    address::EmailAddress,
    decision::{Decision, Matter, Reader, Subscription, decide},
    subscription::Digest,
    suppression,
    time::Timestamp,
    token::{Keys, Purpose, ticket},
};
use crate::mail::{
    compose::Slots,
    preview::{Preview, preview_for},
};
use crate::store::{
    self, Tx,
    subscribers::{State, Subscriber},
};

/// A reader to look through the eyes of.
pub struct Eyes {
    pub subscriber: Uuid,
    pub address: String,
    pub decision: Decision,
    /// Whether a test keeps it from them whatever is decided: of the installation or of a topic.
    pub kept_off: bool,
}

impl Eyes {
    /// Whether they would get it now.
    pub fn gets(&self) -> bool {
        self.decision == Decision::Now && !self.kept_off
    }

    /// The same in words, with the reason.
    pub fn as_sentence(&self) -> String {
        match self.decision {
            Decision::Now | Decision::IntoDigest if self.kept_off => {
                "They would not get it: it is a test, and they are no test address.".to_owned()
            }
            Decision::Now => "They would get it now.".to_owned(),
            Decision::IntoDigest => {
                "It would be too late for a mail of its own: it stands in their next digest.".to_owned()
            }
            Decision::Never(reason) => format!("They would not get it: {reason}."),
        }
    }
}

/// The reader of this address or id, and whether they would get the draft now; none where there is no such reader.
///
/// # Errors
/// A database that can't be read.
pub async fn eyes(cx: &Context, written: &Written, who: &str) -> Result<Option<Eyes>, Error> {
    let mut tx = cx.db.read().await?;
    let Some(found) = find(&mut tx, who.trim()).await? else { return Ok(None) };
    let now = cx.clock.now();
    let decision = would_get(&mut tx, &found, written, now).await?;
    let test = cx.config.sender.test_mode || is_test(&mut tx, written).await?;
    let listed = found.address.parse().is_ok_and(|address| cx.config.sender.is_test_address(&address));
    let kept_off = test && !listed;
    Ok(Some(Eyes { subscriber: found.public_id, address: found.address, decision, kept_off }))
}

/// How many of the test addresses would get a draft on a test topic, which nobody else does; none where it is on no such
/// topic.
pub(super) async fn tests(
    cx: &Context,
    tx: &mut Tx,
    written: &Written,
    now: Timestamp,
) -> Result<Option<i64>, Error> {
    if !is_test(tx, written).await? {
        return Ok(None);
    }
    let mut keys: Vec<_> = cx.config.sender.test_addresses.iter().map(EmailAddress::key).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut count = 0;
    for key in keys {
        if let Some(found) = store::subscribers::by_key(tx, key).await?
            && would_get(tx, &found, written, now).await? == Decision::Now
        {
            count += 1;
        }
    }
    Ok(Some(count))
}

async fn is_test(tx: &mut Tx, written: &Written) -> Result<bool, Error> {
    let topics = store::topics::all(tx).await?;
    Ok(topics.iter().any(|topic| topic.test && written.text.topics.contains(&topic.slug)))
}

async fn find(tx: &mut Tx, who: &str) -> Result<Option<Subscriber>, Error> {
    if let Ok(id) = who.parse::<Uuid>() {
        return Ok(store::subscribers::by_public_id(tx, id).await?);
    }
    match who.parse::<EmailAddress>() {
        Ok(address) => Ok(store::subscribers::by_key(tx, address.key()).await?),
        Err(_) => Ok(None),
    }
}

/// What the one decision says of a reader and what a draft says now.
async fn would_get(
    tx: &mut Tx,
    subscriber: &Subscriber,
    written: &Written,
    now: Timestamp,
) -> Result<Decision, Error> {
    let text = &written.text;
    let topics = desk::topic_ids(tx, text).await?;
    let subscriptions: Vec<_> = store::subscribers::subscriptions(tx, subscriber.id)
        .await?
        .iter()
        .map(|s| Subscription { topic: s.topic_id, alerts: s.alerts, digest: s.digest, digest_after: 0 })
        .collect();
    let kinds = store::suppressions::of(tx, &subscriber.address_hash).await?;
    let reader = Reader {
        active: subscriber.state == State::Active,
        suppressed: kinds.iter().any(|(kind, _)| *kind != suppression::Kind::Refused),
        subscriptions: &subscriptions,
    };
    let matter = Matter {
        kind: text.kind.issue(),
        level: text.level,
        topics: &topics,
        digest: Digest::None,
        expires_at: text.expires_at(now),
    };
    Ok(decide(&reader, &matter, now))
}

/// The mail as it would be for them; none while it can't be composed. Its links look like theirs and open nothing: whoever
/// looks must not be able to leave, or to choose, for a reader.
///
/// # Errors
/// A database that can't be read.
pub async fn mail(cx: &Context, written: &Written, eyes: &Eyes) -> Result<Option<Preview>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let request = desk::request(&mut tx, written, now).await?;
    let Some(prepared) = desk::composed(cx, &mut tx, &request).await? else { return Ok(None) };
    let nobodys = Keys::new(&ticket(cx.entropy.bytes()), []);
    let token = |purpose| nobodys.sign(&nobodys.current(), purpose, eyes.subscriber);
    let slots = Slots {
        to: &eyes.address,
        delivery: "0",
        date: now,
        unsubscribe: &token(Purpose::Unsubscribe),
        preferences: &token(Purpose::Preferences),
        confirm: "",
        original: "0",
        answers: None,
    };
    Ok(Some(preview_for(&prepared.draft, &slots)))
}
