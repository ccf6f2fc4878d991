//! What a schedule's digest would tell, and how many, if it ran at a time: by the choice of stories and the decision that the
//! digest itself goes by, and without writing anything.

use std::collections::HashMap;

use super::{Error, digesting, fan_out, stories};
use crate::context::Context;
use crate::domain::{
    cadence::{Cadence, Occurrence},
    time::{DAY, Timestamp},
    wall::{self, Twice},
};
use crate::store::{self, schedules::Schedule};

/// How many readers are read at once.
const WINDOW: i64 = 5_000;

/// A digest that hasn't run.
#[derive(Clone, Debug)]
pub struct Foreseen {
    /// How many would get a mail.
    pub readers: u64,
    /// The newest first.
    pub stories: Vec<Told>,
    /// How many stories more would be too many for a mail.
    pub left_out: usize,
    /// When the schedule runs before that by itself, and tells all this then; none where it doesn't.
    pub sooner: Option<Occurrence>,
}

/// A story of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub title: String,
    pub link: Option<String>,
    pub published_at: Option<Timestamp>,
    /// How many would read it in full.
    pub full: u64,
    /// How many had it as an alert, and would get a line.
    pub seen: u64,
}

/// What the digest of `schedule` would be at `at`, if it ran then and not before, by what is known now: no post more, nobody
/// who comes or goes.
///
/// # Errors
/// A database that can't be read, a template that can't be rendered.
pub async fn foresee(cx: &Context, schedule: &Schedule, at: Timestamp) -> Result<Foreseen, Error> {
    let digest = schedule.digest;
    let mut tx = cx.db.read().await?;
    let last_post = store::posts::last_id(&mut tx).await?;
    let contents = stories::contents(&mut tx, digest, last_post).await?;
    let mut foreseen =
        Foreseen { readers: 0, stories: Vec::new(), left_out: 0, sooner: sooner(schedule, at) };
    let Some((fitted, _, left_out)) = digesting::fitted(cx, digest, contents)? else {
        return Ok(foreseen);
    };
    let ids: Vec<i64> = fitted.stories.iter().map(|story| story.id).collect();
    let loaded = stories::load(&mut tx, &ids).await?;
    let mut counts: HashMap<i64, (u64, u64)> = HashMap::new();
    let (mut after, end) = (0, store::subscribers::last_id(&mut tx).await?);
    while let Some(last) = store::subscribers::window(&mut tx, after, end, WINDOW).await? {
        let rows = store::subscribers::readers(&mut tx, after, last).await?;
        let readers = fan_out::Recipient::all(&rows);
        let chosen = fan_out::selections(cx, &mut tx, &loaded, digest, &readers, (after, last), at).await?;
        for (_, selection) in chosen.iter().filter(|(_, selection)| selection.tells()) {
            foreseen.readers += 1;
            for id in &selection.full {
                counts.entry(*id).or_default().0 += 1;
            }
            for id in &selection.seen {
                counts.entry(*id).or_default().1 += 1;
            }
        }
        after = last;
    }
    foreseen.left_out = left_out;
    foreseen.stories = fitted
        .stories
        .into_iter()
        .filter_map(|story| {
            let (full, seen) = counts.get(&story.id).copied()?;
            let title = stories::marked(&story.title, story.corrected);
            Some(Told { title, link: story.link, published_at: story.published_at, full, seen })
        })
        .collect();
    Ok(foreseen)
}

/// A time on the clock of a schedule's zone, as in `2026-11-03T07:00`; empty for when it runs next, or now where it never does.
///
/// # Errors
/// A text that is no such time, or one that has passed or is more than a year away; a sentence's end.
pub fn moment(schedule: &Schedule, text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if text.is_empty() {
        let cadence = Cadence::parse(&schedule.cron, &schedule.timezone).ok();
        return Ok(cadence.and_then(|it| it.next(now)).map_or(now, |next| next.at));
    }
    let at = wall::instant(text, &schedule.timezone, Twice::First)?;
    if (now..=now.plus(366 * DAY)).contains(&at) {
        Ok(at)
    } else {
        Err("must be from now on, and within a year".to_owned())
    }
}

/// The first time that the schedule fires after what it has done, where that is before `at`.
fn sooner(schedule: &Schedule, at: Timestamp) -> Option<Occurrence> {
    let cadence = Cadence::parse(&schedule.cron, &schedule.timezone).ok()?;
    cadence.next(schedule.watched_since).filter(|next| schedule.active && next.at < at)
}
