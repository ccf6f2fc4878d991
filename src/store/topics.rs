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
}

/// Makes or renames a topic that stands in the configuration.
pub async fn provision(tx: &mut Tx, slug: &str, name: &str, description: &str, public: bool) -> Result<i64> {
    on!(tx, c => sqlx::query_scalar(
        "INSERT INTO topics (slug, name, description, public, provisioned) VALUES ($1, $2, $3, $4, TRUE)
         ON CONFLICT (slug) DO UPDATE
         SET name = excluded.name, description = excluded.description, public = excluded.public, provisioned = TRUE
         RETURNING id",
    )
    .bind(slug)
    .bind(name)
    .bind(description)
    .bind(public)
    .fetch_one(c))
}

/// Marks every topic as no longer in the configuration; [`provision`] brings back those that are.
pub async fn retire_all(tx: &mut Tx) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE topics SET provisioned = FALSE"))
}

/// The topics that the configuration has, in the order they were made.
pub async fn all(tx: &mut Tx) -> Result<Vec<Topic>> {
    on!(tx, c => sqlx::query_as(
        "SELECT id, slug, name, description, public FROM topics WHERE provisioned ORDER BY id",
    )
    .fetch_all(c))
}
