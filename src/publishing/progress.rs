//! How far an issue got, and what it said: for the operator's terminal and the newsroom's pages.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Error;
use crate::context::Context;
use crate::domain::{
    delivery,
    issue::{Kind, Level, State},
    time::Timestamp,
};
use crate::mail::compose::{Draft, Fragment};
use crate::mail::preview::{self, Preview};
use crate::store::{self, Tx, issues::Issue};

/// How far an issue got.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Progress {
    pub id: Uuid,
    pub kind: Kind,
    pub state: State,
    pub subject: String,
    pub level: Level,
    pub created_at: Timestamp,
    /// Since when it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Timestamp>,
    /// Final when the state is no longer `publishing`.
    pub audience: i64,
    /// Deliveries by state.
    pub counts: BTreeMap<String, i64>,
}

impl Progress {
    /// Of the issue with this id; none where there is none.
    ///
    /// # Errors
    /// A database that can't be read.
    pub async fn of(cx: &Context, id: Uuid) -> store::Result<Option<Self>> {
        let mut tx = cx.db.read().await?;
        match store::issues::by_public_id(&mut tx, id).await? {
            Some(issue) => Ok(Some(Self::read(&mut tx, &issue).await?)),
            None => Ok(None),
        }
    }

    /// # Errors
    /// A database that can't be read.
    pub async fn read(tx: &mut Tx, issue: &Issue) -> store::Result<Self> {
        // Of an issue that is long over only the totals are kept.
        let counts = match issue.totals.as_deref().and_then(|totals| serde_json::from_str(totals).ok()) {
            Some(totals) => totals,
            None => store::deliveries::counts(tx, issue.id)
                .await?
                .into_iter()
                .map(|(state, count)| (state.to_string(), count))
                .collect(),
        };
        Ok(Self {
            id: issue.public_id,
            kind: issue.kind,
            state: issue.state,
            subject: issue.subject.clone(),
            level: issue.level,
            created_at: issue.created_at,
            paused_at: issue.paused_at,
            audience: issue.audience,
            counts,
        })
    }

    /// How many deliveries are in one of these states.
    pub fn count(&self, states: &[delivery::State]) -> i64 {
        states.iter().filter_map(|state| self.counts.get(state.as_str())).sum()
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Sent | State::Cancelled)
    }
}

/// As in `3 sent, 1 deferred`, and since when it is paused.
impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts: Vec<_> = delivery::State::ALL
            .iter()
            .filter_map(|state| Some(format!("{} {state}", self.counts.get(state.as_str())?)))
            .collect();
        f.write_str(&if counts.is_empty() { "no deliveries yet".to_owned() } else { counts.join(", ") })?;
        match self.paused_at {
            Some(at) => write!(f, "; paused since {}", at.to_jiff().strftime("%Y-%m-%d %H:%M:%S UTC")),
            None => Ok(()),
        }
    }
}

/// How an issue was accepted over time.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// When it was published, and up to when the points go: where nearly all had it.
    pub from: Timestamp,
    pub until: Timestamp,
    /// (microseconds since `from`, how many had it by then), in order.
    pub points: Vec<(i64, i64)>,
    /// How many have it by now, and since when.
    pub accepted: i64,
    pub last: Timestamp,
}

/// How many points a curve has.
const POINTS: i64 = 250;

/// How an issue was accepted over time; none while it isn't by anybody. The few who were late don't make the curve flat:
/// it ends where 99 in 100 had it, if that is well before the last.
///
/// # Errors
/// A database that can't be read.
pub async fn acceptance(tx: &mut Tx, issue: &Issue) -> store::Result<Option<Acceptance>> {
    let (Some(first), Some(last)) = store::outcomes::accepted_between(tx, issue.id).await? else {
        return Ok(None);
    };
    let from = issue.created_at.min(first);
    let mut until = last;
    let mut looked_closer = false;
    loop {
        let step = ((until.as_micros() - from.as_micros()) / POINTS).max(1_000);
        let mut had = 0;
        let mut points = vec![(0, 0)];
        for (at, count) in store::outcomes::accepted_by_step(tx, issue.id, (from, until), step).await? {
            had += count;
            points.push(((at + 1) * step, had));
        }
        let nearly_all = points.iter().find(|(_, by_then)| by_then * 100 >= had * 99);
        let end = nearly_all.map_or(until, |(at, _)| Timestamp::from_micros(from.as_micros() + at));
        if !looked_closer && end.since(from) < until.since(from) / 2 {
            (until, looked_closer) = (end, true);
            continue;
        }
        if looked_closer {
            until = points.last().map_or(until, |(at, _)| Timestamp::from_micros(from.as_micros() + at));
        }
        let accepted = if looked_closer {
            store::deliveries::counts(tx, issue.id)
                .await?
                .iter()
                .filter(|(state, _)| *state == delivery::State::Sent)
                .map(|(_, count)| count)
                .sum()
        } else {
            had
        };
        return Ok(Some(Acceptance { from, until, points, accepted, last }));
    }
}

/// The stored mail of an issue, read again, with samples for what differs by recipient; of a digest the one with the most
/// stories. None once the issue was reduced to its totals.
///
/// # Errors
/// A database that can't be read.
pub async fn said(cx: &Context, issue: &Issue) -> Result<Option<Preview>, Error> {
    let mut tx = cx.db.read().await?;
    let Some(variant) = store::issues::largest_variant(&mut tx, issue.id).await? else { return Ok(None) };
    let (head, pieces) = store::issues::stored_mail(&mut tx, variant).await?;
    drop(tx);
    let fragments = pieces.into_iter().map(Fragment::stored).collect();
    let draft = Draft { subject: issue.subject.clone(), head, fragments };
    Ok(Some(preview::preview(&draft, "reader@example.org", issue.created_at)))
}
