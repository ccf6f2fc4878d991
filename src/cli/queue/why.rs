//! `bellwether queue why`: one delivery, or those to an address: how it stands, what was tried, what is in its way, and
//! what to do.

use super::{Failure, by_hand, moment, span, told};
use crate::cli::{print, print_json};
use crate::context::Context;
use crate::delivering::LIFE;
use crate::domain::{
    address::EmailAddress,
    delivery::State,
    issue::{self, Lane},
    pause::{self, Kind, Pause},
    time::Timestamp,
};
use crate::store::{self, attempts::Tried, nodes::Trouble, queue::Found};

/// How many deliveries to an address are told of.
const TOLD: i64 = 10;

/// Tell why a delivery waits, or how it ended: every try with the relay's answer, what is in its way, what to do
///
/// Of an address it tells of the newest ten. Addresses are shown here and in no log.
///
/// Exit codes: 0 told; 1 there is no such delivery, or none to this address; 2 wrong usage.
///
/// Examples:
///   bellwether queue why 4711
///   bellwether queue why ada@example.org
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Why {
    /// A delivery's number, or an address as the reader typed it; case doesn't count
    #[arg(value_name = "DELIVERY|ADDRESS", value_parser = whose)]
    whose: Whose,
}

#[derive(Clone)]
enum Whose {
    Delivery(i64),
    Address(EmailAddress),
}

fn whose(text: &str) -> Result<Whose, String> {
    if let Ok(id) = text.parse() {
        return Ok(Whose::Delivery(id));
    }
    let address = text.parse().map_err(|_| "must be a delivery's number or an address".to_owned())?;
    Ok(Whose::Address(address))
}

/// All that is known of one delivery.
#[derive(serde::Serialize)]
struct Told {
    id: i64,
    address: String,
    lane: Lane,
    state: State,
    issue: uuid::Uuid,
    kind: issue::Kind,
    subject: String,
    due_at: Timestamp,
    retry_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    attempts: i64,
    relay: Option<String>,
    /// The relay's last answer.
    reply: Option<String>,
    /// The tries that were not plainly accepted.
    tried: Vec<Tried>,
    /// What it means, and what to do.
    because: Vec<String>,
}

/// What may stand in the way of any delivery.
struct Obstacles {
    now: Timestamp,
    pauses: Vec<Pause>,
    troubles: Vec<Trouble>,
    last_heartbeat: Option<Timestamp>,
}

impl Why {
    pub(super) async fn run(self, cx: &Context, json: bool) -> Result<(), Failure> {
        let mut tx = cx.db.read().await?;
        let ids = match &self.whose {
            Whose::Delivery(id) => vec![*id],
            Whose::Address(address) => store::queue::to_address(&mut tx, address.key(), TOLD).await?,
        };
        let obstacles = Obstacles {
            now: cx.clock.now(),
            pauses: store::pauses::all(&mut tx).await?,
            troubles: store::nodes::troubles(&mut tx).await?,
            last_heartbeat: store::nodes::last_heartbeat(&mut tx).await?,
        };
        let mut all = Vec::new();
        for id in ids {
            if let Some(found) = store::queue::find(&mut tx, id).await? {
                let tried = store::attempts::of(&mut tx, id).await?;
                let because = because(cx, &found, &obstacles);
                all.push(Told::of(found, tried, because));
            }
        }
        drop(tx);
        match (&self.whose, all.is_empty()) {
            (Whose::Delivery(id), true) => return Err(unknown(*id)),
            (Whose::Address(address), true) => {
                return Err(Failure::Failed(format!(
                    "there is no delivery to {}; `bellwether subscribers show` tells what is known of the address",
                    address.as_str()
                )));
            }
            _ => {}
        }
        if json {
            return print_json(&all);
        }
        for (at, told) in all.iter().enumerate() {
            if at > 0 {
                print("")?;
            }
            told.print(obstacles.now)?;
        }
        Ok(())
    }
}

pub(super) fn unknown(id: i64) -> Failure {
    Failure::Failed(format!(
        "there is no delivery {id}; `bellwether queue why ADDRESS` shows the numbers of an address"
    ))
}

impl Told {
    fn of(found: Found, tried: Vec<Tried>, because: Vec<String>) -> Self {
        let reply = found.reply_text.as_ref().map(|text| {
            let code = found.reply_code.map(|code| code.to_string());
            let words = [code.as_deref(), found.reply_enhanced.as_deref(), Some(text)];
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        });
        Self {
            id: found.id,
            address: found.address,
            lane: Lane::of(found.priority),
            state: found.state,
            issue: found.issue,
            kind: found.kind,
            subject: found.subject,
            due_at: found.due_at,
            retry_at: found.retry_at,
            ended_at: found.ended_at,
            attempts: found.attempts,
            relay: found.relay,
            reply,
            tried,
            because,
        }
    }

    fn print(&self, now: Timestamp) -> Result<(), Failure> {
        print(format_args!("Delivery {} to {}: {}", self.id, self.address, self.state))?;
        print(format_args!("  {} \"{}\", issue {}", self.kind, self.subject, self.issue))?;
        let waited = self.ended_at.unwrap_or(now).since(self.due_at);
        let so_far = if self.ended_at.is_some() { "ended after" } else { "waits for" };
        print(format_args!("  lane {}, due {}, {so_far} {}", self.lane, moment(self.due_at), span(waited)))?;
        if let Some(reply) = &self.reply {
            let relay = self.relay.as_deref().filter(|relay| !relay.is_empty());
            let from = relay.map_or_else(String::new, |relay| format!(" of relay {relay}"));
            print(format_args!("  last answer{from}: {reply}"))?;
        }
        if !self.tried.is_empty() {
            print(format_args!("  tries that were not accepted ({} attempts counted)", self.attempts))?;
        }
        for Tried { at, relay, verdict, reply_code, reply_text } in &self.tried {
            let code = reply_code.map_or_else(String::new, |code| format!("{code} "));
            let relay = if relay.is_empty() { "(no relay)" } else { relay };
            print(format_args!("    {}  {relay}  {verdict}: {code}{reply_text}", moment(*at)))?;
        }
        for line in &self.because {
            print(format_args!("  → {line}"))?;
        }
        Ok(())
    }
}

/// What the state means, what is in the way, and what to do.
fn because(cx: &Context, found: &Found, obstacles: &Obstacles) -> Vec<String> {
    let id = found.id;
    let now = obstacles.now;
    let mut lines = Vec::new();
    match found.state {
        State::Queued => {
            let before = lines.len();
            lines.extend(in_the_way(cx, found, obstacles));
            if lines.len() == before {
                lines.push("It goes as soon as those before it are gone and a connection is free.".to_owned());
            }
        }
        State::Deferred => {
            match found.retry_at.filter(|at| *at > now) {
                Some(at) => lines.push(format!(
                    "It is tried again at {}, in {}; `bellwether queue retry --delivery {id}` does it at once.",
                    moment(at),
                    span(at.since(now))
                )),
                None => lines.push("Its time has come: it is queued at the service's next look.".to_owned()),
            }
            lines.extend(in_the_way(cx, found, obstacles));
        }
        State::Sending => match found.heartbeat_at.filter(|at| now.since(*at) <= LIFE) {
            Some(_) => lines.push("It is being handed over now.".to_owned()),
            None => lines.push(
                "The service that took it is gone; the next one that runs takes it over by itself.".to_owned(),
            ),
        },
        State::Sent => lines.push(
            "The relay has it. What became of it behind the relay is in the relay's log, under the answer above."
                .to_owned(),
        ),
        State::Bounced => lines.push(
            "It was refused for good. An address that doesn't exist is mailed no more: `bellwether subscribers show` \
             tells."
                .to_owned(),
        ),
        State::Failed => lines.push("Nobody took it for five days, so it was given up.".to_owned()),
        State::Cancelled if found.issue_state == issue::State::Cancelled => {
            lines.push("Its issue was cancelled before it was sent.".to_owned());
        }
        State::Cancelled => {
            lines.push("The reader left, or wanted it no more, before it was sent.".to_owned());
        }
        State::Expired => lines.push(if found.carried {
            "It came too late to be of use; a digest told of it.".to_owned()
        } else {
            "It came too late to be of use; the reader's next digest tells of it, if they take one.".to_owned()
        }),
    }
    lines
}

/// What holds up a delivery that waits.
fn in_the_way(cx: &Context, found: &Found, obstacles: &Obstacles) -> Vec<String> {
    let Obstacles { now, pauses, troubles, last_heartbeat } = obstacles;
    let lane = Lane::of(found.priority);
    let mut lines = Vec::new();
    if last_heartbeat.is_none_or(|at| now.since(at) > LIFE) {
        lines.push("No service runs; `bellwether serve` sends it.".to_owned());
    }
    if let Some(pause) = pause::of(pauses, Kind::Lane, lane.as_str()) {
        lines.push(format!(
            "The lane {lane} is paused {}; `bellwether queue resume --lane {lane}` lets it go on.",
            by_hand(pause)
        ));
    }
    for relay in cx.config.relays.iter().filter(|relay| relay.lanes.contains(&lane)) {
        let name = &relay.name;
        if let Some(pause) = pause::of(pauses, Kind::Relay, name) {
            lines.push(format!(
                "Relay {name} is paused {}; `bellwether queue resume --relay {name}` lets it go on.",
                by_hand(pause)
            ));
        }
        if let Some(trouble) = troubles.iter().find(|trouble| trouble.relay == *name) {
            let what = if trouble.paused {
                "; put its account or our settings right, `bellwether check` talks to it, and a restart tries at once"
            } else {
                ""
            };
            lines.push(format!("Relay {name} {}{what}.", told(trouble, *now)));
        }
    }
    if found.issue_state == issue::State::Cancelled {
        lines.push("Its issue was cancelled: it is called off at the service's next look.".to_owned());
    } else if let Some(at) = found.expires_at.filter(|_| found.kind == issue::Kind::Alert) {
        lines.push(format!("After {} it is too late for it, and a digest tells of it.", moment(at)));
    }
    lines
}
