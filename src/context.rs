//! What every verb is handed: the configuration, the database, the clock and dice, the keys of links, the composer of
//! mails, the bells that wake the loops, the metrics, what the fan-out hands to the senders, and who left a moment ago.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::{Clock, Entropy};
use crate::config::Config;
use crate::domain::draft::Kind;
use crate::domain::issue::{self, Level};
use crate::domain::spread::Spread;
use crate::domain::subscription::Digest;
use crate::domain::time::{MINUTE, Timestamp};
use crate::domain::token::{AddressHasher, Keys};
use crate::handover::Handover;
use crate::mail::{compose::Composer, sign::Signer};
use crate::metrics::Metrics;
use crate::store::{Db, issues::NewIssue};

#[derive(Clone)]
pub struct Context {
    pub config: Arc<Config>,
    pub db: Db,
    pub clock: Clock,
    pub entropy: Entropy,
    pub keys: Keys,
    pub hasher: AddressHasher,
    pub composer: Arc<Composer>,
    pub signer: Arc<Signer>,
    pub bells: Arc<Bells>,
    pub metrics: Arc<Metrics>,
    /// From the fan-out to the senders of this node.
    pub handover: Arc<Handover>,
    /// Subscribers who left.
    pub left: Arc<CalledOff<i64>>,
    /// Issues that were cancelled.
    pub cancelled: Arc<CalledOff<Uuid>>,
    /// Issues that are paused.
    pub paused: Arc<CalledOff<Uuid>>,
    pub counts: Arc<Counts>,
}

/// What was counted a moment ago, for who asks again.
#[derive(Default)]
pub struct Counts {
    /// How far issues are at relays and domains, and how many were accepted, waited and bounced then.
    pub spreads: Counted<Uuid, ([i64; 3], Spread)>,
    /// How many had an issue, and its curve: seconds, and how many had it by then.
    pub curves: Counted<Uuid, (i64, Vec<(f64, i64)>)>,
    /// How many readers drafts go to, by what is written, the keys of its topics, and how much it matters.
    pub audiences: Counted<(Kind, Vec<i64>, Level), i64>,
    /// By the topic's key: who get alerts on it, and who find them in their digest.
    pub topic_readers: Counted<i64, (i64, i64)>,
    /// How fast large issues went, in mails a second, by their row; none while that can't be told.
    pub speeds: Counted<i64, Option<f64>>,
}

/// Counts by what they are of, with when each was made.
pub struct Counted<K, V>(tokio::sync::Mutex<HashMap<K, (V, Timestamp)>>);

impl<K: Hash + Eq, V: Clone> Counted<K, V> {
    /// The last count while it is younger than it `does` for; else what `count` finds now. One counts at a time; who asks
    /// meanwhile has that count too.
    ///
    /// # Errors
    /// Those of `count`.
    pub async fn get<E>(
        &self,
        key: K,
        now: Timestamp,
        does: impl FnOnce(&V) -> Duration,
        count: impl Future<Output = Result<V, E>>,
    ) -> Result<V, E> {
        let mut counted = self.0.lock().await;
        if let Some((value, at)) = counted.get(&key)
            && *at <= now
            && now.since(*at) < does(value)
        {
            return Ok(value.clone());
        }
        let value = count.await?;
        counted.retain(|_, (_, at)| now.since(*at) < REMEMBERED);
        counted.insert(key, (value.clone(), now));
        Ok(value)
    }
}

impl<K, V> Default for Counted<K, V> {
    fn default() -> Self {
        Self(tokio::sync::Mutex::default())
    }
}

impl Context {
    /// A name of this installation, the same for all that work on its database, and for no others. It gives nothing away.
    pub fn installation(&self) -> String {
        self.hasher.hash("installation")[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// An issue that is published now, with what its mails take from the configuration and the keys; the rest of it is empty.
    pub fn new_issue<'a>(
        &'a self,
        public_id: Uuid,
        kind: issue::Kind,
        subject: &'a str,
        created_by: &'a str,
    ) -> NewIssue<'a> {
        NewIssue {
            public_id,
            kind,
            state: issue::State::Publishing,
            subject,
            level: Level::All,
            digest: Digest::None,
            post_id: None,
            signup_id: None,
            content: "",
            return_path: self.config.sender.return_path(),
            link_key: self.keys.current(),
            signing: self.signer.selectors(),
            last_subscriber: 0,
            last_post: 0,
            created_by,
            now: self.clock.now(),
            expires_at: None,
        }
    }

    /// Between two chunks of large work: rests half as long as the one since `began` took. SQLite's writers of several
    /// processes don't queue; one that writes chunk on chunk leaves the others hardly a moment to get in.
    pub async fn give_way(&self, began: Timestamp) {
        let rest = self.clock.now().since(began) / 2;
        // A clock that was set meanwhile is no reason to rest for long.
        tokio::time::sleep(rest.min(Duration::from_secs(1))).await;
    }
}

/// Rung when there is something to do, so that nobody waits for the next look.
#[derive(Debug, Default)]
pub struct Bells {
    /// A sign-up waits for the decision what to mail.
    pub signup: Notify,
    /// An issue is to be fanned out.
    pub publish: Notify,
    /// An issue was cancelled, paused or resumed, and mail of it waits.
    pub cancel: Notify,
    /// A delivery is queued.
    pub deliver: Notify,
}

/// What was called off a moment ago: a sender asks here between its claim and the mail's body, when the database has
/// said yes already. `K` is a subscriber who left, or an issue that was
/// cancelled or paused.
#[derive(Debug)]
pub struct CalledOff<K>(Mutex<HashMap<K, Timestamp>>);

/// Longer than any mail is on its way from its claim to its body, and than any count does that others are made meanwhile. Who
/// comes back by another node waits no longer.
const REMEMBERED: Duration = MINUTE.saturating_mul(10);

impl<K: Hash + Eq> CalledOff<K> {
    pub fn add(&self, key: K, now: Timestamp) {
        let mut called_off = self.lock();
        called_off.retain(|_, at| now.since(*at) < REMEMBERED);
        called_off.insert(key, now);
    }

    pub fn remove(&self, key: &K) {
        self.lock().remove(key);
    }

    /// These, as the database said at `asked`, and what was added since; all others are called off no longer.
    pub fn set(&self, keys: impl Iterator<Item = K>, asked: Timestamp) {
        let mut called_off = self.lock();
        called_off.retain(|_, at| *at >= asked);
        called_off.extend(keys.map(|key| (key, asked)));
    }

    pub fn contains(&self, key: &K, now: Timestamp) -> bool {
        self.lock().get(key).is_some_and(|at| now.since(*at) < REMEMBERED)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for CalledOff<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_count_does_for_as_long_as_is_said_and_not_for_a_clock_that_was_set_back() {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let counted = Counted::default();
        let ask = async |second, seconds, found: i64| {
            let does = |_: &i64| Duration::from_secs(seconds);
            counted.get("readers", at(second), does, async { Ok::<_, ()>(found) }).await.unwrap()
        };
        assert_eq!(ask(10, 3, 1).await, 1);
        assert_eq!(ask(12, 3, 2).await, 1);
        assert_eq!(ask(13, 3, 3).await, 3);
        assert_eq!(ask(13, 0, 4).await, 4, "who wants it exactly counts");
        assert_eq!(ask(12, 3, 5).await, 5);
    }
}
