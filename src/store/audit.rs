//! The log of changes: rows are added and read, never changed.

use uuid::Uuid;

use super::{Result, Tx, on, touched};
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
    let pattern = pattern(tx, &sought.words);
    let sql = tx.fork(
        "SELECT id, at, actor_kind, actor, action, subject_kind, subject, before, after, network FROM audit_log
         WHERE id < $1 AND at >= $2 AND at < $3
           AND ($4 = '' OR actor_kind = $4) AND ($5 = '' OR actor = $5)
           AND ($6 = '' OR subject_kind = $6) AND ($7 = '' OR subject = $7)
           AND ($8 = '**' OR
               lower(actor || ' ' || action || ' ' || subject_kind || ' ' || subject || ' ' || coalesce(before, '') || ' ' ||
                     coalesce(after, '') || ' ' || network) GLOB $8
               OR subject IN (SELECT value FROM json_each($9)))
         ORDER BY id DESC LIMIT $10",
        "SELECT id, at, actor_kind, actor, action, subject_kind, subject, before, after, network FROM audit_log
         WHERE id < $1 AND at >= $2 AND at < $3
           AND ($4 = '' OR actor_kind = $4) AND ($5 = '' OR actor = $5)
           AND ($6 = '' OR subject_kind = $6) AND ($7 = '' OR subject = $7)
           AND ($8 = '' OR
               lower(actor || ' ' || action || ' ' || subject_kind || ' ' || subject || ' ' || coalesce(before, '') || ' ' ||
                     coalesce(after, '') || ' ' || network) ~ $8
               OR subject IN (SELECT jsonb_array_elements_text($9::JSONB)))
         ORDER BY id DESC LIMIT $10",
    );
    on!(tx, c => sqlx::query_as(sql)
        .bind(before)
        .bind(sought.from)
        .bind(sought.until)
        .bind(sought.actor_kind.map_or("", ActorKind::as_str))
        .bind(sought.actor.as_str())
        .bind(sought.thing.map_or("", Thing::as_str))
        .bind(sought.subject.as_str())
        .bind(pattern)
        .bind(super::word_list(&sought.subjects))
        .bind(limit)
        .fetch_all(c))
}

/// What issues, drafts and races with these words, in lower case, are known by in the log; of each kind the newest.
pub async fn named(tx: &mut Tx, words: &str) -> Result<Vec<Uuid>> {
    let pattern = pattern(tx, words);
    let issues = tx.fork(
        "SELECT public_id FROM issues WHERE lower(subject) GLOB $1 ORDER BY id DESC LIMIT 200",
        "SELECT public_id FROM issues WHERE lower(subject) ~ $1 ORDER BY id DESC LIMIT 200",
    );
    let drafts = tx.fork(
        "SELECT public_id FROM drafts WHERE lower(text) GLOB $1 ORDER BY id DESC LIMIT 200",
        "SELECT public_id FROM drafts WHERE lower(text) ~ $1 ORDER BY id DESC LIMIT 200",
    );
    let races = tx.fork(
        "SELECT public_id FROM races WHERE lower(name) GLOB $1 ORDER BY id DESC LIMIT 200",
        "SELECT public_id FROM races WHERE lower(name) ~ $1 ORDER BY id DESC LIMIT 200",
    );
    let mut found = Vec::new();
    for sql in [issues, drafts, races] {
        let some: Vec<Uuid> = on!(tx, c => sqlx::query_scalar(sql).bind(pattern.as_str()).fetch_all(c))?;
        found.extend(some);
    }
    Ok(found)
}

/// What finds these words, which are in lower case, anywhere in a text that `lower` was asked for. SQLite's folds ASCII alone,
/// and so does PostgreSQL's in some locales: any other letter is sought in both cases, by a GLOB there and a regular expression
/// here.
fn pattern(tx: &Tx, words: &str) -> String {
    match tx {
        Tx::Sqlite(_) => {
            format!("*{}*", words.chars().map(|letter| part(letter, &globbed)).collect::<String>())
        }
        Tx::Postgres(_) => words.chars().map(|letter| part(letter, &escaped)).collect(),
    }
}

fn part(letter: char, plain: &dyn Fn(char) -> String) -> String {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) if !letter.is_ascii() && upper != letter => format!("[{letter}{upper}]"),
        _ => plain(letter),
    }
}

fn globbed(letter: char) -> String {
    if ['*', '?', '['].contains(&letter) { format!("[{letter}]") } else { letter.to_string() }
}

fn escaped(letter: char) -> String {
    if letter.is_ascii_punctuation() { format!("\\{letter}") } else { letter.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_beyond_ascii_is_sought_in_both_cases_and_what_has_a_meaning_as_itself() {
        let of = |words: &str, plain: &dyn Fn(char) -> String| {
            words.chars().map(|it| part(it, plain)).collect::<String>()
        };
        assert_eq!(
            (of("müller", &globbed), of("müller", &escaped)),
            ("m[üÜ]ller".to_owned(), "m[üÜ]ller".to_owned())
        );
        assert_eq!(of("straße 1", &globbed), "straße 1", "ß is no one letter in capitals");
        assert_eq!(of("what? [a*b]", &globbed), "what[?] [[]a[*]b]");
        assert_eq!(of("a.b_(c)", &escaped), "a\\.b\\_\\(c\\)");
    }
}
