//! Topics, by slug.

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
             provisioned = TRUE
         RETURNING id",
    )
    .bind(slug)
    .bind(name)
    .bind(description)
    .bind(public)
    .bind(test)
    .fetch_one(c))
}

/// Marks every topic as no longer in the configuration; [`provision`] brings back those that are.
pub async fn retire_all(tx: &mut Tx) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE topics SET provisioned = FALSE"))
}

/// The topics that the configuration has, in the order they were made.
pub async fn all(tx: &mut Tx) -> Result<Vec<Topic>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, slug, name, description, public, test FROM topics WHERE provisioned ORDER BY id",
    )
    .fetch_all(c))
}

/// The topics that are a test, also those that the configuration has no more.
pub async fn tests(tx: &mut Tx) -> Result<Vec<i64>> {
    on!(tx, c => sqlx::query_scalar("SELECT id FROM topics WHERE test").fetch_all(c))
}
