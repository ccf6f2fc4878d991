//! From what happened to a mail to what is written down about it. Pure: the database and the relay are the callers'.

use std::time::Duration;

use super::journal::Accepted;
use crate::domain::{
    delivery::{GIVE_UP_AFTER, State, backoff, relay_pause},
    time::Timestamp,
};
use crate::mail::{
    relay::Failure,
    reply::{Reply, Stage, Verdict, verdict},
};
use crate::store::{claims::Claimed, deliveries::Settled};

/// When a mail that was withdrawn before its body, or whose issue is paused, is looked at again.
const WITHDRAWN: Duration = Duration::from_secs(5);

/// The word for a try that has no reply, in the record of attempts.
pub const BROKEN: &str = "broken";

/// What one try came to.
pub struct Judgement {
    pub settled: Settled,
    /// The verdict's word, for the record of attempts; none when it was plainly accepted or never tried.
    pub attempt: Option<&'static str>,
    /// The recipient's address must not be mailed again.
    pub suppress: bool,
    pub relay: Relay,
}

/// What it says about the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relay {
    Works,
    /// Not reached, or broken off.
    Fails(String),
    /// Broken off in the midst of a mail whose recipient it knew, which may be about that mail.
    Breaks(String),
    /// It asks us to slow down.
    Throttles(String),
    /// It refuses us: a person has to look.
    Refuses(String),
    /// It said so of one recipient, which may be about that recipient.
    Doubts(String),
    /// Nothing was learned.
    Unknown,
}

/// Judges a connection to the relay that could not be made.
pub fn unreached(failure: &Failure) -> Relay {
    match failure {
        Failure::Reply(stage, reply) | Failure::OutOfStep(stage, reply) => match verdict(*stage, reply) {
            Verdict::OurFault => Relay::Refuses(reply.to_string()),
            Verdict::Throttled => Relay::Throttles(reply.to_string()),
            _ => Relay::Fails(reply.to_string()),
        },
        Failure::Broken(stage, why) => Relay::Fails(format!("{stage}: {why}")),
        Failure::Withdrawn => Relay::Unknown,
    }
}

/// Judges a try of `delivery`; `dice` (0 to 1) spreads the retries.
pub fn judge(
    delivery: &Claimed,
    relay: &str,
    outcome: &Result<Reply, Failure>,
    now: Timestamp,
    dice: f64,
) -> Judgement {
    let it = Tried { delivery, relay, now };
    let wait = backoff(attempts(delivery), dice);
    match outcome {
        Ok(reply) => it.accepted(reply),
        // The database knows by then whether it was called off for good; asking it at once, over and over, is no use.
        Err(Failure::Withdrawn) => it.deferred(None, None, Relay::Unknown, WITHDRAWN),
        Err(Failure::Broken(stage, why)) if !stage.names_recipient() => {
            let why = format!("{stage}: {why}");
            let attempt = names_mail(*stage).then_some(BROKEN);
            it.queued(&local(&why), attempt, Relay::Fails(why))
        }
        // What it says of the relay its gate was told by the connection.
        Err(Failure::Broken(stage, why)) => {
            it.later(&local(&broken(*stage, why)), BROKEN, Relay::Unknown, wait)
        }
        Err(Failure::Reply(stage, reply) | Failure::OutOfStep(stage, reply)) => {
            match verdict(*stage, reply) {
                Verdict::Accepted => it.accepted(reply),
                // Another mail tries the relay first: if it is this recipient alone, nobody waits for it.
                Verdict::Throttled if stage.names_recipient() => {
                    let throttles = Relay::Throttles(reply.to_string());
                    it.deferred(Some(reply), Some("throttled"), throttles, backoff(1, dice))
                }
                // A connection that wasn't made: whoever makes the next one learns what that says of the relay.
                Verdict::Throttled if matches!(stage, Stage::Connect | Stage::Hello | Stage::Auth) => {
                    it.queued(reply, None, Relay::Unknown)
                }
                Verdict::Throttled => {
                    it.queued(reply, Some("throttled"), Relay::Throttles(reply.to_string()))
                }
                // Behind a pause of the relay, so that another mail tries it first.
                Verdict::OurFault if stage.names_recipient() => {
                    let wait = relay_pause(attempts(delivery)) + wait;
                    it.later(reply, "our-fault", Relay::Doubts(reply.to_string()), wait)
                }
                Verdict::OurFault => it.queued(reply, Some("our-fault"), Relay::Refuses(reply.to_string())),
                Verdict::Transient if !stage.names_recipient() => {
                    let attempt = names_mail(*stage).then_some("transient");
                    it.queued(reply, attempt, Relay::Fails(reply.to_string()))
                }
                Verdict::Transient => it.later(reply, "transient", Relay::Works, wait),
                Verdict::Refused { suppress } => Judgement {
                    settled: it.settled(State::Bounced, true, Some(reply)),
                    attempt: Some("refused"),
                    suppress,
                    relay: Relay::Works,
                },
            }
        }
    }
}

/// A try of a mail at a relay, and when it ended.
struct Tried<'a> {
    delivery: &'a Claimed,
    relay: &'a str,
    now: Timestamp,
}

impl Tried<'_> {
    fn accepted(&self, reply: &Reply) -> Judgement {
        let settled = self.settled(State::Sent, true, Some(reply));
        Judgement { settled, attempt: None, suppress: false, relay: Relay::Works }
    }

    /// It waits for its turn again; no attempt is counted.
    fn queued(&self, reply: &Reply, attempt: Option<&'static str>, relay: Relay) -> Judgement {
        let settled = self.settled(State::Queued, false, Some(reply));
        Judgement { settled, attempt, suppress: false, relay }
    }

    /// It waits for so long; no attempt is counted.
    fn deferred(
        &self,
        reply: Option<&Reply>,
        attempt: Option<&'static str>,
        relay: Relay,
        wait: Duration,
    ) -> Judgement {
        let mut settled = self.settled(State::Deferred, false, reply);
        settled.retry_at = Some(self.now.plus(wait).as_micros());
        Judgement { settled, attempt, suppress: false, relay }
    }

    /// It was tried and waits for so long, or is given up after days.
    fn later(&self, reply: &Reply, word: &'static str, relay: Relay, wait: Duration) -> Judgement {
        // What was paused meanwhile lives on for as long.
        let paused = Duration::from_micros(self.delivery.issue.paused_for.try_into().unwrap_or_default());
        let given_up = self.now.since(self.delivery.due_at.plus(paused)) >= GIVE_UP_AFTER;
        let state = if given_up { State::Failed } else { State::Deferred };
        let mut settled = self.settled(state, true, Some(reply));
        settled.retry_at = (!given_up).then(|| self.now.plus(wait).as_micros());
        Judgement { settled, attempt: Some(word), suppress: false, relay }
    }

    fn settled(&self, state: State, tried: bool, reply: Option<&Reply>) -> Settled {
        Settled {
            tried: i64::from(tried),
            relay: Some(self.relay.to_owned()),
            reply_code: reply.map(|reply| i64::from(reply.code)).filter(|code| *code > 0),
            reply_enhanced: reply.and_then(Reply::enhanced_text),
            reply_text: reply.map(|reply| reply.text.clone()),
            ..ended(self.delivery, state, self.now)
        }
    }
}

/// What was never handed over, because nobody wants it any more, it is too late, or it waits.
pub fn ended(delivery: &Claimed, state: State, now: Timestamp) -> Settled {
    let over = !matches!(state, State::Queued | State::Sending | State::Deferred);
    Settled {
        id: delivery.id,
        state,
        tried: 0,
        retry_at: None,
        ended_at: over.then_some(now.as_micros()),
        relay: None,
        reply_code: None,
        reply_enhanced: None,
        reply_text: None,
    }
}

/// What may not be sent because it is no test address, and why only those are mailed.
pub fn only_a_test(delivery: &Claimed, why: &str, now: Timestamp) -> Settled {
    let told = format!("{NOT_SENT}{why} only [sender] test_addresses get mail");
    Settled { reply_text: Some(told), ..ended(delivery, State::Cancelled, now) }
}

/// How our own word begins where a relay's answer stands otherwise.
pub const NOT_SENT: &str = "not sent: ";

/// What had not begun at a stop: the next start sends it.
pub fn left_for_later(delivery: &Claimed, now: Timestamp) -> Settled {
    ended(delivery, State::Queued, now)
}

/// What was claimed though its issue is paused: put by, unless the issue goes on before.
pub fn met_paused(delivery: &Claimed, now: Timestamp) -> Settled {
    let retry_at = Some(now.plus(WITHDRAWN).as_micros());
    Settled { retry_at, ..ended(delivery, State::Deferred, now) }
}

/// What can't be sent for a reason of our own, such as a stored mail that can't be read.
pub fn put_off(delivery: &Claimed, why: &str, now: Timestamp, dice: f64) -> Settled {
    let wait = backoff(attempts(delivery), dice);
    let judgement = Tried { delivery, relay: "", now }.later(&local(why), BROKEN, Relay::Unknown, wait);
    Settled { relay: None, ..judgement.settled }
}

/// What the journal knows of a delivery that the database still shows as being sent.
pub fn replayed(line: &Accepted, now: Timestamp) -> Settled {
    Settled {
        id: line.delivery,
        state: State::Sent,
        tried: 1,
        retry_at: None,
        ended_at: Some(now.as_micros()),
        relay: Some(line.relay.clone()),
        reply_code: Some(i64::from(line.code)),
        reply_enhanced: line.enhanced.clone(),
        reply_text: Some(line.text.clone()),
    }
}

fn broken(stage: Stage, why: &str) -> String {
    format!("the connection broke at {stage}: {why}")
}

/// What a mail that the relay broke off says about it: told at once, for a settlement takes a while, in which it would get
/// one mail after the other. None for any other failure.
pub fn breaks_off(failure: &Failure) -> Option<Relay> {
    match failure {
        Failure::Broken(stage, why) if stage.names_recipient() => Some(Relay::Breaks(broken(*stage, why))),
        _ => None,
    }
}

/// Whether the relay was told of this mail at all: before that it was no try of it, though it says why it waits.
const fn names_mail(stage: Stage) -> bool {
    stage.names_recipient() || matches!(stage, Stage::Mail)
}

/// How many tries there were, this one included.
fn attempts(delivery: &Claimed) -> u32 {
    u32::try_from(delivery.attempts + 1).unwrap_or(u32::MAX)
}

/// Something we say ourselves where there is no reply: code 0.
fn local(why: &str) -> Reply {
    Reply::parse(0, why)
}
