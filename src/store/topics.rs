//! Topics, by slug. A retired one is offered nowhere, and keeps its subscriptions.

use super::{Result, Tx, on, touched};

#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Topic {
    pub id: i64,
    pub slug: String,
    pub name: String,
    pub description: String,
    /// What is published on it is in the public archive, unless somebody says otherwise.
    pub public: bool,
    /// What is published on it reaches the test addresses alone.
    pub test: bool,
    /// It stands in the configuration, and is changed there.
    pub provisioned: bool,
    pub retired: bool,
}

/// Makes or renames a topic that stands in the configuration, and says whether it is `public` and a `test`.
pub async fn provision(
    tx: &mut Tx,
    slug: &str,
    name: &str,
    description: &str,
    (public, test): (bool, bool),
) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO topics (slug, name, description, public, test, provisioned) VALUES ($1, $2, $3, $4, $5, TRUE)
         ON CONFLICT (slug) DO UPDATE
         SET name = excluded.name, description = excluded.description, public = excluded.public, test = excluded.test,
             provisioned = TRUE,
             retired = FALSE
         RETURNING id",
    )
    .bind(slug)
    .bind(name)
    .bind(description)
    .bind(public)
    .bind(test)
    .fetch_one(c))
}

/// Retires every topic of the configuration, and gives it to the newsroom; [`provision`] brings back those that are still
/// there.
pub async fn retire_provisioned(tx: &mut Tx) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE topics SET provisioned = FALSE, retired = TRUE WHERE provisioned"))
}

/// The topics that aren't retired, in the order they were made.
pub async fn all(tx: &mut Tx) -> Result<Vec<Topic>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, slug, name, description, public, test, provisioned, retired FROM topics WHERE NOT retired ORDER BY id",
    )
    .fetch_all(c))
}

/// The topics that are a test, also those that the configuration has no more.
pub async fn tests(tx: &mut Tx) -> Result<Vec<i64>> {
    on!(tx, c => sqlx::query_scalar("SELECT id FROM topics WHERE test").fetch_all(c))
}

/// All there ever were, in that order.
pub async fn ever(tx: &mut Tx) -> Result<Vec<Topic>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, slug, name, description, public, test, provisioned, retired FROM topics ORDER BY id",
    )
    .fetch_all(c))
}

/// Also a retired one.
pub async fn by_slug(tx: &mut Tx, slug: &str) -> Result<Option<Topic>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, slug, name, description, public, test, provisioned, retired FROM topics WHERE slug = $1",
    )
    .bind(slug)
    .fetch_optional(c))
}

/// Makes one of the newsroom's. False where there is one of this slug.
pub async fn insert(tx: &mut Tx, slug: &str, name: &str, description: &str, public: bool) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "INSERT INTO topics (slug, name, description, public, provisioned) VALUES ($1, $2, $3, $4, FALSE)
             ON CONFLICT (slug) DO NOTHING",
        )
        .bind(slug)
        .bind(name)
        .bind(description)
        .bind(public)
    )?;
    Ok(rows == 1)
}

/// Changes one of the newsroom's. False where it is the configuration's.
pub async fn change(tx: &mut Tx, id: i64, name: &str, description: &str, public: bool) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "UPDATE topics SET name = $2, description = $3, public = $4 WHERE id = $1 AND NOT provisioned"
        )
        .bind(id)
        .bind(name)
        .bind(description)
        .bind(public)
    )?;
    Ok(rows == 1)
}

/// Retires one of the newsroom's, or brings it back. False where it is so already, or the configuration's.
pub async fn set_retired(tx: &mut Tx, id: i64, retired: bool) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query("UPDATE topics SET retired = $2 WHERE id = $1 AND retired <> $2 AND NOT provisioned")
            .bind(id)
            .bind(retired)
    )?;
    Ok(rows == 1)
}

/// How many active readers have each topic.
pub async fn readers(tx: &mut Tx) -> Result<Vec<(i64, i64)>> {
    on!(tx, c => sqlx::query_as(
        "SELECT u.topic_id, count(*) FROM subscriptions u JOIN subscribers s ON s.id = u.subscriber_id
         WHERE s.state = 'active' GROUP BY u.topic_id",
    )
    .fetch_all(c))
}

/// The retired topics that this reader has.
pub async fn retired_of(tx: &mut Tx, subscriber_id: i64) -> Result<Vec<i64>> {
    on!(tx, c => sqlx::query_scalar(
        "SELECT t.id FROM subscriptions u JOIN topics t ON t.id = u.topic_id WHERE u.subscriber_id = $1 AND t.retired",
    )
    .bind(subscriber_id)
    .fetch_all(c))
}
