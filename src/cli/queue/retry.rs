//! `bellwether queue retry`: what is deferred, or of an issue was given up, is queued at once.

use uuid::Uuid;

use super::{Failure, known_relay};
use crate::audit::Actor;
use crate::cli::{issues::issue_id, print, print_json};
use crate::context::Context;
use crate::delivering::retrying::{self, Retried};

/// Try deferred deliveries again at once, without waiting for their time
///
/// It counts as no attempt. What a relay that rests or is paused would get waits for it still.
///
/// With --issue and --delivery also what was given up after five days gets one more try.
///
/// Exit codes: 0 done, also when nothing was deferred; 1 there is no such issue or delivery, or the delivery is neither
/// deferred nor given up; 2 wrong usage, or there is no such relay.
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
    /// What is deferred or given up of one issue
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
    match retrying::one(cx, &Actor::command(), id).await? {
        Some(Retried { queued: true, .. }) => Ok(1),
        Some(Retried { state, .. }) => Err(Failure::Failed(format!(
            "delivery {id} is {state}, and only what is deferred or given up can be tried again; `bellwether queue why \
             {id}` tells of it"
        ))),
        None => Err(super::why::unknown(id)),
    }
}

async fn some(cx: &Context, issue: Option<Uuid>, relay: Option<&str>) -> Result<u64, Failure> {
    let actor = Actor::command();
    if let Some(relay) = relay {
        known_relay(&cx.config, relay)?;
        return Ok(retrying::of_relay(cx, &actor, relay).await?);
    }
    match issue {
        Some(id) => {
            retrying::of_issue(cx, &actor, id).await?.ok_or_else(|| super::super::issues::unknown(id))
        }
        None => Ok(retrying::all(cx, &actor).await?),
    }
}
