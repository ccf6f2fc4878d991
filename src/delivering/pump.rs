//! The flow of one node: one claimer that deals out as much as the relays take, their connections, and one settler.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;

use super::{
    Engine, Error, Until,
    claiming::Claim,
    judging,
    outlet::Outlet,
    settling::Report,
    sharing::{self, Share},
    worker::Job,
};
use crate::domain::{
    address::EmailAddress,
    delivery::State,
    issue::{Kind, Lane, Level, WATCH, priority},
    time::Timestamp,
};
use crate::store::claims::Claimed;

/// The longest the claimer sleeps when nobody rings: mail queued by another process is seen by then.
const LOOK: Duration = Duration::from_millis(500);
/// Mail that waited so long for a connection goes to another relay, if there is one.
const STALLED: Duration = Duration::from_secs(5);

/// What is claimed apart: none of these waits because something less pressing was claimed before.
pub(super) const CLASSES: [(i64, i64); 8] = [
    (Lane::Transactional.priorities().0, WATCH - 1),
    (WATCH, WATCH),
    Lane::Correction.priorities(),
    only(Level::Critical),
    only(Level::Major),
    only(Level::All),
    Lane::Digest.priorities(),
    Lane::Broadcast.priorities(),
];

const fn only(level: Level) -> (i64, i64) {
    (priority(Kind::Alert, level), priority(Kind::Alert, level))
}

type Reports = UnboundedSender<Report>;

impl Engine {
    /// Sends what is queued until `until`. Everything that was claimed is settled when this returns.
    ///
    /// # Errors
    /// A database that can't be read while claiming, with [`Until::Idle`]; with [`Until::Stopped`] it is tried again.
    pub async fn pump(self: &Arc<Self>, until: Until) -> Result<(), Error> {
        let (reports, settling) = mpsc::unbounded_channel();
        let mut connections = JoinSet::new();
        for (relay, outlet) in self.outlets.iter().enumerate() {
            outlet.reopen();
            for index in 0..outlet.connections() {
                connections.spawn(Arc::clone(self).work(relay, index, reports.clone()));
            }
        }
        let settler = tokio::spawn(Arc::clone(self).settle_all(settling));
        let mut result = self.claim_until(&reports, &mut connections, until).await;
        self.cx.handover.close();
        self.outlets.iter().for_each(Outlet::close);
        while let Some(ended) = connections.join_next().await {
            if ended.is_err() {
                result = result.and(Err(Error::Connections));
            }
        }
        for outlet in &self.outlets {
            self.queue_again(&reports, outlet.take_all());
        }
        drop(reports);
        // It ends when the last connection has; what it had not written is in the journal.
        if settler.await.is_err() {
            result = result.and(Err(Error::Connections));
        }
        result
    }

    async fn claim_until(
        &self,
        reports: &Reports,
        connections: &mut JoinSet<()>,
        mut until: Until,
    ) -> Result<(), Error> {
        loop {
            if let Until::Stopped(stop) = &until
                && *stop.borrow()
            {
                self.stopping.store(true, Ordering::SeqCst);
                return Ok(());
            }
            if connections.try_join_next().is_some() {
                // They end when they are told to; this one panicked. The service ends, and its next start goes on.
                return Err(Error::Connections);
            }
            let handed = self.cx.handover.take(|count| {
                self.in_flight.fetch_add(count, Ordering::SeqCst);
            });
            let mut nothing = handed.is_empty();
            if let Some(first) = handed.iter().map(|delivery| delivery.priority).min() {
                self.hold_more(first);
            }
            self.deal(handed, reports).await;
            let now = self.cx.clock.now();
            self.redeal(reports, now);
            let idle = self.is_idle(now);
            let claimed = match self.claim(now).await {
                Ok(claimed) => claimed,
                Err(error) if matches!(until, Until::Idle) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "can't claim from the database; trying again");
                    None
                }
            };
            let mut whole = true;
            if let Some(Claim { claimed, whole: all, floor }) = claimed {
                nothing &= claimed.is_empty();
                whole = all;
                self.deal(claimed, reports).await;
                // Only now: what was just claimed goes before what was held back.
                self.hold_below(floor);
            }
            if !nothing {
                continue;
            }
            if idle && matches!(until, Until::Idle) {
                if whole {
                    return Ok(());
                }
                self.requeued.store(true, Ordering::SeqCst);
                continue;
            }
            self.rest(&mut until).await;
        }
    }

    /// Holds back what is less pressing than this until the next claim, before the relays that it goes to: in front of
    /// what is about to be dealt out.
    pub(super) fn hold_more(&self, floor: i64) {
        let serving = self.outlets.iter().filter(|outlet| outlet.serves(floor));
        serving.for_each(|outlet| outlet.hold_more(floor));
    }

    /// Holds back what is less pressing than `floor`, if anything is, before the relays that it goes to.
    fn hold_below(&self, floor: Option<i64>) {
        for outlet in &self.outlets {
            outlet.hold_below(floor.filter(|floor| outlet.serves(*floor)));
        }
    }

    /// The relays that take mail of this class now, or all with no room where it is paused; those that wait for more
    /// pressing mail than `floor` take no other.
    pub(super) fn shares(&self, (first, last): (i64, i64), floor: Option<i64>, now: Timestamp) -> Vec<Share> {
        let lane = Lane::of(first);
        let dealt = self.lock_dealt();
        let open = self.outlets.iter().zip(dealt.iter()).map(|(outlet, dealt)| {
            let held = floor.is_some_and(|floor| floor < first && outlet.serves(floor));
            let open = !held && outlet.serves(first) && outlet.gate.room(now) > 0 && !self.is_paused(lane);
            let room = if open { outlet.room(last, now) } else { 0 };
            let full = !open || outlet.is_full(now);
            Share { weight: outlet.gate.relay().weight, room, full, dealt: *dealt }
        });
        open.collect()
    }

    /// Puts what is still wanted before the relays, by their weights, and settles the rest.
    async fn deal(&self, claimed: Vec<Claimed>, reports: &Reports) {
        let now = self.cx.clock.now();
        let mut hands: Vec<Vec<Job>> = self.outlets.iter().map(|_| Vec::new()).collect();
        let mut shares: Option<((i64, i64), Vec<Share>)> = None;
        for delivery in claimed {
            let class = CLASSES.into_iter().find(|class| (class.0..=class.1).contains(&delivery.priority));
            let class = class.unwrap_or((delivery.priority, delivery.priority));
            let of_class = match shares.take() {
                Some((same, of_class)) if same == class => of_class,
                before => {
                    self.level(before.map(|(_, of_class)| of_class));
                    self.shares(class, None, now)
                }
            };
            let (_, of_class) = shares.insert((class, of_class));
            let Some(job) = self.job(delivery, reports, now).await else { continue };
            match sharing::deal(of_class) {
                Some(relay) => {
                    hands[relay].push(job);
                    self.lock_dealt()[relay] = of_class[relay].dealt;
                }
                None => self.queue_again(reports, [job]),
            }
        }
        self.level(shares.map(|(_, of_class)| of_class));
        for (outlet, jobs) in self.outlets.iter().zip(hands) {
            if !jobs.is_empty() {
                outlet.put(jobs);
            }
        }
    }

    /// After a class was dealt out: what a relay could not take of it is not made up for later.
    fn level(&self, shares: Option<Vec<Share>>) {
        if let Some(mut shares) = shares {
            sharing::level(&mut shares);
            self.lock_dealt().iter_mut().zip(shares).for_each(|(dealt, share)| *dealt = share.dealt);
        }
    }

    /// A claimed delivery with its stored mail; none for one that is settled without being sent.
    async fn job(&self, delivery: Claimed, reports: &Reports, now: Timestamp) -> Option<Job> {
        let late = delivery.issue.expires_at.is_some_and(|expiry| expiry <= now);
        let settled = if self.cx.config.sender.test_mode && !self.is_test_address(&delivery) {
            judging::only_a_test(&delivery, "in test mode", now)
        } else if delivery.issue.cancelled || !delivery.wanted {
            judging::ended(&delivery, State::Cancelled, now)
        } else {
            match self.stored_mail(delivery.variant_id).await {
                Ok(kept) if kept.for_tests_alone && !self.is_test_address(&delivery) => {
                    judging::only_a_test(&delivery, "it is on a test topic, of which", now)
                }
                Ok(_) if late && delivery.issue.kind != Kind::Digest => {
                    judging::ended(&delivery, State::Expired, now)
                }
                Ok(_) if delivery.issue.paused => judging::met_paused(&delivery, now),
                Ok(kept) => return Some(Job { delivery, mail: kept.mail, claimed_at: now }),
                Err(error) => {
                    tracing::error!(%error, delivery = delivery.id, "the stored mail can't be read; trying again later");
                    judging::put_off(&delivery, &error.to_string(), now, self.cx.entropy.fraction())
                }
            }
        };
        // The settler outlives the claimer.
        let _ = reports.send(Report::Ended(settled));
        None
    }

    /// In test mode, and of a test topic, nobody is mailed but these: asked here, where all mail comes by.
    fn is_test_address(&self, delivery: &Claimed) -> bool {
        let to = delivery.address.parse::<EmailAddress>();
        to.is_ok_and(|to| self.cx.config.sender.is_test_address(&to))
    }

    /// Takes mail from before relays that take none: others get it at the next claim. A node past its deadline lets go of
    /// all that waits.
    fn redeal(&self, reports: &Reports, now: Timestamp) {
        for outlet in self.outlets.iter().filter(|outlet| outlet.len() > 0) {
            let others_open =
                || self.outlets.iter().any(|other| other.name() != outlet.name() && other.gate.room(now) > 0);
            if outlet.gate.is_shut(now) || self.deadline.left().is_zero() {
                self.queue_again(reports, outlet.take_all());
            } else if outlet.has_waited(STALLED, now) && others_open() {
                self.queue_again(reports, outlet.give_up());
            }
        }
    }

    fn queue_again(&self, reports: &Reports, jobs: impl IntoIterator<Item = Job>) {
        let now = self.cx.clock.now();
        for job in jobs {
            // The settler outlives the claimer.
            let _ = reports.send(Report::Ended(judging::left_for_later(&job.delivery, now)));
        }
    }

    /// Whether nothing is on its way, and nothing that waits may go now.
    fn is_idle(&self, now: Timestamp) -> bool {
        let waiting: usize = self.outlets.iter().map(Outlet::len).sum();
        let still = |outlet: &Outlet| {
            let may_go = outlet.has(Lane::Broadcast) && outlet.gate.wait(now, LOOK).is_zero();
            !outlet.is_busy() && !may_go
        };
        self.in_flight.load(Ordering::SeqCst) == waiting
            && self.cx.handover.outstanding() == 0
            && self.outlets.iter().all(still)
    }

    /// Waits for something to happen: the bell, or the next look.
    async fn rest(&self, until: &mut Until) {
        const SOON: Duration = Duration::from_millis(2);
        match until {
            Until::Idle => tokio::time::sleep(SOON).await,
            Until::Stopped(stop) => tokio::select! {
                () = self.cx.bells.deliver.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.changed() => {}
            },
        }
    }
}
