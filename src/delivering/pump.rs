//! The flow of one node: one claimer that deals out as much as the relays take, their connections, and one settler.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedSender};
use tokio::task::JoinSet;

use super::{
    Engine, Error, Until, judging,
    outlet::Outlet,
    settling::Report,
    sharing::{self, Share},
    worker::Job,
};
use crate::domain::{
    delivery::State,
    issue::{Kind, Lane, Level, priority},
    time::Timestamp,
};
use crate::store::{self, claims::Claimed};

/// The longest the claimer sleeps when nobody rings: mail queued by another process is seen by then.
const LOOK: Duration = Duration::from_millis(500);
/// Mail that waited so long for a connection goes to another relay, if there is one.
const STALLED: Duration = Duration::from_secs(5);

/// While an issue is being fanned out nothing less pressing is begun, or it would slip in wherever the senders are faster;
/// for no longer than this after the issue was made.
const FAN_OUT: Duration = Duration::from_secs(60);

/// What is claimed apart: none of these waits because something less pressing was claimed before.
const CLASSES: [(i64, i64); 7] = [
    Lane::Transactional.priorities(),
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

/// So many may be claimed and not settled yet, and a few more of each class that goes before another: a database that is
/// slower than the relays slows them down, instead of leaving a growing pile that is only in memory.
const UNSETTLED: usize = 5_000;
const MORE: usize = 500;

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
            let mut nothing = true;
            if let Some((claimed, floor)) = claimed {
                nothing = claimed.is_empty();
                self.deal(claimed, reports).await;
                // Only now: what was just claimed goes before what was held back.
                self.hold_below(floor);
            }
            if !nothing {
                continue;
            }
            if idle && matches!(until, Until::Idle) {
                return Ok(());
            }
            self.rest(&mut until).await;
        }
    }

    /// Claims what the relays have room for, the most pressing first. Where there is more of a class than room, or an
    /// issue of it is still being fanned out, nothing less pressing is claimed or begun: that class's priority is given
    /// as well. None where nothing has room.
    async fn claim(&self, now: Timestamp) -> Result<Option<(Vec<Claimed>, Option<i64>)>, Error> {
        self.outlets.iter().for_each(|outlet| outlet.adapt(now));
        let has_room = CLASSES.iter().any(|class| sharing::total(&self.shares(*class, None, now)) > 0);
        if !has_room || !self.may_send() {
            return Ok(None);
        }
        let mut unsure = self.claiming.lock().await;
        let mut tx = self.cx.db.begin().await?;
        let idle = self.in_flight.load(Ordering::SeqCst) == 0;
        if *unsure && idle {
            // A claim whose commit got no answer may stand in the database; nobody works on it.
            store::deliveries::release(&mut tx, self.node).await?;
        }
        let mut floor = store::issues::most_pressing_fan_out(&mut tx, now.minus(FAN_OUT)).await?;
        if let Some(floor) = floor {
            // What is held back already stays so until what goes before it is dealt out.
            self.outlets
                .iter()
                .filter(|outlet| outlet.serves(Lane::of(floor)))
                .for_each(|outlet| outlet.hold_more(floor));
        }
        let mut claimed = Vec::new();
        let in_flight = self.in_flight.load(Ordering::SeqCst);
        for (class, before) in CLASSES.into_iter().zip((0..CLASSES.len()).rev()) {
            let most = (UNSETTLED + before * MORE).saturating_sub(in_flight + claimed.len());
            let room = sharing::total(&self.shares(class, floor, now)).min(most);
            if room > 0 {
                let limit = i64::try_from(room).unwrap_or(i64::MAX);
                let mut some = store::claims::claim(&mut tx, self.node, limit, class).await?;
                if some.len() >= room {
                    floor = floor.map_or(Some(class.1), |floor| Some(floor.min(class.1)));
                }
                claimed.append(&mut some);
            }
        }
        let committed = tx.commit().await;
        *unsure = committed.is_err() || (*unsure && !idle);
        committed?;
        self.in_flight.fetch_add(claimed.len(), Ordering::SeqCst);
        Ok(Some((claimed, floor)))
    }

    /// Holds back what is less pressing than `floor`, if anything is, before the relays that it goes to.
    fn hold_below(&self, floor: Option<i64>) {
        for outlet in &self.outlets {
            outlet.hold_below(floor.filter(|floor| outlet.serves(Lane::of(*floor))));
        }
    }

    /// The relays that take mail of this class now, or all with no room where it is paused; those that wait for more
    /// pressing mail than `floor` take no other.
    fn shares(&self, (first, last): (i64, i64), floor: Option<i64>, now: Timestamp) -> Vec<Share> {
        let lane = Lane::of(first);
        let dealt = self.lock_dealt();
        let open = self.outlets.iter().zip(dealt.iter()).map(|(outlet, dealt)| {
            let held = floor.is_some_and(|floor| floor < first && outlet.serves(Lane::of(floor)));
            let open = !held && outlet.serves(lane) && outlet.gate.room(now) > 0 && !self.is_paused(lane);
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
                _ => self.shares(class, None, now),
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
        if let Some((_, mut shares)) = shares {
            sharing::level(&mut shares);
            self.lock_dealt().iter_mut().zip(shares).for_each(|(dealt, share)| *dealt = share.dealt);
        }
        for (outlet, jobs) in self.outlets.iter().zip(hands) {
            if !jobs.is_empty() {
                outlet.put(jobs);
            }
        }
    }

    /// A claimed delivery with its stored mail; none for one that is settled without being sent.
    async fn job(&self, delivery: Claimed, reports: &Reports, now: Timestamp) -> Option<Job> {
        let late = delivery.issue.expires_at.is_some_and(|expiry| expiry <= now);
        let settled = if delivery.issue.cancelled || !delivery.wanted {
            judging::ended(&delivery, State::Cancelled, now)
        } else if late && delivery.issue.kind != Kind::Digest {
            judging::ended(&delivery, State::Expired, now)
        } else {
            match self.stored_mail(delivery.variant_id).await {
                Ok(mail) => return Some(Job { delivery, mail, claimed_at: now }),
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

    /// Takes mail from before relays that take none: others get it at the next claim. A node past its deadline lets go of
    /// all that waits.
    fn redeal(&self, reports: &Reports, now: Timestamp) {
        for outlet in self.outlets.iter().filter(|outlet| outlet.len() > 0) {
            let others_open =
                || self.outlets.iter().any(|other| other.name() != outlet.name() && other.gate.room(now) > 0);
            if outlet.gate.is_shut(now)
                || self.deadline.left().is_zero()
                || (outlet.has_waited(STALLED, now) && others_open())
            {
                self.queue_again(reports, outlet.take_all());
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
        self.in_flight.load(Ordering::SeqCst) == waiting && self.outlets.iter().all(still)
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
