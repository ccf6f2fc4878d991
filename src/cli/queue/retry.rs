//! `bellwether queue retry`: what is deferred is queued at once.

use uuid::Uuid;

use super::{Failure, known_relay};
use crate::cli::{issues::issue_id, print, print_json};
use crate::context::Context;
use crate::store;

/// How many one transaction takes.
const CHUNK: i64 = 10_000;

/// Try deferred deliveries again at once, without waiting for their time
///
/// It counts as no attempt. What a relay that rests or is paused would get waits for it still.
///
/// Exit codes: 0 done, also when nothing was deferred; 1 there is no such issue or delivery, or the delivery isn't
/// deferred; 2 wrong usage, or there is no such relay.
///
/// Examples:
///   bellwether queue retry --all
///   bellwether queue retry --delivery 4711
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Retry {
    #[command(flatten)]
    which: Which,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Everything that is deferred
    #[arg(long)]
    all: bool,
    /// What is deferred of one issue
    #[arg(long, value_name = "ID", value_parser = issue_id)]
    issue: Option<Uuid>,
    /// One delivery, as `queue why` shows it
    #[arg(long, value_name = "ID")]
    delivery: Option<i64>,
    /// What this relay put off
    #[arg(long, value_name = "NAME")]
    relay: Option<String>,
}

impl Retry {
    pub(super) async fn run(self, cx: &Context, json: bool) -> Result<(), Failure> {
        let Which { issue, delivery, relay, all: _ } = self.which;
        let queued = match delivery {
            Some(id) => one(cx, id).await?,
            None => some(cx, issue, relay.as_deref()).await?,
        };
        if json {
            return print_json(&serde_json::json!({ "queued": queued }));
        }
        match queued {
            0 => print("Nothing was deferred."),
            1 => print("1 delivery is queued again."),
            _ => print(format_args!("{queued} deliveries are queued again.")),
        }
    }
}

async fn one(cx: &Context, id: i64) -> Result<u64, Failure> {
    let mut tx = cx.db.begin().await?;
    let queued = store::queue::retry(&mut tx, id).await?;
    store::bells::ring(&mut tx).await?;
    let found = store::queue::find(&mut tx, id).await?;
    tx.commit().await?;
    match found {
        _ if queued => Ok(1),
        Some(found) => Err(Failure::Failed(format!(
            "delivery {id} is {}, and only what is deferred can be tried again; `bellwether queue why {id}` tells of it",
            found.state
        ))),
        None => Err(super::why::unknown(id)),
    }
}

async fn some(cx: &Context, issue: Option<Uuid>, relay: Option<&str>) -> Result<u64, Failure> {
    if let Some(relay) = relay {
        known_relay(&cx.config, relay)?;
    }
    let issue = match issue {
        Some(id) => {
            let mut tx = cx.db.read().await?;
            let found = store::issues::by_public_id(&mut tx, id).await?;
            Some(found.ok_or_else(|| super::super::issues::unknown(id))?.id)
        }
        None => None,
    };
    let mut all = 0;
    loop {
        let began = cx.clock.now();
        let mut tx = cx.db.begin().await?;
        let queued = store::queue::retry_some(&mut tx, issue, relay, CHUNK).await?;
        store::bells::ring(&mut tx).await?;
        tx.commit().await?;
        all += queued;
        if queued < CHUNK.unsigned_abs() {
            return Ok(all);
        }
        cx.give_way(began).await;
    }
}
