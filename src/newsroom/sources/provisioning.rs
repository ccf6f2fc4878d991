//! Puts the topics, feeds and schedules of config.toml into the database, at each start.

use std::collections::HashMap;

use crate::config::Schedule;
use crate::context::Context;
use crate::store::{self, schedules::Plan};

/// What the file has wins over what the newsroom made of the same name. What it has no more is retired.
///
/// # Errors
/// A database that can't be written.
pub async fn provision(cx: &Context) -> store::Result<()> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    store::topics::retire_provisioned(&mut tx).await?;
    store::feeds::retire_provisioned(&mut tx).await?;
    let mut ids = HashMap::new();
    for topic in &cx.config.topics {
        let id = store::topics::provision(
            &mut tx,
            topic.slug.as_str(),
            &topic.name,
            &topic.description,
            (topic.public, topic.test),
        )
        .await?;
        ids.insert(&topic.slug, id);
    }
    for feed in &cx.config.feeds {
        if let Some(topic_id) = ids.get(&feed.topic) {
            let every = i64::try_from(feed.every.as_micros()).unwrap_or(i64::MAX);
            store::feeds::provision(&mut tx, feed.url.as_str(), *topic_id, every, feed.alert, now).await?;
        }
    }
    let (usual, filed): (Vec<_>, Vec<_>) =
        cx.config.schedules.iter().map(plan).partition(|(_, usual)| *usual);
    store::schedules::leave_file(&mut tx, &names(&filed), &names(&usual)).await?;
    for (plan, _) in &filed {
        store::schedules::make_way(&mut tx, plan.name, plan.digest).await?;
    }
    for (plan, _) in filed {
        store::schedules::provision(&mut tx, plan, now).await?;
    }
    for (plan, _) in usual {
        store::schedules::provision_usual(&mut tx, plan, now).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// A schedule as the database takes it, and whether it is a usual one.
fn plan(schedule: &Schedule) -> (Plan<'_>, bool) {
    let plan = Plan {
        name: &schedule.name,
        cron: schedule.cadence.cron_text(),
        timezone: schedule.cadence.timezone(),
        digest: schedule.digest,
        public: schedule.public,
    };
    (plan, schedule.usual)
}

fn names<'a>(plans: &[(Plan<'a>, bool)]) -> Vec<&'a str> {
    plans.iter().map(|(plan, _)| plan.name).collect()
}
