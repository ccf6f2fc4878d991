//! What an installation keeps about itself, by name: its id, the key of the suppression hashes.

use super::{Result, Tx, on, touched};

/// The value under `name`; `fresh` is stored and returned when there is none yet. Two nodes that start together end
/// up with the same one.
pub async fn get_or_set(tx: &mut Tx, name: &str, fresh: &[u8]) -> Result<Vec<u8>> {
    touched!(
        tx,
        sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(name)
            .bind(fresh)
    )?;
    on!(tx, c => sqlx::query_scalar("SELECT value FROM settings WHERE name = $1").bind(name).fetch_one(c))
}
