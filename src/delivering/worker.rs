//! One connection to one relay: made when there is mail for it, kept open while there is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use super::{Engine, judging, outlet::Outlet, settling::Report};
use crate::config::Pipelining;
use crate::domain::{issue::Lane, time::Timestamp};
use crate::mail::{
    compose::Stencil,
    head::ascii_address,
    relay::{Connection, Envelope, Failure},
    reply::{Reply, Stage, redacted},
};
use crate::store::claims::Claimed;

/// How soon a connection that is being made sees a stop.
const STOP_LOOK: Duration = Duration::from_millis(100);
/// A connection without mail is closed after this.
const IDLE: Duration = Duration::from_secs(10);
/// When the relay had enough connections, another is tried after this.
const ENOUGH: Duration = Duration::from_secs(30);
/// How soon a connection that may not send now looks again, at the soonest.
const SOON: Duration = Duration::from_millis(2);
/// The same at the latest.
const LOOK: Duration = Duration::from_millis(500);

/// A claimed delivery that waits for a connection.
pub struct Job {
    pub delivery: Claimed,
    pub mail: Arc<Stencil>,
    pub claimed_at: Timestamp,
}

/// What came of one.
pub struct Outcome {
    pub delivery: Claimed,
    pub relay: usize,
    pub result: Result<Reply, Failure>,
    pub at: Timestamp,
}

/// A connection, while it lasts, and whose it is.
struct Line<'a> {
    engine: &'a Engine,
    relay: usize,
    /// Where it notes what it hands over.
    slot: usize,
    outlet: &'a Outlet,
    /// The lowest lane that it serves.
    reach: Lane,
    connection: Option<Connection>,
    /// The relay had enough connections: another is tried no sooner.
    not_before: Option<Timestamp>,
    reports: UnboundedSender<Report>,
}

impl Engine {
    /// Sends what is put before the relay until that is closed; each job has exactly one report.
    pub(super) async fn work(self: Arc<Self>, relay: usize, index: usize, reports: UnboundedSender<Report>) {
        let outlet = &self.outlets[relay];
        let reach = outlet.reach(index);
        let slot = self.outlets[..relay].iter().map(Outlet::connections).sum::<usize>() + index;
        let mut line =
            Line { engine: &self, relay, slot, outlet, reach, connection: None, not_before: None, reports };
        while line.wait_for_mail().await {
            let _busy = outlet.busy(line.engine.cx.clock.now());
            if line.connection.is_none() && !line.connect().await {
                continue;
            }
            let mut next = line.grab();
            while let Some(job) = next {
                next = line.hand_over(job).await;
            }
        }
        line.quit().await;
    }
}

impl Engine {
    /// One step of a conversation; given up, and the conversation with it, when this node is past its deadline for long.
    async fn patiently<T>(
        &self,
        smtp: &mut Connection,
        step: impl AsyncFnOnce(&mut Connection) -> Result<T, Failure>,
        given_up: impl FnOnce() -> Failure,
    ) -> Result<T, Failure> {
        tokio::select! {
            // What the relay has said already counts.
            biased;
            done = step(smtp) => return done,
            () = self.give_up.notified() => {}
        }
        smtp.withdraw();
        Err(given_up())
    }
}

impl Line<'_> {
    /// Waits until there is mail for this connection and the relay may get it. False at the end.
    async fn wait_for_mail(&mut self) -> bool {
        let bell = self.outlet.bell.notified();
        tokio::pin!(bell);
        loop {
            bell.as_mut().enable();
            if self.outlet.is_closed() {
                return false;
            }
            let now = self.engine.cx.clock.now();
            let rests = self.connection.is_none() && self.not_before.is_some_and(|until| now < until);
            let has_mail = !rests && self.outlet.has(self.reach);
            let wait = self.outlet.gate.wait(now, LOOK);
            if has_mail && wait.is_zero() && self.engine.may_send() {
                return true;
            }
            let longest = if has_mail { wait.max(SOON) } else { IDLE };
            tokio::select! {
                () = &mut bell => bell.set(self.outlet.bell.notified()),
                () = tokio::time::sleep(longest) => {
                    if !has_mail {
                        self.quit().await;
                    }
                }
            }
        }
    }

    /// Makes the connection; given up at a stop, for nothing has been handed over yet. False when that failed.
    async fn connect(&mut self) -> bool {
        let gate = &self.outlet.gate;
        if gate.take(1, self.engine.cx.clock.now()) == 0 {
            return false;
        }
        let opened = self.open(gate.pipelining()).await;
        self.outlet.hears(self.engine.cx.clock.now());
        gate.give_back(1);
        if let Err(failure) = &opened {
            self.unreached(failure);
        }
        opened.is_ok()
    }

    /// Opens a connection in place of none.
    async fn open(&mut self, pipelining: Pipelining) -> Result<(), Failure> {
        let engine = self.engine;
        let opening = Connection::open(self.outlet.gate.relay(), engine.cx.config.server.host(), pipelining);
        let stopping = async {
            while !engine.stopping.load(Ordering::SeqCst) {
                tokio::time::sleep(STOP_LOOK).await;
            }
        };
        let opened = tokio::select! {
            opened = opening => opened?,
            () = stopping => return Err(Failure::Withdrawn),
            () = engine.give_up.notified() => return Err(Failure::Withdrawn),
        };
        self.connection = Some(opened);
        self.outlet.opened();
        Ok(())
    }

    fn unreached(&mut self, failure: &Failure) {
        let now = self.engine.cx.clock.now();
        let relay = match judging::unreached(failure) {
            // Others are open: it is about their number, and not about what goes over them.
            judging::Relay::Throttles(reason) if self.outlet.open() > 0 => {
                let (open, reason) = (self.outlet.open(), redacted(&reason));
                tracing::info!(
                    relay = self.outlet.name(),
                    open,
                    reason,
                    "the relay takes no more connections now"
                );
                self.not_before = Some(now.plus(ENOUGH));
                return;
            }
            judging::Relay::Throttles(reason) => judging::Relay::Fails(reason),
            other => other,
        };
        let note = self.engine.learn(self.outlet, &relay, None, now);
        self.report(note.map(Report::Note));
    }

    /// The most pressing mail, if the relay may get one now.
    fn grab(&self) -> Option<Job> {
        let now = self.engine.cx.clock.now();
        if !self.engine.may_send() || self.outlet.gate.take(1, now) == 0 {
            return None;
        }
        let job = self.outlet.take(self.reach, now);
        if job.is_none() {
            self.outlet.gate.give_back(1);
        }
        job
    }

    /// Hands over one mail. Returns the next one where its envelope was sent ahead, or where this went well.
    async fn hand_over(&mut self, job: Job) -> Option<Job> {
        let metrics = &self.engine.cx.metrics;
        metrics.begins(self.outlet.name());
        let (result, next) = self.attempt(&job).await;
        metrics.ends(self.outlet.name());
        if let Ok(reply) = &result
            && let Err(error) = self.engine.journal.accepted(job.delivery.id, self.outlet.name(), reply)
        {
            // Nothing more goes out until the database has this.
            self.engine.goes_on_hold(&error, "a kill now would send this mail again");
        }
        let at = self.engine.cx.clock.now();
        self.outlet.hears(at);
        match &result {
            Ok(_) => self.outlet.gate.keeps_on(),
            Err(failure) => {
                let breaks = judging::breaks_off(failure);
                let note = breaks
                    .and_then(|relay| self.engine.learn(self.outlet, &relay, Some(job.delivery.id), at));
                self.report(note.map(Report::Note));
            }
        }
        let outcome = Outcome { delivery: job.delivery, relay: self.relay, result, at };
        self.report(Some(Report::Mail(outcome)));
        let has_its_fill = |connection: &Connection| {
            let most = self.outlet.gate.relay().messages_per_connection;
            !connection.is_ahead() && most.is_some_and(|most| connection.sent() >= most)
        };
        if self.connection.as_ref().is_some_and(has_its_fill) {
            self.quit().await;
        }
        if self.connection.as_ref().is_none_or(Connection::is_over) {
            self.close();
            if let Some(next) = next {
                // Its envelope ended with the connection: nothing of it was sent.
                self.outlet.gate.give_back(1);
                self.outlet.put([next]);
            }
            return None;
        }
        next.or_else(|| self.grab())
    }

    /// Tries one mail, over a fresh connection where the old one turns out to be of no use.
    async fn attempt(&mut self, job: &Job) -> (Result<Reply, Failure>, Option<Job>) {
        let envelope = envelope(&job.delivery);
        let mut fresh = false;
        // What couldn't be sent ahead, when it is tried with less.
        let mut tried: Option<Pipelining> = None;
        // What was sent ahead when the relay ended the connection with a word: 421.
        let mut ended: Option<Pipelining> = None;
        loop {
            if !self.is_wanted(&job.delivery) && !self.connection.as_ref().is_some_and(Connection::is_ahead) {
                return (Err(Failure::Withdrawn), None);
            }
            let Some(smtp) = &mut self.connection else {
                return (Err(Failure::Broken(Stage::Connect, "no connection".to_owned())), None);
            };
            let (used, ahead) = (smtp.pipelining(), smtp.is_ahead());
            let step = async |smtp: &mut Connection| smtp.envelope(&envelope).await;
            let failure = match self.engine.patiently(smtp, step, || Failure::Withdrawn).await {
                Ok(()) => {
                    match tried {
                        Some(more) => self.steps_down(more),
                        // An envelope that follows no body says nothing of those that do.
                        None if ahead || used == Pipelining::Envelope => self.outlet.gate.keeps_step(),
                        None => {}
                    }
                    if ended.is_some_and(|used| self.outlet.gate.ends_step(used)) {
                        tell_step(self.outlet, Pipelining::Full);
                    }
                    return self.body(job).await;
                }
                Err(failure) => failure,
            };
            let lost = smtp.is_over()
                && matches!(failure, Failure::Broken(Stage::Mail, _) | Failure::Reply(Stage::Mail, _));
            let mut less = used;
            if matches!(failure, Failure::OutOfStep(..)) && used != Pipelining::Off {
                // Whether it is about what was sent ahead shows when less is.
                tried = tried.or(Some(used));
                less = used.less();
            } else if lost
                && (ahead || fresh)
                && matches!(failure, Failure::Broken(..))
                && used != Pipelining::Off
            {
                if self.outlet.gate.loses_step(used) {
                    tell_step(self.outlet, used);
                }
                less = self.outlet.gate.pipelining();
                if fresh && less == used {
                    return (Err(failure), None);
                }
            } else if lost && ahead {
                ended = Some(used);
            } else if !lost || fresh {
                if tried.is_some() {
                    // It is about this mail and not about what was sent ahead: the next connection may do that again.
                    smtp.withdraw();
                }
                return (Err(failure), None);
            }
            // The server had closed a connection that was idle, or had its fill, or is out of step.
            self.close();
            if let Err(failure) = self.open(less).await {
                return (Err(failure), None);
            }
            fresh = true;
        }
    }

    fn steps_down(&self, used: Pipelining) {
        if self.outlet.gate.steps_down(used) {
            tell_step(self.outlet, used);
        }
    }

    /// Sends the body, and the next mail's envelope behind it where the relay can take that.
    async fn body(&mut self, job: &Job) -> (Result<Reply, Failure>, Option<Job>) {
        let message = self.engine.message(&job.mail, &job.delivery);
        // Asked last: the making of a mail takes a while, and a suspension may fall into it.
        let mut wanted = self.is_wanted(&job.delivery);
        let most = self.outlet.gate.relay().messages_per_connection.unwrap_or(u32::MAX);
        let Some(smtp) = &mut self.connection else {
            return (Err(Failure::Broken(Stage::Connect, "no connection".to_owned())), None);
        };
        if wanted && let Err(error) = self.engine.handing_over.begins(self.slot, job.delivery.id) {
            self.engine.goes_on_hold(&error, "nobody would know after a kill who may have a mail");
            wanted = false;
        }
        if !wanted {
            smtp.withdraw();
            return (Err(Failure::Withdrawn), None);
        }
        let ahead = smtp.pipelining() == Pipelining::Full
            && self.outlet.gate.pipelining() == Pipelining::Full
            && smtp.sent().saturating_add(1) < most;
        let next = if ahead { self.grab() } else { None };
        let announced = next.as_ref().map(|next| envelope(&next.delivery));
        let Some(smtp) = &mut self.connection else {
            return (Err(Failure::Broken(Stage::Connect, "no connection".to_owned())), next);
        };
        let step = async |smtp: &mut Connection| smtp.body(message, announced.as_ref()).await;
        let lost = || Failure::Broken(Stage::Body, "no answer, and others may have taken it over".to_owned());
        (self.engine.patiently(smtp, step, lost).await, next)
    }

    fn is_wanted(&self, delivery: &Claimed) -> bool {
        let cx = &self.engine.cx;
        let now = cx.clock.now();
        let left = delivery.subscriber_id.is_some_and(|id| cx.left.contains(&id, now));
        let issue = &delivery.issue.public_id;
        let called_off = left || cx.cancelled.contains(issue, now) || cx.paused.contains(issue, now);
        // A lane that a person paused waits also where its mail was claimed before.
        !called_off && !self.engine.is_paused(Lane::of(delivery.priority)) && self.engine.may_send()
    }

    fn report(&self, report: Option<Report>) {
        if let Some(report) = report {
            // The settler ends when the last connection has.
            let _ = self.reports.send(report);
        }
    }

    async fn quit(&mut self) {
        if let Some(smtp) = self.close() {
            smtp.quit().await;
        }
    }

    fn close(&mut self) -> Option<Connection> {
        self.connection.take().inspect(|_| self.outlet.closed())
    }
}

/// The bounce of a mail names it by the return path.
fn envelope(delivery: &Claimed) -> Envelope {
    Envelope {
        from: delivery.issue.return_path.replace("{id}", &delivery.id.to_string()),
        to: ascii_address(&delivery.address).into_owned(),
    }
}

fn tell_step(outlet: &Outlet, used: Pipelining) {
    let now = outlet.gate.pipelining();
    tracing::warn!(
        relay = outlet.name(),
        "the relay can't do pipelining = \"{used}\"; it gets \"{now}\" from now on"
    );
}
