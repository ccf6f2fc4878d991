//! Where the links of drafts lead, as it was found last.

use super::{Result, Tx, on, touched};
use crate::domain::time::Timestamp;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Link {
    pub checked_at: Timestamp,
    /// What is wrong with it, in words; none where the page is there, or nothing can be said.
    pub fault: Option<String>,
}

/// What is known of a link; none where nobody looked yet.
pub async fn known(tx: &mut Tx, url: &str) -> Result<Option<Link>> {
    on!(tx, c => sqlx::query_as("SELECT checked_at, fault FROM links WHERE url = $1").bind(url).fetch_optional(c))
}

/// Whether this call may look where a link leads, of which `seen` was known; false where somebody else was faster.
pub async fn take(tx: &mut Tx, url: &str, now: Timestamp, seen: Option<Timestamp>) -> Result<bool> {
    let rows = touched!(
        tx,
        sqlx::query(
            "INSERT INTO links (url, checked_at) VALUES ($1, $2)
             ON CONFLICT (url) DO UPDATE SET checked_at = excluded.checked_at WHERE links.checked_at = $3",
        )
        .bind(url)
        .bind(now)
        .bind(seen)
    )?;
    Ok(rows == 1)
}

/// Notes what is wrong with a link, or that nothing is.
pub async fn found(tx: &mut Tx, url: &str, fault: Option<&str>) -> Result<u64> {
    touched!(tx, sqlx::query("UPDATE links SET fault = $2 WHERE url = $1").bind(url).bind(fault))
}

/// Forgets the links that nobody looked at since.
pub async fn forget(tx: &mut Tx, before: Timestamp) -> Result<u64> {
    touched!(tx, sqlx::query("DELETE FROM links WHERE checked_at < $1").bind(before))
}
