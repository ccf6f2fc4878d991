//! Issues with their topics, fragments and variants.

use uuid::Uuid;

use super::{Result, Tx, missed::TooLate, on, touched, unfold};
use crate::domain::{
    issue::{Kind, Level, State},
    subscription::Digest,
    time::Timestamp,
};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Issue {
    pub id: i64,
    pub public_id: Uuid,
    pub kind: Kind,
    pub state: State,
    pub subject: String,
    pub level: Level,
    pub digest: Digest,
    pub priority: i64,
    pub post_id: Option<i64>,
    pub content: String,
    pub next_subscriber: i64,
    pub last_subscriber: i64,
    pub last_post: i64,
    pub audience: i64,
    pub totals: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// How many readers it goes to, where somebody counted.
    pub expected: Option<i64>,
    /// When its hold ends, or ended; none where it had none.
    pub held_until: Option<Timestamp>,
}

impl Issue {
    /// It was stopped in its hold, so nobody got it. (When a hold is over, the issue is as young as that.)
    pub fn was_undone(&self) -> bool {
        self.state == State::Cancelled && self.held_until.is_some_and(|until| self.created_at < until)
    }
}

pub struct NewIssue<'a> {
    pub public_id: Uuid,
    pub kind: Kind,
    pub state: State,
    pub subject: &'a str,
    pub level: Level,
    pub digest: Digest,
    pub post_id: Option<i64>,
    pub signup_id: Option<i64>,
    pub content: &'a str,
    pub return_path: String,
    pub link_key: String,
    /// What signs its mails, as `mail::sign` writes it.
    pub signing: &'a str,
    pub last_subscriber: i64,
    pub last_post: i64,
    pub created_by: &'a str,
    pub now: Timestamp,
    pub expires_at: Option<Timestamp>,
}

pub async fn insert(tx: &mut Tx, issue: &NewIssue<'_>) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO issues (public_id, kind, state, subject, level, digest, priority, post_id, signup_id, content,
                             return_path, link_key, next_subscriber, last_subscriber, last_post, audience, created_by,
                             created_at, expires_at, signing)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, $13, $14, 0, $15, $16, $17, $18) RETURNING id",
    )
    .bind(issue.public_id)
    .bind(issue.kind)
    .bind(issue.state)
    .bind(issue.subject)
    .bind(issue.level)
    .bind(issue.digest)
    .bind(crate::domain::issue::priority(issue.kind, issue.level))
    .bind(issue.post_id)
    .bind(issue.signup_id)
    .bind(issue.content)
    .bind(issue.return_path.as_str())
    .bind(issue.link_key.as_str())
    .bind(issue.last_subscriber)
    .bind(issue.last_post)
    .bind(issue.created_by)
    .bind(issue.now)
    .bind(issue.expires_at)
    .bind(issue.signing)
    .fetch_one(c))
}

/// What the count of an issue's readers goes by, and what it gave at the call that published it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Expected {
    pub public_id: Uuid,
    pub level: Level,
    pub expected: Option<i64>,
}

pub async fn expected(tx: &mut Tx, id: i64) -> Result<Expected> {
    on!(tx, c => sqlx::query_as("SELECT public_id, level, expected FROM issues WHERE id = $1").bind(id).fetch_one(c))
}

/// Writes down how many readers an issue goes to, unless somebody did before. Returns what stands there.
pub async fn expect(tx: &mut Tx, id: i64, audience: i64) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "UPDATE issues SET expected = coalesce(expected, $2) WHERE id = $1 RETURNING expected",
    )
    .bind(id)
    .bind(audience)
    .fetch_one(c))
}

pub async fn add_topic(tx: &mut Tx, issue_id: i64, topic_id: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("INSERT INTO issue_topics (issue_id, topic_id) VALUES ($1, $2)")
            .bind(issue_id)
            .bind(topic_id)
    )
}

pub async fn topic_ids(tx: &mut Tx, issue_id: i64) -> Result<Vec<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT topic_id FROM issue_topics WHERE issue_id = $1 ORDER BY topic_id",
    )
    .bind(issue_id)
    .fetch_all(c))
}

pub async fn add_fragment(tx: &mut Tx, issue_id: i64, name: &str, text: &str, html: &str) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO fragments (issue_id, name, text, html) VALUES ($1, $2, $3, $4) RETURNING id",
    )
    .bind(issue_id)
    .bind(name)
    .bind(text)
    .bind(html)
    .fetch_one(c))
}

/// (id, name) of an issue's fragments, in the order they were added.
pub async fn fragment_names(tx: &mut Tx, issue_id: i64) -> Result<Vec<(i64, String)>> {
    on!(tx, c => sqlx::query_as("SELECT id, name FROM fragments WHERE issue_id = $1 ORDER BY id").bind(issue_id).fetch_all(c))
}

/// Stores a mail that is the same for everybody: its (name, text, html) fragments and the one variant of them.
pub async fn add_mail<'a>(
    tx: &mut Tx,
    issue_id: i64,
    head: &str,
    fragments: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
) -> Result<i64> {
    let mut ids = Vec::new();
    for (name, text, html) in fragments {
        ids.push(add_fragment(tx, issue_id, name, text, html).await?);
    }
    let test = is_test(tx, issue_id).await?;
    variant(tx, issue_id, head, &ids, test).await
}

/// Whether one of an issue's topics is a test, or what it corrects was one.
pub async fn is_test(tx: &mut Tx, issue_id: i64) -> Result<bool> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM issue_topics w JOIN topics t ON t.id = w.topic_id WHERE w.issue_id = $1 AND t.test)
             OR EXISTS (SELECT 1 FROM variants v WHERE v.issue_id = $1 AND v.test)
             OR EXISTS (SELECT 1 FROM issues i JOIN variants v ON v.issue_id = i.corrects WHERE i.id = $1 AND v.test)",
    )
    .bind(issue_id)
    .fetch_one(c))
}

/// The variant with this list of fragments, made when it is new. One that is a `test` goes to test addresses alone.
pub async fn variant(
    tx: &mut Tx,
    issue_id: i64,
    head: &str,
    fragment_ids: &[i64],
    test: bool,
) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO variants (issue_id, head, fragments, test) VALUES ($1, $2, $3, $4)
         ON CONFLICT (issue_id, fragments) DO UPDATE SET head = variants.head RETURNING id",
    )
    .bind(issue_id)
    .bind(head)
    .bind(super::key_set(fragment_ids))
    .bind(test)
    .fetch_one(c))
}

/// Whether the mail of a variant may go to test addresses alone: it was written for a topic that was a test, or is one now.
pub async fn goes_to_tests_alone(tx: &mut Tx, variant_id: i64) -> Result<bool> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT v.test OR EXISTS (
            SELECT 1 FROM issue_topics w JOIN topics t ON t.id = w.topic_id WHERE w.issue_id = v.issue_id AND t.test)
         FROM variants v WHERE v.id = $1",
    )
    .bind(variant_id)
    .fetch_one(c))
}

/// The mail of a variant as it is stored: its head, and the (text, html) of its fragments in their order.
pub async fn stored_mail(tx: &mut Tx, variant_id: i64) -> Result<(String, Vec<(String, String)>)> {
    let (head, ids): (String, String) = on!(tx, c => sqlx::query_as("SELECT head, fragments FROM variants WHERE id = $1")
        .bind(variant_id)
        .fetch_one(c))?;
    let ids: Vec<i64> = serde_json::from_str(&ids).map_err(|error| super::Error::Decode(error.into()))?;
    let mut pieces = fragments(tx, &ids).await?;
    pieces.sort_by_key(|(id, ..)| ids.iter().position(|wanted| wanted == id));
    Ok((head, pieces.into_iter().map(|(_, text, html)| (text, html)).collect()))
}

/// An issue's first variant; an alert has no other.
pub async fn only_variant(tx: &mut Tx, issue_id: i64) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar("SELECT min(id) FROM variants WHERE issue_id = $1").bind(issue_id).fetch_one(c))
}

/// The variant with the most fragments, if the stored mail is still there.
pub async fn largest_variant(tx: &mut Tx, issue_id: i64) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT id FROM variants WHERE issue_id = $1 ORDER BY length(fragments) DESC, id LIMIT 1",
    )
    .bind(issue_id)
    .fetch_optional(c))
}

/// (id, text, html) of some fragments.
async fn fragments(tx: &mut Tx, ids: &[i64]) -> Result<Vec<(i64, String, String)>> {
    let sql = unfold!(tx, "SELECT id, text, html FROM fragments WHERE id IN ", "$1" as BIGINT);
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(ids)).fetch_all(c))
}

pub async fn by_public_id(tx: &mut Tx, public_id: Uuid) -> Result<Option<Issue>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, kind, state, subject, level, digest, priority, post_id, content, next_subscriber,
                last_subscriber, last_post, audience, totals, created_at, expires_at, paused_at, expected, held_until
         FROM issues WHERE public_id = $1",
    )
    .bind(public_id)
    .fetch_optional(c))
}

/// Keeps others who want the same from an issue until this transaction ends; on SQLite any writer does.
pub async fn lock(tx: &mut Tx, id: i64) -> Result<i64> {
    let sql = tx
        .fork("SELECT id FROM issues WHERE id = $1", "SELECT id FROM issues WHERE id = $1 FOR NO KEY UPDATE");
    on!(tx, c => sqlx::query_scalar(sql).bind(id).fetch_one(c))
}

/// The two newest issues to 500 readers or more, among the last hundred, that are written and were not stopped.
pub async fn last_large(tx: &mut Tx) -> Result<Vec<Issue>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, kind, state, subject, level, digest, priority, post_id, content, next_subscriber,
                last_subscriber, last_post, audience, totals, created_at, expires_at, paused_at, expected, held_until
         FROM (SELECT * FROM issues WHERE kind <> 'notice' ORDER BY id DESC LIMIT 100) w
         WHERE state IN ('sending', 'sent') AND audience >= 500 AND totals IS NULL ORDER BY id DESC LIMIT 2",
    )
    .fetch_all(c))
}

/// A page of the issues but notices, the newest first: those older than `before`, of one state or of all.
pub async fn page(tx: &mut Tx, state: Option<State>, before: i64, limit: i64) -> Result<Vec<Issue>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, kind, state, subject, level, digest, priority, post_id, content, next_subscriber,
                last_subscriber, last_post, audience, totals, created_at, expires_at, paused_at, expected, held_until
         FROM issues WHERE kind <> 'notice' AND id < $1 AND state = coalesce($2, state) ORDER BY id DESC LIMIT $3",
    )
    .bind(before)
    .bind(state)
    .bind(limit)
    .fetch_all(c))
}

/// What a digest tells of these alerts.
pub async fn carried(tx: &mut Tx, ids: &[i64]) -> Result<Vec<TooLate>> {
    let sql = unfold!(
        tx,
        "SELECT id AS issue_id, post_id, content, created_at FROM issues WHERE id IN ",
        "$1" as BIGINT
    );
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(ids)).fetch_all(c))
}

/// The issue whose fan-out is most pressing behind another (its priority and key), but for those that are paused or whose window
/// another node is writing.
pub async fn next_to_fan_out(tx: &mut Tx, (priority, id): (i64, i64)) -> Result<Option<Issue>> {
    let sql = tx.fork(
        "SELECT id, public_id, kind, state, subject, level, digest, priority, post_id, content, next_subscriber,
                last_subscriber, last_post, audience, totals, created_at, expires_at, paused_at, expected, held_until
         FROM issues WHERE state = 'publishing' AND paused_at IS NULL AND (priority, id) > ($1, $2) ORDER BY priority, id LIMIT 1",
        "SELECT id, public_id, kind, state, subject, level, digest, priority, post_id, content, next_subscriber,
                last_subscriber, last_post, audience, totals, created_at, expires_at, paused_at, expected, held_until
         FROM issues WHERE state = 'publishing' AND paused_at IS NULL AND (priority, id) > ($1, $2) ORDER BY priority, id LIMIT 1 FOR UPDATE SKIP LOCKED",
    );
    on!(tx, c => sqlx::query_as(sql).bind(priority).bind(id).fetch_optional(c))
}

/// The most pressing priority of the issues published since `since` whose readers are still being written, and that aren't
/// paused.
pub async fn most_pressing_fan_out(tx: &mut Tx, since: Timestamp) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT min(priority) FROM issues
         WHERE state = 'publishing' AND paused_at IS NULL AND created_at > $1 AND next_subscriber < last_subscriber",
    )
    .bind(since)
    .fetch_one(c))
}

/// Moves the fan-out's cursor; false when somebody else moved it, or the issue was cancelled or paused, meanwhile.
pub async fn advance(tx: &mut Tx, id: i64, from: i64, to: i64, added: i64) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE issues SET next_subscriber = $3, audience = audience + $4
             WHERE id = $1 AND next_subscriber = $2 AND state = 'publishing' AND paused_at IS NULL",
        )
        .bind(id)
        .bind(from)
        .bind(to)
        .bind(added)
    )?;
    Ok(rows == 1)
}

/// The fan-out is through.
pub async fn fanned_out(tx: &mut Tx, id: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE issues SET state = 'sending' WHERE id = $1 AND state = 'publishing'").bind(id)
    )
}

/// Ends the issues that nothing is on its way of any more.
pub async fn end_finished(tx: &mut Tx, now: Timestamp) -> Result<Vec<Uuid>> {
    on!(tx, c => sqlx::query_scalar(
        "UPDATE issues SET state = 'sent', ended_at = $1, paused_at = NULL, resuming = FALSE WHERE state = 'sending'
         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.issue_id = issues.id AND d.state IN ('queued', 'sending', 'deferred'))
         RETURNING public_id",
    )
    .bind(now)
    .fetch_all(c))
}

/// An issue that had ended goes on: some of its mail is tried again. False where it was cancelled, reduced, or goes on.
pub async fn reopen(tx: &mut Tx, id: i64) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE issues SET state = 'sending', ended_at = NULL
             WHERE id = $1 AND state = 'sent' AND totals IS NULL AND reduced_at IS NULL",
        )
        .bind(id)
    )?;
    Ok(rows == 1)
}

/// (id, who made it, when it ended) of some issues.
pub async fn made_by(tx: &mut Tx, ids: &[i64]) -> Result<Vec<(i64, String, Option<Timestamp>)>> {
    let sql = unfold!(tx, "SELECT id, created_by, ended_at FROM issues WHERE id IN ", "$1" as BIGINT);
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(ids)).fetch_all(c))
}

/// Stops an issue; false when it had ended before.
pub async fn cancel(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE issues SET state = 'cancelled', ended_at = $2, paused_at = NULL, resuming = FALSE
             WHERE id = $1 AND state IN ('publishing', 'sending')"
        )
        .bind(id)
        .bind(now)
    )?;
    Ok(rows == 1)
}

/// When it ended; none while it hasn't.
pub async fn ended_at(tx: &mut Tx, id: i64) -> Result<Option<Timestamp>> {
    on!(tx, c => sqlx::query_scalar("SELECT ended_at FROM issues WHERE id = $1").bind(id).fetch_one(c))
}

/// Those cancelled after `since`: a sender that holds a claim of theirs drops it.
pub async fn cancelled_since(tx: &mut Tx, since: Timestamp) -> Result<Vec<Uuid>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT public_id FROM issues WHERE state = 'cancelled' AND totals IS NULL AND ended_at > $1",
    )
    .bind(since)
    .fetch_all(c))
}

/// A cancelled issue of which mail still waits.
pub async fn cancelled_and_waiting(tx: &mut Tx) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT id FROM issues WHERE state = 'cancelled' AND totals IS NULL
         AND EXISTS (SELECT 1 FROM deliveries d WHERE d.issue_id = issues.id AND d.state IN ('queued', 'deferred'))
         ORDER BY ended_at LIMIT 1",
    )
    .fetch_optional(c))
}

/// An ended issue that is older than `before` and still has its deliveries, or some of them, with its totals if they
/// were written down.
pub async fn to_reduce(tx: &mut Tx, before: Timestamp) -> Result<Option<(i64, Option<String>)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, totals FROM issues WHERE reduced_at IS NULL AND ended_at < $1 ORDER BY ended_at, id LIMIT 1",
    )
    .bind(before)
    .fetch_optional(c))
}

/// Writes down an issue's totals (JSON); false when another node was first.
pub async fn total(tx: &mut Tx, id: i64, totals: &str) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE issues SET totals = $2 WHERE id = $1 AND totals IS NULL").bind(id).bind(totals)
    )?;
    Ok(rows == 1)
}

/// Lets the stored mail go of an issue whose last delivery went; false when it has some yet, or was reduced before.
pub async fn reduce(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE issues SET reduced_at = $2 WHERE id = $1 AND reduced_at IS NULL
             AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.issue_id = issues.id)",
        )
        .bind(id)
        .bind(now)
    )?;
    if rows == 1 {
        touched!(tx, sqlx::query("DELETE FROM variants WHERE issue_id = $1").bind(id))?;
        touched!(tx, sqlx::query("DELETE FROM fragments WHERE issue_id = $1").bind(id))?;
    }
    Ok(rows == 1)
}
