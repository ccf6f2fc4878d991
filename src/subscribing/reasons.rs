//! Why somebody got an issue, or didn't: from the one decision, and from what stood in its way on that day.

use uuid::Uuid;

use super::Error;
use crate::context::Context;
use crate::domain::{
    decision::{Decision, Matter, Reader, Reason, Subscription, decide},
    issue::{Kind, Level, State},
    suppression,
};
use crate::store::{self, Tx, issues::Issue, subscribers::Subscriber};

/// What is known of one issue to one reader.
#[derive(Clone, Debug)]
pub struct Why {
    pub issue: Uuid,
    pub subject: String,
    /// The delivery's number; none where none was made, or none is kept any more.
    pub delivery: Option<i64>,
    /// Sentences.
    pub says: Vec<String>,
}

/// Tells why; none where there is no such reader or issue.
///
/// # Errors
/// A database that can't be read.
pub async fn why(cx: &Context, subscriber: Uuid, issue: Uuid) -> Result<Option<Why>, Error> {
    let mut tx = cx.db.read().await?;
    let (Some(subscriber), Some(issue)) = (
        store::subscribers::by_public_id(&mut tx, subscriber).await?,
        store::issues::by_public_id(&mut tx, issue).await?,
    ) else {
        return Ok(None);
    };
    let delivery = store::deliveries::to_subscriber(&mut tx, issue.id, subscriber.id).await?;
    let topics = store::issues::topic_ids(&mut tx, issue.id).await?;
    let has: Vec<_> = store::subscribers::subscriptions(&mut tx, subscriber.id).await?;
    let subscriptions: Vec<_> = has
        .iter()
        .map(|s| Subscription { topic: s.topic_id, alerts: s.alerts, digest: s.digest, digest_after: 0 })
        .collect();
    let reader = Reader {
        active: subscriber.state == store::subscribers::State::Active,
        suppressed: is_suppressed(&mut tx, &subscriber).await?,
        subscriptions: &subscriptions,
    };
    let matter = Matter {
        kind: issue.kind,
        level: issue.level,
        topics: &topics,
        digest: issue.digest,
        expires_at: issue.expires_at,
    };
    // As of that day: what was useful then is not too late for having been asked about today.
    let decision = decide(&reader, &matter, issue.created_at);
    let on: Vec<_> = has.iter().filter(|s| topics.contains(&s.topic_id)).map(|s| s.slug.as_str()).collect();
    let says = match delivery {
        Some(_) => got(&issue, decision, &on),
        None => vec![missed(&subscriber, &issue, decision)],
    };
    Ok(Some(Why { issue: issue.public_id, subject: issue.subject, delivery, says }))
}

async fn is_suppressed(tx: &mut Tx, subscriber: &Subscriber) -> Result<bool, Error> {
    let kinds = store::suppressions::of(tx, &subscriber.address_hash).await?;
    Ok(kinds.iter().any(|(kind, _)| *kind != suppression::Kind::Refused))
}

/// Why a mail was made for them.
fn got(issue: &Issue, decision: Decision, on: &[&str]) -> Vec<String> {
    let topics = on.join(", ");
    let mut says = match (issue.kind, decision) {
        (_, Decision::Never(_)) => {
            vec!["They were among its readers when it was published, so a mail was made for them.".to_owned()]
        }
        (Kind::Alert, _) if issue.level == Level::Critical => {
            vec![format!("It was critical: it went to every reader of its topics, and they read {topics}.")]
        }
        (Kind::Alert, _) => vec![format!("It was an alert on {topics}, and they take alerts there.")],
        (Kind::Digest, _) => {
            vec![format!("They take the {} digest, and it had something new for them.", issue.digest)]
        }
        (Kind::Broadcast, _) => vec![format!("It was a newsletter on {topics}, and they take mail there.")],
        (Kind::Correction, _) => vec!["They got the alert that it corrects, or may have.".to_owned()],
        (Kind::Notice, _) => vec!["It was a mail to them alone.".to_owned()],
    };
    if let Decision::Never(reason) = decision {
        says.push(format!("Today they would not get it: {}.", told(reason)));
    }
    says
}

/// Why none was made.
fn missed(subscriber: &Subscriber, issue: &Issue, decision: Decision) -> String {
    if issue.totals.is_some() {
        return "Who got it is known for 90 days, and those are over.".to_owned();
    }
    if subscriber.id > issue.last_subscriber || subscriber.confirmed_at > issue.created_at {
        return "It was published before they became a reader.".to_owned();
    }
    if issue.state == State::Publishing && issue.next_subscriber < subscriber.id {
        return "Its mails are still being written out, and theirs is not there yet.".to_owned();
    }
    match decision {
        Decision::Never(reason) => format!("They don’t get it: {}.", told(reason)),
        _ if issue.state == State::Held => "It is held: nobody has it yet.".to_owned(),
        _ if issue.kind == Kind::Correction => "They had not got the alert that it corrects.".to_owned(),
        _ if issue.kind == Kind::Digest => {
            "It had nothing new for them: every story in it was older than their \
            subscription, on topics they don’t read, or had reached them as an alert."
                .to_owned()
        }
        Decision::IntoDigest => "It was too late for a mail when it was published.".to_owned(),
        Decision::Now => {
            "By what they want today they would get it. When it was published they wanted something else: \
            their consents tell what."
                .to_owned()
        }
    }
}

const fn told(reason: Reason) -> &'static str {
    match reason {
        Reason::Unsubscribed => "they have unsubscribed",
        Reason::Suppressed => "their address must not be mailed",
        Reason::NotSubscribed => "they read none of its topics",
        Reason::NotWanted => "they did not ask for it",
    }
}
