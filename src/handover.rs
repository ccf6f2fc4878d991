//! What the fan-out hands to the senders of its own node. Mail that they have room for is written as claimed by the node at
//! once, in place of queued, and goes to them by here: that saves the claim, which is half of what a mail costs the
//! database. The row is there first, like any claim's, so a kill or a node's death is answered the same way.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use uuid::Uuid;

use crate::store::claims::Claimed;

/// How long a window of the fan-out waits for room: while the senders take mail they have some by then.
/// Before a slow relay every other window waits in vain, so that the fan-out makes some 9,000 deliveries a second.
const PATIENCE: Duration = Duration::from_millis(100);

/// Between the two: how much room there is, and what was handed over.
#[derive(Debug, Default)]
pub struct Handover {
    state: Mutex<State>,
    /// Rung when there is room.
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The node whose senders take mail; none while they don't.
    node: Option<Uuid>,
    /// How many more of each priority they take.
    room: BTreeMap<i64, usize>,
    /// What somebody has leave to write, and has not handed over yet.
    promised: usize,
    handed: Vec<Claimed>,
    /// The last window waited in vain: the next one won't.
    impatient: bool,
    /// A promise ended in a commit without an answer: its rows may stand.
    doubtful: bool,
}

impl Handover {
    /// The senders of this node take so many more of each priority, and no others.
    pub fn offer(&self, node: Uuid, room: BTreeMap<i64, usize>) {
        let mut state = self.lock();
        state.node = Some(node);
        state.room = room;
        drop(state);
        self.room.notify_waiters();
    }

    /// Nothing more is promised until the next offer. True when nothing is, and nothing waits to be taken.
    pub fn shut(&self) -> bool {
        let mut state = self.lock();
        state.room.clear();
        state.promised == 0 && state.handed.is_empty()
    }

    /// How many are promised, or wait to be taken.
    pub fn outstanding(&self) -> usize {
        let state = self.lock();
        state.promised + state.handed.len()
    }

    /// What was handed over, after `count` was told how many.
    pub fn take(&self, count: impl FnOnce(usize)) -> Vec<Claimed> {
        let mut state = self.lock();
        count(state.handed.len());
        std::mem::take(&mut state.handed)
    }

    /// Whether rows may stand that nobody was handed; asked once.
    pub fn was_doubtful(&self) -> bool {
        std::mem::take(&mut self.lock().doubtful)
    }

    /// They take no more.
    pub fn close(&self) {
        let mut state = self.lock();
        state.node = None;
        state.room.clear();
    }

    /// Leave to write `count` deliveries of this priority as claimed; none where there is no room for all of them.
    pub fn promise_now(&self, priority: i64, count: usize) -> Option<Promise<'_>> {
        self.try_promise(priority, count).unwrap_or(None)
    }

    /// The same; waits for room a while where senders take mail.
    pub async fn promise(&self, priority: i64, count: usize) -> Option<Promise<'_>> {
        let asking = async {
            loop {
                let rung = self.room.notified();
                tokio::pin!(rung);
                rung.as_mut().enable();
                match self.try_promise(priority, count) {
                    Ok(promise) => return promise,
                    Err(Full) => rung.await,
                }
            }
        };
        match self.try_promise(priority, count) {
            Ok(promise) => return promise,
            Err(Full) if !self.is_patient() => return None,
            Err(Full) => {}
        }
        let promise = tokio::time::timeout(PATIENCE, asking).await;
        if promise.is_err() {
            self.lock().impatient = true;
        }
        promise.ok().flatten()
    }

    fn is_patient(&self) -> bool {
        !std::mem::take(&mut self.lock().impatient)
    }

    /// None where nobody takes anything.
    fn try_promise(&self, priority: i64, count: usize) -> Result<Option<Promise<'_>>, Full> {
        let mut state = self.lock();
        let Some(node) = state.node else { return Ok(None) };
        let room = state.room.get_mut(&priority).filter(|room| **room >= count).ok_or(Full)?;
        *room -= count;
        state.promised += count;
        Ok(Some(Promise { handover: self, node, count }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// There is no room now.
struct Full;

/// Leave to write so many deliveries as claimed by `node`; dropped, it was made no use of.
#[derive(Debug)]
pub struct Promise<'a> {
    handover: &'a Handover,
    pub node: Uuid,
    count: usize,
}

impl Promise<'_> {
    /// Hands over what was written and committed.
    pub fn keep(self, claimed: Vec<Claimed>) {
        self.handover.lock().handed.extend(claimed);
    }

    /// The commit got no answer: what was written may stand.
    pub fn doubt(self) {
        self.handover.lock().doubtful = true;
    }
}

impl Drop for Promise<'_> {
    fn drop(&mut self) {
        self.handover.lock().promised -= self.count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: i64 = 22;

    const NODE: Uuid = Uuid::from_u128(1);

    fn open(room: usize) -> Handover {
        let handover = Handover::default();
        handover.offer(NODE, BTreeMap::from([(ALERT, room)]));
        handover
    }

    #[tokio::test]
    async fn no_more_is_promised_than_there_is_room() {
        let handover = open(800);
        let first = handover.promise_now(ALERT, 500);
        assert_eq!(first.as_ref().map(|promise| promise.node), Some(NODE));
        assert!(handover.promise_now(ALERT, 500).is_none(), "only 300 are left");
        assert!(handover.promise_now(ALERT - 1, 1).is_none(), "room of another priority");
        assert_eq!(handover.outstanding(), 500);
        drop(first);
        assert_eq!(handover.outstanding(), 0);
    }

    #[tokio::test]
    async fn who_waits_gets_the_room_of_the_next_offer() {
        let handover = open(0);
        let offer = async { handover.offer(NODE, BTreeMap::from([(ALERT, 500)])) };
        let (promise, ()) = tokio::join!(handover.promise(ALERT, 500), offer);
        assert!(promise.is_some());
    }

    #[tokio::test]
    async fn nobody_waits_for_senders_that_take_nothing() {
        let handover = Handover::default();
        assert!(handover.promise(ALERT, 1).await.is_none(), "they have not begun");
        let handover = open(500);
        handover.close();
        assert!(handover.promise(ALERT, 1).await.is_none(), "they have ended");
    }

    #[tokio::test]
    async fn it_is_shut_only_when_nothing_is_promised() {
        let handover = open(500);
        let promise = handover.promise_now(ALERT, 10);
        assert!(!handover.shut());
        assert!(handover.promise_now(ALERT, 10).is_none(), "until the next offer");
        drop(promise);
        assert!(handover.shut());
    }

    #[tokio::test]
    async fn a_commit_without_an_answer_is_told_once() {
        let handover = open(500);
        handover.promise_now(ALERT, 10).unwrap().doubt();
        assert_eq!(handover.outstanding(), 0);
        assert!(handover.was_doubtful());
        assert!(!handover.was_doubtful());
    }
}
