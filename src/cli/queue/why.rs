//! `bellwether queue why`: one delivery, or those to an address: how it stands, what was tried, what is in its way, and
//! what to do.

use super::Failure;
use crate::cli::{print, print_json};
use crate::context::Context;
use crate::delivering::why::{Because, Obstacles, because, moment};
use crate::domain::{
    address::EmailAddress,
    delivery::State,
    issue::{self, Lane},
    time::{Timestamp, span},
};
use crate::store::{self, attempts::Tried, queue::Found};

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

impl Why {
    pub(super) async fn run(self, cx: &Context, json: bool) -> Result<(), Failure> {
        let mut tx = cx.db.read().await?;
        let ids = match &self.whose {
            Whose::Delivery(id) => vec![*id],
            Whose::Address(address) => store::queue::to_address(&mut tx, address.key(), TOLD).await?,
        };
        let obstacles = Obstacles::read(cx, &mut tx).await?;
        let mut all = Vec::new();
        for id in ids {
            if let Some(found) = store::queue::find(&mut tx, id).await? {
                let tried = store::attempts::of(&mut tx, id).await?;
                let because = because(cx, &found, &obstacles).iter().map(Because::at_terminal).collect();
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
        let reply = found.reply();
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
