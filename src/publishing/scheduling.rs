//! Schedules: each local occurrence publishes its digest once. After downtime there is one catch-up within the grace
//! period; what is later joins the next digest.

use super::{Error, digesting};
use crate::context::Context;
use crate::domain::{
    cadence::{Cadence, Occurrence, grace},
    time::Timestamp,
};
use crate::store::{
    self,
    schedules::{Outcome, Schedule},
};

/// Publishes the digests that are due. Returns how many issues that made. A schedule that fails holds up no other: the
/// log has it, and it is tried again at the next call.
///
/// # Errors
/// A database that can't be read.
pub async fn run_due_schedules(cx: &Context) -> Result<usize, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.read().await?;
    let schedules = store::schedules::all_active(&mut tx).await?;
    drop(tx);
    let mut published = 0;
    for schedule in &schedules {
        match run_if_due(cx, schedule, now).await {
            Ok(ran) => published += usize::from(ran),
            Err(error) => {
                tracing::error!(schedule = schedule.name, %error, "the digest can't be published; trying again");
            }
        }
    }
    Ok(published)
}

async fn run_if_due(cx: &Context, schedule: &Schedule, now: Timestamp) -> Result<bool, Error> {
    let cadence = Cadence::parse(&schedule.cron, &schedule.timezone)
        .map_err(|reason| Error::Schedule { name: schedule.name.clone(), reason })?;
    match cadence.latest(schedule.watched_since, now) {
        Some(occurrence) => run(cx, schedule, &occurrence).await,
        None => Ok(false),
    }
}

async fn run(cx: &Context, schedule: &Schedule, occurrence: &Occurrence) -> Result<bool, Error> {
    let now = cx.clock.now();
    let late = now.since(occurrence.at) > grace(schedule.digest);
    let ready = if late { None } else { digesting::prepare(cx, schedule.digest).await? };
    let outcome = match (&ready, late) {
        (Some(_), _) => Outcome::Published,
        (None, true) => Outcome::Late,
        (None, false) => Outcome::Empty,
    };
    let mut tx = cx.db.begin().await?;
    let won =
        store::schedules::win_run(&mut tx, schedule, &occurrence.local, occurrence.at, outcome, now).await?;
    if !store::schedules::watched_until(&mut tx, schedule, occurrence.at).await? {
        // It was changed or retired meanwhile. Nothing of this run is kept; the next look goes by what holds now.
        return Ok(false);
    }
    if won && let Some(ready) = &ready {
        digesting::insert(cx, &mut tx, schedule.digest, ready, "schedule").await?;
    }
    tx.commit().await?;
    if won {
        tracing::info!(schedule = schedule.name, local = occurrence.local, %outcome, "schedule ran");
        cx.bells.publish.notify_one();
    }
    Ok(won && ready.is_some())
}
