//! Posts, the keys they are known under, and their topics.

use uuid::Uuid;

use super::{Result, Tx, on, touched, unfold};
use crate::domain::{subscription::Digest, time::Timestamp};

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Post {
    pub id: i64,
    pub public_id: Uuid,
    pub url: Option<String>,
    pub title: String,
    pub summary: String,
    /// Sanitized.
    pub html: String,
    pub author: Option<String>,
    pub image: Option<String>,
    pub published_at: Timestamp,
    pub first_seen_at: Timestamp,
    pub revision: i64,
    pub silent: bool,
    pub alerted_at: Option<Timestamp>,
}

/// What a post says, new or revised.
pub struct Content<'a> {
    pub url: Option<&'a str>,
    pub title: &'a str,
    pub summary: &'a str,
    pub html: &'a str,
    pub author: Option<&'a str>,
    pub image: Option<&'a str>,
    pub categories: &'a [String],
    pub tags: &'a [String],
    pub published_at: Timestamp,
}

/// Holds back other inserts of posts until this transaction ends, so that a key handed out earlier can't be committed
/// later. On SQLite the only writer holds them back already.
pub async fn lock(tx: &mut Tx) -> Result<()> {
    if let Tx::Postgres(t) = tx {
        sqlx::query("LOCK TABLE posts IN SHARE ROW EXCLUSIVE MODE").execute(&mut **t).await?;
    }
    Ok(())
}

/// The post known under one of these (scope, key) pairs, the first pair first.
pub async fn find(tx: &mut Tx, keys: &[(String, String)]) -> Result<Option<Post>> {
    for (scope, key) in keys {
        let found: Option<Post> = on!(tx, c => sqlx::query_as(
            "SELECT p.id, p.public_id, p.url, p.title, p.summary, p.html, p.author, p.image, p.published_at,
                    p.first_seen_at, p.revision, p.silent, p.alerted_at
             FROM post_keys k JOIN posts p ON p.id = k.post_id WHERE k.scope = $1 AND k.key = $2",
        )
        .bind(scope)
        .bind(key)
        .fetch_optional(c))?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

pub async fn by_public_id(tx: &mut Tx, public_id: Uuid) -> Result<Option<Post>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, url, title, summary, html, author, image, published_at, first_seen_at, revision, silent, alerted_at
         FROM posts WHERE public_id = $1",
    )
    .bind(public_id)
    .fetch_optional(c))
}

pub async fn insert(
    tx: &mut Tx,
    public_id: Uuid,
    content: &Content<'_>,
    silent: bool,
    now: Timestamp,
) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO posts (public_id, url, title, summary, html, author, image, categories, tags, published_at,
                            first_seen_at, revision, silent, alert_due)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, FALSE) RETURNING id",
    )
    .bind(public_id)
    .bind(content.url)
    .bind(content.title)
    .bind(content.summary)
    .bind(content.html)
    .bind(content.author)
    .bind(content.image)
    .bind(super::word_list(content.categories))
    .bind(super::word_list(content.tags))
    .bind(content.published_at)
    .bind(now)
    .bind(silent)
    .fetch_one(c))
}

/// A new text for a known post; when it was first seen, and whether it was alerted, stays.
pub async fn revise(tx: &mut Tx, id: i64, content: &Content<'_>) -> Result<u64> {
    touched!(
        tx,
        sqlx::query(
            "UPDATE posts SET url = $2, title = $3, summary = $4, html = $5, author = $6, image = $7, categories = $8,
                    tags = $9, published_at = $10, revision = revision + 1
             WHERE id = $1",
        )
        .bind(id)
        .bind(content.url)
        .bind(content.title)
        .bind(content.summary)
        .bind(content.html)
        .bind(content.author)
        .bind(content.image)
        .bind(super::word_list(content.categories))
        .bind(super::word_list(content.tags))
        .bind(content.published_at)
    )
}

/// A post keeps every key it was ever seen under; a key that another post has stays with that one.
pub async fn add_key(tx: &mut Tx, post_id: i64, scope: &str, key: &str) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("INSERT INTO post_keys (scope, key, post_id) VALUES ($1, $2, $3) ON CONFLICT (scope, key) DO NOTHING")
            .bind(scope)
            .bind(key)
            .bind(post_id)
    )
}

pub async fn add_topic(tx: &mut Tx, post_id: i64, topic_id: i64) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("INSERT INTO post_topics (post_id, topic_id, alert) VALUES ($1, $2, FALSE) ON CONFLICT (post_id, topic_id) DO NOTHING")
            .bind(post_id)
            .bind(topic_id)
    )
}

/// Whether this call was the first to alert readers to the post.
/// The name of a post.
pub async fn public_id(tx: &mut Tx, id: i64) -> Result<Option<Uuid>> {
    on!(tx, c => sqlx::query_scalar("SELECT public_id FROM posts WHERE id = $1").bind(id).fetch_optional(c))
}

/// Whether it was alerted before.
pub async fn is_alerted(tx: &mut Tx, id: i64) -> Result<bool> {
    let at: Option<Option<Timestamp>> = on!(tx, c => sqlx::query_scalar("SELECT alerted_at FROM posts WHERE id = $1").bind(id).fetch_optional(c))?;
    Ok(at.flatten().is_some())
}

/// The newest posts, for who wants to alert one.
pub async fn newest(tx: &mut Tx, limit: i64) -> Result<Vec<(Uuid, String, Timestamp, Option<Timestamp>)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT public_id, title, published_at, alerted_at FROM posts WHERE id > 0 ORDER BY id DESC LIMIT $1",
    )
    .bind(limit)
    .fetch_all(c))
}

/// A post in a list.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Listed {
    pub id: i64,
    pub public_id: Uuid,
    pub title: String,
    pub url: Option<String>,
    pub published_at: Timestamp,
    pub first_seen_at: Timestamp,
    pub revision: i64,
    pub alerted_at: Option<Timestamp>,
}

/// At most `limit` posts before the one of that id, the newest first.
pub async fn page(tx: &mut Tx, before: i64, limit: i64) -> Result<Vec<Listed>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, title, url, published_at, first_seen_at, revision, alerted_at FROM posts
         WHERE id > 0 AND id < $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(c))
}

pub async fn mark_alerted(tx: &mut Tx, id: i64, now: Timestamp) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE posts SET alerted_at = $2 WHERE id = $1 AND alerted_at IS NULL")
            .bind(id)
            .bind(now)
    )?;
    Ok(rows == 1)
}

/// The newest post's key: a digest holds what is up to it.
pub async fn last_id(tx: &mut Tx) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM posts").fetch_one(c))
}

/// The posts up to `last` that some active reader of this cadence has not had, with when they were published. The lowest
/// watermark of each topic is where its posts begin; a feed's baseline is left out.
pub async fn for_digest(tx: &mut Tx, digest: Digest, last: i64) -> Result<Vec<(i64, Timestamp)>> {
    on!(tx, c => sqlx::query_as(
        "WITH w AS MATERIALIZED (
            SELECT t.id AS topic_id, (
                SELECT u.digest_after FROM subscriptions u JOIN subscribers s ON s.id = u.subscriber_id
                WHERE u.digest = $1 AND u.topic_id = t.id AND s.state = 'active'
                AND NOT EXISTS (SELECT 1 FROM suppressions x WHERE x.address_hash = s.address_hash AND x.kind <> 'refused')
                ORDER BY u.digest_after LIMIT 1) AS digest_after
            FROM topics t)
         SELECT p.id, p.published_at FROM posts p WHERE NOT p.silent AND p.id IN (
            SELECT k.post_id FROM w CROSS JOIN post_topics k
            WHERE k.topic_id = w.topic_id AND k.post_id > w.digest_after AND k.post_id <= $2)",
    )
    .bind(digest)
    .bind(last)
    .fetch_all(c))
}

pub async fn by_ids(tx: &mut Tx, ids: &[i64]) -> Result<Vec<Post>> {
    let sql = unfold!(
        tx,
        "SELECT id, public_id, url, title, summary, html, author, image, published_at, first_seen_at, revision, silent, alerted_at
         FROM posts WHERE id IN ",
        "$1" as BIGINT
    );
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(ids)).fetch_all(c))
}

/// (id, title) of some posts.
pub async fn titles(tx: &mut Tx, ids: &[i64]) -> Result<Vec<(i64, String)>> {
    let sql = unfold!(tx, "SELECT id, title FROM posts WHERE id IN ", "$1" as BIGINT);
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(ids)).fetch_all(c))
}

/// (post, topic) of some posts.
pub async fn topics_of(tx: &mut Tx, ids: &[i64]) -> Result<Vec<(i64, i64)>> {
    let sql = unfold!(tx, "SELECT post_id, topic_id FROM post_topics WHERE post_id IN ", "$1" as BIGINT);
    on!(tx, c => sqlx::query_as(sql).bind(super::key_set(ids)).fetch_all(c))
}

/// The posts that wait for their alert, the oldest first.
pub async fn to_alert(tx: &mut Tx, limit: i64) -> Result<Vec<Post>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, public_id, url, title, summary, html, author, image, published_at, first_seen_at, revision, silent, alerted_at
         FROM posts WHERE alert_due AND alerted_at IS NULL ORDER BY id LIMIT $1",
    )
    .bind(limit)
    .fetch_all(c))
}

/// An alert of this post is to be published, to the readers of this topic of its.
pub async fn want_alert(tx: &mut Tx, id: i64, topic_id: i64, now: Timestamp) -> Result<u64> {
    touched!(
        tx,
        sqlx::query("UPDATE post_topics SET alert = TRUE WHERE post_id = $1 AND topic_id = $2")
            .bind(id)
            .bind(topic_id)
    )?;
    touched!(
        tx,
        sqlx::query("UPDATE posts SET alert_due = TRUE, wanted_at = coalesce(wanted_at, $2) WHERE id = $1")
            .bind(id)
            .bind(now)
    )
}

/// Its alert will not be published.
pub async fn give_up_alert(tx: &mut Tx, id: i64) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE posts SET alert_due = FALSE WHERE id = $1").bind(id))
}

/// The topics that the post is on, without retired ones.
pub async fn topics(tx: &mut Tx, post_id: i64) -> Result<Vec<String>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT t.slug FROM post_topics p JOIN topics t ON t.id = p.topic_id WHERE p.post_id = $1 AND NOT t.retired ORDER BY t.id",
    )
    .bind(post_id)
    .fetch_all(c))
}

/// The topics that want the post's alert, without retired ones.
pub async fn alert_topics(tx: &mut Tx, post_id: i64) -> Result<Vec<String>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT t.slug FROM post_topics p JOIN topics t ON t.id = p.topic_id
         WHERE p.post_id = $1 AND p.alert AND NOT t.retired ORDER BY t.id",
    )
    .bind(post_id)
    .fetch_all(c))
}

/// (name, title, first seen) of those among the newest `among` posts whose alert was given up, the newest first.
pub async fn given_up(tx: &mut Tx, among: i64) -> Result<Vec<(Uuid, String, Timestamp)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT c.public_id, c.title, c.first_seen_at FROM (
            SELECT id, public_id, title, first_seen_at, alert_due, alerted_at FROM posts
            WHERE id > (SELECT max(id) FROM posts) - $1) c
         WHERE NOT c.alert_due AND c.alerted_at IS NULL
         AND EXISTS (SELECT 1 FROM post_topics k WHERE k.post_id = c.id AND k.alert) ORDER BY c.id DESC",
    )
    .bind(among)
    .fetch_all(c))
}
