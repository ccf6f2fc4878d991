//! What the watch looks at: posts without their alert, drafts that wait for somebody, alerts that are not there yet.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
use crate::domain::{issue::State, time::Timestamp};

/// So many are read at a time, the oldest first: those that are told are among them until they are over.
const MOST: i64 = 100;

/// (name, title, since when) of the posts that are wanted as an alert since then, after `from` and until `until`, of which
/// there is none, nor a draft whose release is asked for. One that was stopped is there all the same, one undone isn't.
pub async fn posts_without_alert(
    tx: &mut Tx,
    from: Timestamp,
    until: Timestamp,
) -> Result<Vec<(Uuid, String, Timestamp)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT p.public_id, p.title, p.wanted_at FROM posts p WHERE p.wanted_at > $1 AND p.wanted_at <= $2
         AND NOT EXISTS (SELECT 1 FROM issues i WHERE i.post_id = p.id AND i.kind = 'alert'
                         AND (i.state <> 'cancelled' OR p.alerted_at IS NOT NULL))
         AND NOT EXISTS (SELECT 1 FROM drafts d WHERE d.post_id = p.id AND d.state = 'open' AND d.asked_by IS NOT NULL)
         ORDER BY p.wanted_at, p.id LIMIT $3",
    )
    .bind(from)
    .bind(until)
    .bind(MOST)
    .fetch_all(c))
}

/// A draft whose release somebody asked for.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Asked {
    pub public_id: Uuid,
    /// JSON.
    pub text: String,
    pub asked_by: String,
    pub asked_at: Timestamp,
}

/// Those asked for after `from` and until `until`, without the outcomes of a race that can't be released, or couldn't by
/// then.
pub async fn asked(tx: &mut Tx, from: Timestamp, until: Timestamp) -> Result<Vec<Asked>> {
    on!(tx, c => sqlx::query_as(
        "SELECT public_id, text, asked_by, asked_at FROM drafts d
         WHERE state = 'open' AND asked_by IS NOT NULL AND asked_at > $1 AND asked_at <= $2
         AND NOT EXISTS (SELECT 1 FROM races r WHERE r.id = d.race_id AND (r.not_before > $2 OR r.called_by IS NOT NULL OR r.closed_at IS NOT NULL))
         ORDER BY asked_at, id LIMIT $3",
    )
    .bind(from)
    .bind(until)
    .bind(MOST)
    .fetch_all(c))
}

/// An alert that is not known to be accepted by as many as should be.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Unreached {
    pub id: i64,
    pub public_id: Uuid,
    pub subject: String,
    pub state: State,
    pub created_at: Timestamp,
    /// In microseconds.
    pub paused_for: i64,
}

/// Those released after `from` and until `until`, and not stopped. The time in which one was paused is no part of its way.
pub async fn unreached(tx: &mut Tx, from: Timestamp, until: Timestamp) -> Result<Vec<Unreached>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, subject, state, created_at, paused_for FROM issues
         WHERE kind = 'alert' AND reached_at IS NULL AND paused_at IS NULL
         AND created_at + paused_for > $1 AND created_at + paused_for <= $2
         AND state IN ('publishing', 'sending', 'sent') ORDER BY created_at + paused_for, id LIMIT $3",
    )
    .bind(from)
    .bind(until)
    .bind(MOST)
    .fetch_all(c))
}

/// As many accepted it as should: nobody counts them again.
pub async fn reached(tx: &mut Tx, id: i64, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE issues SET reached_at = $2 WHERE id = $1 AND reached_at IS NULL")
            .bind(id)
            .bind(now)
    )
}
