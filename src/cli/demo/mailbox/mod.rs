//! The messages that the SMTP server took, in the order in which they came. Pages to look at them are in `pages`.

pub mod letter;
pub mod pages;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::domain::time::Timestamp;

/// A bounded mailbox lets go of its oldest messages when they take more memory than this.
const BYTES: usize = 256 * 1024 * 1024;

/// One message as it came, once per DATA however many recipients it names.
#[derive(Clone, Debug)]
pub struct Received {
    /// Counts up from 1, also past a [`Mailbox::clear`].
    pub id: u64,
    /// The envelope's sender; empty for the null return path.
    pub from: String,
    /// The envelope's accepted recipients, in order, as they were written.
    pub to: Vec<String>,
    /// When the last byte had come.
    pub at: Timestamp,
    /// Headers and body, dots unstuffed.
    pub raw: Vec<u8>,
}

/// A handle on the messages; clones share them.
#[derive(Clone)]
pub struct Mailbox(Arc<Inner>);

struct Inner {
    store: Mutex<Store>,
    /// Counts changes: every message that came, every clearing.
    revision: watch::Sender<u64>,
    most: usize,
    most_bytes: usize,
}

#[derive(Default)]
struct Store {
    messages: VecDeque<Arc<Received>>,
    bytes: usize,
    last_id: u64,
}

impl Mailbox {
    /// Keeps everything.
    pub fn unbounded() -> Self {
        Self::bounded(usize::MAX, usize::MAX)
    }

    /// Keeps the newest `most` messages, fewer where they are large.
    pub fn newest(most: usize) -> Self {
        Self::bounded(most, BYTES)
    }

    fn bounded(most: usize, most_bytes: usize) -> Self {
        let revision = watch::Sender::new(0);
        Self(Arc::new(Inner { store: Mutex::default(), revision, most, most_bytes }))
    }

    /// Puts a message in and gives its id.
    pub fn add(&self, from: String, to: Vec<String>, at: Timestamp, raw: Vec<u8>) -> u64 {
        let mut store = self.store();
        store.last_id += 1;
        let id = store.last_id;
        store.bytes += raw.len();
        store.messages.push_back(Arc::new(Received { id, from, to, at, raw }));
        while store.messages.len() > self.0.most || store.bytes > self.0.most_bytes {
            let Some(oldest) = store.messages.pop_front() else { break };
            store.bytes -= oldest.raw.len();
        }
        drop(store);
        self.0.revision.send_modify(|revision| *revision += 1);
        id
    }

    /// All messages, the oldest first.
    pub fn messages(&self) -> Vec<Arc<Received>> {
        self.store().messages.iter().cloned().collect()
    }

    /// Up to `count` messages, the newest first, after leaving out the newest `skip`.
    pub fn page(&self, skip: usize, count: usize) -> Vec<Arc<Received>> {
        self.store().messages.iter().rev().skip(skip).take(count).cloned().collect()
    }

    /// The messages to an address, the oldest first; case doesn't count.
    pub fn to(&self, address: &str) -> Vec<Arc<Received>> {
        let is_to = |message: &&Arc<Received>| message.to.iter().any(|to| to.eq_ignore_ascii_case(address));
        self.store().messages.iter().filter(is_to).cloned().collect()
    }

    pub fn get(&self, id: u64) -> Option<Arc<Received>> {
        let store = self.store();
        let index = store.messages.binary_search_by_key(&id, |message| message.id).ok()?;
        store.messages.get(index).cloned()
    }

    pub fn len(&self) -> usize {
        self.store().messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Throws all messages away.
    pub fn clear(&self) {
        let mut store = self.store();
        store.messages.clear();
        store.bytes = 0;
        drop(store);
        self.0.revision.send_modify(|revision| *revision += 1);
    }

    /// A counter that moves with every message and every clearing.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// Waits for the next message or clearing after this call.
    pub async fn changed(&self) {
        // The sender lives in `self`, so the channel can't be closed while we wait.
        let _ = self.revisions().changed().await;
    }

    /// Waits until the mailbox is as wanted, which it may be already. Looks again at every change and has no limit of
    /// its own: put it under a timeout.
    pub async fn wait_until(&self, mut wanted: impl FnMut(&Self) -> bool) {
        let mut revisions = self.revisions();
        // As above: never closed while we wait.
        let _ = revisions.wait_for(|_| wanted(self)).await;
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(mailbox: &Mailbox, to: &str) -> u64 {
        mailbox.add(
            "desk@example.org".to_owned(),
            vec![to.to_owned()],
            Timestamp::from_micros(0),
            vec![b'x'; 10],
        )
    }

    #[test]
    fn a_bounded_mailbox_lets_go_of_the_oldest() {
        let mailbox = Mailbox::newest(2);
        let ids: Vec<u64> =
            ["a@x.example", "b@x.example", "c@x.example"].map(|to| add(&mailbox, to)).to_vec();
        assert_eq!(ids, [1, 2, 3]);
        assert!(mailbox.get(1).is_none());
        assert_eq!(mailbox.messages().iter().map(|message| message.id).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(mailbox.page(0, 1)[0].id, 3);
    }

    #[test]
    fn a_mailbox_of_large_messages_keeps_to_its_memory() {
        let mailbox = Mailbox::bounded(100, 25);
        for _ in 0..5 {
            add(&mailbox, "a@x.example");
        }
        assert_eq!(mailbox.len(), 2);
    }

    #[test]
    fn ids_are_never_used_twice() {
        let mailbox = Mailbox::unbounded();
        add(&mailbox, "a@x.example");
        mailbox.clear();
        assert!(mailbox.is_empty());
        assert_eq!(add(&mailbox, "a@x.example"), 2);
    }

    #[test]
    fn the_case_of_an_address_does_not_count() {
        let mailbox = Mailbox::unbounded();
        add(&mailbox, "Ada@x.example");
        assert_eq!(mailbox.to("ada@X.example").len(), 1);
        assert_eq!(mailbox.to("eve@x.example").len(), 0);
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_message() {
        let mailbox = Mailbox::unbounded();
        let (_, id) = tokio::join!(mailbox.wait_until(|mailbox| mailbox.len() == 1), async {
            add(&mailbox, "ada@x.example")
        });
        assert_eq!(id, 1);
    }
}
