//! Stopping a lane or a relay by hand, and letting it go on; written down with who did it.

use serde_json::json;

use crate::audit::{self, Act, Actor, Change};
use crate::context::Context;
use crate::domain::pause::{self, Kind, Pause};
use crate::store;

/// Pauses, and gives the pause in force: what was paused before keeps its beginning.
///
/// # Errors
/// A database that can't be written.
pub async fn pause(cx: &Context, by: &Actor, wanted: Pause) -> store::Result<Pause> {
    let mut tx = cx.db.begin().await?;
    store::pauses::set(&mut tx, &wanted).await?;
    let change =
        Change::new(Act::Paused, wanted.kind.into(), &wanted.name).to(&json!({ "reason": wanted.reason }));
    audit::record(&mut tx, cx.clock.now(), by, change).await?;
    let all = store::pauses::all(&mut tx).await?;
    tx.commit().await?;
    Ok(pause::of(&all, wanted.kind, &wanted.name).cloned().unwrap_or(wanted))
}

/// What a person who lets something go on brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// It had been paused by hand.
    pub lifted: bool,
    /// It was a relay that rested or refused our mail: it is tried at once.
    pub tried: bool,
}

/// Lets it go on. A relay that rests or refuses our mail is tried at once, and what it put off is queued again.
///
/// # Errors
/// A database that can't be written.
pub async fn resume(cx: &Context, by: &Actor, kind: Kind, name: &str) -> store::Result<Resumed> {
    let mut tx = cx.db.begin().await?;
    let lifted = store::pauses::lift(&mut tx, kind, name).await?;
    let mut tried = false;
    if kind == Kind::Relay {
        store::deliveries::requeue_paused(&mut tx, name).await?;
        // The service sees that it is gone.
        tried = store::nodes::trouble_over(&mut tx, name).await? > 0;
    }
    store::bells::ring(&mut tx).await?;
    if lifted || tried {
        audit::record(&mut tx, cx.clock.now(), by, Change::new(Act::Resumed, kind.into(), name)).await?;
    }
    tx.commit().await?;
    Ok(Resumed { lifted, tried })
}
