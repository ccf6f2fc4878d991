//! Nodes on PostgreSQL wake each other by LISTEN and NOTIFY; on SQLite there is one. A lost notice costs nothing but the
//! time to the next look.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::timeout;

use super::{Db, Result, Tx, answered, on};

const CHANNEL: &str = "bellwether";
/// After so long without a word it is asked whether the connection still leads anywhere.
const QUIET: Duration = Duration::from_secs(60);

/// Tells every node, once this transaction is committed, that mail is queued.
pub async fn ring(tx: &mut Tx) -> Result<()> {
    let sql = tx.fork("SELECT NULL WHERE $1 IS NULL", "SELECT pg_notify($1, '')::TEXT");
    on!(tx, c => sqlx::query_scalar(sql).bind(CHANNEL).fetch_optional(c)).map(|_: Option<Option<String>>| ())
}

/// What other nodes ring; none on SQLite.
pub struct Bell(PgListener);

impl Bell {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn of(db: &Db) -> Result<Option<Self>> {
        let Db::Postgres(pool) = db else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(Self(listener)))
    }

    /// Waits until it is rung, or may have been while the connection was lost.
    ///
    /// # Errors
    /// When the database can't be reached.
    pub async fn rung(&mut self) -> Result<()> {
        loop {
            // None: the connection was lost, and is made again by the next call.
            match timeout(QUIET, self.0.try_recv()).await {
                Ok(heard) => return heard.map(drop),
                // Whether somebody would be heard at all; who listens already goes on doing so.
                Err(_) => answered(self.0.listen(CHANNEL)).await?,
            }
        }
    }
}
