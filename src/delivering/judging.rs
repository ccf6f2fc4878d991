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
    let judged = |state, tried, reply: Option<&Reply>, attempt, of_relay| Judgement {
        settled: settled(delivery.id, state, tried, relay, reply, now),
        attempt,
        suppress: false,
        relay: of_relay,
    };
    match outcome {
        Ok(reply) => judged(State::Sent, true, Some(reply), None, Relay::Works),
        Err(Failure::Withdrawn) => {
            // The database knows by then whether it was called off for good; asking it at once, over and over, is no use.
            let mut judgement = judged(State::Deferred, false, None, None, Relay::Unknown);
            judgement.settled.retry_at = Some(now.plus(WITHDRAWN).as_micros());
            judgement
        }
        Err(Failure::Broken(stage, why)) if !stage.names_recipient() => {
            let why = format!("{stage}: {why}");
            let attempt = names_mail(*stage).then_some(BROKEN);
            judged(State::Queued, false, Some(&local(&why)), attempt, Relay::Fails(why))
        }
        Err(Failure::Broken(stage, why)) => {
            // What it says of the relay its gate was told by the connection.
            let reply = local(&broken(*stage, why));
            later(delivery, relay, &reply, BROKEN, Relay::Unknown, now, backoff(attempts(delivery), dice))
        }
        Err(Failure::Reply(stage, reply) | Failure::OutOfStep(stage, reply)) => {
            match verdict(*stage, reply) {
                Verdict::Accepted => judged(State::Sent, true, Some(reply), None, Relay::Works),
                Verdict::Throttled if stage.names_recipient() => {
                    // Another mail tries the relay first: if it is this recipient alone, nobody waits for it.
                    let mut judgement = judged(
                        State::Deferred,
                        false,
                        Some(reply),
                        Some("throttled"),
                        Relay::Throttles(reply.to_string()),
                    );
                    judgement.settled.retry_at = Some(now.plus(backoff(1, dice)).as_micros());
                    judgement
                }
                // A connection that wasn't made: whoever makes the next one learns what that says of the relay.
                Verdict::Throttled if matches!(stage, Stage::Connect | Stage::Hello | Stage::Auth) => {
                    judged(State::Queued, false, Some(reply), None, Relay::Unknown)
                }
                Verdict::Throttled => judged(
                    State::Queued,
                    false,
                    Some(reply),
                    Some("throttled"),
                    Relay::Throttles(reply.to_string()),
                ),
                Verdict::OurFault if stage.names_recipient() => {
                    // Behind a pause of the relay, so that another mail tries it first.
                    let wait = relay_pause(attempts(delivery)) + backoff(attempts(delivery), dice);
                    later(delivery, relay, reply, "our-fault", Relay::Doubts(reply.to_string()), now, wait)
                }
                Verdict::OurFault => judged(
                    State::Queued,
                    false,
                    Some(reply),
                    Some("our-fault"),
                    Relay::Refuses(reply.to_string()),
                ),
                Verdict::Transient if !stage.names_recipient() => {
                    let attempt = names_mail(*stage).then_some("transient");
                    judged(State::Queued, false, Some(reply), attempt, Relay::Fails(reply.to_string()))
                }
                Verdict::Transient => later(
                    delivery,
                    relay,
                    reply,
                    "transient",
                    Relay::Works,
                    now,
                    backoff(attempts(delivery), dice),
                ),
                Verdict::Refused { suppress } => Judgement {
                    suppress,
                    ..judged(State::Bounced, true, Some(reply), Some("refused"), Relay::Works)
                },
            }
        }
    }
}

/// What was never handed over, because nobody wants it any more or it is too late.
pub fn ended(delivery: &Claimed, state: State, now: Timestamp) -> Settled {
    Settled { relay: None, ..settled(delivery.id, state, false, "", None, now) }
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
    Settled { relay: None, ..settled(delivery.id, State::Queued, false, "", None, now) }
}

/// What was claimed though its issue is paused: put by, unless the issue goes on before.
pub fn met_paused(delivery: &Claimed, now: Timestamp) -> Settled {
    let retry_at = Some(now.plus(WITHDRAWN).as_micros());
    Settled { retry_at, ..ended(delivery, State::Deferred, now) }
}

/// What can't be sent for a reason of our own, such as a stored mail that can't be read.
pub fn put_off(delivery: &Claimed, why: &str, now: Timestamp, dice: f64) -> Settled {
    let wait = backoff(attempts(delivery), dice);
    let judgement = later(delivery, "", &local(why), BROKEN, Relay::Unknown, now, wait);
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

/// Puts the mail off by `wait`, or gives it up after days.
fn later(
    delivery: &Claimed,
    relay: &str,
    reply: &Reply,
    word: &'static str,
    of_relay: Relay,
    now: Timestamp,
    wait: Duration,
) -> Judgement {
    // What was paused meanwhile lives on for as long.
    let paused = Duration::from_micros(delivery.issue.paused_for.try_into().unwrap_or_default());
    let given_up = now.since(delivery.due_at.plus(paused)) >= GIVE_UP_AFTER;
    let state = if given_up { State::Failed } else { State::Deferred };
    let mut settled = settled(delivery.id, state, true, relay, Some(reply), now);
    settled.retry_at = (!given_up).then(|| now.plus(wait).as_micros());
    Judgement { settled, attempt: Some(word), suppress: false, relay: of_relay }
}

/// How many tries there were, this one included.
fn attempts(delivery: &Claimed) -> u32 {
    u32::try_from(delivery.attempts + 1).unwrap_or(u32::MAX)
}

fn settled(
    id: i64,
    state: State,
    tried: bool,
    relay: &str,
    reply: Option<&Reply>,
    now: Timestamp,
) -> Settled {
    let over = !matches!(state, State::Queued | State::Sending | State::Deferred);
    Settled {
        id,
        state,
        tried: i64::from(tried),
        retry_at: None,
        ended_at: over.then_some(now.as_micros()),
        relay: Some(relay.to_owned()),
        reply_code: reply.map(|reply| i64::from(reply.code)).filter(|code| *code > 0),
        reply_enhanced: reply.and_then(Reply::enhanced_text),
        reply_text: reply.map(|reply| reply.text.clone()),
    }
}

/// Something we say ourselves where there is no reply: code 0.
fn local(why: &str) -> Reply {
    Reply::parse(0, why)
}
