//! Schedules of the newsroom: one runs for each digest. Other hours hold from the moment they are saved; what a reader gets
//! goes by the posts since their last digest, so that none is dropped or told twice. A retired one doesn't run.

use serde::{Deserialize, Serialize};

use super::{Error, Faults, in_the_file, wrong};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::config;
use crate::context::Context;
use crate::domain::{cadence::Cadence, subscription::Digest};
use crate::store::{
    self, Tx,
    schedules::{Origin, Plan, Schedule},
};

/// A schedule as it is typed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wanted {
    /// Empty for the digest's word.
    pub name: String,
    pub digest: String,
    pub cron: String,
    pub timezone: String,
    pub public: bool,
}

impl From<&Schedule> for Wanted {
    fn from(schedule: &Schedule) -> Self {
        Self {
            name: schedule.name.clone(),
            digest: schedule.digest.to_string(),
            cron: schedule.cron.clone(),
            timezone: schedule.timezone.clone(),
            public: schedule.public,
        }
    }
}

/// A schedule as it is typed, read.
struct Checked {
    name: String,
    digest: Digest,
    cadence: Cadence,
    public: bool,
}

impl Checked {
    fn plan(&self) -> Plan<'_> {
        Plan {
            name: &self.name,
            cron: self.cadence.cron_text(),
            timezone: self.cadence.timezone(),
            digest: self.digest,
            public: self.public,
        }
    }

    fn wanted(&self) -> Wanted {
        let plan = self.plan();
        Wanted {
            name: plan.name.to_owned(),
            digest: plan.digest.to_string(),
            cron: plan.cron.to_owned(),
            timezone: plan.timezone.to_owned(),
            public: plan.public,
        }
    }
}

/// All there ever were, also retired ones.
///
/// # Errors
/// A database that can't be read.
pub async fn all(cx: &Context) -> Result<Vec<Schedule>, Error> {
    Ok(store::schedules::ever(&mut cx.db.read().await?).await?)
}

/// # Errors
/// [`Error::Missing`] where there is none of this number.
pub async fn find(cx: &Context, id: i64) -> Result<Schedule, Error> {
    all(cx).await?.into_iter().find(|schedule| schedule.id == id).ok_or(Error::Missing)
}

/// # Errors
/// [`Error::Missing`] where there is none of this name.
pub async fn find_named(cx: &Context, name: &str) -> Result<Schedule, Error> {
    all(cx).await?.into_iter().find(|schedule| schedule.name == name).ok_or(Error::Missing)
}

/// Makes a schedule, and gives its number. It fires from now on.
///
/// # Errors
/// [`Error::Wrong`] says of each field what is.
pub async fn create(cx: &Context, actor: &Actor, wanted: &Wanted) -> Result<i64, Error> {
    let now = cx.clock.now();
    let checked = checked(wanted)?;
    let mut tx = cx.db.begin().await?;
    no_rival(&mut tx, checked.digest, None).await?;
    let Some(id) = store::schedules::insert(&mut tx, checked.plan(), now).await? else {
        return wrong("name", TAKEN);
    };
    let change = Change::new(Act::ScheduleMade, Thing::Schedule, &checked.name).to(&checked.wanted());
    audit::record(&mut tx, now, actor, change).await?;
    tx.commit().await?;
    Ok(id)
}

const TAKEN: &str = "is another schedule's already, or a retired one's";

/// Changes a schedule.
///
/// # Errors
/// [`Error::Wrong`] says of each field what is; [`Error::Refused`] for one of config.toml.
pub async fn change(cx: &Context, actor: &Actor, id: i64, wanted: &Wanted) -> Result<(), Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let schedules = store::schedules::ever(&mut tx).await?;
    let before = schedules.iter().find(|schedule| schedule.id == id).ok_or(Error::Missing)?;
    if before.origin == Origin::File {
        return in_the_file();
    }
    let checked = checked(wanted)?;
    if schedules.iter().any(|other| other.id != id && other.name == checked.name) {
        return wrong("name", TAKEN);
    }
    if before.active {
        no_rival(&mut tx, checked.digest, Some(id)).await?;
    }
    if !store::schedules::change(&mut tx, id, checked.plan(), now).await? {
        return in_the_file();
    }
    let change = Change::new(Act::ScheduleChanged, Thing::Schedule, &before.name)
        .from(&Wanted::from(before))
        .to(&checked.wanted());
    audit::record(&mut tx, now, actor, change).await?;
    tx.commit().await?;
    Ok(())
}

/// Lets it run no more, or again: from now on. True where that changed something.
///
/// # Errors
/// [`Error::Refused`] for one of config.toml, and where another runs for its digest.
pub async fn set_active(cx: &Context, actor: &Actor, id: i64, active: bool) -> Result<bool, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let schedules = store::schedules::ever(&mut tx).await?;
    let schedule = schedules.iter().find(|schedule| schedule.id == id).ok_or(Error::Missing)?;
    if schedule.origin == Origin::File {
        return in_the_file();
    }
    if active && let Err(Error::Wrong(_)) = no_rival(&mut tx, schedule.digest, Some(id)).await {
        return Err(Error::Refused(format!(
            "Another schedule sends the {} digest. Retire that one first.",
            schedule.digest
        )));
    }
    if !store::schedules::set_active(&mut tx, id, active, now).await? {
        return Ok(false);
    }
    let action = if active { Act::ScheduleRestored } else { Act::ScheduleRetired };
    audit::record(&mut tx, now, actor, Change::new(action, Thing::Schedule, &schedule.name)).await?;
    tx.commit().await?;
    Ok(true)
}

/// Who asked for a daily digest gets one a day.
async fn no_rival(tx: &mut Tx, digest: Digest, own: Option<i64>) -> Result<(), Error> {
    let running = store::schedules::all_active(tx).await?;
    match running.iter().find(|other| other.digest == digest && Some(other.id) != own) {
        Some(other) => wrong(
            "digest",
            format!("is sent by the schedule “{}” already: change that one, or retire it first", other.name),
        ),
        None => Ok(()),
    }
}

fn checked(wanted: &Wanted) -> Result<Checked, Error> {
    let mut faults = Faults::default();
    let digest = match wanted.digest.parse() {
        Ok(digest @ (Digest::Daily | Digest::Weekly)) => Some(digest),
        _ => faults.read("digest", Err("must be daily or weekly".to_owned())),
    };
    let name = match (digest, wanted.name.trim()) {
        (Some(digest), "") => Some(digest.to_string()),
        (_, name) => faults.read("name", config::name(name)),
    };
    if name.as_deref().is_some_and(|name| name.parse::<Digest>().is_ok_and(|other| Some(other) != digest)) {
        faults.add("name", "must not be the word for another digest than its own");
    }
    // Each alone with what is surely right beside it, so that the error stands at the one that is wrong.
    let cron = faults.read("cron", Cadence::parse(&wanted.cron, "UTC"));
    let zone = faults.read("timezone", Cadence::parse("0 7 * * *", wanted.timezone.trim()));
    let cadence = cron
        .zip(zone)
        .and_then(|(cron, zone)| faults.read("cron", Cadence::parse(cron.cron_text(), zone.timezone())));
    let read = name.zip(digest).zip(cadence);
    faults.or(read.map(|((name, digest), cadence)| Checked { name, digest, cadence, public: wanted.public }))
}
