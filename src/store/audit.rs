//! The log of changes: rows are added and read, never changed.

use super::{Result, Tx, on, touched};
use crate::domain::{time::Timestamp, words};

words! {
    /// Who changed something.
    pub enum ActorKind {
        /// Somebody of the newsroom.
        User = "user",
        /// A program with an API token.
        Token = "token",
        /// Whoever runs commands on the machine.
        Command = "command",
        /// Somebody who isn't signed in.
        Visitor = "visitor",
        /// The service by itself.
        Service = "service",
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Entry {
    pub id: i64,
    pub at: Timestamp,
    pub actor_kind: ActorKind,
    pub actor: String,
    pub action: String,
    pub subject_kind: String,
    pub subject: String,
    /// JSON.
    pub before: Option<String>,
    pub after: Option<String>,
    pub network: String,
}

pub struct NewEntry<'a> {
    pub at: Timestamp,
    pub actor_kind: ActorKind,
    pub actor: &'a str,
    pub action: &'a str,
    pub subject_kind: &'a str,
    pub subject: &'a str,
    pub before: Option<String>,
    pub after: Option<String>,
    pub network: &'a str,
}

pub async fn insert(tx: &mut Tx, entry: &NewEntry<'_>) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO audit_log (at, actor_kind, actor, action, subject_kind, subject, before, after, network)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(entry.at)
        .bind(entry.actor_kind)
        .bind(entry.actor)
        .bind(entry.action)
        .bind(entry.subject_kind)
        .bind(entry.subject)
        .bind(entry.before.as_deref())
        .bind(entry.after.as_deref())
        .bind(entry.network)
    )
}

/// At most `limit` entries before the one of that id, the newest first. With `words` those alone that have them, in
/// lower case, in whatever they say.
pub async fn page(tx: &mut Tx, words: &str, before: i64, limit: i64) -> Result<Vec<Entry>> {
    let pattern = format!("%{}%", words.replace('!', "!!").replace('%', "!%").replace('_', "!_"));
    on!(tx, c => sqlx::query_as(
        "SELECT id, at, actor_kind, actor, action, subject_kind, subject, before, after, network FROM audit_log
         WHERE id < $1 AND ($2 = '%%' OR
               lower(actor || ' ' || action || ' ' || subject_kind || ' ' || subject || ' ' || coalesce(before, '') || ' ' ||
                     coalesce(after, '') || ' ' || network) LIKE $2 ESCAPE '!')
         ORDER BY id DESC LIMIT $3",
    )
    .bind(before)
    .bind(pattern)
    .bind(limit)
    .fetch_all(c))
}
