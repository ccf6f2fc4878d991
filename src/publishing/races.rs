//! Races: outcomes that are written beforehand as drafts, of which one is released, and none before its moment. The release
//! itself asks that in its transaction (`releasing`), so nobody can skip it by a page that is old; the moment is moved by
//! an act of its own.

use uuid::Uuid;

use super::{Error, beginning::check_topics, desk::Written};
use crate::audit::{self, Act, Actor, Change, Thing};
use crate::context::Context;
use crate::domain::{
    draft::State as DraftState,
    issue::State as IssueState,
    race::{self, State},
    time::Timestamp,
    token::sha256,
    wall,
};
use crate::store::{self, Tx};

/// So many uncalled races are shown at most.
const SHOWN: i64 = 100;

/// A race with its outcomes.
pub struct Race {
    pub row: store::races::Race,
    /// In the order in which they were begun.
    pub outcomes: Vec<Written>,
    pub call: Option<Call>,
    pub now: Timestamp,
}

/// How a race was called.
#[derive(Clone, Debug)]
pub struct Call {
    pub draft: Uuid,
    pub outcome: String,
    pub issue: Uuid,
    pub by: String,
    /// When it was published; while it is held, released.
    pub at: Timestamp,
    /// How far the issue is.
    pub state: IssueState,
    /// The newest issue that corrects it.
    pub correction: Option<Uuid>,
}

impl Race {
    async fn read(tx: &mut Tx, row: store::races::Race, now: Timestamp) -> Result<Self, Error> {
        let outcomes = store::drafts::of_race(tx, row.id).await?.into_iter().map(Written::of).collect();
        let mut race = Self { row, outcomes, call: None, now };
        if let Some(written) = race.called() {
            race.call = Call::read(tx, written).await?;
        }
        Ok(race)
    }

    pub const fn state(&self) -> State {
        race::state(self.row.called_by.is_some(), self.row.closed_at.is_some(), self.row.not_before, self.now)
    }

    pub fn topics(&self) -> Vec<String> {
        serde_json::from_str(&self.row.topics).unwrap_or_default()
    }

    /// From when on it may be called, as a clock on the wall shows it there.
    pub fn opens(&self) -> String {
        wall::told(self.row.not_before, &self.row.timezone)
    }

    /// The outcome that was released; the others are retired.
    pub fn called(&self) -> Option<&Written> {
        self.outcomes.iter().find(|it| Some(it.draft.id) == self.row.called_by)
    }

    pub fn is_corrected(&self) -> bool {
        self.call.as_ref().is_some_and(|call| call.correction.is_some())
    }

    /// Whether another outcome of the race was released.
    pub fn is_retired(&self, written: &Written) -> bool {
        self.row.called_by.is_some_and(|called_by| called_by != written.draft.id)
    }

    /// What its page goes by, in short: where it differs from before, so does the page.
    pub fn standing(&self) -> String {
        let outcomes: Vec<_> = self
            .outcomes
            .iter()
            .map(|it| {
                (it.draft.public_id, it.draft.state, it.draft.version, &it.draft.asked_by, &it.draft.note)
            })
            .collect();
        let call = self.call.as_ref().map(|call| (call.issue, call.state, call.correction));
        let row = &self.row;
        let told = (self.state(), &row.name, row.not_before, &row.timezone, &row.topics, row.closed_at);
        let all = serde_json::json!([told, call, outcomes]).to_string();
        sha256(all.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether somebody asks for the release of one of its outcomes.
    pub fn is_asked_for(&self) -> bool {
        self.outcomes.iter().any(|it| it.draft.state == DraftState::Open && it.draft.asked_by.is_some())
    }
}

impl Call {
    async fn read(tx: &mut Tx, written: &Written) -> Result<Option<Self>, Error> {
        let Some(issue_id) = written.draft.issue_id else { return Ok(None) };
        let name = store::drafts::release_of(tx, issue_id).await?.issue;
        let Some(issue) = store::issues::by_public_id(tx, name).await? else { return Ok(None) };
        let made_by = store::issues::made_by(tx, &[issue_id]).await?;
        Ok(Some(Self {
            draft: written.draft.public_id,
            outcome: written.text.outcome.clone(),
            issue: name,
            by: made_by.into_iter().next().map(|(_, by, _)| by).unwrap_or_default(),
            at: issue.created_at,
            state: issue.state,
            correction: store::corrections::of(tx, issue_id).await?,
        }))
    }
}

/// What stands in the way of a release of a race's outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bar {
    /// It may be called from then on; in words as well.
    TooEarly(Timestamp, String),
    /// This other outcome was released.
    Retired(String),
    /// The race is put away.
    Closed,
}

impl Bar {
    pub fn as_sentence(&self) -> String {
        match self {
            Self::TooEarly(_, opens) => format!("It can’t be released before {opens}."),
            Self::Retired(outcome) => format!("It is retired by “{outcome}”, which was released."),
            Self::Closed => "Its race is put away, so none of its outcomes can be released.".to_owned(),
        }
    }
}

/// What stands in the way of this outcome.
pub fn bar(race: &Race, written: &Written) -> Option<Bar> {
    match race.state() {
        State::Waiting => Some(Bar::TooEarly(race.row.not_before, race.opens())),
        State::Called if race.is_retired(written) => {
            Some(Bar::Retired(race.called().map(|it| it.text.outcome.clone()).unwrap_or_default()))
        }
        State::Closed => Some(Bar::Closed),
        State::Called | State::Open => None,
    }
}

/// The race that a draft belongs to.
///
/// # Errors
/// A database that can't be read.
pub async fn of(cx: &Context, written: &Written) -> Result<Option<Race>, Error> {
    let Some(id) = written.draft.race_id else { return Ok(None) };
    let mut tx = cx.db.read().await?;
    let Some(row) = store::races::by_id(&mut tx, id).await? else { return Ok(None) };
    Ok(Some(Race::read(&mut tx, row, cx.clock.now()).await?))
}

/// # Errors
/// A database that can't be read.
pub async fn find(cx: &Context, id: Uuid) -> Result<Option<Race>, Error> {
    let mut tx = cx.db.read().await?;
    let Some(row) = store::races::by_public_id(&mut tx, id).await? else { return Ok(None) };
    Ok(Some(Race::read(&mut tx, row, cx.clock.now()).await?))
}

/// Those that are neither called nor put away: the next to be called first.
///
/// # Errors
/// A database that can't be read.
pub async fn uncalled(cx: &Context) -> Result<Vec<Race>, Error> {
    let mut tx = cx.db.read().await?;
    let rows = store::races::uncalled(&mut tx, SHOWN).await?;
    read_all(cx, &mut tx, rows).await
}

/// A page of those that are put away, that aren't, or of all, the newest first.
///
/// # Errors
/// A database that can't be read.
pub async fn page(cx: &Context, before: i64, limit: i64, put_away: Option<bool>) -> Result<Vec<Race>, Error> {
    let mut tx = cx.db.read().await?;
    let rows = store::races::page(&mut tx, before, limit, put_away).await?;
    read_all(cx, &mut tx, rows).await
}

async fn read_all(cx: &Context, tx: &mut Tx, rows: Vec<store::races::Race>) -> Result<Vec<Race>, Error> {
    let mut races = Vec::new();
    for row in rows {
        races.push(Race::read(tx, row, cx.clock.now()).await?);
    }
    Ok(races)
}

/// What somebody says of a race.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// One line.
    pub name: String,
    pub not_before: Timestamp,
    /// An IANA name.
    pub timezone: String,
    /// Whether it may be a moment that has passed: its outcomes can be released at once then.
    pub open_now: bool,
    /// Slugs that new outcomes begin with.
    pub topics: Vec<String>,
}

/// Nobody opens a race in passing, by a date that they mistyped.
fn check_moment(not_before: Timestamp, open_now: bool, now: Timestamp) -> Result<(), Error> {
    if not_before <= now && !open_now { Err(Error::Passed(not_before)) } else { Ok(()) }
}

/// A new race, without outcomes.
///
/// # Errors
/// A moment that has passed, an unknown topic, a database that can't be written.
pub async fn create(cx: &Context, actor: &Actor, wanted: &Wanted) -> Result<Uuid, Error> {
    let now = cx.clock.now();
    let Wanted { name, not_before, timezone, open_now, topics } = wanted;
    check_moment(*not_before, *open_now, now)?;
    let mut tx = cx.db.begin().await?;
    check_topics(&mut tx, topics).await?;
    let id = cx.entropy.uuid(now);
    let by = actor.to_string();
    store::races::insert(&mut tx, id, (name, topics), (*not_before, timezone), &by, now).await?;
    let after =
        serde_json::json!({ "name": name, "not_before": not_before, "timezone": timezone, "topics": topics });
    audit::record(&mut tx, now, actor, Change::new(Act::Prepared, Thing::Race, &id.to_string()).to(&after))
        .await?;
    tx.commit().await?;
    Ok(id)
}

/// Renames a race, and says what topics new outcomes begin with; what is there stays as it is. False where there is none.
///
/// # Errors
/// An unknown topic, a database that can't be written.
pub async fn edit(
    cx: &Context,
    actor: &Actor,
    id: Uuid,
    name: Option<&str>,
    topics: Option<&[String]>,
) -> Result<bool, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(row) = store::races::by_public_id(&mut tx, id).await? else { return Ok(false) };
    let before: Vec<String> = serde_json::from_str(&row.topics).unwrap_or_default();
    let (new_name, new_topics) = (name.unwrap_or(&row.name), topics.unwrap_or(&before));
    if new_name == row.name && new_topics == before {
        return Ok(true);
    }
    check_topics(&mut tx, new_topics).await?;
    store::races::edit(&mut tx, row.id, new_name, new_topics).await?;
    let subject = id.to_string();
    let change = Change::new(Act::Changed, Thing::Race, &subject)
        .from(&serde_json::json!({ "name": row.name, "topics": before }))
        .to(&serde_json::json!({ "name": new_name, "topics": new_topics }));
    audit::record(&mut tx, now, actor, change).await?;
    tx.commit().await?;
    Ok(true)
}

/// What became of moving a race's moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Yes,
    /// What was typed is not its name.
    NotItsName,
    /// It is called, or somebody else moved it at the same time.
    TooLate,
    Unknown,
}

/// Moves the moment from which on a race may be called. Whoever does it types the race's name: nobody does it in passing.
///
/// # Errors
/// A moment that has passed, a database that can't be written.
pub async fn move_to(
    cx: &Context,
    actor: &Actor,
    id: Uuid,
    (not_before, timezone, open_now): (Timestamp, &str, bool),
    typed: &str,
) -> Result<Moved, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(row) = store::races::by_public_id(&mut tx, id).await? else { return Ok(Moved::Unknown) };
    if typed.trim() != row.name {
        return Ok(Moved::NotItsName);
    }
    check_moment(not_before, open_now, now)?;
    if !store::races::move_to(&mut tx, row.id, row.not_before, not_before, timezone).await? {
        return Ok(Moved::TooLate);
    }
    let subject = id.to_string();
    let change = Change::new(Act::MovedMoment, Thing::Race, &subject)
        .from(&serde_json::json!({ "not_before": row.not_before, "timezone": row.timezone }))
        .to(&serde_json::json!({ "not_before": not_before, "timezone": timezone }));
    audit::record(&mut tx, now, actor, change).await?;
    tx.commit().await?;
    tracing::warn!(race = %id, from = %row.not_before, to = %not_before, "the moment of a race was moved");
    Ok(Moved::Yes)
}

/// Puts a race away, or takes it out again. False where it is so already, none where there is none.
///
/// # Errors
/// A database that can't be written.
pub async fn put_away(cx: &Context, actor: &Actor, id: Uuid, back: bool) -> Result<Option<bool>, Error> {
    let now = cx.clock.now();
    let mut tx = cx.db.begin().await?;
    let Some(row) = store::races::by_public_id(&mut tx, id).await? else { return Ok(None) };
    let done = match back {
        true => store::races::reopen(&mut tx, row.id).await?,
        false => store::races::close(&mut tx, row.id, now).await?,
    };
    if done {
        let action = if back { Act::TookOut } else { Act::PutAway };
        audit::record(&mut tx, now, actor, Change::new(action, Thing::Race, &id.to_string())).await?;
        tx.commit().await?;
    }
    Ok(Some(done))
}
