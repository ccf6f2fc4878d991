//! Drafts of alerts and newsletters, who has one open, and the holds of those that were released.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::{draft::State, time::Timestamp};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Draft {
    pub id: i64,
    pub public_id: Uuid,
    pub state: State,
    pub version: i64,
    /// `domain::draft::Text`, as JSON.
    pub text: String,
    pub post_id: Option<i64>,
    pub issue_id: Option<i64>,
    /// Who wrote in it, as a JSON list.
    pub authors: String,
    /// Who asks for its release.
    pub asked_by: Option<String>,
    /// Why it is open again.
    pub note: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub updated_by: String,
    /// By the name of a part the version that last changed it, as JSON.
    pub changed: String,
    /// The race whose outcome it is.
    pub race_id: Option<i64>,
}

pub async fn insert(
    tx: &mut Tx,
    public_id: Uuid,
    text: &str,
    (post_id, race_id): (Option<i64>, Option<i64>),
    (by, authors): (&str, &[String]),
    now: Timestamp,
) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO drafts (public_id, state, version, text, post_id, authors, created_at, updated_at, updated_by, race_id)
         VALUES ($1, 'open', 1, $2, $3, $4, $5, $5, $6, $7) RETURNING id",
    )
    .bind(public_id)
    .bind(text)
    .bind(post_id)
    .bind(super::word_list(authors))
    .bind(now)
    .bind(by)
    .bind(race_id)
    .fetch_one(c))
}

pub async fn by_public_id(tx: &mut Tx, public_id: Uuid) -> Result<Option<Draft>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM drafts WHERE public_id = $1").bind(public_id).fetch_optional(c))
}

pub async fn by_issue(tx: &mut Tx, issue_id: i64) -> Result<Option<Draft>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM drafts WHERE issue_id = $1 ORDER BY id DESC LIMIT 1").bind(issue_id).fetch_optional(c))
}

/// The open ones that belong to no race, the last changed first.
pub async fn open(tx: &mut Tx, limit: i64) -> Result<Vec<Draft>> {
    on!(tx, c => sqlx::query_as(
        "SELECT * FROM drafts WHERE state = 'open' AND race_id IS NULL ORDER BY updated_at DESC, id DESC LIMIT $1",
    )
    .bind(limit)
    .fetch_all(c))
}

/// What the open drafts say that somebody changed or looked at since, the last changed first.
pub async fn on_a_desk(tx: &mut Tx, since: Timestamp) -> Result<Vec<String>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT text FROM drafts
         WHERE state = 'open'
               AND (updated_at >= $1 OR EXISTS (SELECT 1 FROM draft_visits v WHERE v.draft_id = drafts.id AND v.at >= $1))
         ORDER BY updated_at DESC, id DESC LIMIT 50",
    )
    .bind(since)
    .fetch_all(c))
}

/// The outcomes of a race, in the order in which they were begun.
pub async fn of_race(tx: &mut Tx, race_id: i64) -> Result<Vec<Draft>> {
    on!(tx, c => sqlx::query_as("SELECT * FROM drafts WHERE race_id = $1 ORDER BY id").bind(race_id).fetch_all(c))
}

/// A page of the drafts, the newest first: those older than `before`, of one state or of all.
pub async fn page(tx: &mut Tx, state: Option<State>, before: i64, limit: i64) -> Result<Vec<Draft>> {
    on!(tx, c => sqlx::query_as(
        "SELECT * FROM drafts WHERE id < $1 AND state = coalesce($2, state) ORDER BY id DESC LIMIT $3",
    )
    .bind(before)
    .bind(state)
    .bind(limit)
    .fetch_all(c))
}

/// The name of a draft.
pub async fn public_id(tx: &mut Tx, id: i64) -> Result<Uuid> {
    on!(tx, c => sqlx::query_scalar("SELECT public_id FROM drafts WHERE id = $1").bind(id).fetch_one(c))
}

/// A release as it was made, whatever became of it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Released {
    pub issue: Uuid,
    pub audience: Option<i64>,
    pub held_until: Option<Timestamp>,
}

pub async fn release_of(tx: &mut Tx, issue_id: i64) -> Result<Released> {
    on!(tx, c => sqlx::query_as(
        "SELECT public_id AS issue, expected AS audience, held_until FROM issues WHERE id = $1",
    )
    .bind(issue_id)
    .fetch_one(c))
}

/// Writes the next version of an open draft; false when somebody else wrote one meanwhile. Whoever asked for its release
/// asked for the text as it was.
pub async fn save(
    tx: &mut Tx,
    draft: &Draft,
    text: &str,
    changed: &str,
    authors: &[String],
    by: &str,
    now: Timestamp,
) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE drafts SET version = version + 1, text = $3, authors = $4, updated_by = $5, updated_at = $6,
                               asked_by = NULL, note = NULL, changed = $7
             WHERE id = $1 AND version = $2 AND state = 'open'",
        )
        .bind(draft.id)
        .bind(draft.version)
        .bind(text)
        .bind(super::word_list(authors))
        .bind(by)
        .bind(now)
        .bind(changed)
    )?;
    Ok(rows == 1)
}

pub async fn ask(tx: &mut Tx, id: i64, version: i64, by: &str, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE drafts SET asked_by = $3, asked_at = $4 WHERE id = $1 AND version = $2 AND state = 'open'",
        )
        .bind(id)
        .bind(version)
        .bind(by)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Ties an open draft of this version to the issue that came of it; false when it is not so any more.
pub async fn released(tx: &mut Tx, id: i64, version: i64, issue_id: i64) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE drafts SET state = 'released', issue_id = $3, note = NULL WHERE id = $1 AND version = $2 AND state = 'open'",
        )
        .bind(id)
        .bind(version)
        .bind(issue_id)
    )?;
    Ok(rows == 1)
}

/// Opens the draft of an issue that nobody got again.
pub async fn reopen(tx: &mut Tx, issue_id: i64, note: &str, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE drafts SET state = 'open', asked_by = NULL, note = $2, updated_at = $3
             WHERE issue_id = $1 AND state = 'released'",
        )
        .bind(issue_id)
        .bind(note)
        .bind(now)
    )
}

pub async fn throw_away(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE drafts SET state = 'thrown-away', updated_at = $2 WHERE id = $1 AND state = 'open'"
        )
        .bind(id)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Takes a draft out of the bin; false where it is in none.
pub async fn take_back(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE drafts SET state = 'open', updated_at = $2 WHERE id = $1 AND state = 'thrown-away'"
        )
        .bind(id)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// Notes that somebody has a draft open.
pub async fn visit(tx: &mut Tx, draft_id: i64, who: &str, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO draft_visits (draft_id, who, at) VALUES ($1, $2, $3)
             ON CONFLICT (draft_id, who) DO UPDATE SET at = excluded.at",
        )
        .bind(draft_id)
        .bind(who)
        .bind(now)
    )
}

/// Who else has it open since.
pub async fn visitors(tx: &mut Tx, draft_id: i64, but: &str, since: Timestamp) -> Result<Vec<String>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT who FROM draft_visits WHERE draft_id = $1 AND who <> $2 AND at > $3 ORDER BY who",
    )
    .bind(draft_id)
    .bind(but)
    .bind(since)
    .fetch_all(c))
}

/// When an alert with this subject was last published.
pub async fn last_with_subject(tx: &mut Tx, subject: &str, since: Timestamp) -> Result<Option<Timestamp>> {
    let recent: Vec<(String, Timestamp)> = on!(tx, c => sqlx::query_as(
        "SELECT subject, created_at FROM issues WHERE kind <> 'notice' AND state <> 'cancelled' ORDER BY id DESC LIMIT 50",
    )
    .fetch_all(c))?;
    Ok(recent.into_iter().find(|(other, at)| other == subject && *at > since).map(|(_, at)| at))
}

/// The issues whose hold is over: id, name, and since when.
pub async fn due(tx: &mut Tx, now: Timestamp) -> Result<Vec<(i64, Uuid, Timestamp)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, held_until FROM issues WHERE state = 'held' AND held_until <= $1 ORDER BY held_until",
    )
    .bind(now)
    .fetch_all(c))
}

/// What is released and held: name, subject, and until when; what goes first stands first.
pub async fn held(tx: &mut Tx, limit: i64) -> Result<Vec<(Uuid, String, Timestamp)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT public_id, subject, held_until FROM issues WHERE state = 'held' ORDER BY held_until LIMIT $1",
    )
    .bind(limit)
    .fetch_all(c))
}

/// From held to publishing: from now on it goes to its readers, up to `last_subscriber` where that is told, else up to the
/// last at its release; false when it was undone.
pub async fn let_go(
    tx: &mut Tx,
    issue_id: i64,
    last_subscriber: Option<i64>,
    now: Timestamp,
    expires_at: Option<Timestamp>,
) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE issues SET state = 'publishing', created_at = $3, last_subscriber = coalesce($2, last_subscriber), expires_at = $4
             WHERE id = $1 AND state = 'held'",
        )
        .bind(issue_id)
        .bind(last_subscriber)
        .bind(now)
        .bind(expires_at)
    )?;
    Ok(rows == 1)
}

/// From held to cancelled, with nobody mailed; false when the hold was over.
pub async fn undo(tx: &mut Tx, issue_id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE issues SET state = 'cancelled', ended_at = $2 WHERE id = $1 AND state = 'held'")
            .bind(issue_id)
            .bind(now)
    )?;
    Ok(rows == 1)
}

/// When the hold of an issue ends; none where it isn't held.
pub async fn held_until(tx: &mut Tx, issue_id: i64) -> Result<Option<Timestamp>> {
    let until: Option<Option<Timestamp>> = on!(tx, c => sqlx::query_scalar(
        "SELECT held_until FROM issues WHERE id = $1 AND state = 'held'",
    )
    .bind(issue_id)
    .fetch_optional(c))?;
    Ok(until.flatten())
}

pub async fn hold(tx: &mut Tx, issue_id: i64, until: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE issues SET held_until = $2 WHERE id = $1").bind(issue_id).bind(until))
}

/// How many readers of a topic who may be mailed get alerts, and how many don't.
pub async fn topic_readers(tx: &mut Tx, topic_id: i64) -> Result<(i64, i64)> {
    let counts: Vec<(bool, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT u.alerts, count(*) FROM subscriptions u JOIN subscribers s ON s.id = u.subscriber_id
         WHERE u.topic_id = $1 AND s.state = 'active'
         AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
         GROUP BY u.alerts",
    )
    .bind(topic_id)
    .fetch_all(c))?;
    let of = |alerts| counts.iter().find(|(with, _)| *with == alerts).map_or(0, |(_, count)| *count);
    Ok((of(true), of(false)))
}
