//! What became of the mails is written down in batches, with what follows from it: attempts, suppressions, a relay's
//! trouble. While the database takes none of it, no further body is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{
    Engine, Error,
    judging::{self, Relay},
    worker::Outcome,
};
use crate::domain::{address::EmailAddress, suppression, time::Timestamp};
use crate::mail::{relay::Failure, reply::redacted};
use crate::outbox;
use crate::store::{
    self, Tx,
    deliveries::{Attempt, Settled},
    nodes::Trouble,
};

/// A batch is written when it has so many, when nothing came for so long, or when it is so old.
const MOST: usize = 1_000;
const LULL: Duration = Duration::from_millis(5);
const OLDEST: Duration = Duration::from_millis(50);
/// How long to wait before a settlement that the database refused is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// What one batch has to write.
#[derive(Default)]
pub(super) struct Ledger {
    settled: Vec<Settled>,
    attempts: Vec<Tried>,
    /// Addresses that do not exist.
    suppress: Vec<String>,
    troubles: Vec<(Trouble, News)>,
    recovered: Vec<String>,
}

impl Ledger {
    /// Deliveries that ended without having been tried.
    pub(super) fn of(settled: Vec<Settled>) -> Self {
        Self { settled, ..Self::default() }
    }
}

struct Tried {
    delivery_id: i64,
    at: Timestamp,
    relay: String,
    verdict: &'static str,
    code: Option<i64>,
    text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum News {
    /// The operator is told.
    Pause,
    Nothing,
}

impl Engine {
    /// Settles until the last sender of outcomes is gone.
    pub(super) async fn settle_all(self: Arc<Self>, mut outcomes: mpsc::UnboundedReceiver<Outcome>) {
        while let Some(first) = outcomes.recv().await {
            let mut batch = vec![first];
            let filling = async {
                while batch.len() < MOST && self.in_flight.load(Ordering::SeqCst) > batch.len() {
                    match timeout(LULL, outcomes.recv()).await {
                        Ok(Some(outcome)) => batch.push(outcome),
                        Ok(None) | Err(_) => break,
                    }
                }
            };
            // Whether it is full or old, what it has is written now.
            let _ = timeout(OLDEST, filling).await;
            let mut ledger = Ledger::default();
            for outcome in &batch {
                self.enter(&mut ledger, outcome);
            }
            self.write(&ledger).await;
            let accepted = batch.iter().filter(|outcome| outcome.result.is_ok());
            if let Err(error) = self.journal.settled(accepted.map(|outcome| outcome.delivery.id)) {
                tracing::error!(%error, "the journal can't be cut");
            }
            self.in_flight.fetch_sub(batch.len(), Ordering::SeqCst);
            self.cx.bells.deliver.notify_one();
        }
    }

    /// Writes a ledger, again and again until the database takes it; meanwhile nothing more is sent.
    pub(super) async fn write(&self, ledger: &Ledger) {
        while let Err(error) = self.try_write(ledger).await {
            self.hold.store(true, Ordering::SeqCst);
            tracing::error!(%error, "the database takes no settlement: sending is on hold until it does");
            tokio::time::sleep(AGAIN).await;
        }
        if self.hold.swap(false, Ordering::SeqCst) {
            tracing::info!("the database takes settlements again: sending goes on");
        }
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
            store::deliveries::record_attempt(&mut tx, &attempt).await?;
        }
        for address in &ledger.suppress {
            if let Ok(address) = address.parse::<EmailAddress>() {
                let hash = self.cx.hasher.hash(address.key());
                store::suppressions::insert(&mut tx, &hash, suppression::Kind::Undeliverable, now).await?;
            }
        }
        for (trouble, news) in &ledger.troubles {
            store::nodes::trouble(&mut tx, trouble).await?;
            if *news == News::Pause {
                self.tell_of_pause(&mut tx, trouble).await?;
            }
        }
        for relay in &ledger.recovered {
            store::nodes::trouble_over(&mut tx, relay).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    fn enter(&self, ledger: &mut Ledger, outcome: &Outcome) {
        let gate = &self.gates[outcome.relay];
        let dice = self.cx.entropy.fraction();
        gate.came_back();
        let mut judgement = judging::judge(&outcome.delivery, gate.name(), &outcome.result, outcome.at, dice);
        if matches!(outcome.result, Err(Failure::Withdrawn)) && self.stopping.load(Ordering::SeqCst) {
            judgement.settled = judging::left_for_later(&outcome.delivery, outcome.at);
        }
        if let Some(verdict) = judgement.attempt {
            ledger.attempts.push(Tried {
                delivery_id: outcome.delivery.id,
                at: outcome.at,
                relay: gate.name().to_owned(),
                verdict,
                code: judgement.settled.reply_code,
                text: judgement.settled.reply_text.clone().unwrap_or_default(),
            });
            tracing::info!(
                delivery = outcome.delivery.id,
                relay = gate.name(),
                verdict,
                reply = told(outcome),
                "not accepted"
            );
        }
        if judgement.suppress {
            ledger.suppress.push(outcome.delivery.address.clone());
        }
        let trouble = |paused, reason: &str, until| Trouble {
            relay: gate.name().to_owned(),
            paused,
            reason: redacted(reason),
            since: outcome.at,
            until,
        };
        match &judgement.relay {
            Relay::Works if gate.works(outcome.at) => {
                tracing::info!(relay = gate.name(), "the relay takes mail again");
                ledger.recovered.push(gate.name().to_owned());
            }
            Relay::Works | Relay::Unknown => {}
            Relay::Fails(reason) => {
                if let Some(until) = gate.fails(outcome.at) {
                    tracing::warn!(relay = gate.name(), reason = told(outcome), %until, "the relay takes no mail now; its mail waits");
                    ledger.troubles.push((trouble(false, reason, until), News::Nothing));
                }
            }
            Relay::Doubts(_) if !gate.doubts(outcome.delivery.id, outcome.at) => {}
            Relay::Refuses(reason) | Relay::Doubts(reason) => {
                let (until, news) = gate.pauses(outcome.at);
                let news = if news { News::Pause } else { News::Nothing };
                ledger.troubles.push((trouble(true, reason, until), news));
            }
        }
        ledger.settled.push(judgement.settled);
    }

    async fn tell_of_pause(&self, tx: &mut Tx, trouble: &Trouble) -> Result<(), Error> {
        let subject = format!("Relay \"{}\" refuses our mail", trouble.relay);
        let paragraphs = vec![
            format!("It said: {}", trouble.reason),
            "No mail is lost: it waits, and the relay is tried again after a pause that grows from five minutes to a \
             day. Nobody was suppressed for it. If the relay takes other mail meanwhile, only what it refused waits."
                .to_owned(),
            "What to do: look at this relay's account and settings (credentials, sender address, whether it may relay \
             for this machine), put them right in the configuration, and restart the service, which tries at once. \
             \"bellwether check\" talks to the relay and says what it finds."
                .to_owned(),
        ];
        outbox::tell_operator(&self.cx, tx, &subject, paragraphs).await?;
        Ok(())
    }
}

/// What a log may show of an outcome: replies can name an address.
fn told(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(reply) | Err(Failure::Reply(_, reply)) => reply.redacted(),
        Err(Failure::Broken(stage, why)) => redacted(&format!("{stage}: {why}")),
        Err(Failure::Withdrawn) => "withdrawn".to_owned(),
    }
}
