//! From a queued delivery to an accepted mail: claim, commit, send with no transaction open, settle in batches. What
//! was accepted is in the journal first, so that a kill loses nothing and repeats as little as can be.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::context::Context;
use crate::domain::issue::Lane;
use crate::domain::pause::{self, Kind, Pause};
use crate::domain::relay_day::{self, Hour};
use crate::domain::time::{DAY, Timestamp};
use crate::store::{self, Db, Tx, nodes::Trouble};

mod allowance;
mod claiming;
mod deadline;
mod gate;
mod journal;
mod judging;
mod measuring;
mod outlet;
pub mod pausing;
mod pump;
mod refusals;
pub mod retrying;
mod settling;
mod sharing;
mod silence;
mod slots;
mod stored_mail;
mod telling;
mod threading;
pub mod waiting;
pub mod why;
mod worker;

use claiming::Claims;
use deadline::Deadline;
use journal::Journal;
use outlet::Outlet;
use slots::Slots;

/// How long a node lives without a heartbeat; past it other nodes take over its claims, and it sends no further body.
pub const LIFE: Duration = Duration::from_secs(30);
/// How far back those who left, and issues that were cancelled, by another process are looked for.
const LOOK_BACK: Duration = Duration::from_secs(60);
/// How many lines of the journal one transaction takes.
const REPLAY: usize = 1_000;
/// A node that is past its deadline waits so long for replies, then gives up the connections that owe them: a relay may
/// be silent for minutes, and until it has let go of its claims the node doesn't live again.
const GRACE: Duration = Duration::from_secs(10);
/// How often a node's heart beats.
const BEAT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error("the journal in the data folder: {0}")]
    Journal(#[from] std::io::Error),
    #[error(transparent)]
    Outbox(#[from] crate::outbox::Error),
    #[error("the connections to a relay ended early")]
    Connections,
}

/// The senders of one node.
pub struct Engine {
    cx: Context,
    node: Uuid,
    journal: Journal,
    handing_over: Slots,
    outlets: Vec<Outlet>,
    /// How much each relay was dealt so far, per weight.
    dealt: Mutex<Vec<f64>>,
    /// Lanes that a person paused.
    paused: Mutex<Vec<Lane>>,
    mails: Mutex<HashMap<i64, stored_mail::Kept>>,
    /// The node's own deadline, moved by each heartbeat.
    deadline: Deadline,
    /// Rung when every mail that is being handed over is to be given up.
    give_up: Notify,
    /// Set while the database takes no settlement: no further body is written until it does.
    hold: AtomicBool,
    /// Claimed and not yet settled.
    in_flight: AtomicUsize,
    /// Mail was queued again: it may stand before the last claim.
    requeued: AtomicBool,
    /// How many nodes live.
    nodes: AtomicU32,
    /// One claim at a time.
    claiming: tokio::sync::Mutex<Claims>,
    /// Set at a stop: what has not begun is left for the next start.
    stopping: AtomicBool,
}

/// What the nodes know of each other by the database.
struct Shared {
    /// How many live.
    nodes: u32,
    /// How many mails each relay accepted within a day.
    hours: Vec<Hour>,
    /// What a person stopped by hand.
    pauses: Vec<Pause>,
    /// The relays that are in trouble.
    troubles: Vec<Trouble>,
}

impl Shared {
    async fn read(tx: &mut Tx, now: Timestamp) -> Result<Self, Error> {
        let nodes = store::nodes::living(tx, now.minus(LIFE)).await?;
        let hours = store::relays::hours(tx, relay_day::first_hour(now)).await?;
        let pauses = store::pauses::all(tx).await?;
        let troubles = store::nodes::troubles(tx).await?;
        Ok(Self { nodes: u32::try_from(nodes).unwrap_or(1), hours, pauses, troubles })
    }
}

/// When [`Engine::pump`] returns.
#[derive(Clone)]
pub enum Until {
    /// When nothing is due and nothing is in flight.
    Idle,
    /// When told to stop: what is in flight is finished and settled first.
    Stopped(watch::Receiver<bool>),
}

impl Engine {
    /// Takes up where this node left off: its journal is replayed, and what it had claimed is queued again. The
    /// caller holds the lock on the data folder.
    ///
    /// # Errors
    /// A data folder or a database that can't be written.
    pub async fn open(cx: Context, installation: &str) -> Result<Self, Error> {
        let data = cx.config.server.data.clone();
        std::fs::create_dir_all(&data)?;
        let (node, journal, accepted) =
            journal::open(&data, installation, || cx.entropy.uuid(cx.clock.now()))?;
        let relays = cx.config.relays.iter();
        let outlets: Vec<_> = relays.map(|relay| Outlet::new(relay, Arc::clone(&cx.bells))).collect();
        let connections = outlets.iter().map(Outlet::connections).sum();
        let (handing_over, handed_over) = slots::open(&data, installation, connections)?;
        let engine = Self {
            node,
            journal,
            handing_over,
            dealt: Mutex::new(vec![0.0; outlets.len()]),
            outlets,
            paused: Mutex::default(),
            mails: Mutex::default(),
            deadline: Deadline::new(cx.clock.clone()),
            give_up: Notify::new(),
            hold: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            requeued: AtomicBool::new(false),
            nodes: AtomicU32::new(1),
            claiming: tokio::sync::Mutex::default(),
            stopping: AtomicBool::new(false),
            cx,
        };
        engine.recover(&accepted, &handed_over).await?;
        Ok(engine)
    }

    async fn recover(&self, accepted: &[journal::Accepted], handed_over: &[i64]) -> Result<(), Error> {
        let moment = self.deadline.moment();
        let now = moment.wall;
        let mut replayed = 0;
        for lines in accepted.chunks(REPLAY) {
            let settled: Vec<_> = lines.iter().map(|line| judging::replayed(line, now)).collect();
            let mut tx = self.cx.db.begin().await?;
            replayed += store::deliveries::settle(&mut tx, self.node, &settled).await?;
            tx.commit().await?;
        }
        let mut tx = self.cx.db.begin().await?;
        // Accepted or not: whoever asks who may have got it hears of these.
        store::deliveries::broke_off(&mut tx, self.node, handed_over, now).await?;
        let mut released = store::deliveries::release(&mut tx, self.node).await?;
        if matches!(self.cx.db, Db::Sqlite { .. }) {
            // The only node there can be: whatever else is claimed was claimed in another data folder.
            released += store::deliveries::rescue(&mut tx, now.plus(DAY), now).await?;
        }
        for outlet in &self.outlets {
            // A person may have put it right: what the pause put off is tried at once.
            store::deliveries::requeue_paused(&mut tx, outlet.name()).await?;
            store::nodes::trouble_over(&mut tx, outlet.name()).await?;
        }
        store::nodes::beat(&mut tx, self.node, now).await?;
        let shared = Shared::read(&mut tx, now).await?;
        tx.commit().await?;
        self.adjust(&shared);
        self.journal.clear()?;
        self.handing_over.clear()?;
        self.deadline.extend(moment, LIFE);
        if replayed + released > 0 {
            tracing::info!(replayed, queued_again = released, "took up where the last run stopped");
        }
        Ok(())
    }

    /// What has to be seen to every half second: the heartbeat, deferred mails whose time has come, the claims of dead
    /// nodes, issues that have ended, what was called off by another process.
    ///
    /// # Errors
    /// A database that can't be written.
    pub async fn tend(&self) -> Result<(), Error> {
        let moment = self.deadline.moment();
        let now = moment.wall;
        let left = self.deadline.left();
        if left.is_zero() {
            self.cx.handover.shut();
        }
        // Past its deadline others may have what it claimed: it lets go of all that before it lives again.
        let lapsed = left.is_zero() && !self.holds_nothing();
        let beats = left + BEAT <= LIFE && !lapsed;
        if lapsed && self.deadline.seen_past() >= GRACE {
            self.give_up.notify_waiters();
        }
        self.show(now);
        let mut tx = self.cx.db.begin().await?;
        if beats {
            store::nodes::beat(&mut tx, self.node, now).await?;
        }
        let due = store::deliveries::requeue_due(&mut tx, now).await?;
        // Its own among them, while it is past its deadline itself.
        let rescued =
            if lapsed { 0 } else { store::deliveries::rescue(&mut tx, now.minus(LIFE), now).await? };
        let ended = store::issues::end_finished(&mut tx, now).await?;
        let left = store::subscribers::left_since(&mut tx, now.minus(LOOK_BACK)).await?;
        let cancelled = store::issues::cancelled_since(&mut tx, now.minus(LOOK_BACK)).await?;
        let paused = store::pausing::paused(&mut tx).await?;
        let silent = self.note_silence(&mut tx, now).await?;
        let shared = Shared::read(&mut tx, now).await?;
        tx.commit().await?;
        self.silence_noted(&silent);
        self.adjust(&shared);
        self.cx.metrics.rescued(rescued);
        if beats {
            self.deadline.extend(moment, LIFE);
        }
        for subscriber_id in left {
            self.cx.left.add(subscriber_id, now);
        }
        for issue in cancelled {
            self.cx.cancelled.add(issue, now);
        }
        self.cx.paused.set(paused.into_iter().map(|issue| issue.id), now);
        if rescued > 0 {
            tracing::warn!(rescued, "took over the deliveries of a node that is gone");
        }
        for issue in ended {
            tracing::info!(%issue, "issue sent");
        }
        if due + rescued > 0 {
            self.requeued.store(true, Ordering::SeqCst);
            self.cx.bells.deliver.notify_one();
        }
        Ok(())
    }

    /// The last look, when nothing works here any more: lets go of what the fan-out wrote for senders that had ended.
    ///
    /// # Errors
    /// A database that can't be written.
    pub async fn end(&self) -> Result<(), Error> {
        if self.holds_nothing() {
            let mut tx = self.cx.db.begin().await?;
            store::deliveries::release(&mut tx, self.node).await?;
            tx.commit().await?;
        }
        self.tend().await?;
        if self.holds_nothing() {
            // It is gone at once, for the other nodes, which share the rates, and for whoever asks whether a service runs.
            let mut tx = self.cx.db.begin().await?;
            store::nodes::leave(&mut tx, self.node, self.cx.clock.now().minus(LIFE + BEAT)).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// What all nodes share of the relays: the rate, the day, and what a person paused.
    fn adjust(&self, shared: &Shared) {
        self.nodes.store(shared.nodes, Ordering::SeqCst);
        for outlet in &self.outlets {
            let relay = outlet.name();
            let per_day = outlet.gate.relay().per_day;
            let day_left = relay_day::left(per_day, &shared.hours, relay);
            let paused = pause::of(&shared.pauses, Kind::Relay, relay).is_some();
            let shown = shared.troubles.iter().any(|trouble| trouble.relay == relay);
            if outlet.gate.shows_trouble(shown, self.cx.clock.now()) {
                tracing::info!(relay, "the relay is tried at once: its rest was ended by hand");
                outlet.bell.notify_waiters();
            }
            let ends_day = outlet.gate.adjust(shared.nodes, day_left, paused);
            if let Some(per_day) = per_day.filter(|_| ends_day) {
                let room_at = relay_day::room_again(per_day, &shared.hours, relay);
                let room_at = room_at.map(|at| at.to_string()).unwrap_or_default();
                tracing::warn!(
                    relay,
                    per_day,
                    room_at,
                    "the relay's day is used up; its mail waits, or goes to the others"
                );
            }
        }
        let paused = |lane: &Lane| pause::of(&shared.pauses, Kind::Lane, lane.as_str()).is_some();
        *self.lock_paused() = Lane::ALL.iter().copied().filter(paused).collect();
    }

    fn is_paused(&self, lane: Lane) -> bool {
        self.lock_paused().contains(&lane)
    }

    fn lock_paused(&self) -> MutexGuard<'_, Vec<Lane>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_dealt(&self) -> MutexGuard<'_, Vec<f64>> {
        self.dealt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more goes out until the database has what was accepted.
    fn goes_on_hold(&self, error: &std::io::Error, or: &str) {
        self.hold.store(true, Ordering::SeqCst);
        self.cx.metrics.sending_on_hold(true);
        tracing::error!(%error, "the data folder can't be written: sending is on hold, for {or}");
    }

    /// Whether nothing is claimed that isn't settled, and nothing is being claimed.
    fn holds_nothing(&self) -> bool {
        self.claiming.try_lock().is_ok()
            && self.cx.handover.outstanding() == 0
            && self.in_flight.load(Ordering::SeqCst) == 0
    }

    /// Whether this node may still write a body.
    fn may_send(&self) -> bool {
        !self.deadline.left().is_zero()
            && !self.hold.load(Ordering::SeqCst)
            && !self.stopping.load(Ordering::SeqCst)
    }
}
