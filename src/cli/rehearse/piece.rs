//! What is rehearsed: a sample alert, or the stored mail of an issue, and who gets it.

use uuid::Uuid;

use super::super::{Failure, issues, known_topics};
use crate::audit::Actor;
use crate::context::Context;
use crate::domain::{
    decision::{Decision, Matter, Reader, Subscription, decide},
    issue::{Kind, Lane, Level, priority},
    subscription::Digest,
    time::Timestamp,
    topic::Slug,
};
use crate::publishing::alerting::{self, AlertRequest, Body};
use crate::store::{self, Tx, deliveries::Batch, issues::NewIssue};

/// The name that issues of this command carry, in its own database alone.
const NAME: &str = "bellwether rehearse";
/// How many readers one transaction takes.
const WINDOW: i64 = 4_000;

/// The sample: with the usual template a mail of some 11 KB.
const SAMPLE: &str = include_str!("sample.md");
const SUBJECT: &str = "Rehearsal: the polls have closed, and the first counts are in";

pub(super) struct Piece {
    pub kind: Kind,
    pub level: Level,
    /// Of a digest.
    pub digest: Digest,
    /// Of an alert.
    pub topics: Vec<Slug>,
    pub subject: String,
    /// None for the sample.
    stored: Option<Stored>,
}

/// A mail as an issue keeps it.
struct Stored {
    head: String,
    /// Text and HTML, in their order.
    fragments: Vec<(String, String)>,
}

impl Piece {
    /// # Errors
    /// A topic that there isn't.
    pub async fn sample(cx: &Context, topics: Vec<Slug>, level: Level) -> Result<Self, Failure> {
        known_topics(cx, &topics).await?;
        let subject = SUBJECT.to_owned();
        Ok(Self { kind: Kind::Alert, level, digest: Digest::None, topics, subject, stored: None })
    }

    /// The mail of an issue: an alert's, or the longest of a digest's.
    ///
    /// # Errors
    /// When there is no such issue, it is to one address, or its mail or one of its topics is gone.
    pub async fn of_issue(cx: &Context, id: Uuid) -> Result<Self, Failure> {
        let mut tx = cx.db.read().await?;
        let issue = store::issues::by_public_id(&mut tx, id).await?.ok_or_else(|| issues::unknown(id))?;
        if issue.kind == Kind::Notice {
            return Err(Failure::Usage(format!(
                "{id} is a mail to one address; rehearse an alert or a digest"
            )));
        }
        let Some(variant) = store::issues::largest_variant(&mut tx, issue.id).await? else {
            return Err(Failure::Failed(format!(
                "the mail of {id} is not kept any more; rehearse a newer issue, or a sample by --topic"
            )));
        };
        let (head, fragments) = store::issues::stored_mail(&mut tx, variant).await?;
        let of_issue = store::issues::topic_ids(&mut tx, issue.id).await?;
        let all = store::topics::all(&mut tx).await?;
        let topics: Vec<Slug> = all
            .iter()
            .filter(|topic| of_issue.contains(&topic.id))
            .filter_map(|topic| topic.slug.parse().ok())
            .collect();
        if topics.len() < of_issue.len() {
            return Err(Failure::Failed(format!(
                "{id} went to a topic that the configuration has no more; rehearse a sample by --topic"
            )));
        }
        Ok(Self {
            kind: issue.kind,
            level: issue.level,
            digest: issue.digest,
            topics,
            subject: issue.subject,
            stored: Some(Stored { head, fragments }),
        })
    }

    pub fn lane(&self) -> Lane {
        Lane::of(priority(self.kind, self.level))
    }

    /// Whether it is the mail of an issue.
    pub fn is_stored(&self) -> bool {
        self.stored.is_some()
    }

    /// How many of this database's readers get it now.
    ///
    /// # Errors
    /// A database that can't be read.
    pub async fn audience(&self, cx: &Context) -> Result<u64, store::Error> {
        let mut tx = cx.db.read().await?;
        let count = if self.kind == Kind::Digest {
            let (mut count, mut after) = (0, 0);
            let last = store::subscribers::last_id(&mut tx).await?;
            while let Some(end) = store::subscribers::window(&mut tx, after, last, WINDOW).await? {
                count += self.takers(&mut tx, (after, end), cx.clock.now()).await?.len();
                after = end;
            }
            i64::try_from(count).unwrap_or(i64::MAX)
        } else {
            let topics = self.topic_ids(&mut tx).await?;
            store::subscribers::count_audience(&mut tx, &topics, self.level == Level::Critical).await?
        };
        Ok(count.unsigned_abs())
    }

    /// Publishes it on the rehearsal's database. Its deliveries follow: an alert's by the fan-out, a digest's by
    /// [`write_digest`](Self::write_digest).
    ///
    /// # Errors
    /// A mail that can't be composed, or a database that can't be written.
    pub async fn publish(&self, cx: &Context) -> Result<Uuid, Failure> {
        let Some(stored) = &self.stored else {
            let request = AlertRequest {
                kind: crate::domain::draft::Kind::Alert,
                preheader: None,
                about: None,
                subject: Some(self.subject.clone()),
                body: Body::Markdown(SAMPLE.to_owned()),
                link: Some(cx.config.server.public_url.to_string()),
                topics: self.topics.clone(),
                level: self.level,
                expires_at: None,
                public: None,
            };
            let published = alerting::publish(cx, &request, &Actor::command(), None).await?;
            let published =
                published.ok_or_else(|| Failure::Failed("the sample was not published".to_owned()))?;
            return Ok(published.id);
        };
        let mut tx = cx.db.begin().await?;
        let public_id = cx.entropy.uuid(cx.clock.now());
        let issue = NewIssue {
            level: self.level,
            digest: self.digest,
            last_subscriber: store::subscribers::last_id(&mut tx).await?,
            ..cx.new_issue(public_id, self.kind, &self.subject, NAME)
        };
        let id = store::issues::insert(&mut tx, &issue).await?;
        for topic in self.topic_ids(&mut tx).await? {
            store::issues::add_topic(&mut tx, id, topic).await?;
        }
        let names: Vec<String> =
            (0..stored.fragments.len()).map(|number| format!("piece {number}")).collect();
        let pieces = names.iter().zip(&stored.fragments);
        let pieces = pieces.map(|(name, (text, html))| (name.as_str(), text.as_str(), html.as_str()));
        store::issues::add_mail(&mut tx, id, &stored.head, pieces).await?;
        tx.commit().await?;
        cx.bells.publish.notify_one();
        Ok(public_id)
    }

    /// Writes a digest's deliveries: one mail to everybody who takes this digest. (Which stories a reader has had is not
    /// gone into: nobody gets more than this mail.)
    ///
    /// # Errors
    /// A database that can't be written.
    pub async fn write_digest(&self, cx: &Context, id: Uuid) -> Result<(), Failure> {
        let mut tx = cx.db.read().await?;
        let issue = store::issues::by_public_id(&mut tx, id).await?.ok_or_else(|| issues::unknown(id))?;
        let variant_id = store::issues::only_variant(&mut tx, issue.id).await?;
        drop(tx);
        let mut after = 0;
        loop {
            let now = cx.clock.now();
            let mut tx = cx.db.begin().await?;
            let Some(end) = store::subscribers::window(&mut tx, after, issue.last_subscriber, WINDOW).await?
            else {
                store::issues::fanned_out(&mut tx, issue.id).await?;
                return Ok(tx.commit().await?);
            };
            let takers = self.takers(&mut tx, (after, end), now).await?;
            let state = crate::domain::delivery::State::Queued;
            let batch =
                Batch { issue_id: issue.id, variant_id, priority: issue.priority, state, node: None, now };
            let added = store::deliveries::insert_for(&mut tx, batch, &takers).await?;
            let added = i64::try_from(added).unwrap_or(0);
            store::issues::advance(&mut tx, issue.id, after, end, added).await?;
            tx.commit().await?;
            cx.bells.deliver.notify_one();
            after = end;
        }
    }

    /// The readers in the window who take this digest.
    async fn takers(
        &self,
        tx: &mut Tx,
        window: (i64, i64),
        now: Timestamp,
    ) -> Result<Vec<i64>, store::Error> {
        let rows = store::subscribers::readers(tx, window.0, window.1).await?;
        let readers = rows.chunk_by(|a, b| a.subscriber_id == b.subscriber_id);
        let takes = |rows: &&[store::subscribers::ReaderRow]| {
            let subscriptions: Vec<_> = rows
                .iter()
                .map(|row| Subscription {
                    topic: row.topic_id,
                    alerts: row.alerts,
                    digest: row.digest,
                    digest_after: row.digest_after,
                })
                .collect();
            let reader = Reader {
                active: rows[0].active,
                suppressed: rows[0].suppressed,
                subscriptions: &subscriptions,
            };
            let matter = Matter {
                kind: self.kind,
                level: self.level,
                topics: &[],
                digest: self.digest,
                expires_at: None,
            };
            decide(&reader, &matter, now) == Decision::Now
        };
        Ok(readers.filter(takes).map(|rows| rows[0].subscriber_id).collect())
    }

    async fn topic_ids(&self, tx: &mut Tx) -> Result<Vec<i64>, store::Error> {
        let all = store::topics::all(tx).await?;
        let named =
            all.into_iter().filter(|topic| self.topics.iter().any(|slug| slug.as_str() == topic.slug));
        Ok(named.map(|topic| topic.id).collect())
    }
}
