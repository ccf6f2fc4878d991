//! The log of changes: rows are added and read, never changed.

use uuid::Uuid;

use super::{Result, Tx, on, touched, unfold};
use crate::domain::{change::Thing, time::Timestamp, words};

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

/// Which entries are looked for: those that fulfil all of it. What is empty asks for nothing.
#[derive(Clone, Debug)]
pub struct Sought {
    /// In lower case, anywhere in what an entry says.
    pub words: String,
    /// Or to one of these it was done, as [`named`] finds them.
    pub subjects: Vec<String>,
    pub actor_kind: Option<ActorKind>,
    pub actor: String,
    pub thing: Option<Thing>,
    pub subject: String,
    pub from: Timestamp,
    /// The first moment that is too late.
    pub until: Timestamp,
}

impl Default for Sought {
    fn default() -> Self {
        Self {
            words: String::new(),
            subjects: Vec::new(),
            actor_kind: None,
            actor: String::new(),
            thing: None,
            subject: String::new(),
            from: Timestamp::from_micros(0),
            until: Timestamp::from_micros(i64::MAX),
        }
    }
}

/// At most `limit` entries before the one of that id, the newest first.
pub async fn page(tx: &mut Tx, sought: &Sought, before: i64, limit: i64) -> Result<Vec<Entry>> {
    let sql = unfold!(
        tx,
        "SELECT id, at, actor_kind, actor, action, subject_kind, subject, before, after, network FROM audit_log
         WHERE id < $1 AND at >= $2 AND at < $3
           AND ($4 = '' OR actor_kind = $4) AND ($5 = '' OR actor = $5)
           AND ($6 = '' OR subject_kind = $6) AND ($7 = '' OR subject = $7)
           AND ($8 = '%%' OR
               lower(actor || ' ' || action || ' ' || subject_kind || ' ' || subject || ' ' || coalesce(before, '') || ' ' ||
                     coalesce(after, '') || ' ' || network) LIKE $8 ESCAPE '!'
               OR subject IN ",
        "$9" as TEXT,
        ") ORDER BY id DESC LIMIT $10"
    );
    on!(tx, c => sqlx::query_as(sql)
        .bind(before)
        .bind(sought.from)
        .bind(sought.until)
        .bind(sought.actor_kind.map_or("", ActorKind::as_str))
        .bind(sought.actor.as_str())
        .bind(sought.thing.map_or("", Thing::as_str))
        .bind(sought.subject.as_str())
        .bind(pattern(&sought.words))
        .bind(super::word_list(&sought.subjects))
        .bind(limit)
        .fetch_all(c))
}

/// What issues, drafts and races with these words, in lower case, are known by in the log; of each kind the newest.
pub async fn named(tx: &mut Tx, words: &str) -> Result<Vec<Uuid>> {
    let pattern = pattern(words);
    let mut found: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "SELECT public_id FROM issues WHERE lower(subject) LIKE $1 ESCAPE '!' ORDER BY id DESC LIMIT 200",
    )
    .bind(pattern.as_str())
    .fetch_all(c))?;
    let drafts: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "SELECT public_id FROM drafts WHERE lower(text) LIKE $1 ESCAPE '!' ORDER BY id DESC LIMIT 200",
    )
    .bind(pattern.as_str())
    .fetch_all(c))?;
    let races: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(
        "SELECT public_id FROM races WHERE lower(name) LIKE $1 ESCAPE '!' ORDER BY id DESC LIMIT 200",
    )
    .bind(pattern.as_str())
    .fetch_all(c))?;
    found.extend(drafts);
    found.extend(races);
    Ok(found)
}

fn pattern(words: &str) -> String {
    format!("%{}%", words.replace('!', "!!").replace('%', "!%").replace('_', "!_"))
}
