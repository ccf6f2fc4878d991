//! All SQL, on SQLite and on PostgreSQL: one text per statement, a named fork where the two must differ. A file per
//! noun; every function takes the transaction it belongs to. Knows rows and keys, no rules and no order of steps.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Postgres, Sqlite, Transaction};
use tokio::time::timeout;

pub mod archive;
pub mod attempts;
pub mod audit;
pub mod bells;
pub mod claims;
pub mod corrections;
pub mod deliveries;
pub mod drafts;
pub mod feeds;
pub mod imports;
pub mod incidents;
pub mod issues;
pub mod links;
pub mod login_attempts;
pub mod missed;
pub mod nodes;
pub mod outcomes;
pub mod pauses;
pub mod pausing;
pub mod posts;
pub mod queue;
pub mod races;
pub mod readers;
pub mod relays;
pub mod schedules;
pub mod sessions;
pub mod settings;
pub mod signups;
pub mod subscribers;
pub mod suppressions;
pub mod tokens;
pub mod topics;
pub mod user_links;
pub mod users;
pub mod watch;
pub mod webhook_calls;

pub type Error = sqlx::Error;
pub type Result<T> = std::result::Result<T, Error>;

/// After so long without a word PostgreSQL ends a transaction, in milliseconds: a node that is suspended in the middle of
/// one would hold its locks, and with them the other nodes, until it wakes. Well below a node's life.
const ABANDONED: &str = "10000";
/// A statement that PostgreSQL doesn't answer for so long has failed: where a network loses a connection's packets and tells
/// nobody, it would never be answered.
const UNANSWERED: Duration = Duration::from_secs(30);
/// The same for the smallest one, by which it shows whether a connection still leads anywhere.
const UNHEARD: Duration = Duration::from_secs(3);
/// How often a checkpoint is tried that readers or writers keep from its end.
const FORGETTING: usize = 10;

/// The database. On SQLite one connection writes and some read; PostgreSQL has one pool.
#[derive(Clone, Debug)]
pub enum Db {
    Sqlite { write: SqlitePool, read: SqlitePool },
    Postgres(PgPool),
}

/// A transaction on either. Dropped without [`Tx::commit`], it never happened.
pub enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one statement on whichever database the transaction is on: `on!(tx, c => sqlx::query("…").execute(c))`.
macro_rules! on {
    ($tx:expr, $c:ident => $run:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(t) => {
                let $c = &mut **t;
                $run.await
            }
            $crate::store::Tx::Postgres(t) => {
                let $c = &mut **t;
                $crate::store::answered($run).await
            }
        }
    };
}
pub(crate) use on;

/// The same for statements without rows: how many were touched.
macro_rules! touched {
    ($tx:expr, $query:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(t) => $query.execute(&mut **t).await.map(|done| done.rows_affected()),
            $crate::store::Tx::Postgres(t) => {
                $crate::store::answered($query.execute(&mut **t)).await.map(|done| done.rows_affected())
            }
        }
    };
}
pub(crate) use touched;

/// A statement in one text that is handed a set as JSON: what stands before that, the set, what its elements are, and what
/// stands behind.
macro_rules! unfold {
    ($tx:expr, $before:literal, $set:literal as $element:ident $(, $behind:literal)?) => {
        $tx.fork(
            concat!($before, "(SELECT value FROM json_each(", $set, "))" $(, $behind)?),
            concat!(
                $before, "(SELECT value::", stringify!($element), " FROM jsonb_array_elements_text(", $set, "::JSONB))"
                $(, $behind)?
            ),
        )
    };
}
use unfold;

impl Db {
    /// Opens the database at `sqlite:PATH` or `postgres://…`; a SQLite file and its folder are made when missing.
    ///
    /// # Errors
    /// When the folder can't be made or the database can't be reached.
    pub async fn open(url: &str) -> Result<Self> {
        if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url)?
                .application_name("bellwether")
                // What is known of the queue's size is always old: by a bitmap all of it is read and sorted for each claim,
                // where its index has it in order.
                .options([("idle_in_transaction_session_timeout", ABANDONED), ("enable_bitmapscan", "off")]);
            // A pool that lets connections grow old has a loop for it, which counts its idle ones by a number that can be below
            // none for a moment: then it goes round 2^64 times, without a rest (sqlx 0.9.0, pool/inner.rs). So none grows old.
            let pool = PgPoolOptions::new()
                .idle_timeout(None)
                .max_lifetime(None)
                .max_connections(10)
                .acquire_timeout(Duration::from_secs(10))
                .test_before_acquire(false)
                .before_acquire(|connection, _| Box::pin(is_heard(connection)))
                .after_release(|connection, _| Box::pin(is_heard(connection)))
                .connect_with(options.clone())
                .await;
            return match pool {
                Ok(pool) => Ok(Self::Postgres(pool)),
                // The pool tried for a while and doesn't say what failed; one more connection does.
                Err(Error::PoolTimedOut) => {
                    Err(PgConnection::connect_with(&options).await.err().unwrap_or(Error::PoolTimedOut))
                }
                Err(error) => Err(error),
            };
        }
        let options = SqliteConnectOptions::from_str(url)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(30))
            .pragma("secure_delete", "on")
            .pragma("cache_size", "-8000");
        // Nothing is measured (`PRAGMA optimize`): what held while the database was small made for plans that read whole
        // tables later. Without figures the plans are those that `tests/store/plans.rs` looks at.
        if let Some(folder) = options.get_filename().parent().filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(Error::Io)?;
        }
        // On a full disk SQLite ends the transaction by itself, which sqlx doesn't hear of: it would begin none on that
        // connection again.
        let pool =
            SqlitePoolOptions::new().idle_timeout(None).max_lifetime(None).before_acquire(|connection, _| {
                let usable = !connection.is_in_transaction();
                Box::pin(async move { Ok(usable) })
            });
        let one = pool.clone().max_connections(1).acquire_timeout(Duration::from_secs(60));
        let mut tries = 0;
        let write = loop {
            match one.clone().connect_with(options.clone()).await {
                // Who turns a new file into one with a write-ahead log doesn't wait for another that does the same.
                Err(error) if is_busy(&error) && tries < 100 => tries += 1,
                opened => break opened?,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let read = pool
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(60))
            // Each has a cache of its own, and reads what the system keeps in memory anyway.
            .connect_with(options.pragma("query_only", "on").pragma("cache_size", "-2000"))
            .await?;
        Ok(Self::Sqlite { write, read })
    }

    /// The file of a SQLite database, by its one name that no link leads to; none in memory or on PostgreSQL.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite { write, .. } => write.connect_options().get_filename().canonicalize().ok(),
            Self::Postgres(_) => None,
        }
    }

    /// Brings the schema up to date; safe to call at every start and from several processes at once: on PostgreSQL sqlx
    /// takes a lock, on SQLite it relies on ours, the writer's.
    ///
    /// # Errors
    /// When a migration fails, or the database was made by a newer version.
    pub async fn migrate(&self) -> std::result::Result<(), sqlx::migrate::MigrateError> {
        match self {
            Self::Sqlite { write, .. } => {
                let mut tx = write.begin_with("BEGIN IMMEDIATE").await?;
                sqlx::migrate!("migrations/sqlite").run(&mut *tx).await?;
                Ok(tx.commit().await?)
            }
            Self::Postgres(pool) => sqlx::migrate!("migrations/postgres").run(pool).await,
        }
    }

    /// A transaction that may write. On SQLite it holds the only writer: keep it to some tens of milliseconds.
    pub async fn begin(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { write, .. } => Tx::Sqlite(write.begin_with("BEGIN IMMEDIATE").await?),
            Self::Postgres(pool) => Tx::Postgres(answered(pool.begin()).await?),
        })
    }

    /// A transaction that only reads; writers don't wait for it.
    pub async fn read(&self) -> Result<Tx> {
        Ok(match self {
            Self::Sqlite { read, .. } => Tx::Sqlite(read.begin().await?),
            Self::Postgres(pool) => Tx::Postgres(answered(pool.begin()).await?),
        })
    }

    /// Goes on from reading to writing: on PostgreSQL in the same transaction, with the locks it took; on SQLite in a new
    /// one, which must ask again for what may have changed meanwhile.
    pub async fn now_writing(&self, tx: Tx) -> Result<Tx> {
        match tx {
            Tx::Sqlite(reading) => {
                reading.commit().await?;
                self.begin().await
            }
            Tx::Postgres(_) => Ok(tx),
        }
    }

    /// Writes a consistent copy of a running SQLite database to a new file.
    ///
    /// # Errors
    /// When the file exists, can't be written, or the database is PostgreSQL (use `pg_dump`).
    pub async fn backup(&self, to: &str) -> Result<()> {
        match self {
            Self::Sqlite { read, .. } => {
                let mut connection = read.acquire().await?;
                // `query_only` is about the database itself; VACUUM INTO writes another file.
                sqlx::query("PRAGMA query_only = off").execute(&mut *connection).await?;
                let done = sqlx::query("VACUUM INTO $1").bind(to).execute(&mut *connection).await;
                sqlx::query("PRAGMA query_only = on").execute(&mut *connection).await?;
                done.map(|_| ())
            }
            Self::Postgres(_) => Err(Error::Configuration(
                "this copies SQLite; for PostgreSQL use pg_dump --format=custom".into(),
            )),
        }
    }

    /// Takes deleted text out of SQLite's write-ahead log as well (it stays there until a truncating checkpoint). False
    /// when somebody who reads for long, as a backup does, kept it from that.
    pub async fn forget(&self) -> Result<bool> {
        let Self::Sqlite { write, .. } = self else { return Ok(true) };
        // A checkpoint that waits for readers keeps every writer out, so it waits for moments only, on its own connection.
        let options = write.connect_options().as_ref().clone();
        let mut connection = options.busy_timeout(Duration::from_millis(100)).connect().await?;
        let mut done = false;
        for _ in 0..FORGETTING {
            let (busy, _, _): (i64, i64, i64) =
                sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await?;
            done = busy == 0;
            if done {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        connection.close().await?;
        Ok(done)
    }

    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Tx {
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await,
            Self::Postgres(tx) => answered(tx.commit()).await,
        }
    }

    /// One statement in two texts, for the few that can't be one.
    const fn fork(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }
}

/// # Errors
/// The statement's, or that PostgreSQL didn't answer it in time.
async fn answered<T>(statement: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(UNANSWERED, statement).await.unwrap_or_else(|_| Err(unanswered()))
}

/// Whether a connection still leads to the database. An error closes it, and whoever wanted it gets another.
async fn is_heard(connection: &mut PgConnection) -> Result<bool> {
    timeout(UNHEARD, connection.ping()).await.unwrap_or_else(|_| Err(unanswered())).map(|()| true)
}

fn unanswered() -> Error {
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database didn't answer in time"))
}

/// A set of keys as a parameter: JSON text, which both databases can unfold.
fn key_set(keys: &[i64]) -> String {
    serde_json::Value::from(keys).to_string()
}

/// A list of words as it is kept in a TEXT column.
fn word_list<T: serde::Serialize>(words: &[T]) -> String {
    serde_json::json!(words).to_string()
}

/// Whether SQLite would not wait for another process.
fn is_busy(error: &Error) -> bool {
    // SQLITE_BUSY, and SQLITE_BUSY_RECOVERY while another goes through the log that a kill left.
    const BUSY: [&str; 2] = ["5", "261"];
    matches!(error, Error::Database(e) if e.code().is_some_and(|code| BUSY.contains(&&*code)))
}

/// Where a database is, for an error: nothing that could hold a password.
pub fn place(url: &str) -> String {
    if url.starts_with("sqlite:") {
        return url.split('?').next().unwrap_or_default().to_owned();
    }
    let parsed = url::Url::parse(url).ok();
    let host = parsed.as_ref().and_then(|url| url.host_str()).filter(|host| !host.is_empty());
    let port = parsed.as_ref().and_then(url::Url::port).map(|port| format!(":{port}")).unwrap_or_default();
    format!("postgres://{}{port}", host.unwrap_or("…"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_databases_place_shows_neither_user_nor_parameters() {
        for (url, shown) in [
            ("sqlite:data/bellwether.db?mode=rwc", "sqlite:data/bellwether.db"),
            ("postgres://desk:hunter2@db.example.org:5433/news", "postgres://db.example.org:5433"),
            ("postgres://desk:hunter2@[::1]/news?sslmode=require", "postgres://[::1]"),
            ("postgresql:///news?host=/run/postgresql&password=hunter2", "postgres://…"),
            ("postgres:desk:hunter2", "postgres://…"),
        ] {
            assert_eq!(place(url), shown);
        }
    }
}
