//! The flow of one node: for each relay a claimer that takes as much as the relay's gate and free connections allow,
//! the connections, and one settler for all.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use super::{Engine, Error, Until, gate::Gate, judging, settling::Ledger, worker::Job};
use crate::domain::{delivery::State, issue::Kind};
use crate::store::{
    self,
    deliveries::{Claimed, Settled},
};

/// The longest a claimer sleeps when nobody rings: mail queued by another process is seen by then.
const LOOK: Duration = Duration::from_millis(500);
/// The most that one claim takes.
const CLAIM: usize = 200;

impl Engine {
    /// Sends what is queued until `until`. Everything that was claimed is settled when this returns.
    ///
    /// # Errors
    /// A database that can't be read while claiming, with [`Until::Idle`]; with [`Until::Stopped`] it is tried again.
    pub async fn pump(self: &Arc<Self>, until: Until) -> Result<(), Error> {
        let (outcomes, settling) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let mut claimers = JoinSet::new();
        for relay in 0..self.gates.len() {
            let connections = self.gates[relay].relay().connections.max(1) as usize;
            let (jobs, queue) = mpsc::channel(connections);
            let queue = Arc::new(Mutex::new(queue));
            for _ in 0..connections {
                tasks.spawn(Arc::clone(self).work(relay, Arc::clone(&queue), outcomes.clone()));
            }
            claimers.spawn(Arc::clone(self).claim_for(relay, jobs, until.clone()));
        }
        drop(outcomes);
        let settler = tokio::spawn(Arc::clone(self).settle_all(settling));
        let mut result = Ok(());
        while let Some(ended) = claimers.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => result = Err(error),
                Err(_) => result = Err(Error::Connections),
            }
            if result.is_err() {
                // The other relays' claimers stop as well; the service ends, and its next start goes on.
                claimers.abort_all();
            }
        }
        while tasks.join_next().await.is_some() {}
        // It ends when the last connection has; what it had not written is in the journal.
        if settler.await.is_err() {
            result = Err(Error::Connections);
        }
        result
    }

    async fn claim_for(
        self: Arc<Self>,
        relay: usize,
        jobs: mpsc::Sender<Job>,
        mut until: Until,
    ) -> Result<(), Error> {
        let gate = &self.gates[relay];
        loop {
            if let Until::Stopped(stop) = &until
                && *stop.borrow()
            {
                self.stopping.store(true, Ordering::SeqCst);
                return Ok(());
            }
            if jobs.is_closed() {
                return Err(Error::Connections);
            }
            let room = jobs.capacity().min(CLAIM);
            let now = self.cx.clock.now();
            let allowed = if self.may_send(now) { gate.take(room, now) } else { 0 };
            let claimed = match self.claim(allowed).await {
                Ok(claimed) => claimed,
                Err(error) if matches!(until, Until::Idle) => return Err(error),
                Err(error) => {
                    tracing::error!(%error, "can't claim from the database; trying again");
                    Vec::new()
                }
            };
            gate.give_back(allowed - claimed.len());
            if !claimed.is_empty() {
                self.start(gate, claimed, &jobs).await;
            } else if room == 0 {
                self.wait_for_room(&jobs, &mut until).await;
            } else if matches!(until, Until::Idle) && self.in_flight.load(Ordering::SeqCst) == 0 {
                return Ok(());
            } else {
                let longest = if allowed > 0 { LOOK } else { gate.wait(now, LOOK) };
                self.rest(longest, &mut until).await;
            }
        }
    }

    async fn claim(&self, limit: usize) -> Result<Vec<Claimed>, Error> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let mut unsure = self.claiming.lock().await;
        let mut tx = self.cx.db.begin().await?;
        let idle = self.in_flight.load(Ordering::SeqCst) == 0;
        if *unsure && idle {
            // A claim whose commit got no answer may stand in the database; nobody works on it.
            store::deliveries::release(&mut tx, self.node).await?;
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let claimed = store::deliveries::claim(&mut tx, self.node, limit).await?;
        let committed = tx.commit().await;
        *unsure = committed.is_err() || (*unsure && !idle);
        committed?;
        self.in_flight.fetch_add(claimed.len(), Ordering::SeqCst);
        Ok(claimed)
    }

    /// Waits until a connection takes the next mail.
    async fn wait_for_room(&self, jobs: &mpsc::Sender<Job>, until: &mut Until) {
        let room = async {
            // An error means that the connections are gone, which the claimer sees next.
            let _ = jobs.reserve().await;
        };
        match until {
            Until::Idle => room.await,
            Until::Stopped(stop) => tokio::select! {
                () = room => {}
                _ = stop.changed() => {}
            },
        }
    }

    /// Waits for something to happen: the bell, the gate, or the next look.
    async fn rest(&self, longest: Duration, until: &mut Until) {
        const SOON: Duration = Duration::from_millis(2);
        match until {
            Until::Idle => tokio::time::sleep(SOON).await,
            Until::Stopped(stop) => tokio::select! {
                () = self.cx.bells.deliver.notified() => {}
                () = tokio::time::sleep(longest.max(SOON)) => {}
                _ = stop.changed() => {}
            },
        }
    }

    /// Passes on what is still wanted and settles the rest.
    async fn start(&self, gate: &Gate, claimed: Vec<Claimed>, jobs: &mpsc::Sender<Job>) {
        let now = self.cx.clock.now();
        let mut over: Vec<Settled> = Vec::new();
        for delivery in claimed {
            let late = delivery.expires_at.is_some_and(|expiry| expiry <= now);
            if delivery.cancelled || !delivery.wanted {
                over.push(judging::ended(&delivery, State::Cancelled, now));
            } else if late && delivery.kind != Kind::Digest {
                over.push(judging::ended(&delivery, State::Expired, now));
            } else {
                match self.stored_mail(delivery.variant_id).await {
                    Ok(mail) => {
                        // The connections outlive their claimer, so somebody is there to take it.
                        let _ = jobs.send(Job { delivery, mail }).await;
                    }
                    Err(error) => {
                        tracing::error!(%error, delivery = delivery.id, "the stored mail can't be read; trying again later");
                        over.push(judging::put_off(
                            &delivery,
                            &error.to_string(),
                            now,
                            self.cx.entropy.fraction(),
                        ));
                    }
                }
            }
        }
        if !over.is_empty() {
            let count = over.len();
            gate.give_back(count);
            self.write(&Ledger::of(over)).await;
            self.in_flight.fetch_sub(count, Ordering::SeqCst);
        }
    }
}
