//! What became of the mails is written down in batches, with what follows from it: attempts, suppressions, a relay's
//! trouble. While the database takes none of it, no further body is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::{
    Engine, Error,
    judging::{self, Relay},
    outlet::Outlet,
    telling::ManyRefused,
    worker::Outcome,
};
use crate::domain::{address::EmailAddress, delivery::State, issue::Lane, suppression, time::Timestamp};
use crate::mail::{relay::Failure, reply::redacted};
use crate::store::{self, attempts::Attempt, deliveries::Settled, nodes::Trouble};

/// A batch is written when it has so many, when nothing came for so long, or when it is so old.
const MOST: usize = 1_000;
const LULL: Duration = Duration::from_millis(5);
const OLDEST: Duration = Duration::from_millis(50);
/// A settlement that takes longer holds sending back.
const LONG: Duration = Duration::from_secs(2);
/// How long to wait before a settlement that the database refused is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What the settler is told.
pub enum Report {
    /// A mail was tried.
    Mail(Outcome),
    /// A claimed delivery came to this without having been tried.
    Ended(Settled),
    /// Something was learned of a relay, without a mail.
    Note(Note),
}

/// What is written down of a relay.
pub enum Note {
    /// It takes no mail until then; the operator is told of it where `tell` says so.
    Trouble { trouble: Trouble, tell: bool },
    /// The relay of this name takes mail again.
    Over(String),
    /// It refuses many recipients, of which the operator is told.
    ManyRefused(ManyRefused),
}

/// What one batch has to write.
#[derive(Default)]
struct Ledger {
    settled: Vec<Settled>,
    attempts: Vec<Tried>,
    /// The hashes of addresses that do not exist.
    suppress: Vec<Vec<u8>>,
    /// And of those of which that is not believed any more.
    lift: Vec<Vec<u8>>,
    notes: Vec<Note>,
    /// How many mails each relay accepted, by its number.
    accepted: BTreeMap<usize, i64>,
}

struct Tried {
    delivery_id: i64,
    at: Timestamp,
    relay: String,
    verdict: &'static str,
    code: Option<i64>,
    text: String,
}

impl Engine {
    /// Settles until the last sender of reports is gone.
    pub(super) async fn settle_all(self: Arc<Self>, mut reports: UnboundedReceiver<Report>) {
        while let Some(first) = reports.recv().await {
            let mut batch = vec![first];
            let filling = async {
                while batch.len() < MOST && self.in_flight.load(Ordering::SeqCst) > batch.len() {
                    match timeout(LULL, reports.recv()).await {
                        Ok(Some(report)) => batch.push(report),
                        Ok(None) | Err(_) => break,
                    }
                }
            };
            // Whether it is full or old, what it has is written now.
            let _ = timeout(OLDEST, filling).await;
            let mut ledger = Ledger::default();
            let mut journaled = Vec::new();
            for report in batch {
                match report {
                    Report::Mail(outcome) => {
                        if outcome.result.is_ok() {
                            journaled.push(outcome.delivery.id);
                        }
                        self.enter(&mut ledger, &outcome);
                    }
                    Report::Ended(settled) => self.ends(&mut ledger, settled),
                    Report::Note(note) => ledger.notes.push(note),
                }
            }
            self.write(&ledger).await;
            if let Err(error) = self.journal.settled(journaled.into_iter()) {
                tracing::error!(%error, "the journal can't be cut");
            }
            if ledger.settled.iter().any(|settled| settled.state == State::Queued) {
                self.requeued.store(true, Ordering::SeqCst);
            }
            self.in_flight.fetch_sub(ledger.settled.len(), Ordering::SeqCst);
            self.cx.bells.deliver.notify_one();
        }
    }

    /// Writes a ledger, again and again until the database takes it; meanwhile nothing more is sent.
    async fn write(&self, ledger: &Ledger) {
        while let Err(error) = self.write_in_time(ledger).await {
            self.hold.store(true, Ordering::SeqCst);
            self.cx.metrics.sending_on_hold(true);
            tracing::error!(%error, "the database takes no settlement: sending is on hold until it does");
            tokio::time::sleep(AGAIN).await;
        }
        self.cx.metrics.sending_on_hold(false);
        if self.hold.swap(false, Ordering::SeqCst) {
            tracing::info!("the database takes settlements again: sending goes on");
        }
    }

    /// The same once. A database that takes long for it may not be there any more: nothing more is sent meanwhile.
    async fn write_in_time(&self, ledger: &Ledger) -> Result<(), Error> {
        let writing = self.try_write(ledger);
        tokio::pin!(writing);
        if let Ok(written) = timeout(LONG, &mut writing).await {
            return written;
        }
        self.hold.store(true, Ordering::SeqCst);
        self.cx.metrics.sending_on_hold(true);
        tracing::warn!("the database takes long for a settlement: sending is on hold until it is done");
        writing.await
    }

    async fn try_write(&self, ledger: &Ledger) -> Result<(), Error> {
        let now = self.cx.clock.now();
        let mut tx = self.cx.db.begin().await?;
        store::deliveries::settle(&mut tx, self.node, &ledger.settled).await?;
        for tried in &ledger.attempts {
            let attempt = Attempt {
                delivery_id: tried.delivery_id,
                at: tried.at,
                relay: &tried.relay,
                verdict: tried.verdict,
                reply_code: tried.code,
                reply_text: &tried.text,
            };
            store::attempts::record(&mut tx, &attempt).await?;
        }
        for hash in &ledger.suppress {
            store::suppressions::insert(&mut tx, hash, suppression::Kind::Undeliverable, now).await?;
        }
        for hash in &ledger.lift {
            store::suppressions::lift_kind(&mut tx, hash, suppression::Kind::Undeliverable).await?;
        }
        for note in &ledger.notes {
            match note {
                Note::Trouble { trouble, tell } => {
                    store::nodes::trouble(&mut tx, trouble).await?;
                    if *tell {
                        self.tell_of_pause(&mut tx, trouble).await?;
                    }
                }
                Note::Over(relay) => {
                    store::nodes::trouble_over(&mut tx, relay).await?;
                }
                Note::ManyRefused(many) => self.tell_of_refusals(&mut tx, many).await?,
            }
        }
        for (relay, count) in &ledger.accepted {
            store::relays::accepted(&mut tx, self.outlets[*relay].name(), now.hour(), *count).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    fn enter(&self, ledger: &mut Ledger, outcome: &Outcome) {
        let outlet = &self.outlets[outcome.relay];
        let dice = self.cx.entropy.fraction();
        outlet.gate.came_back();
        let mut judgement =
            judging::judge(&outcome.delivery, outlet.name(), &outcome.result, outcome.at, dice);
        // What a paused lane holds is claimed again when that goes on, and not before.
        let waits =
            || self.stopping.load(Ordering::SeqCst) || self.is_paused(Lane::of(outcome.delivery.priority));
        if matches!(outcome.result, Err(Failure::Withdrawn)) && waits() {
            judgement.settled = judging::left_for_later(&outcome.delivery, outcome.at);
        }
        match judgement.settled.state {
            State::Sent => {
                *ledger.accepted.entry(outcome.relay).or_default() += 1;
                outlet.refusals().accepted(outcome.at);
                outcome.result.iter().for_each(|reply| outlet.look_at(reply));
            }
            State::Bounced => self.bounces(ledger, outcome, judgement.suppress),
            _ => {}
        }
        self.measure(outcome, &judgement);
        if let Some(verdict) = judgement.attempt {
            ledger.attempts.push(Tried {
                delivery_id: outcome.delivery.id,
                at: outcome.at,
                relay: outlet.name().to_owned(),
                verdict,
                code: judgement.settled.reply_code,
                text: judgement.settled.reply_text.clone().unwrap_or_default(),
            });
            let reply = told(outcome);
            tracing::info!(
                delivery = outcome.delivery.id,
                relay = outlet.name(),
                verdict,
                reply,
                "not accepted"
            );
        }
        ledger.notes.extend(self.learn(outlet, &judgement.relay, Some(outcome.delivery.id), outcome.at));
        ledger.settled.push(judgement.settled);
    }

    /// A delivery that no relay was told of; what counts as a try all the same is written down as one.
    fn ends(&self, ledger: &mut Ledger, settled: Settled) {
        if settled.tried > 0 {
            ledger.attempts.push(Tried {
                delivery_id: settled.id,
                at: self.cx.clock.now(),
                relay: String::new(),
                verdict: judging::BROKEN,
                code: None,
                text: settled.reply_text.clone().unwrap_or_default(),
            });
        }
        ledger.settled.push(settled);
    }

    /// A recipient was refused for good; where `absent`, because the address does not exist.
    fn bounces(&self, ledger: &mut Ledger, outcome: &Outcome, absent: bool) {
        let outlet = &self.outlets[outcome.relay];
        let address = outcome.delivery.address.parse::<EmailAddress>().ok().filter(|_| absent);
        let hash = address.map(|address| self.cx.hasher.hash(address.key()));
        let mut refusals = outlet.refusals();
        let effect = refusals.refused(hash, outcome.at);
        ledger.suppress.extend(effect.suppress);
        ledger.lift.extend(effect.lift);
        if effect.tell {
            let (refused, of) = refusals.counts();
            let relay = outlet.name().to_owned();
            ledger.notes.push(Note::ManyRefused(ManyRefused { relay, reply: told(outcome), refused, of }));
        }
    }

    /// Tells the relay's gate what was learned, by a try of `delivery` or without one; gives what is to be written down.
    pub(super) fn learn(
        &self,
        outlet: &Outlet,
        relay: &Relay,
        delivery: Option<i64>,
        at: Timestamp,
    ) -> Option<Note> {
        let gate = &outlet.gate;
        let trouble = |paused, reason: &str, until, tell| Note::Trouble {
            trouble: Trouble {
                relay: gate.name().to_owned(),
                paused,
                reason: redacted(reason),
                since: at,
                until,
            },
            tell,
        };
        match relay {
            Relay::Works if gate.works(at) => {
                tracing::info!(relay = gate.name(), "the relay takes mail again");
                Some(Note::Over(gate.name().to_owned()))
            }
            Relay::Works | Relay::Unknown => None,
            Relay::Fails(reason) | Relay::Breaks(reason) => {
                let until = match (relay, delivery) {
                    (Relay::Breaks(_), Some(delivery)) => gate.breaks(delivery, at),
                    _ => gate.fails(at),
                }?;
                let why = redacted(reason);
                tracing::warn!(relay = gate.name(), reason = why, %until, "the relay takes no mail now; its mail waits");
                Some(trouble(false, reason, until, false))
            }
            Relay::Throttles(reason) => {
                let (_, rate) = gate.throttles(at)?;
                let (reason, rate) = (redacted(reason), format!("{rate:.1}/s"));
                tracing::warn!(
                    relay = gate.name(),
                    reason,
                    rate,
                    "the relay asks us to slow down; it gets less for a while"
                );
                None
            }
            Relay::Doubts(_) if delivery.is_some_and(|delivery| !gate.doubts(delivery, at)) => None,
            Relay::Refuses(reason) | Relay::Doubts(reason) => {
                let (until, tell) = gate.pauses(at);
                Some(trouble(true, reason, until, tell))
            }
        }
    }
}

/// What a log may show of an outcome: replies can name an address.
fn told(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(reply) | Err(Failure::Reply(_, reply) | Failure::OutOfStep(_, reply)) => reply.redacted(),
        Err(Failure::Broken(stage, why)) => redacted(&format!("{stage}: {why}")),
        Err(Failure::Withdrawn) => "withdrawn".to_owned(),
    }
}
