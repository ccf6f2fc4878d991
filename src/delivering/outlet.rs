//! One relay of this node: its gate, and the claimed deliveries that wait for one of its connections, the most
//! pressing first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{gate::Gate, refusals::Refusals, sharing::Ahead, worker::Job};
use crate::config;
use crate::context::Bells;
use crate::domain::{issue::Lane, message_id::Renaming, time::Timestamp};

/// Claimed deliveries that wait longer than this for a connection are more than the relay takes.
const LONG: Duration = Duration::from_millis(250);
/// Where mail waits less long than this, more of it is claimed at once: each claim is a commit to disk.
const SHORT: Duration = Duration::from_millis(50);
/// At the least so many are claimed ahead for each connection.
const AHEAD: usize = 2;

pub struct Outlet {
    pub gate: Gate,
    refusals: Mutex<Refusals>,
    waiting: Mutex<Waiting>,
    bells: Arc<Bells>,
    /// Rung for all connections when mail was put here, or the end was.
    pub bell: Notify,
    /// Connections that are being made or have a mail in hand.
    busy: AtomicUsize,
    /// Connections that are open.
    open: AtomicUsize,
    /// Its mail went to others, for no connection was made in time.
    hangs: AtomicBool,
    /// When it last said something, in microseconds, or was asked after nothing was asked of it.
    pub heard: AtomicI64,
    /// The database has that it is silent.
    pub shown_silent: AtomicBool,
    /// It was told that its replies name no mail, as its configuration says that they do.
    pub tells_nothing: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    jobs: BTreeMap<(i64, i64), Job>,
    /// How many of them there are of each priority.
    counts: BTreeMap<i64, usize>,
    ahead: Ahead,
    /// How many may wait here, in all.
    target: usize,
    /// A connection found nothing here since the last claim.
    ran_dry: bool,
    /// What it took had hardly waited.
    short: bool,
    /// Nothing less pressing than this priority leaves, if any is held back.
    floor: Option<i64>,
    over: bool,
}

impl Outlet {
    pub fn new(relay: &config::Relay, bells: Arc<Bells>) -> Self {
        Self {
            gate: Gate::new(relay),
            refusals: Mutex::default(),
            waiting: Mutex::default(),
            bells,
            bell: Notify::new(),
            busy: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            hangs: AtomicBool::new(false),
            heard: AtomicI64::new(0),
            shown_silent: AtomicBool::new(false),
            tells_nothing: AtomicBool::new(false),
        }
    }

    pub fn name(&self) -> &str {
        self.gate.name()
    }

    /// How its reply tells the Message-ID that it gives a mail, if it gives one and tells.
    pub fn renames(&self) -> Option<&Renaming> {
        self.gate.relay().message_id.as_ref()
    }

    pub fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many connections it has.
    pub fn connections(&self) -> usize {
        self.gate.relay().connections.max(1) as usize
    }

    /// The lowest lane that connection `index` serves.
    pub fn reach(&self, index: usize) -> Lane {
        Lane::of_connection(index, self.connections())
    }

    /// Whether it takes mail that stands so in the queue.
    pub fn serves(&self, priority: i64) -> bool {
        self.gate.relay().serves(priority)
    }

    /// How many more of this priority, and less pressing ones, may be put here.
    pub fn room(&self, priority: i64, now: Timestamp) -> usize {
        let waiting = self.lock();
        let ahead: usize = waiting.counts.range(..=priority).map(|(_, count)| count).sum();
        let allowed = self.gate.room(now);
        let target = waiting.ahead.target(self.least()).min(allowed);
        // On trial one mail tries the relay, whether it waits here or is on its way.
        let no_more = (allowed == 1 && self.is_busy()) || self.hangs();
        if no_more { 0 } else { target.saturating_sub(ahead) }
    }

    /// Whether it can't keep up with what is put here.
    pub fn is_full(&self, now: Timestamp) -> bool {
        self.hangs() || self.lock().ahead.is_behind() || self.has_waited(LONG, now)
    }

    /// Its mail goes to others, for it waited too long here.
    pub fn give_up(&self) -> Vec<Job> {
        self.hangs.store(self.open() == 0, Ordering::SeqCst);
        self.take_all()
    }

    /// Whether it hangs in the making of a connection, as one time before: it gets no mail until that came to something.
    fn hangs(&self) -> bool {
        self.hangs.load(Ordering::SeqCst) && self.is_busy()
    }

    /// Whether some mail waits here for so long.
    pub fn has_waited(&self, time: Duration, now: Timestamp) -> bool {
        let waiting = self.lock();
        let Some(last) = waiting.counts.keys().next_back() else { return false };
        // The first of the least pressing.
        let oldest = waiting.jobs.range((*last, i64::MIN)..).next();
        oldest.is_some_and(|(_, job)| now.since(job.claimed_at) >= time)
    }

    /// Whether a connection found nothing here since the last claim.
    pub fn ran_dry(&self) -> bool {
        self.lock().ran_dry
    }

    /// Learns from what happened since the last claim how much to claim ahead; `wanted` where another relay ran dry.
    pub fn adapt(&self, wanted: bool, now: Timestamp) {
        let waited = self.hangs() || self.has_waited(LONG, now);
        let least = self.least();
        let mut waiting = self.lock();
        let short = std::mem::take(&mut waiting.ran_dry) | std::mem::take(&mut waiting.short);
        waiting.ahead.learn(short, waited, wanted, least);
        waiting.target = waiting.ahead.target(least);
    }

    fn least(&self) -> usize {
        let connections = self.connections() * AHEAD;
        // A slow rate is a second's worth.
        self.gate.rate().map_or(connections, |rate| connections.min(rate.ceil() as usize + 1))
    }

    pub fn put(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut waiting = self.lock();
        for job in jobs {
            waiting.insert(job);
        }
        drop(waiting);
        self.bell.notify_waiters();
    }

    /// Holds back what is less pressing than `floor`, or nothing any more.
    pub fn hold_below(&self, floor: Option<i64>) {
        let mut waiting = self.lock();
        if waiting.floor != floor {
            waiting.floor = floor;
            drop(waiting);
            self.bell.notify_waiters();
        }
    }

    /// Holds back what is less pressing than `floor` as well as what is held back already.
    pub fn hold_more(&self, floor: i64) {
        let mut waiting = self.lock();
        waiting.floor = Some(waiting.floor.map_or(floor, |held| held.min(floor)));
    }

    /// Whether a connection that reaches down to `reach` would get something.
    pub fn has(&self, reach: Lane) -> bool {
        let waiting = self.lock();
        waiting.counts.keys().next().is_some_and(|priority| waiting.lets(*priority, reach))
    }

    /// The most pressing one for a connection that reaches down to `reach`.
    pub fn take(&self, reach: Lane, now: Timestamp) -> Option<Job> {
        let mut waiting = self.lock();
        if waiting.over {
            return None;
        }
        let first = waiting.jobs.first_key_value().map(|(key, _)| *key);
        let Some(first) = first.filter(|(priority, _)| waiting.lets(*priority, reach)) else {
            waiting.ran_dry |= waiting.jobs.is_empty();
            return None;
        };
        let job = waiting.jobs.remove(&first);
        waiting.count(first.0, -1);
        if waiting.jobs.len() == waiting.target / 2 {
            waiting.short |= job.as_ref().is_some_and(|job| now.since(job.claimed_at) < SHORT);
            self.bells.deliver.notify_one();
        }
        job
    }

    /// Everything that waits here.
    pub fn take_all(&self) -> Vec<Job> {
        let mut waiting = self.lock();
        waiting.counts.clear();
        std::mem::take(&mut waiting.jobs).into_values().collect()
    }

    pub fn len(&self) -> usize {
        self.lock().jobs.len()
    }

    /// No more mail comes: the connections end.
    pub fn close(&self) {
        self.lock().over = true;
        self.bell.notify_waiters();
    }

    /// Mail comes again.
    pub fn reopen(&self) {
        self.lock().over = false;
    }

    pub fn is_closed(&self) -> bool {
        self.lock().over
    }

    /// Counts a connection as busy from now on, for as long as what it returns lives.
    pub fn busy(&self, now: Timestamp) -> Busy<'_> {
        if self.busy.fetch_add(1, Ordering::SeqCst) == 0 {
            self.hears(now);
        }
        Busy(self)
    }

    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst) > 0
    }

    /// A connection was made.
    pub fn opened(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.hangs.store(false, Ordering::SeqCst);
    }

    /// A connection ended.
    pub fn closed(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that is busy.
pub struct Busy<'a>(&'a Outlet);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Waiting {
    fn lets(&self, priority: i64, reach: Lane) -> bool {
        Lane::of(priority) <= reach && self.floor.is_none_or(|floor| priority <= floor)
    }

    fn insert(&mut self, job: Job) {
        let priority = job.delivery.priority;
        self.jobs.insert((priority, job.delivery.id), job);
        self.count(priority, 1);
    }

    fn count(&mut self, priority: i64, change: isize) {
        let count = self.counts.entry(priority).or_default();
        *count = count.saturating_add_signed(change);
        if *count == 0 {
            self.counts.remove(&priority);
        }
    }
}
