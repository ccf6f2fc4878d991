//! Subscribers with their subscriptions and consents.

use uuid::Uuid;

use super::{Result, Tx, on, touched, unfold};
use crate::domain::{subscription::Digest, time::Timestamp};

crate::domain::words! {
    pub enum State {
        Active = "active",
        Unsubscribed = "unsubscribed",
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Subscriber {
    pub id: i64,
    pub public_id: Uuid,
    pub address: String,
    pub address_key: String,
    pub address_hash: Vec<u8>,
    pub state: State,
    pub created_at: Timestamp,
    pub confirmed_at: Timestamp,
    pub unsubscribed_at: Option<Timestamp>,
}

pub struct NewSubscriber<'a> {
    pub public_id: Uuid,
    pub address: &'a str,
    pub address_key: &'a str,
    pub address_hash: &'a [u8],
    pub now: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Subscription {
    pub topic_id: i64,
    pub slug: String,
    pub alerts: bool,
    pub digest: Digest,
}

/// One reader's subscription to one topic, as the fan-out reads them: in the order of `subscriber_id`.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct ReaderRow {
    pub subscriber_id: i64,
    #[serde(deserialize_with = "super::claims::flag")]
    pub active: bool,
    #[serde(deserialize_with = "super::claims::flag")]
    pub suppressed: bool,
    pub topic_id: i64,
    #[serde(deserialize_with = "super::claims::flag")]
    pub alerts: bool,
    pub digest: Digest,
    pub digest_after: i64,
}

pub async fn by_key(tx: &mut Tx, address_key: &str) -> Result<Option<Subscriber>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, address, address_key, address_hash, state, created_at, confirmed_at, unsubscribed_at
         FROM subscribers WHERE address_key = $1",
    )
    .bind(address_key)
    .fetch_optional(c))
}

pub async fn by_public_id(tx: &mut Tx, public_id: Uuid) -> Result<Option<Subscriber>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, address, address_key, address_hash, state, created_at, confirmed_at, unsubscribed_at
         FROM subscribers WHERE public_id = $1",
    )
    .bind(public_id)
    .fetch_optional(c))
}

/// Makes the subscriber of this address, or makes the one there is active again; the address is mailed as typed last.
pub async fn activate(tx: &mut Tx, new: &NewSubscriber<'_>) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO subscribers (public_id, address, address_key, address_hash, state, created_at, confirmed_at)
         VALUES ($1, $2, $3, $4, 'active', $5, $5)
         ON CONFLICT (address_key) DO UPDATE
         SET state = 'active', address = excluded.address, confirmed_at = excluded.confirmed_at, unsubscribed_at = NULL
         RETURNING id",
    )
    .bind(new.public_id)
    .bind(new.address)
    .bind(new.address_key)
    .bind(new.address_hash)
    .bind(new.now)
    .fetch_one(c))
}

/// Ends everything; false when it had ended already.
pub async fn unsubscribe(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE subscribers SET state = 'unsubscribed', unsubscribed_at = $2 WHERE id = $1 AND state = 'active'")
            .bind(id)
            .bind(now)
    )?;
    Ok(rows == 1)
}

pub async fn subscriptions(tx: &mut Tx, subscriber_id: i64) -> Result<Vec<Subscription>> {
    on!(tx, c => sqlx::query_as(
        "SELECT u.topic_id, t.slug, u.alerts, u.digest FROM subscriptions u JOIN topics t ON t.id = u.topic_id
         WHERE u.subscriber_id = $1 ORDER BY u.topic_id",
    )
    .bind(subscriber_id)
    .fetch_all(c))
}

/// Sets one subscription. A reader who starts with digests starts at `last_post`; one who had them goes on.
pub async fn subscribe(
    tx: &mut Tx,
    subscriber_id: i64,
    topic_id: i64,
    alerts: bool,
    digest: Digest,
    last_post: i64,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO subscriptions (subscriber_id, topic_id, alerts, digest, digest_after) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (subscriber_id, topic_id) DO UPDATE
             SET alerts = excluded.alerts, digest = excluded.digest,
                 digest_after = CASE WHEN subscriptions.digest = 'none' THEN excluded.digest_after ELSE subscriptions.digest_after END",
        )
        .bind(subscriber_id)
        .bind(topic_id)
        .bind(alerts)
        .bind(digest)
        .bind(last_post)
    )
}

/// Removes the subscriptions to all topics but these.
pub async fn keep_only(tx: &mut Tx, subscriber_id: i64, topic_ids: &[i64]) -> Result<u64> {
    let sql = unfold!(
        tx,
        "DELETE FROM subscriptions WHERE subscriber_id = $1 AND topic_id NOT IN ",
        "$2" as BIGINT
    );
    touched!(tx, sqlx::query(sql).bind(subscriber_id).bind(super::key_set(topic_ids)))
}

/// Adds a consent record; `detail` is JSON.
pub async fn record_consent(
    tx: &mut Tx,
    subscriber_id: i64,
    action: &str,
    detail: &str,
    now: Timestamp,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "INSERT INTO consents (subscriber_id, action, detail, created_at) VALUES ($1, $2, $3, $4)"
        )
        .bind(subscriber_id)
        .bind(action)
        .bind(detail)
        .bind(now)
    )
}

/// (action, detail, when) of every consent, oldest first.
pub async fn consents(tx: &mut Tx, subscriber_id: i64) -> Result<Vec<(String, String, Timestamp)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT action, detail, created_at FROM consents WHERE subscriber_id = $1 ORDER BY id",
    )
    .bind(subscriber_id)
    .fetch_all(c))
}

/// The newest subscriber's key: the audience of an issue is fixed by it.
pub async fn last_id(tx: &mut Tx) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM subscribers").fetch_one(c))
}

/// The key that ends the window of `limit` subscribers behind `after`, up to `last`; none when there are no more.
pub async fn window(tx: &mut Tx, after: i64, last: i64, limit: i64) -> Result<Option<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT max(id) FROM (SELECT id FROM subscribers WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3) w",
    )
    .bind(after)
    .bind(last)
    .bind(limit)
    .fetch_one(c))
}

/// The key that ends the window of about `limit` readers of these topics behind `after`, up to `last`; none when there are
/// no more.
pub async fn window_on(
    tx: &mut Tx,
    topic_ids: &[i64],
    after: i64,
    last: i64,
    limit: i64,
) -> Result<Option<i64>> {
    let (mut full, mut rest) = (None, None);
    for topic_id in topic_ids {
        let (count, end): (i64, Option<i64>) = on!(tx, c => sqlx::query_as(
            "SELECT count(*), max(id) FROM (SELECT subscriber_id AS id FROM subscriptions
                                            WHERE topic_id = $1 AND subscriber_id > $2 AND subscriber_id <= $3
                                            ORDER BY subscriber_id LIMIT $4) w",
        )
        .bind(topic_id)
        .bind(after)
        .bind(last)
        .bind(limit)
        .fetch_one(c))?;
        // The topic with the most readers here ends the window; one with fewer has none behind it.
        if count == limit {
            full = full.min(end).or(end);
        }
        rest = rest.max(end);
    }
    Ok(full.or(rest))
}

/// The subscriptions to these topics of the readers with `after < id <= last`, in order; one JSON text, as the claims'.
pub async fn readers_on(tx: &mut Tx, topic_ids: &[i64], after: i64, last: i64) -> Result<Vec<ReaderRow>> {
    let sql = tx.fork(
        "SELECT json_group_array(json_array(u.subscriber_id, CASE WHEN s.state = 'active' THEN 1 ELSE 0 END,
                  CASE WHEN EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                  THEN 1 ELSE 0 END, u.topic_id, u.alerts, u.digest, u.digest_after))
         FROM json_each($3) t CROSS JOIN subscriptions u ON u.topic_id = t.value AND u.subscriber_id > $1 AND u.subscriber_id <= $2
         CROSS JOIN subscribers s ON s.id = u.subscriber_id",
        "SELECT json_agg(json_build_array(u.subscriber_id, CASE WHEN s.state = 'active' THEN 1 ELSE 0 END,
                  CASE WHEN EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                  THEN 1 ELSE 0 END, u.topic_id, CASE WHEN u.alerts THEN 1 ELSE 0 END, u.digest, u.digest_after))::TEXT
         FROM jsonb_array_elements_text($3::JSONB) t(value)
         JOIN subscriptions u ON u.topic_id = t.value::BIGINT AND u.subscriber_id > $1 AND u.subscriber_id <= $2
         JOIN subscribers s ON s.id = u.subscriber_id",
    );
    let rows: Option<String> = on!(tx, c => sqlx::query_scalar(sql)
        .persistent(false)
        .bind(after)
        .bind(last)
        .bind(super::key_set(topic_ids))
        .fetch_one(c))?;
    in_order(rows)
}

fn in_order(rows: Option<String>) -> Result<Vec<ReaderRow>> {
    let mut rows: Vec<ReaderRow> = super::claims::list(rows)?;
    rows.sort_unstable_by_key(|row| (row.subscriber_id, row.topic_id));
    Ok(rows)
}

/// The subscriptions of the readers with `after < id <= last`, in order; one JSON text, as the claims'.
pub async fn readers(tx: &mut Tx, after: i64, last: i64) -> Result<Vec<ReaderRow>> {
    let sql = tx.fork(
        "SELECT json_group_array(json_array(s.id, CASE WHEN s.state = 'active' THEN 1 ELSE 0 END,
                  CASE WHEN EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                  THEN 1 ELSE 0 END, u.topic_id, u.alerts, u.digest, u.digest_after))
         FROM subscribers s JOIN subscriptions u ON u.subscriber_id = s.id WHERE s.id > $1 AND s.id <= $2",
        "SELECT json_agg(json_build_array(s.id, CASE WHEN s.state = 'active' THEN 1 ELSE 0 END,
                  CASE WHEN EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                  THEN 1 ELSE 0 END, u.topic_id, CASE WHEN u.alerts THEN 1 ELSE 0 END, u.digest, u.digest_after))::TEXT
         FROM subscribers s JOIN subscriptions u ON u.subscriber_id = s.id WHERE s.id > $1 AND s.id <= $2",
    );
    let rows: Option<String> =
        on!(tx, c => sqlx::query_scalar(sql).persistent(false).bind(after).bind(last).fetch_one(c))?;
    in_order(rows)
}

/// How many `domain::decision::decide` would send an alert on these topics to now: the same rule for a million rows.
pub async fn count_audience(tx: &mut Tx, topic_ids: &[i64], critical: bool) -> Result<i64> {
    let sql = unfold!(
        tx,
        "SELECT count(*) FROM subscribers s WHERE s.state = 'active'
         AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
         AND EXISTS (SELECT 1 FROM subscriptions u WHERE u.subscriber_id = s.id AND (u.alerts OR $2)
                     AND u.topic_id IN ",
        "$1" as BIGINT,
        ")"
    );
    on!(tx, c => sqlx::query_scalar(sql).bind(super::key_set(topic_ids)).bind(critical).fetch_one(c))
}

/// How many `domain::decision::decide` would send a newsletter on these topics to now.
pub async fn count_newsletter_audience(tx: &mut Tx, topic_ids: &[i64]) -> Result<i64> {
    let sql = unfold!(
        tx,
        "SELECT count(*) FROM subscribers s WHERE s.state = 'active'
         AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
         AND EXISTS (SELECT 1 FROM subscriptions u WHERE u.subscriber_id = s.id AND (u.alerts OR u.digest <> 'none')
                     AND u.topic_id IN ",
        "$1" as BIGINT,
        ")"
    );
    on!(tx, c => sqlx::query_scalar(sql).bind(super::key_set(topic_ids)).fetch_one(c))
}

/// The readers in the window have their digest of this cadence up to `last_post`. (The empty text keeps SQLite from going
/// through all readers of the cadence: it goes by the window.)
pub async fn advance_digests(
    tx: &mut Tx,
    digest: Digest,
    after: i64,
    last: i64,
    last_post: i64,
) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE subscriptions SET digest_after = $4
             WHERE digest || '' = $1 AND subscriber_id > $2 AND subscriber_id <= $3 AND digest_after < $4",
        )
        .bind(digest)
        .bind(after)
        .bind(last)
        .bind(last_post)
    )
}

/// A reader as an export shows them: a row for each alerts and digest that some of the topics share.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Exported {
    pub id: i64,
    pub address: String,
    /// `active`, `unsubscribed` or `suppressed`.
    pub state: String,
    /// Slugs, parted by `|`; none where the reader has no topic.
    pub topics: Option<String>,
    pub alerts: Option<bool>,
    pub digest: Option<Digest>,
    pub confirmed_at: Timestamp,
}

/// The readers with `after < id <= last`, in order.
pub async fn export(tx: &mut Tx, after: i64, last: i64) -> Result<Vec<Exported>> {
    on!(tx, c => sqlx::query_as(
        "SELECT s.id, s.address, s.confirmed_at, u.alerts, u.digest, string_agg(t.slug, '|' ORDER BY t.slug) AS topics,
                CASE WHEN s.state = 'active'
                          AND EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                     THEN 'suppressed' ELSE s.state END AS state
         FROM subscribers s LEFT JOIN subscriptions u ON u.subscriber_id = s.id LEFT JOIN topics t ON t.id = u.topic_id
         WHERE s.id > $1 AND s.id <= $2 GROUP BY s.id, u.alerts, u.digest ORDER BY s.id, u.alerts, u.digest",
    )
    .bind(after)
    .bind(last)
    .fetch_all(c))
}

/// Those who left after `since`: a sender that holds a claim of theirs drops it.
pub async fn left_since(tx: &mut Tx, since: Timestamp) -> Result<Vec<i64>> {
    on!(tx, c => sqlx::query_scalar("SELECT id FROM subscribers WHERE unsubscribed_at > $1").bind(since).fetch_all(c))
}

/// The name of PostgreSQL's advisory lock between who writes deliveries and who erases their readers. A foreign key would
/// do the same for a third of what a delivery costs there.
const ERASURE: i64 = 5_321;

/// Until the end of this transaction nobody is erased; waits for an erasure that is under way. On SQLite there is one
/// writer.
pub(super) async fn keep_from_erasure(tx: &mut Tx) -> Result<()> {
    let sql = tx.fork("SELECT NULL WHERE $1 IS NULL", "SELECT pg_advisory_xact_lock_shared($1)::TEXT");
    on!(tx, c => sqlx::query_scalar(sql).bind(ERASURE).fetch_optional(c)).map(|_: Option<Option<String>>| ())
}

/// Until the end of this transaction no deliveries are written to readers; waits for those that are under way. The first
/// thing that an erasure does.
pub async fn begin_erasure(tx: &mut Tx) -> Result<()> {
    let sql = tx.fork("SELECT NULL WHERE $1 IS NULL", "SELECT pg_advisory_xact_lock($1)::TEXT");
    on!(tx, c => sqlx::query_scalar(sql).bind(ERASURE).fetch_optional(c)).map(|_: Option<Option<String>>| ())
}

/// Removes the person, after [`begin_erasure`]; their consents lose the link and their text, their deliveries go.
pub async fn erase(tx: &mut Tx, id: i64) -> Result<u64> {
    super::deliveries::delete_for(tx, id).await?;
    touched!(tx, sqlx::query("UPDATE consents SET detail = '{}' WHERE subscriber_id = $1").bind(id))?;
    touched!(tx, sqlx::query("DELETE FROM subscribers WHERE id = $1").bind(id))
}

/// One row of an import, as JSON carries it to the database.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Imported {
    pub public_id: Uuid,
    pub address: String,
    pub address_key: String,
    /// Hexadecimal.
    pub address_hash: String,
    pub topics: Vec<i64>,
    pub alerts: bool,
    pub digest: Digest,
    /// Microseconds.
    pub confirmed_at: i64,
    /// JSON, for the consent record.
    pub detail: String,
}

/// Adds the rows whose address is neither known nor suppressed, with a consent record, and gives new and active readers
/// the topics they lack. Returns how many were new, and how many were active readers before.
pub async fn import(tx: &mut Tx, rows: &[Imported], last_post: i64, now: Timestamp) -> Result<(u64, u64)> {
    let rows = serde_json::json!(rows).to_string();
    let sql = tx.fork(
        "SELECT count(*) FROM json_each($1) v JOIN subscribers s ON s.address_key = v.value ->> 'address_key' WHERE s.state = 'active'",
        "SELECT count(*) FROM jsonb_to_recordset($1::JSONB) AS v(address_key TEXT)
         JOIN subscribers s ON s.address_key = v.address_key WHERE s.state = 'active'",
    );
    let known: i64 = on!(tx, c => sqlx::query_scalar(sql).bind(&rows).fetch_one(c))?;
    let sql = tx.fork(
        "INSERT INTO subscribers (public_id, address, address_key, address_hash, state, created_at, confirmed_at)
         SELECT unhex(v.value ->> 'public_id', '-'), v.value ->> 'address', v.value ->> 'address_key',
                unhex(v.value ->> 'address_hash'), 'active', $2, v.value ->> 'confirmed_at'
         FROM json_each($1) v
         WHERE NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = unhex(v.value ->> 'address_hash') AND x.kind <> 'refused')
         ON CONFLICT (address_key) DO NOTHING",
        "INSERT INTO subscribers (public_id, address, address_key, address_hash, state, created_at, confirmed_at)
         SELECT v.public_id, v.address, v.address_key, decode(v.address_hash, 'hex'), 'active', $2, v.confirmed_at
         FROM jsonb_to_recordset($1::JSONB)
              AS v(public_id UUID, address TEXT, address_key TEXT, address_hash TEXT, confirmed_at BIGINT)
         WHERE NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = decode(v.address_hash, 'hex') AND x.kind <> 'refused')
         ON CONFLICT (address_key) DO NOTHING",
    );
    let added = touched!(tx, sqlx::query(sql).bind(&rows).bind(now))?;
    let sql = tx.fork(
        "INSERT INTO subscriptions (subscriber_id, topic_id, alerts, digest, digest_after)
         SELECT s.id, t.value, v.value ->> 'alerts', v.value ->> 'digest', $2
         FROM json_each($1) v JOIN json_each(v.value, '$.topics') t
         JOIN subscribers s ON s.address_key = v.value ->> 'address_key' WHERE s.state = 'active'
         ON CONFLICT (subscriber_id, topic_id) DO NOTHING",
        "INSERT INTO subscriptions (subscriber_id, topic_id, alerts, digest, digest_after)
         SELECT s.id, t.value::BIGINT, v.alerts, v.digest, $2
         FROM jsonb_to_recordset($1::JSONB) AS v(address_key TEXT, alerts BOOLEAN, digest TEXT, topics JSONB)
         CROSS JOIN jsonb_array_elements_text(v.topics) t(value)
         JOIN subscribers s ON s.address_key = v.address_key WHERE s.state = 'active'
         ON CONFLICT (subscriber_id, topic_id) DO NOTHING",
    );
    touched!(tx, sqlx::query(sql).bind(&rows).bind(last_post))?;
    let sql = tx.fork(
        "INSERT INTO consents (subscriber_id, action, detail, created_at)
         SELECT s.id, 'imported', v.value ->> 'detail', $2
         FROM json_each($1) v JOIN subscribers s ON s.public_id = unhex(v.value ->> 'public_id', '-')",
        "INSERT INTO consents (subscriber_id, action, detail, created_at)
         SELECT s.id, 'imported', v.detail, $2
         FROM jsonb_to_recordset($1::JSONB) AS v(public_id UUID, detail TEXT) JOIN subscribers s ON s.public_id = v.public_id",
    );
    touched!(tx, sqlx::query(sql).bind(&rows).bind(now))?;
    Ok((added, u64::try_from(known).unwrap_or(0)))
}
