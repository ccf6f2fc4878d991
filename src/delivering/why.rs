//! Why a delivery waits, or how it ended, in sentences: what its state means, what is in its way, what to do. Asked at the
//! terminal and on the newsroom's pages.

use super::{
    LIFE, judging,
    waiting::{UsedUp, used_up},
};
use crate::context::Context;
use crate::domain::{
    delivery::State,
    issue::{self, Lane},
    pause::{self, Kind, Pause},
    time::{Timestamp, span},
};
use crate::store::{self, Tx, nodes::Trouble, queue::Found};

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Because {
    /// A sentence without its full stop.
    pub says: String,
    /// How it goes on at the terminal: a command that helps.
    command: Option<String>,
}

impl Because {
    fn is(says: impl Into<String>) -> Self {
        Self { says: says.into(), command: None }
    }

    fn with(says: impl Into<String>, command: impl Into<String>) -> Self {
        Self { says: says.into(), command: Some(command.into()) }
    }

    /// With the command that helps.
    pub fn at_terminal(&self) -> String {
        match &self.command {
            Some(command) => format!("{}; {command}.", self.says),
            None => format!("{}.", self.says),
        }
    }

    /// As a sentence.
    pub fn on_page(&self) -> String {
        format!("{}.", self.says)
    }
}

/// What may stand in the way of any delivery.
pub struct Obstacles {
    pub now: Timestamp,
    pauses: Vec<Pause>,
    troubles: Vec<Trouble>,
    used_up: Vec<UsedUp>,
    last_heartbeat: Option<Timestamp>,
}

impl Obstacles {
    /// # Errors
    /// A database that can't be read.
    pub async fn read(cx: &Context, tx: &mut Tx) -> store::Result<Self> {
        Ok(Self {
            now: cx.clock.now(),
            pauses: store::pauses::all(tx).await?,
            troubles: store::nodes::troubles(tx).await?,
            used_up: used_up(cx, tx).await?,
            last_heartbeat: store::nodes::last_heartbeat(tx).await?,
        })
    }
}

/// What the state means, what is in the way, and what to do.
pub fn because(cx: &Context, found: &Found, obstacles: &Obstacles) -> Vec<Because> {
    let id = found.id;
    let now = obstacles.now;
    let mut reasons = Vec::new();
    match found.state {
        State::Queued => {
            reasons.extend(in_the_way(cx, found, obstacles));
            if reasons.is_empty() {
                reasons.push(Because::is(
                    "It goes as soon as those before it are gone and a connection is free",
                ));
            }
        }
        State::Deferred => {
            reasons.push(match found.retry_at.filter(|at| *at > now) {
                Some(at) => Because::with(
                    format!("It is tried again at {}, in {}", moment(at), span(at.since(now))),
                    format!("`bellwether queue retry --delivery {id}` does it at once"),
                ),
                None if found.retry_at.is_none() => Because::is("It is put by until its issue goes on"),
                None => Because::is("Its time has come: it is queued at the service's next look"),
            });
            reasons.extend(in_the_way(cx, found, obstacles));
        }
        State::Sending => reasons.push(Because::is(
            match found.heartbeat_at.filter(|at| now.since(*at) <= LIFE) {
                Some(_) => "A service has taken it: it is being handed over, or next for a connection",
                None => "The service that took it is gone; the next one that runs takes it over by itself",
            },
        )),
        State::Sent => reasons.push(Because::is(
            "The relay has it. What became of it behind the relay is in the relay's log, under its last answer",
        )),
        State::Bounced => reasons.push(Because::with(
            "It was refused for good. An address that doesn't exist is mailed no more",
            "`bellwether subscribers show` tells",
        )),
        State::Failed => {
            reasons.push(Because::is("Nobody took it for five days, so it was given up"));
        }
        State::Cancelled if found.issue_state == issue::State::Cancelled => {
            reasons.push(Because::is("Its issue was cancelled before it was sent"));
        }
        State::Cancelled
            if found.reply_text.as_ref().is_some_and(|text| text.starts_with(judging::NOT_SENT)) =>
        {
            reasons.push(Because::is("It was a test, and this is none of [sender] test_addresses"));
        }
        State::Cancelled => {
            reasons.push(Because::is("The reader left, or wanted it no more, before it was sent"));
        }
        State::Expired => reasons.push(Because::is(if found.carried {
            "It came too late to be of use; a digest told of it"
        } else {
            "It came too late to be of use; the reader's next digest tells of it, if they take one"
        })),
    }
    reasons
}

/// What holds up a delivery that waits.
fn in_the_way(cx: &Context, found: &Found, obstacles: &Obstacles) -> Vec<Because> {
    let Obstacles { now, pauses, troubles, used_up, last_heartbeat } = obstacles;
    let lane = Lane::of(found.priority);
    let mut reasons = Vec::new();
    if last_heartbeat.is_none_or(|at| now.since(at) > LIFE) {
        reasons.push(Because::is("No service runs: nothing is sent until `bellwether serve` is started"));
    }
    if let Some(pause) = pause::of(pauses, Kind::Lane, lane.as_str()) {
        reasons.push(Because::with(
            format!("The lane {lane} is paused {}", by_hand(pause)),
            format!("`bellwether queue resume --lane {lane}` lets it go on"),
        ));
    }
    let (mut kept, mut free) = (0, Vec::new());
    for relay in cx.config.relays.iter().filter(|relay| relay.serves(found.priority)) {
        let name = &relay.name;
        let before = reasons.len();
        if let Some(pause) = pause::of(pauses, Kind::Relay, name) {
            reasons.push(Because::with(
                format!("Relay {name} is paused {}", by_hand(pause)),
                format!("`bellwether queue resume --relay {name}` lets it go on"),
            ));
        }
        if let Some(trouble) = troubles.iter().find(|trouble| trouble.relay == *name) {
            let what = if trouble.paused {
                let resume = format!("`bellwether queue resume --relay {name}` tries at once");
                format!(
                    "; put its account or our settings right, `bellwether check` talks to it, and {resume}"
                )
            } else {
                String::new()
            };
            reasons.push(Because::is(format!("Relay {name} {}{what}", told(trouble, *now))));
        }
        if let Some(used_up) = used_up.iter().find(|used_up| used_up.relay == *name) {
            reasons.push(Because::is(format!("Relay {name}: {used_up}")));
        }
        if reasons.len() > before { kept += 1 } else { free.push(name) }
    }
    if kept > 0 {
        reasons.extend(free.iter().map(|name| {
            Because::is(format!("Relay {name} takes mail: it goes there once those before it are gone"))
        }));
    }
    if let Some(since) = found.issue_paused_at {
        let says = format!(
            "Its issue is paused since {}: nobody gets it until somebody resumes it in the newsroom",
            moment(since)
        );
        reasons.push(Because::is(says));
    }
    if found.issue_state == issue::State::Cancelled {
        reasons.push(Because::is("Its issue was cancelled: it is called off at the service's next look"));
    } else if let Some(at) = found.expires_at.filter(|_| found.kind == issue::Kind::Alert) {
        reasons.push(Because::is(format!(
            "After {} it is too late for it, and a digest tells of it",
            moment(at)
        )));
    }
    reasons
}

/// An instant for people: to the second.
pub fn moment(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// As in "by hand since …: moving the account".
pub fn by_hand(pause: &Pause) -> String {
    let why = if pause.reason.is_empty() { String::new() } else { format!(": {}", pause.reason) };
    format!("by hand since {}{why}", moment(pause.since))
}

/// What a relay that takes no mail said, and when it is tried again.
pub fn told(trouble: &Trouble, now: Timestamp) -> String {
    if trouble.is_silence() {
        return format!("has not answered since {}", moment(trouble.since));
    }
    let when = if trouble.until > now {
        format!("tried again at {}", moment(trouble.until))
    } else {
        "being tried again".to_owned()
    };
    let what = if trouble.paused { "refuses our mail" } else { "rests" };
    format!("{what} since {}: {}; {when}", moment(trouble.since), trouble.reason)
}
