//! One connection to one relay, kept open while there is mail for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use super::{Engine, gate::Gate, stored_mail::StoredMail};
use crate::domain::{address::EmailAddress, time::Timestamp};
use crate::mail::{
    relay::{Connection, Envelope, Failure},
    reply::{Reply, Stage},
};
use crate::store::deliveries::Claimed;

/// How soon a connection that is being made sees a stop.
const STOP_LOOK: Duration = Duration::from_millis(100);
/// A connection without mail is closed after this.
const IDLE: Duration = Duration::from_secs(10);

/// A claimed delivery on its way to a connection.
pub struct Job {
    pub delivery: Claimed,
    pub mail: Arc<StoredMail>,
}

/// What came of it.
pub struct Outcome {
    pub delivery: Claimed,
    pub relay: usize,
    pub result: Result<Reply, Failure>,
    pub at: Timestamp,
}

impl Engine {
    /// Sends what `jobs` gives until it ends; each job has exactly one outcome.
    pub(super) async fn work(
        self: Arc<Self>,
        relay: usize,
        jobs: Arc<Mutex<mpsc::Receiver<Job>>>,
        outcomes: mpsc::UnboundedSender<Outcome>,
    ) {
        let gate = &self.gates[relay];
        let mut connection = None;
        loop {
            let next = async { jobs.lock().await.recv().await };
            let job = match timeout(IDLE, next).await {
                Ok(Some(job)) => job,
                Ok(None) => break,
                Err(_) => {
                    quit(&mut connection).await;
                    continue;
                }
            };
            let result = self.hand_over(gate, &mut connection, &job).await;
            if connection.as_ref().is_some_and(Connection::is_over) {
                connection = None;
            }
            if let Ok(reply) = &result
                && let Err(error) = self.journal.accepted(job.delivery.id, gate.name(), reply)
            {
                tracing::error!(%error, "the journal can't be written: a kill now could send accepted mails again");
            }
            let outcome = Outcome { delivery: job.delivery, relay, result, at: self.cx.clock.now() };
            if outcomes.send(outcome).is_err() {
                break;
            }
        }
        quit(&mut connection).await;
    }

    async fn hand_over(
        &self,
        gate: &Gate,
        connection: &mut Option<Connection>,
        job: &Job,
    ) -> Result<Reply, Failure> {
        let still_wanted = || {
            let now = self.cx.clock.now();
            let left = job.delivery.subscriber_id.is_some_and(|id| self.cx.left.contains(&id, now));
            !left && !self.cx.cancelled.contains(&job.delivery.issue, now) && self.may_send(now)
        };
        if !still_wanted() {
            return Err(Failure::Withdrawn);
        }
        let to = job.delivery.address.parse::<EmailAddress>().map(|address| address.envelope());
        let from = job.delivery.return_path.replace("{id}", &job.delivery.id.to_string());
        let envelope = Envelope { from: &from, to: to.as_deref().unwrap_or(&job.delivery.address) };
        if let Some(smtp) = connection {
            let message = self.message(&job.mail, &job.delivery);
            let result = smtp.send(&envelope, message, still_wanted).await;
            if !(smtp.is_over() && hung_up(&result)) {
                return result;
            }
            // The server had closed a connection that was idle, or had its fill: a fresh one takes the mail.
            *connection = None;
        }
        let smtp = connection.insert(self.connect(gate).await?);
        smtp.send(&envelope, self.message(&job.mail, &job.delivery), still_wanted).await
    }

    /// A fresh connection; given up at a stop, for nothing has been handed over yet.
    async fn connect(&self, gate: &Gate) -> Result<Connection, Failure> {
        let opening = Connection::open(gate.relay(), self.cx.config.server.host());
        let stopping = async {
            while !self.stopping.load(Ordering::SeqCst) {
                tokio::time::sleep(STOP_LOOK).await;
            }
        };
        tokio::select! {
            opened = opening => opened,
            () = stopping => Err(Failure::Withdrawn),
        }
    }
}

/// Whether a connection turned out to be closed before it took anything of the mail.
fn hung_up(result: &Result<Reply, Failure>) -> bool {
    matches!(result, Err(Failure::Broken(Stage::Mail, _) | Failure::Reply(Stage::Mail, _)))
}

async fn quit(connection: &mut Option<Connection>) {
    if let Some(smtp) = connection.take() {
        smtp.quit().await;
    }
}
