//! Pauses an issue and lets it go on. That it is paused is written down at once, and asked by the fan-out and by every
//! claim; its mails that wait follow in chunks. They are put by as deferred, with no time at which they are tried again.

use std::time::Duration;

use uuid::Uuid;

use super::Error;
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{issue::State, time::MINUTE};
use crate::store::{self, Tx};

/// How many mails one transaction puts by, or takes up.
const CHUNK: i64 = 2_000;
/// What is tried again so soon is put by as well: what the senders met of a paused issue.
const SOON: Duration = Duration::from_secs(10);
/// So long after an alert was useful all nodes, whose clocks differ a little, agree that it is too late for it.
const AGREED: Duration = MINUTE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paused {
    /// Nobody more gets it until it is resumed.
    Now,
    Already,
    /// It is held, or over.
    NotUnderWay,
    Unknown,
}

/// Pauses an issue. What a relay has begun to read goes out.
///
/// # Errors
/// A database that can't be written.
pub async fn pause(cx: &Context, actor: &Actor, issue: Uuid) -> Result<Paused, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, issue).await? else { return Ok(Paused::Unknown) };
    if !store::pausing::pause(&mut tx, found.id, now).await? {
        let under_way = matches!(found.state, State::Publishing | State::Sending);
        return Ok(if under_way { Paused::Already } else { Paused::NotUnderWay });
    }
    audit::record(&mut tx, now, actor, Change::new(Act::Paused, Thing::Issue, &issue.to_string())).await?;
    // Before the commit, as for what is stopped.
    cx.paused.add(issue, now);
    tx.commit().await?;
    cx.bells.cancel.notify_one();
    tracing::info!(%issue, "issue paused");
    Ok(Paused::Now)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// It goes on.
    Now,
    /// It is not paused.
    Already,
    Unknown,
}

/// Lets a paused issue go on.
///
/// # Errors
/// A database that can't be written.
pub async fn resume(cx: &Context, actor: &Actor, issue: Uuid) -> Result<Resumed, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(found) = store::issues::by_public_id(&mut tx, issue).await? else { return Ok(Resumed::Unknown) };
    if !store::pausing::resume(&mut tx, found.id, now).await? {
        return Ok(Resumed::Already);
    }
    audit::record(&mut tx, now, actor, Change::new(Act::Resumed, Thing::Issue, &issue.to_string())).await?;
    tx.commit().await?;
    goes_on(cx, issue);
    Ok(Resumed::Now)
}

fn goes_on(cx: &Context, issue: Uuid) {
    cx.paused.remove(&issue);
    cx.bells.cancel.notify_one();
    cx.bells.publish.notify_one();
    tracing::info!(%issue, "issue resumed");
}

/// Puts by what waits of paused issues, and queues again what was put by of those that go on, also where an earlier call
/// was cut short. Returns how many. An alert that is of no use any more is paused no longer: nobody is mailed, and who
/// has not got it finds it in a digest.
///
/// # Errors
/// A database that can't be written.
pub async fn carry_out(cx: &Context) -> Result<u64, Error> {
    end_useless(cx).await?;
    let mut moved = 0;
    loop {
        let now = cx.clock.now();
        let mut tx = cx.db.read().await?;
        let to_put_by = store::pausing::to_put_by(&mut tx, now.plus(SOON)).await?;
        let resuming = store::pausing::resuming(&mut tx).await?;
        drop(tx);
        let mut some = 0;
        if let Some(issue_id) = to_put_by {
            let mut tx = cx.db.begin().await?;
            if store::pausing::is_paused(&mut tx, issue_id).await? {
                some += store::pausing::put_by(&mut tx, issue_id, now.plus(SOON), CHUNK).await?;
                tx.commit().await?;
            }
        }
        if let Some(issue_id) = resuming {
            let mut tx = cx.db.begin().await?;
            some += take_up(&mut tx, issue_id).await?;
            tx.commit().await?;
            cx.bells.deliver.notify_one();
        }
        if some == 0 {
            return Ok(moved);
        }
        moved += some;
        cx.give_way(now).await;
    }
}

/// Queues the next of what was put by; with the last of it nothing is left to do.
async fn take_up(tx: &mut Tx, issue_id: i64) -> Result<u64, Error> {
    let some = store::pausing::take_up(tx, issue_id, CHUNK).await?;
    if some == 0 {
        store::pausing::resumed(tx, issue_id).await?;
    }
    store::bells::ring(tx).await?;
    Ok(some)
}

async fn end_useless(cx: &Context) -> Result<(), Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    if store::pausing::paused(&mut tx).await?.is_empty() {
        return Ok(());
    }
    drop(tx);
    let mut tx = cx.db.begin().await?;
    let useless = store::pausing::resume_useless(&mut tx, now.minus(AGREED), now).await?;
    for issue in &useless {
        let name = issue.to_string();
        let change = Change::new(Act::PauseEnded, Thing::Issue, &name).to(&"It is too late for it.");
        audit::record(&mut tx, now, &Actor::service(), change).await?;
    }
    tx.commit().await?;
    for issue in useless {
        goes_on(cx, issue);
    }
    Ok(())
}
